"""A network made ready to train on what the machine has: precision, several GPUs, compiled step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from core.files import replacing
from core.learning.losses import SegmentationLoss
from core.learning.networks.registry import build
from core.learning.optimizers import make_optimizer
from core.learning.running import RunningScores
from core.learning.settings import TrainSettings
from core.learning.start_weights import Copied, start

_MIXED = "mixed_float16"


@dataclass(frozen=True)
class Prepared:
    """`trainer` is compiled and trained; `network` is the float32 network to save, the same layers unless precision is mixed."""

    network: keras.Model
    trainer: keras.Model
    copied: Copied | None
    device: str

    def variables(self) -> list[keras.Variable]:
        """Everything that a resumed run needs back: weights, statistics, random seeds, optimizer."""
        return [variable for layer in self.trainer.layers for variable in layer.variables] + list(self.trainer.optimizer.variables)

    def save(self, path: Path) -> None:
        """Write the trained float32 network, without optimizer, as a `.keras` file."""
        if self.network is not self.trainer:
            self.network.set_weights(self.trainer.get_weights())
        with replacing(path, suffix=".keras") as temporary:
            self.network.save(temporary)


def prepare_network(
    settings: TrainSettings, encoder: str | None, *, sizes: Mapping[str, int], loss_weights: Sequence[float] | None, fresh: bool
) -> Prepared:
    """Build, load starting weights if `fresh`, and compile. Random numbers all come from the settings' seed."""
    keras.utils.set_random_seed(settings.seed)
    gpus = visible_gpus()
    mixed = settings.mixed_precision == "on" or (settings.mixed_precision == "auto" and gpus > 0)
    with _strategy(gpus):
        network = _build(settings, encoder, sizes)
        copied = None
        if fresh and settings.weights != "none":
            copied = start(network, settings.weights, architecture=settings.architecture, encoder=encoder)
        with _policy(_MIXED if mixed else None):
            inner = _build(settings, encoder, sizes) if mixed else network
        if mixed:
            inner.set_weights(network.get_weights())
        # A model object of its own keeps the saved network free of optimizer, loss and metrics.
        trainer = keras.Model(inner.inputs, inner.outputs[0], name="trainer")
        trainer.compile(
            optimizer=make_optimizer(settings),
            loss=SegmentationLoss(settings.loss, loss_weights),
            metrics=[RunningScores(sizes["classes"])],
            jit_compile=keras.backend.backend() == "jax",
        )
        trainer.optimizer.build(trainer.trainable_variables)
    return Prepared(network, trainer, copied, _device_name(gpus, mixed))


def _build(settings: TrainSettings, encoder: str | None, sizes: Mapping[str, int]) -> keras.Model:
    return build(settings.architecture, encoder=encoder, filters=settings.filters, dropout=settings.dropout, **sizes)


def visible_gpus() -> int:
    """Number of accelerators that the backend may use."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return len(tf.config.get_visible_devices("GPU"))
    import jax

    return sum(device.platform != "cpu" for device in jax.devices())


def _device_name(gpus: int, mixed: bool) -> str:
    place = "CPU" if not gpus else "1 GPU" if gpus == 1 else f"{gpus} GPUs"
    return f"{place}, {keras.backend.backend()}" + (", mixed precision" if mixed else "")


def _strategy(gpus: int) -> contextlib.AbstractContextManager:
    if gpus > 1 and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.distribute.MirroredStrategy().scope()
    return contextlib.nullcontext()


@contextlib.contextmanager
def _policy(name: str | None) -> Iterator[None]:
    before = keras.config.dtype_policy()
    if name:
        keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
