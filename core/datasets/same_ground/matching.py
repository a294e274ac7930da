"""Which pictures may show the same ground, told from their points, and how the one then lies on the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.datasets.same_ground.points import Points, turned
from core.progress import OnProgress, ShouldStop, check, report

_TOGETHER = 50_000  # points of all pictures that are compared at once: the more pictures, the fewer of each
_MOST_EACH = 250
_DIMENSIONS = 32
_VOTES = 3
_CANDIDATES = 12
_AT_ONCE = 24
_MATCHES = 90
_FEWEST = 5
_LARGEST_TURN = np.radians(10)
_SCALES = 2.4
_NEAR_PX = 3.0

Turn = tuple[int, int, int]
"""Two pictures by their numbers, and by how many quarters the second is turned to fit the first."""


def candidates(
    pictures: Sequence[Points], apart: Sequence[str], *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None
) -> list[Turn]:
    """Pictures that have points alike and do not belong together (`apart` names what each belongs to), in an order of their numbers.

    Each picture's points vote for the pictures and turns whose points are most alike; the dozen with most votes are candidates.
    """
    number = len(pictures)
    each = min(_MOST_EACH, max(16, _TOGETHER // max(1, number)))
    basis = _basis(pictures)
    own, four = np.zeros((number, each, _DIMENSIONS), np.float32), np.zeros((number, 4, each, _DIMENSIONS), np.float32)
    for i, points in enumerate(pictures):
        some = points.around[:each]
        own[i, : len(some)] = _flat(some) @ basis
        for quarters in range(4):
            four[i, quarters, : len(some)] = _flat(turned(some, quarters)) @ basis
    groups = np.unique(np.asarray(apart), return_inverse=True)[1]
    found: set[Turn] = set()
    for i in range(number):
        check(should_stop)
        report(on_progress, i, number, "Looking for the same ground twice")
        count = min(each, len(pictures[i]))
        others = np.flatnonzero(groups != groups[i])
        if not count or not len(others):
            continue
        likest = np.empty((count, len(others), 4), np.float32)
        for start in range(0, len(others), _AT_ONCE):
            some = four[others[start : start + _AT_ONCE]]
            alike = own[i, :count] @ some.reshape(-1, _DIMENSIONS).T
            likest[:, start : start + len(some)] = alike.reshape(count, len(some), 4, each).max(axis=3)
        flat = likest.reshape(count, -1)
        most = min(_VOTES + 1, flat.shape[1])
        top = np.argpartition(flat, flat.shape[1] - most, axis=1)[:, -most:]
        height = np.take_along_axis(flat, top, axis=1)
        weight = height - height.min(axis=1, keepdims=True)
        votes = np.bincount(top.ravel(), weight.ravel(), minlength=flat.shape[1])
        for place in np.argsort(-votes)[:_CANDIDATES]:
            if votes[place] > 0:
                j, quarters = int(others[place // 4]), int(place % 4)
                found.add((i, j, quarters) if i < j else (j, i, -quarters % 4))
    return sorted(found)


def fit(first: Points, second: Points, quarters: int) -> tuple[np.ndarray, int] | None:
    """How the first picture lies on the second, turned by about `quarters`: float (2, 3), from (row, column, 1) of the first's pixels
    to the second's, and the number of points that agree; None where too few do.
    """
    alike = _flat(first.around) @ _flat(turned(second.around, quarters)).T
    there = alike.argmax(axis=1)
    here = np.flatnonzero(alike.argmax(axis=0)[there] == np.arange(len(first)))
    there = there[here]
    best = alike[here, there]
    rivals = alike[here]
    down, right = (second.places[there, axis, None] - second.places[:, axis] for axis in (0, 1))
    close = down**2 + right**2 < (6 * second.factor) ** 2
    rivals[close] = -1
    margin = best - rivals.max(axis=1)
    order = np.argsort(-margin)[:_MATCHES]
    here, there = here[order], there[order]
    if len(here) < _FEWEST:
        return None
    a, b = (points.places[which].astype(float) @ (1j, 1.0) for points, which in ((first, here), (second, there)))
    sizes = second.sizes[there] / first.sizes[here]
    scale, move = _hypotheses(a, b, sizes, quarters, 16 * first.factor)
    if not len(scale):
        return None
    near = _NEAR_PX * max(second.factor, first.factor * float(np.median(sizes)))
    agree = np.abs(scale[:, None] * a + move[:, None] - b) < near
    agree &= np.abs(np.log(sizes / np.abs(scale)[:, None])) < np.log(1.5)
    chosen = agree[agree.sum(axis=1).argmax()]
    for _ in range(3):
        if chosen.sum() < _FEWEST:
            return None
        scale, move = np.linalg.lstsq(np.column_stack([a[chosen], np.ones(chosen.sum())]), b[chosen], rcond=None)[0]
        chosen = np.abs(scale * a + move - b) < near
    cells = np.unique((first.places[here[chosen]] / (8 * first.factor)).astype(int), axis=0)
    matrix = np.array([[scale.real, scale.imag, move.imag], [-scale.imag, scale.real, move.real]])
    return (matrix, len(cells)) if len(cells) >= _FEWEST else None


def _hypotheses(a: np.ndarray, b: np.ndarray, sizes: np.ndarray, quarters: int, apart: float) -> tuple[np.ndarray, np.ndarray]:
    """Similarities b = scale a + move, complex (h,), through every two matches that agree on the turn and on the size."""
    i, j = np.triu_indices(len(a), 1)
    reach = a[i] - a[j]
    far = np.abs(reach) > apart
    i, j, reach = i[far], j[far], reach[far]
    scale = (b[i] - b[j]) / reach
    # Rows point down: in the plane of (column, row) a turn against the clock is negative.
    turn = np.angle(scale * np.exp(-1j * np.pi / 2 * quarters))
    size = np.abs(scale)
    both = np.log(np.sqrt(sizes[i] * sizes[j]) / np.maximum(size, 1e-9))
    good = (np.abs(turn) < _LARGEST_TURN) & (size < _SCALES) & (size > 1 / _SCALES) & (np.abs(both) < np.log(1.4))
    return scale[good], b[i[good]] - scale[good] * a[i[good]]


def _basis(pictures: Sequence[Points]) -> np.ndarray:
    """The 32 directions, float32 (128, 32), in which points differ most, in all four turns."""
    some = [turned(points.around[k % 7 :: 7], k % 4) for k, points in enumerate(pictures) if len(points)]
    flat = _flat(np.concatenate(some)) if some else np.zeros((1, 128), np.float32)
    centred = flat - flat.mean(axis=0)
    return np.linalg.eigh(centred.T @ centred)[1][:, -_DIMENSIONS:].astype(np.float32)


def _flat(around: np.ndarray) -> np.ndarray:
    """Unit vectors float32 (n, 128)."""
    flat = around.reshape(len(around), 128).astype(np.float32)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
