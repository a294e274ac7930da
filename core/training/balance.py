"""Weights against unequal classes, for the loss and for choosing patches."""

from __future__ import annotations

import numpy as np

from core.errors import SettingsError


def class_weights(kind: str, counts: np.ndarray) -> np.ndarray | None:
    """Float64 (K,) with mean 1 over the classes that occur, from pixel counts (K,); None for "none".

    "inverse": 1 / frequency. "median": median frequency / frequency (Eigen and Fergus 2015). "effective": inverse of the
    effective number of samples (Cui et al. 2019) with beta 0.999, counted in thousandths of all pixels. A class that
    does not occur gets 0. Weights are held between 1/20 and 20 of their mean, so that a speck of pixels cannot rule.
    """
    if kind == "none":
        return None
    counts = np.asarray(counts, np.float64)
    there = counts > 0
    weights = np.zeros(len(counts))
    share = counts[there] / max(counts.sum(), 1.0)
    if kind == "inverse":
        weights[there] = 1.0 / share
    elif kind == "median":
        weights[there] = np.median(share) / share
    elif kind == "effective":
        beta = 0.999
        weights[there] = (1 - beta) / (1 - beta ** (share * 1000.0))
    else:
        raise SettingsError(f"class_weights {kind!r}", expected="none, inverse, median or effective", do="Change class_weights")
    weights[there] /= weights[there].mean()
    weights[there] = np.clip(weights[there], 0.05, 20.0)
    weights[there] /= weights[there].mean()
    return weights


def patch_weights(counts: np.ndarray) -> np.ndarray:
    """Float64 (N,) that sums to 1: how often to draw each patch so that rare classes appear, from counts (N, K).

    Each class gives an equal share of the draws, divided among the patches by the pixels they hold of it.
    """
    counts = np.asarray(counts, np.float64)
    totals = counts.sum(0)
    there = totals > 0
    if not there.any():
        return np.full(len(counts), 1.0 / max(len(counts), 1))
    return (counts[:, there] / totals[there]).mean(1)


def half_weights(counts: np.ndarray) -> np.ndarray:
    """As `patch_weights`, for every second draw; the others take each patch equally often."""
    return (patch_weights(counts) + 1.0 / max(len(counts), 1)) / 2
