"""One epoch under way: scores of the training batches, and a listener that can pause and stop within one batch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from core.progress import OnProgress, ShouldStop, StepCurve, report
from core.training.losses import one_hot

_PAUSE_S = 0.1


class RunningScores(keras.metrics.Metric):
    """Accuracy and mean IoU of the pixels of an epoch so far, from one matrix of counts (float32: an estimate above 16 million)."""

    def __init__(self, classes: int):
        super().__init__(name="scores")
        self.counts = self.add_variable((classes, classes), "zeros", name="counts", dtype="float32")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count class ids (n, h, w) against probabilities (n, h, w, K)."""
        classes = self.counts.shape[0]
        truth = ops.reshape(one_hot(y_true, classes), (-1, classes))
        guess = ops.reshape(one_hot(ops.argmax(y_pred, axis=-1), classes), (-1, classes))
        self.counts.assign_add(ops.matmul(ops.transpose(truth), guess))

    def result(self):
        """The scores so far, as scalars: `accuracy` and `mean_iou`."""
        counts = ops.convert_to_tensor(self.counts)
        hits, there = ops.diag(counts), ops.sum(counts, axis=1)
        iou = hits / ops.maximum(there + ops.sum(counts, axis=0) - hits, 1.0)
        present = ops.cast(there > 0, "float32")
        return {
            "accuracy": ops.sum(hits) / ops.maximum(ops.sum(counts), 1.0),
            "mean_iou": ops.sum(iou * present) / ops.maximum(ops.sum(present), 1.0),
        }

    def reset_state(self):
        """Forget what was counted."""
        self.counts.assign(ops.zeros_like(self.counts))


class Pulse(keras.callbacks.Callback):
    """Reports each batch; waits while `should_pause`; ends the epoch at once on `should_stop` or a loss that is no number.

    `on_steps` hears the curve of the epoch's loss so far.

    After an epoch `stopped` and `broken_at` (the step, or None) tell whether it was cut short, and `waited_s` how long
    it was paused.
    """

    def __init__(
        self,
        *,
        epochs: int,
        steps: int,
        on_progress: OnProgress | None,
        should_stop: ShouldStop | None,
        should_pause: Callable[[], bool] | None,
        on_steps: Callable[[dict[str, Any]], None] | None = None,
    ):
        super().__init__()
        self.epochs, self.steps = epochs, steps
        self.on_progress, self.should_stop, self.should_pause, self.on_steps = on_progress, should_stop, should_pause, on_steps
        self.curve = StepCurve()
        self.epoch, self.stopped, self.broken_at, self.waited_s = 0, False, None, 0.0

    def on_train_begin(self, logs=None):
        """Each epoch is a training of its own, with a curve of its own."""
        self.curve = StepCurve()

    def on_train_batch_end(self, batch, logs=None):
        """Report the batch, wait while asked to, and end the epoch where it has to end."""
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            self.broken_at = batch + 1
            self.model.stop_training = True
            return
        report(self.on_progress, self.epoch * self.steps + batch + 1, self.epochs * self.steps, self._message(batch, loss))
        if self.on_steps is not None:
            self.curve.add(batch + 1, loss)
            at, losses = [step for step, _ in self.curve.points], [mean for _, mean in self.curve.points]
            self.on_steps({"epoch": self.epoch + 1, "steps": self.steps, "at": at, "loss": losses})
        while self.should_pause is not None and self.should_pause() and not self.asked_to_stop():
            time.sleep(_PAUSE_S)
            self.waited_s += _PAUSE_S
        if self.asked_to_stop():
            self.stopped = True
            self.model.stop_training = True

    def _message(self, batch: int, loss: float) -> str:
        return f"epoch {self.epoch + 1} of {self.epochs}, step {batch + 1} of {self.steps}, loss {loss:.4f}"

    def asked_to_stop(self) -> bool:
        """Whether the user wants an end; a job's answer takes as long as its pause lasts."""
        if self.should_stop is None:
            return False
        asked = time.monotonic()
        answer = self.should_stop()
        self.waited_s += time.monotonic() - asked
        return answer
