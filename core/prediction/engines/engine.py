"""One batch of patches through a network, as fast as this machine can: OpenVINO on a CPU, TensorFlow otherwise.

OpenVINO reads the network from an exchange file that is made once per model and kept in a cache folder. Making it
needs TensorFlow, in a process of its own; every later run does without it. "fast" is the model's int8 network, where
`core.prediction.engines.quantising` has made one.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from core.digests import content_digest
from core.errors import ExportError, ModelError, SettingsError
from core.files import dump_json, replacing_folder
from core.model_store.models import Model, find_model
from core.model_store.serving.graph import quiet_openvino, save, sized
from core.prediction.engines.int8 import GOOD_AGREEMENT, NETWORK_FILE, int8_folder, read_int8
from core.prediction.settings import ENGINES, PatchSize, plain_size, sides, told_size
from core.reading.readable import refusing
from core.words import share_words
from core.workspace import PROJECT

_TOLERANCE = 1e-3
_CONVERSION = 2  # raised when `convert` changes, so that files in the cache are made anew


@dataclass
class Engine:
    """A network ready to run: raw patches (n, height, width, bands) in, probabilities float32 (n, height, width, classes) out.

    `run` takes normalised float32 patches. `doubt` is a sentence about its answers that the user must know, "" for none.
    `seconds` is the time spent in calls so far, normalisation included.
    """

    name: str
    run: Callable[[np.ndarray], np.ndarray]
    normalise: Callable[..., np.ndarray]
    classes: int
    patch_size: PatchSize
    batch_size: int = 1
    doubt: str = ""
    seconds: float = field(default=0.0, init=False)

    def __call__(self, patches: np.ndarray, limits: np.ndarray | None = None) -> np.ndarray:
        """Probabilities float32 (n, h, w, K) of patches (n, h, w, B) as they are read, `limits` (2, B) those of their scene if needed."""
        begun = time.perf_counter()
        result = self.run(self.normalise(patches) if limits is None else self.normalise(patches, limits))
        self.seconds += time.perf_counter() - begun
        return result


def open_engine(
    model: Model, *, engine: str = "auto", batch_size: int | None = None, patch_size: PatchSize | None = None, threads: int | None = None
) -> Engine:
    """Make a model ready to predict.

    `engine` "auto" takes OpenVINO where it is installed and no graphics card can be used, TensorFlow otherwise; "fast"
    takes the int8 network that was made of the model.
    `patch_size` in pixels is the card's by default. `threads` are those of OpenVINO, all cores by default; TensorFlow's are its process's.
    Raises SettingsError for an unknown engine, ModelError when the
    model does not run in it or does not take such patches.
    """
    if engine not in ENGINES:
        raise SettingsError(f"the engine {engine!r}", expected=" or ".join(ENGINES), do="Choose auto when in doubt")
    size = patch_size or plain_size(*model.card.patch_shape)
    installed = importlib.util.find_spec("openvino") is not None
    if engine in ("openvino", "fast") and not installed:
        raise SettingsError(
            "no OpenVINO on this machine", expected="the package openvino", do="Install it with pip, or choose the engine tensorflow"
        )
    if model.served and not installed:
        raise SettingsError(
            f"no OpenVINO on this machine, whose network {model.card.name} is", expected="the package openvino", do="Install it with pip"
        )
    if model.served and engine == "tensorflow":
        raise SettingsError(
            f"the engine tensorflow for {model.card.name}, which is {model.served}",
            expected="openvino, auto, or fast once its int8 network is made",
            do="Choose the engine auto",
        )
    if engine == "fast":
        return _fast(model, size, batch_size, threads)
    if engine == "openvino" or model.served:
        return _openvino(model, size, batch_size, threads)
    if engine == "tensorflow" or not installed or _graphics_card():
        return _tensorflow(model, size, batch_size)
    try:
        return _openvino(model, size, batch_size, threads)
    except ModelError:
        # A network that OpenVINO cannot take, or that is broken: TensorFlow runs it, or says what is wrong with it.
        return _tensorflow(model, size, batch_size)


def cache_folder() -> Path:
    """Where converted networks are kept: $GROUNDLINE_CACHE, or `groundline` in the user's cache folder."""
    if "GROUNDLINE_CACHE" in os.environ:
        return Path(os.environ["GROUNDLINE_CACHE"])
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "groundline"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "groundline"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "groundline"


def convert(keras_model, patch_size: PatchSize, folder: Path, *, told: Path | None = None) -> Path:
    """Write a Keras model for patches of `patch_size` as OpenVINO network and compare the two on random input.

    Raises ModelError when it cannot be converted or answers differently, ExportError when it cannot be written, naming `told`
    where `folder` is only the place that it is made in.
    """
    import tensorflow as tf

    openvino = quiet_openvino()
    _tell_version(tf.__version__)
    bands = int(keras_model.input_shape[-1])
    lean = _with_plain_upsampling(keras_model)
    function = tf.function(lambda patches: lean(patches, training=False))
    traced = function.get_concrete_function(tf.TensorSpec([None, *sides(patch_size), bands], tf.float32))
    try:
        network = openvino.convert_model(traced)
    except Exception as error:  # OpenVINO raises half a dozen types, some of them its own base class only
        raise ModelError(
            f"a network that OpenVINO does not take ({str(error)[:200]})",
            expected="layers that it knows",
            do="Choose the engine tensorflow",
        ) from error
    with replacing_folder(folder) as temporary:
        with writing(told or folder):
            openvino.save_model(network, temporary / NETWORK_FILE, compress_to_fp16=False)
        sample = np.random.default_rng(0).random((1, *sides(patch_size), bands), np.float32)
        expected = np.asarray(keras_model(sample, training=False))
        found = compiled(temporary / NETWORK_FILE, 1)(sample)
        difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else float("inf")
        if not difference <= _TOLERANCE:
            raise ModelError(
                f"an OpenVINO network that differs from Keras by {difference:.2g}",
                expected=f"at most {_TOLERANCE}",
                do="Choose the engine tensorflow",
            )
    return folder / NETWORK_FILE


def writing(path: Path) -> AbstractContextManager[None]:
    """Libraries that write networks tell of a full disk or a limit by errors of their own: as an ExportError that names `path`."""
    do = "Free some space, raise the limit, or choose another place"
    return refusing(str(path), ExportError, "room for the file", found="{} cannot be written", do=do)


def _tell_version(version: str) -> None:
    """Tell OpenVINO TensorFlow's version: it finds it by `exec` in a way that Python 3.13 no longer allows (PEP 667; OpenVINO 2026.4)."""
    from openvino.frontend.tensorflow import utils

    utils.get_environment_setup = lambda framework: {"tensorflow": version}


def _with_plain_upsampling(keras_model):
    """The same network with nearest upsampling as one operation: Keras repeats pixels by tiling, a tenth of the time."""
    import keras
    import tensorflow as tf

    class Nearest(keras.layers.Layer):
        def __init__(self, size: tuple[int, int], **settings):
            super().__init__(**settings)
            self.size = size

        def call(self, values):
            return tf.image.resize(values, [length * times for length, times in zip(values.shape[1:3], self.size, strict=True)], "nearest")

        def compute_output_shape(self, shape):
            return shape[0], shape[1] * self.size[0], shape[2] * self.size[1], shape[3]

    def replaced(layer):
        if isinstance(layer, keras.layers.UpSampling2D) and layer.interpolation == "nearest" and layer.data_format == "channels_last":
            return Nearest(tuple(layer.size), name=layer.name)
        return layer

    try:
        return keras.models.clone_model(keras_model, clone_function=replaced, recursive=True)
    except ValueError:
        return keras_model  # a network that is not a graph of layers: it is converted as it is


def _openvino(model: Model, size: PatchSize, batch_size: int | None, threads: int | None) -> Engine:
    batch = batch_size or 1
    run = compiled(network_file(model, size), batch, threads)
    return Engine("openvino", run, model.card.normalise, len(model.card.scheme), size, batch)


def _fast(model: Model, size: PatchSize, batch_size: int | None, threads: int | None) -> Engine:
    record = read_int8(model)
    if sides(record.patch_size) != sides(size):
        raise SettingsError(
            f"patches of {told_size(size)} px for the engine fast",
            expected=f"{told_size(record.patch_size)} px, which the int8 network was made for",
            do="Choose that patch size, or the engine auto",
        )
    doubt = ""
    if record.agreement < GOOD_AGREEMENT:
        same = f"The int8 network gives {share_words(record.agreement, 1)} of pixels the same label as the model."
        doubt = f"{same} Choose the engine auto to be exact."
    batch = batch_size or 1
    run = compiled(int8_folder(model) / NETWORK_FILE, batch, threads)
    return Engine("fast", run, model.card.normalise, len(model.card.scheme), size, batch, doubt)


def network_file(model: Model, size: PatchSize) -> Path:
    """The model's network in 32 bits as OpenVINO reads it, converted where that was not done yet. Raises ModelError."""
    path = cache_folder() / "openvino" / _key(model, size) / NETWORK_FILE
    if not path.exists() and model.served:
        with replacing_folder(path.parent) as temporary:
            save(sized(model.file, model.card, sides(size)), temporary / NETWORK_FILE)
    elif not path.exists():
        _convert_apart(model, size, path.parent)
    return path


def _convert_apart(model: Model, size: PatchSize, folder: Path) -> None:
    """Convert in a process of its own, so that TensorFlow's memory is given back; here when it is loaded anyway."""
    height, width = sides(size)
    if "tensorflow" in sys.modules:
        convert(model.keras_model(height=height, width=width), size, folder)
        return
    environment = {
        **os.environ,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-m", "core.prediction.engines.engine", str(model.file), f"{height}x{width}", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ModelError(
            f"a model that could not be converted for OpenVINO ({reason[:300]})",
            expected="a Keras network",
            do="Choose the engine tensorflow",
        )


def compiled(path: Path, batch: int, threads: int | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """A network file, ready to run on the CPU: normalised float32 (n, h, w, B) -> float32 (n, h, w, K), in batches of `batch`.

    `threads`: cores to take, all by default.
    """
    core = quiet_openvino().Core()
    network = core.read_model(path)
    shape = network.inputs[0].get_partial_shape()
    shape[0] = batch
    network.reshape(shape)
    # Newer processors would compute in bfloat16 unless told: 2e-3 away from Keras instead of 1e-6.
    config: dict[str, str | bool | int] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads is not None:
        # Pinned, the workers of a machine would all sit on its first core.
        config |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
    ready = core.compile_model(network, "CPU", config)
    output = next(port for port in ready.outputs if len(port.get_partial_shape()) == 4)
    request = ready.create_infer_request()

    def run(patches: np.ndarray) -> np.ndarray:
        parts = []
        for at in range(0, len(patches), batch):
            part = patches[at : at + batch]
            missing = batch - len(part)
            full = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)]) if missing else part
            request.infer([np.ascontiguousarray(full)], share_inputs=True)
            parts.append(request.get_tensor(output).data[: len(part)].copy())
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    return run


def _tensorflow(model: Model, size: PatchSize, batch_size: int | None) -> Engine:
    import tensorflow as tf

    height, width = sides(size)
    network = model.keras_model(height=height, width=width)
    signature = [tf.TensorSpec([None, height, width, int(network.input_shape[-1])], tf.float32)]
    function = tf.function(lambda patches: network(patches, training=False), input_signature=signature)
    batch = batch_size or (16 if tf.config.list_physical_devices("GPU") else 4)
    return Engine("tensorflow", lambda patches: function(patches).numpy(), model.card.normalise, len(model.card.scheme), size, batch)


def _key(model: Model, size: PatchSize) -> str:
    card = model.card
    digest = hashlib.sha256(content_digest(model.file).encode())
    digest.update(dump_json([card.architecture, card.encoder, card.output, card.network, size, version("openvino"), _CONVERSION]).encode())
    return digest.hexdigest()[:24]


def _graphics_card() -> bool:
    """Whether TensorFlow is likely to have a graphics card to itself, without importing it to ask."""
    try:
        version("tensorflow-metal" if sys.platform == "darwin" else "tensorflow")
    except PackageNotFoundError:
        return False
    return sys.platform == "darwin" or shutil.which("nvidia-smi") is not None


def _main(arguments: list[str]) -> int:
    path, size, folder = arguments
    height, width = map(int, size.split("x"))
    convert(find_model(path).keras_model(height=height, width=width), (height, width), Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
