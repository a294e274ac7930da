"""Scores of a network on rows of a patch store, from exact pixel counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from core.confusion import Confusion
from core.patches.class_view import Patches
from core.progress import ShouldStop, check
from core.training.feeding import plain_batches

if TYPE_CHECKING:
    import keras


def validate(
    network: keras.Model,
    store: Patches,
    rows: np.ndarray,
    normalise: Callable[[np.ndarray], np.ndarray],
    *,
    batch_size: int,
    loss: Callable[[Any, Any], Any] | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[Confusion, float]:
    """Counts over all pixels of the rows, and the loss as the mean over batches weighted by labelled pixels (NaN without).

    Raises Cancelled.
    """
    confusion = Confusion.empty(network.output_shape[-1])
    total, weight = 0.0, 0
    for images, truth in plain_batches(store, rows, normalise, batch_size=batch_size):
        check(should_stop)
        probabilities = np.asarray(network.predict_on_batch(images))
        before = confusion.pixels
        confusion = confusion.add(truth, probabilities.argmax(-1))
        if loss is not None:
            pixels = confusion.pixels - before
            total += float(loss(truth, probabilities)) * pixels
            weight += pixels
    return confusion, total / weight if weight else float("nan")


def predict_rows(network: keras.Model, store: Patches, rows: np.ndarray, normalise: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Predicted ids uint8 (n, h, w) of a few rows."""
    batches = [network.predict_on_batch(images) for images, _ in plain_batches(store, rows, normalise, batch_size=4)]
    return np.concatenate(batches).argmax(-1).astype(np.uint8)
