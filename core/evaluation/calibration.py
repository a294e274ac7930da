"""Whether a confidence of 80 % is right in 80 % of the pixels, and the one number that mends it.

Guo, Pleiss, Sun, Weinberger (2017): On calibration of modern neural networks, arXiv:1706.04599.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.prediction.temperature import with_temperature

BINS = 15
COLDEST, HOTTEST = 0.05, 20.0
_LEAST = 1e-7


@dataclass(frozen=True, eq=False)
class Reliability:
    """Bins of confidence (B,): pixels, mean confidence and share that is right; NaN in empty bins. `edges` (B + 1,)."""

    edges: np.ndarray
    pixels: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def ece(self) -> float:
        """Expected calibration error: mean distance of confidence and accuracy, weighted by pixels; NaN without pixels."""
        if not self.pixels.sum():
            return float("nan")
        return float(np.nansum(np.abs(self.confidence - self.accuracy) * self.pixels) / self.pixels.sum())


def reliability(confidence: np.ndarray, right: np.ndarray, *, bins: int = BINS, weights: np.ndarray | None = None) -> Reliability:
    """Bins of equal width from confidences float (n,) in 0..1 and whether each is right; `weights` (n,) count pixels."""
    weights = np.ones(len(confidence)) if weights is None else weights
    place = np.clip(np.ceil(np.asarray(confidence, np.float64) * bins - 1e-9).astype(int) - 1, 0, bins - 1)
    pixels = np.bincount(place, weights, minlength=bins)
    known = np.where(pixels > 0, pixels, np.nan)
    return Reliability(
        np.linspace(0, 1, bins + 1),
        pixels.astype(np.int64),
        np.bincount(place, weights * confidence, minlength=bins) / known,
        np.bincount(place, weights * right, minlength=bins) / known,
    )


def reliability_of_bytes(counts: np.ndarray, *, bins: int = BINS) -> Reliability:
    """Bins from int64 (2, 256): wrong and right pixels by the byte of their confidence, 255 = 1.0."""
    values = np.tile(np.arange(256) / 255, 2)
    return reliability(values, np.repeat([0.0, 1.0], 256), bins=bins, weights=np.asarray(counts, np.float64).ravel())


def fit_temperature(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """The temperature with the least negative log-likelihood of `truth` int (n,), for probabilities float (n, K).

    Newton's method on 1 / T, in which the loss is convex, kept inside 0.05 to 20 by bisection; 1.0 without pixels.
    """
    if len(truth) == 0:
        return 1.0
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64), _LEAST))
    logs -= logs.max(axis=1, keepdims=True)
    own = logs[np.arange(len(truth)), truth].mean()
    low, high, inverse = 1 / HOTTEST, 1 / COLDEST, 1.0
    for _ in range(60):
        weights = np.exp(inverse * logs)
        weights /= weights.sum(axis=1, keepdims=True)
        mean = (weights * logs).sum(axis=1)
        slope = mean.mean() - own
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        curvature = ((weights * logs**2).sum(axis=1) - mean**2).mean()
        proposed = inverse - slope / curvature if curvature > 1e-12 else (low + high) / 2
        proposed = proposed if low < proposed < high else (low + high) / 2
        if abs(proposed - inverse) < 1e-7 * inverse:
            break
        inverse = proposed
    return float(1 / inverse)


def after_temperature(probabilities: np.ndarray, truth: np.ndarray, temperature: float) -> Reliability:
    """Reliability of a sample, probabilities float32 (n, K), once a temperature is applied."""
    scaled = with_temperature(np.asarray(probabilities, np.float32), temperature)
    return reliability(scaled.max(axis=1), scaled.argmax(axis=1) == truth)
