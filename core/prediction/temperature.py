"""Probabilities that are made less or more sure of themselves, by the one number that a model's card keeps."""

from __future__ import annotations

import numpy as np

_LEAST = np.float32(1e-7)


def with_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities float32 (..., K) raised to 1 / temperature and divided by their sum (Guo et al. 2017, arXiv:1706.04599).

    The logarithms of the probabilities take the place of the logits, so this also serves blended probabilities. The order
    of the classes does not change; 1.0 changes nothing; pixels without any probability stay 0.
    """
    if temperature == 1.0:
        return probabilities
    highest = probabilities.max(axis=-1, keepdims=True)
    scaled = np.maximum(probabilities, _LEAST * highest) / np.maximum(highest, _LEAST)
    np.log(scaled, out=scaled, where=scaled > 0)
    np.exp(scaled * np.float32(1 / temperature), out=scaled)
    scaled /= scaled.sum(axis=-1, keepdims=True)
    # Rounding must not make a runner-up as large as the winner.
    below = np.nextafter(scaled.max(axis=-1, keepdims=True), np.float32(0))
    np.minimum(scaled, below, out=scaled, where=probabilities < highest)
    return np.where(highest > 0, scaled, np.float32(0))
