"""One step on several devices or machines at once: each computes a part of the batch, and the gradients are averaged.

TensorFlow's strategies: `MirroredStrategy` on one machine, `MultiWorkerMirroredStrategy` on the machines that the variable
`TF_CONFIG` names. The loop over batches is our own, because Keras's `fit` fails under the second one.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.claims import scratch
from core.errors import SettingsError
from core.training.checkpoints import Place

if TYPE_CHECKING:
    import keras

    from core.training.running import Pulse, RunningScores

MACHINES_VARIABLE = "TF_CONFIG"


def machines() -> tuple[int, bool]:
    """How many machines train together, and whether this one is the chief, which alone writes files.

    Raises SettingsError for a TF_CONFIG that names no place for this machine.
    """
    text = os.environ.get(MACHINES_VARIABLE)
    if not text:
        return 1, True
    try:
        value = json.loads(text)
        cluster, task = value["cluster"], value["task"]
        places = [(kind, index) for kind in ("chief", "worker") for index in range(len(cluster.get(kind, ())))]
        mine = places.index((task["type"], int(task["index"])))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"a {MACHINES_VARIABLE} that cannot be used ({type(error).__name__}: {error})",
            expected='{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}',
            do="Correct the variable, or unset it to train on this machine alone",
        ) from error
    return len(places), mine == 0


@functools.cache
def strategy() -> Any:
    """The TensorFlow strategy for all that this process may use; None for a single device.

    Made once, before anything else of TensorFlow runs. Processor devices count when somebody has divided the processor.
    """
    import tensorflow as tf

    if machines()[0] > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.get_visible_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    parts = [device.name for device in tf.config.list_logical_devices("CPU")]
    return tf.distribute.MirroredStrategy(parts) if len(parts) > 1 else None


class SpreadTrainer:
    """Runs epochs of a compiled Keras model that was built in the scope of `strategy`."""

    def __init__(self, strategy: Any, trainer: keras.Model, scores: RunningScores):
        import tensorflow as tf

        self.strategy, self.trainer, self.scores = strategy, trainer, scores
        self._step = tf.function(self._one_step, reduce_retracing=True)
        self._sum = tf.function(lambda value: strategy.reduce("SUM", strategy.run(lambda mine: mine, (value,)), axis=None))

    def fit(self, batches: Any, pulse: Pulse) -> dict[str, float]:
        """One pass over distributed batches; loss, accuracy and mean IoU of all parts together."""
        self.trainer.reset_metrics()
        self.trainer.stop_training = False
        pulse.set_model(self.trainer)
        loss = 0.0
        for number, batch in enumerate(batches):
            loss = float(self._step(batch))
            pulse.on_train_batch_end(number, {"loss": loss})
            if self._anybody_stops():
                pulse.stopped = pulse.broken_at is None
                break
        return {"loss": loss, **{name: float(value) for name, value in self.scores.result().items()}}

    def refuse_other_epochs(self, epoch: int) -> None:
        """Raise SettingsError unless all machines are after the same epoch; without it they would train different networks."""
        count = machines()[0]
        if count > 1 and float(self._sum(float(epoch**2))) * count != float(self._sum(float(epoch))) ** 2:
            raise SettingsError(
                f"machines that go on after different epochs (this one after {epoch})",
                expected="one folder that all machines see",
                do="Give the same shared folder to each machine, or start anew without resume",
            )

    def leave_together(self) -> None:
        """Wait until every machine is here: one that left before the chief has written everything could start again from less."""
        if machines()[0] > 1:
            self._sum(0.0)

    def _one_step(self, batch: Any) -> Any:
        """Take one step; the mean loss of the epoch so far."""
        logs = self.strategy.run(lambda part: self.trainer.train_step(part), args=(batch,))
        return self.strategy.reduce("MEAN", logs["loss"], axis=None)

    def _anybody_stops(self) -> bool:
        if machines()[0] == 1:
            return self.trainer.stop_training
        # A machine that left alone would leave the others waiting for its gradients.
        return float(self._sum(float(self.trainer.stop_training))) > 0


@contextmanager
def writing_place(folder: Path, *, resume: bool) -> Iterator[Path]:
    """The folder that this machine writes a run into: `folder` itself for the chief, a temporary one for the others.

    With `resume` the others begin with a copy of what the run left, so all machines have to see `folder` then.
    """
    if machines()[1]:
        yield folder
        return
    with scratch() as temporary:
        place = temporary / folder.name
        begun = Place(folder, resume=True).now if resume else folder
        if resume and begun.is_dir():
            shutil.copytree(begun, place, ignore=shutil.ignore_patterns(".*", "previews", "tensorboard"))
        yield place
