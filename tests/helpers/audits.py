"""Simulated audits of maps whose truth is known: as a person would answer, many at once."""

import numpy as np

from core.evaluation.certify.estimate import wilson
from core.evaluation.certify.strata import Strata, allocated, batch_end


def shares_in(strata: Strata, cells: np.ndarray) -> np.ndarray:
    """True classes in each stratum (H, K), of a map's pixels (K, 256, K) by its class, its confidence level and the true class."""
    rows = [cells[name, low : int(high) + 1].sum(0) for name, low, high in zip(strata.predicted, strata.low, strata.high, strict=True)]
    return np.array(rows) / strata.pixels[:, None]


def audited(strata: Strata, shares: np.ndarray, points: int, audits: int, seed: int) -> np.ndarray:
    """Answers int (A, H, K) of so many audits, given out in batches as the page does."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((audits, *shares.shape), np.int64)
    planned = np.zeros(counts.shape[:2], np.int64)
    end = 0
    while end < points:
        end = batch_end(strata, end, points)
        right = counts[:, np.arange(len(shares)), strata.predicted]
        wanted = allocated(strata, end, wrong=planned - right, drawn=planned, planned=planned, room=strata.pixels)
        counts += rng.multinomial(wanted - planned, shares)
        planned = wanted
    return counts


def simply_sampled(accuracy: float, points: int, audits: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's intervals (A,) of the accuracy from points drawn at random all over the map."""
    right = np.random.default_rng(seed).binomial(points, accuracy, audits) / points
    return wilson(right, np.full(audits, 0.5), np.full(audits, 0.5 / np.sqrt(points)))


def truth_of(strata: Strata, shares: np.ndarray) -> dict[str, np.ndarray]:
    """What the estimates of a map with these true classes (H, K) in its strata are to be."""
    own = strata.predicted[:, None] == np.arange(shares.shape[1])
    part = strata.weight[:, None] * shares
    right = (part * own).sum(0)
    with np.errstate(invalid="ignore"):
        return {"accuracy": right.sum(), "users": right / (strata.weight @ own), "producers": right / part.sum(0), "area": part.sum(0)}


def map_of(accuracy: float, weights: tuple[float, ...], *, knows: float) -> np.ndarray:
    """Pixels int64 (K, 256, K) of a made-up map of this accuracy, by its class, its confidence level and the true class.

    knows: how much the confidence tells of the errors, from 0 (nothing) to 1 (all that it says). Classes differ in their errors.
    """
    classes, level = len(weights), np.arange(256) / 255
    density = level**6 * (1 - level) ** 0.5 + 1e-3
    told = (1 - knows) * (1 - level) @ density / density.sum() + knows * (1 - level)
    each = np.array(weights)[:, None] / sum(weights) * density / density.sum()
    error = told * np.linspace(0.6, 1.6, classes)[:, None]
    for _ in range(50):  # errors are shares: those at the top stay there while the others make up for it
        error = np.clip(error * (1 - accuracy) / (each * error).sum(), 0, 0.95)
    elsewhere = np.roll(np.eye(classes), 1, axis=1) * 0.8 + (1 - np.eye(classes)) * 0.2 / (classes - 1)
    wrong = (each * error)[..., None] * (elsewhere / elsewhere.sum(1, keepdims=True))[:, None]
    right = (each * (1 - error))[..., None] * np.eye(classes)[:, None]
    return np.round(1e8 * (wrong + right)).astype(np.int64)
