"""95 % intervals of scores, by drawing scenes anew (the bootstrap of Efron 1979): pixels of one scene are not independent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import InputError

FEWEST_SCENES = 5
DRAWS = 2000
_AT_ONCE = 250
SINGLE = ("accuracy", "mean_iou", "micro_iou", "mean_f1", "kappa")
PER_CLASS = ("iou", "precision", "recall", "f1")


def scores_of(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Scores of many matrices at once: counts (..., K, K), rows = truth, to arrays (...) and, by class, (..., K).

    A class without truth is NaN and stays out of the means, as in `Confusion`.
    """
    counts = np.asarray(counts, np.float64)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    truth, found = counts.sum(-1), counts.sum(-2)
    total, right, present = truth.sum(-1), hits.sum(-1), truth > 0
    iou = np.where(present, _ratio(hits, truth + found - hits), np.nan)
    f1 = np.where(present, _ratio(2 * hits, truth + found), np.nan)
    accuracy = _ratio(right, total)
    chance = _ratio((truth * found).sum(-1), total**2)
    return {
        "accuracy": accuracy,
        "mean_iou": _mean(iou),
        "micro_iou": _ratio(right, 2 * total - right),
        "mean_f1": _mean(f1),
        "kappa": _ratio(accuracy - chance, 1 - chance),
        "iou": iou,
        "precision": np.where(present, _ratio(hits, found), np.nan),
        "recall": np.where(present, _ratio(hits, truth), np.nan),
        "f1": f1,
    }


@dataclass(frozen=True)
class Intervals:
    """Low and high ends of 95 % intervals by score, floats or arrays (K,); empty where `text` says why there are none."""

    low: Mapping[str, Any]
    high: Mapping[str, Any]
    scenes: int
    text: str

    def of(self, score: str, number: int | None = None) -> tuple[float, float] | None:
        """The interval of a score, of one class where `number` is given; None when there is none."""
        if score not in self.low:
            return None
        low, high = self.low[score], self.high[score]
        ends = (float(low), float(high)) if number is None else (float(low[number]), float(high[number]))
        return None if np.isnan(ends).any() else ends


def bootstrap(counts: np.ndarray, *, seed: int = 0, draws: int = DRAWS) -> Intervals:
    """95 % intervals of the scores of all scenes together; counts int (S, K, K), one matrix per scene."""
    return _intervals(np.asarray(counts), None, seed, draws)


def bootstrap_difference(counts: np.ndarray, others: np.ndarray, *, seed: int = 0, draws: int = DRAWS) -> Intervals:
    """95 % intervals of (scores of `others` - scores of `counts`), both int (S, K, K) over the same scenes in the same order.

    Each draw takes the same scenes of both, so what makes a scene hard for both cancels. Raises InputError when the
    shapes differ.
    """
    counts, others = np.asarray(counts), np.asarray(others)
    if counts.shape != others.shape:
        raise InputError(
            f"counts of shape {counts.shape} and {others.shape}", expected="the same scenes and classes", do="Compare their common scenes"
        )
    return _intervals(counts, others, seed, draws)


def _intervals(counts: np.ndarray, others: np.ndarray | None, seed: int, draws: int) -> Intervals:
    scenes = len(counts)
    if scenes < FEWEST_SCENES:
        word = "scene" if scenes == 1 else "scenes"
        return Intervals({}, {}, scenes, f"No interval: {scenes} {word} cannot tell how much scores vary from scene to scene (5 can).")
    rng = np.random.default_rng(seed)
    collected: dict[str, list[np.ndarray]] = {}
    for begin in range(0, draws, _AT_ONCE):
        times = rng.multinomial(scenes, np.full(scenes, 1 / scenes), size=min(_AT_ONCE, draws - begin)).astype(np.float64)
        found = scores_of(np.tensordot(times, counts.astype(np.float64), 1))
        if others is not None:
            second = scores_of(np.tensordot(times, others.astype(np.float64), 1))
            found = {name: second[name] - values for name, values in found.items()}
        for name, values in found.items():
            collected.setdefault(name, []).append(values)
    low, high = {}, {}
    for name, parts in collected.items():
        low[name], high[name] = _quantiles(np.concatenate(parts))
    few = " With so few scenes it is rough." if scenes < 10 else ""
    return Intervals(low, high, scenes, f"95 % interval over {scenes} scenes, {draws} draws.{few}")


def _quantiles(values: np.ndarray) -> tuple[Any, Any]:
    """The 2.5 and 97.5 % quantiles along the draws; NaN where a score is known in less than half of the draws."""
    known = ~np.isnan(values)
    enough = known.mean(axis=0) >= 0.5
    filled = np.where(enough, values, 0.0)
    low, high = np.nanquantile(filled, (0.025, 0.975), axis=0)
    return np.where(enough, low, np.nan), np.where(enough, high, np.nan)


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    top, bottom = np.broadcast_arrays(top, bottom)
    return np.divide(top, bottom, out=np.full(bottom.shape, np.nan), where=bottom > 0)


def _mean(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0).sum(-1), known.sum(-1).astype(np.float64))
