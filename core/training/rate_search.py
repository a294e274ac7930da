"""Which learning rate to take: one short run in which it rises from step to step (Smith 2017, cyclical learning rates)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.claims import scratch
from core.errors import Cancelled, SettingsError
from core.patches.joined import Prepared
from core.progress import OnProgress, ShouldStop
from core.training.feeding import epoch_rows
from core.training.one_vs_rest import one_network
from core.training.run import Run
from core.training.settings import TrainSettings

_MEMORY = 0.9
"""Weight of the past in the smoothed loss."""
_DIVERGED = 4.0
_WORSE_THAN_FIRST = 1.25
_FIRST_LOOK = 10


def rate_test(
    store: Prepared,
    settings: TrainSettings,
    *,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> dict[str, Any]:
    """Raise the learning rate exponentially from `lowest` to `highest` in `steps` steps and watch the loss.

    The network starts as the run would (`settings.weights`) and is thrown away; nothing that exists is changed. Ends
    early when the smoothed loss is 4 times its lowest or a quarter above its first value.

    Returns "rates", "losses" and "smoothed" (one number per step taken), "suggested" (the rate at the steepest fall of
    the smoothed loss; None when it never fell), "lowest_loss_rate", "diverged" (whether it ended early), "batch_size",
    "optimizer" and "loss". Raises InputError as training would, Cancelled.
    """
    if not 0 < lowest < highest <= 100 or not 10 <= steps <= 10_000:
        raise SettingsError(
            f"a rate test from {lowest:g} to {highest:g} in {steps} steps",
            expected="0 < lowest < highest <= 100 and 10 to 10000 steps",
            do="Change the range or the steps",
        )
    patches, settings, _ = one_network(store, settings)
    rates = lowest * (highest / lowest) ** (np.arange(steps) / (steps - 1))
    with scratch() as temporary:
        run = Run(patches, temporary / "rates", settings)
        run.open(resume=False)
        try:
            order = epoch_rows(run.train_rows, batch_size=settings.batch_size, seed=settings.seed, epoch=0, steps=steps, weights=run.draw)
            rise = _rise(run.trainer.optimizer, rates, on_progress, should_stop)
            run.prepared.fit(run.batches(order, epoch=0), rise)
        finally:
            run.events.close()
    if rise.stopped:
        raise Cancelled("stopped by the user")
    losses = rise.losses
    smoothed = smooth(losses)
    return {
        "rates": rates[: len(losses)].tolist(),
        "losses": losses,
        "smoothed": smoothed,
        "suggested": suggest(rates[: len(losses)], smoothed),
        "lowest_loss_rate": float(rates[int(np.argmin(smoothed))]) if smoothed else None,
        "diverged": rise.diverged,
        "batch_size": order.shape[1],
        "optimizer": settings.optimizer,
        "loss": settings.loss,
    }


def smooth(losses: Sequence[float]) -> list[float]:
    """Exponential mean with weight 0.9 of the past, divided by its own weight so that the start is not drawn to zero."""
    mean, smoothed = 0.0, []
    for number, loss in enumerate(losses, start=1):
        mean = _MEMORY * mean + (1 - _MEMORY) * loss
        smoothed.append(mean / (1 - _MEMORY**number))
    return smoothed


def suggest(rates: Sequence[float] | np.ndarray, smoothed: Sequence[float]) -> float | None:
    """The rate at which the smoothed loss falls most steeply over the logarithm of the rate, before its lowest value.

    None when the loss never fell.
    """
    end = int(np.argmin(smoothed)) if len(smoothed) else 0
    if end < 2:
        return None
    slopes = np.gradient(np.asarray(smoothed[: end + 1]), np.log(np.asarray(rates[: end + 1])))
    # The first steps tell the luck of their batches rather than the rate.
    first = min(_FIRST_LOOK // 2, end // 2)
    return float(rates[first + int(np.argmin(slopes[first:]))])


def _rise(optimizer: Any, rates: np.ndarray, on_progress: OnProgress | None, should_stop: ShouldStop | None) -> Any:
    from core.training.running import Pulse

    class Rise(Pulse):
        """Sets the rate of the next step and keeps the loss of this one, told from the mean so far."""

        def __init__(self):
            super().__init__(epochs=1, steps=len(rates), on_progress=on_progress, should_stop=should_stop, should_pause=None)
            self.losses: list[float] = []
            self.diverged, self._sum, self._mean, self._best, self._first = False, 0.0, 0.0, math.inf, 0.0
            optimizer.learning_rate = float(rates[0])

        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            if self.broken_at is not None:
                self.diverged = True
                return
            total = float((logs or {})["loss"]) * (batch + 1)
            self.losses.append(total - self._sum)
            self._sum = total
            smoothed = smooth(self.losses)[-1]
            self._best = min(self._best, smoothed)
            if batch == _FIRST_LOOK:
                self._first = smoothed
            if batch > _FIRST_LOOK and smoothed > min(_DIVERGED * self._best, _WORSE_THAN_FIRST * self._first):
                self.diverged = self.model.stop_training = True
            elif batch + 1 < len(rates):
                optimizer.learning_rate = float(rates[batch + 1])

        def _message(self, batch, loss):
            return f"step {batch + 1} of {len(rates)}, learning rate {rates[batch]:.2g}"

    return Rise()
