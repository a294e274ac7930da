"""A network made ready to train on what the machine has: precision, several GPUs, compiled step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras

from core.files import replacing
from core.model_store.starting.start_weights import Copied, start
from core.networks.architectures import build
from core.networks.freezing import freeze
from core.training.checkpoints import NetworkFile
from core.training.losses import SegmentationLoss
from core.training.optimizers import make_optimizer
from core.training.running import Pulse, RunningScores
from core.training.settings import TrainSettings
from core.training.spread import SpreadTrainer, machines, strategy


@dataclass(frozen=True)
class Prepared:
    """`trainer` is compiled and trained; `network` is the float32 network to save, the same layers unless precision is mixed.

    `predictor` shares the trainer's weights and runs on one device. `spread` is there when a step uses several.
    """

    network: keras.Model
    trainer: keras.Model
    predictor: keras.Model
    copied: Copied | None
    device: str
    spread: SpreadTrainer | None = None

    def fit(self, batches: Any, pulse: Pulse) -> dict[str, float]:
        """Train on each batch once: loss, accuracy and mean_iou of the epoch."""
        if self.spread is not None:
            return self.spread.fit(batches, pulse)
        logs = self.trainer.fit(batches, epochs=1, verbose=0, shuffle=False, callbacks=[pulse]).history
        return {name: float(logs[name][-1]) for name in ("loss", "accuracy", "mean_iou")}

    def variables(self) -> list[keras.Variable]:
        """Everything that a resumed run needs back: weights, statistics, random seeds, optimizer."""
        return [variable for layer in self.trainer.layers for variable in layer.variables] + list(self.trainer.optimizer.variables)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Within it the networks hold the moving averages of their weights, where the settings ask for them."""
        if not self.trainer.optimizer.use_ema:
            yield
            return
        last = [keras.ops.convert_to_numpy(variable) for variable in self.trainer.trainable_variables]
        self.trainer.optimizer.finalize_variable_values(self.trainer.trainable_variables)
        try:
            yield
        finally:
            for variable, value in zip(self.trainer.trainable_variables, last, strict=True):
                variable.assign(value)

    def save(self, path: Path) -> None:
        """Write the trained float32 network, without optimizer, as a `.keras` file."""
        if self.network is not self.trainer:
            self.network.set_weights(self.trainer.get_weights())
        with replacing(path, suffix=".keras") as temporary:
            self._file.write(temporary)

    @cached_property
    def _file(self) -> NetworkFile:
        return NetworkFile(self.network)


def prepare_network(
    settings: TrainSettings,
    encoder: str | None,
    *,
    sizes: Mapping[str, int],
    options: Mapping[str, Any],
    loss_weights: Sequence[float] | None,
    fresh: bool,
    **callables: Any,
) -> Prepared:
    """Build, load starting weights if `fresh`, and compile. Random numbers all come from the settings' seed.

    `options` is what the builder takes besides the sizes, as a card's `network` has it.
    `callables` are `on_progress` and `should_stop`, for weights that have to be downloaded.
    """
    spread = strategy() if keras.backend.backend() == "tensorflow" else None
    keras.utils.set_random_seed(settings.seed)
    policy = mixed_policy(settings.mixed_precision, capabilities())
    # Filters are told to an encoder's network too, which refuses them.
    built = {"encoder": encoder, "filters": settings.filters, **options, **sizes}
    with spread.scope() if spread else contextlib.nullcontext():
        network = build(settings.architecture, **built)
        copied = None
        if fresh and settings.weights != "none":
            copied = start(network, settings.weights, architecture=settings.architecture, encoder=encoder, **callables)
        with _policy(policy):
            inner = build(settings.architecture, **built) if policy else network
        if policy:
            inner.set_weights(network.get_weights())
        # A model object of its own keeps the saved network free of optimizer, loss and metrics.
        mine = freeze(inner, settings.architecture, encoder, settings.freeze, settings.encoder_rate)
        trainer = keras.Model(inner.inputs, inner.outputs[0], name="trainer")
        slow = [number for number, variable in enumerate(trainer.trainable_variables) if id(variable) in mine]
        scores = RunningScores(sizes["classes"])
        trainer.compile(
            optimizer=make_optimizer(settings, slow),
            loss=SegmentationLoss(settings.loss, loss_weights),
            metrics=[scores],
            jit_compile=keras.backend.backend() == "jax",
        )
        trainer.optimizer.build(trainer.trainable_variables)
    predictor = keras.Model(inner.inputs, inner.outputs[0], name="predictor")
    parts = SpreadTrainer(spread, trainer, scores) if spread else None
    return Prepared(network, trainer, predictor, copied, device_name(policy), parts)


def capabilities() -> list[tuple[int, ...]]:
    """Compute capability of each accelerator that the backend may use, for example (8, 0); (0,) where it is not told."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        details = [tf.config.experimental.get_device_details(device) for device in tf.config.get_visible_devices("GPU")]
        return [tuple(each.get("compute_capability") or (0,)) for each in details]
    import jax

    return [(0,) for device in jax.devices() if device.platform != "cpu"]


def mixed_policy(setting: str, accelerators: Sequence[tuple[int, ...]]) -> str | None:
    """Keras's policy for layers in 16 bits, or None for 32.

    NVIDIA's chips have fast 16-bit units from capability 7.0 on, and the wide-ranged bfloat16, which needs no scaled
    loss, from 8.0 on. Processors compute in it too, but rarely faster: only when asked to with "on".
    """
    weakest = min(accelerators, default=(0,))
    if setting == "off" or (setting == "auto" and weakest < (7, 0)):
        return None
    return "mixed_float16" if (7, 0) <= weakest < (8, 0) else "mixed_bfloat16"


def device_name(policy: str | None) -> str:
    """What a step runs on, for people: "CPU", "2 GPUs", "2 machines"; with the precision when it is mixed."""
    gpus, (count, _) = len(capabilities()), machines()
    place = "CPU" if not gpus else "1 GPU" if gpus == 1 else f"{gpus} GPUs"
    place = f"{count} machines, {place} each" if count > 1 else place
    return f"{place}, {keras.backend.backend()}" + (f", mixed precision ({policy.removeprefix('mixed_')})" if policy else "")


@contextlib.contextmanager
def _policy(name: str | None) -> Iterator[None]:
    before = keras.config.dtype_policy()
    if name:
        keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
