"""Where to look next: the answer is unsure there, the ground looks like nothing that was painted, and nobody has been there yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.labelling.answer import Answer
from core.labelling.features import TILE_PX
from core.labelling.samples import Samples
from core.progress import ShouldStop, check
from core.scenes.scene import Window

NOWHERE = -1
"""Class id of a cell that holds nothing, or lies outside the area of work."""
_MOST_COMPARED = 400
_LEAST_KNOWN = 0.25


@dataclass(frozen=True, eq=False)
class Survey:
    """A small picture of an answer: each cell stands for `step_px` x `step_px` pixels of `window`.

    `doubt` float32 (h, w) from 0 (sure) to 1, `unlike` float32 (h, w) how far its look is from the nearest painted pixel's, in standard
    deviations, `ids` int16 (h, w) its class, -1 nowhere.
    """

    window: Window
    step_px: int
    doubt: np.ndarray
    unlike: np.ndarray
    ids: np.ndarray


def survey(answer: Answer, samples: Samples, window: Window, *, step_px: int = 8, should_stop: ShouldStop | None = None) -> Survey:
    """Look over a window of the scene by each `step_px`-th pixel, tile by tile; `samples` are those that the answer was learnt from."""
    painted = samples.values[samples.strokes >= 0]
    known = painted[np.random.default_rng(0).permutation(len(painted))[:_MOST_COMPARED]].astype(np.float32)
    width = known.std(axis=0) + 1e-3
    shape = -(-window.height // step_px), -(-window.width // step_px)
    doubt, unlike, ids = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.full(shape, NOWHERE, np.int16)
    strip = max(step_px, TILE_PX // step_px * step_px)
    for row in range(0, window.height, strip):
        for col in range(0, window.width, strip):
            check(should_stop)
            part = Window(window.row + row, window.col + col, strip, strip).intersect(window)
            found = answer.probabilities(part, every=step_px)
            here = slice(row // step_px, row // step_px + found.shape[0]), slice(col // step_px, col // step_px + found.shape[1])
            doubt[here], ids[here] = doubt_of(found)
            looks = answer.features.read(part, every=step_px).astype(np.float32)
            unlike[here] = _distance(looks / width, known / width)
    return Survey(window, step_px, doubt, unlike, ids)


def doubt_of(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Doubt float32 (h, w), 1 less the lead of the likeliest class over the next, and its id int16 (h, w); 0 and -1 where all are 0."""
    known = probabilities.any(axis=-1)
    best = np.sort(probabilities, axis=-1)
    lead = best[..., -1] - (best[..., -2] if probabilities.shape[-1] > 1 else 0)
    ids = np.where(known, probabilities.argmax(axis=-1), NOWHERE).astype(np.int16)
    return np.where(known, 1 - lead, 0).astype(np.float32), ids


def next_place(found: Survey, visited: Sequence[Window], *, view_px: tuple[int, int]) -> Window | None:
    """The view (height, width in pixels) to show next, None when every place was visited.

    Places are the rectangles of a grid of views. Of each the mean doubt counts, up to doubled where the ground is unlike what was painted;
    less near to places that were visited, and less of a class that many of them show. A place whose middle was visited never comes again.
    """
    rows, cols = (max(1, round(size / found.step_px)) for size in view_px)
    height, width = found.ids.shape
    top = float(found.unlike[found.ids >= 0].max(initial=0))
    worth = found.doubt * (1 + (found.unlike / top if top > 0 else 0))
    seen = [_cells(found, one) for one in visited]
    counts = _classes_of(found.ids, seen)
    best, chosen = 0.0, None
    for row in range(0, height, rows):
        for col in range(0, width, cols):
            place = Window(row, col, min(rows, height - row), min(cols, width - col))
            ids = found.ids[place.slices]
            here = ids >= 0
            if here.mean() < _LEAST_KNOWN and here.sum() < rows * cols * _LEAST_KNOWN:
                continue
            middle = place.row + place.height / 2, place.col + place.width / 2
            if any(one.row <= middle[0] < one.row_stop and one.col <= middle[1] < one.col_stop for one in seen):
                continue
            value = float(worth[place.slices][here].mean()) + 1e-9
            value *= _spread(middle, seen, max(rows, cols)) / (1 + counts.get(_most_frequent(ids[here]), 0))
            if value > best:
                best, chosen = value, place
    if chosen is None:
        return None
    step, inside = found.step_px, found.window
    return Window(inside.row + chosen.row * step, inside.col + chosen.col * step, chosen.height * step, chosen.width * step).intersect(
        inside
    )


def _spread(middle: tuple[float, float], seen: Sequence[Window], size: int) -> float:
    """From a third beside a place that was visited to 1 far from all."""
    if not seen:
        return 1.0
    near = min(np.hypot(one.row + one.height / 2 - middle[0], one.col + one.width / 2 - middle[1]) for one in seen)
    return float(near / (near + 2 * size))


def _cells(found: Survey, window: Window) -> Window:
    """A window of the scene in cells of the survey."""
    row, col = (window.row - found.window.row) // found.step_px, (window.col - found.window.col) // found.step_px
    return Window(row, col, max(1, window.height // found.step_px), max(1, window.width // found.step_px))


def _classes_of(ids: np.ndarray, seen: Sequence[Window]) -> dict[int, int]:
    """How many of the visited places show each class most."""
    counts: dict[int, int] = {}
    for one in seen:
        inside = one.intersect(Window(0, 0, *ids.shape))
        here = ids[inside.slices]
        if (here >= 0).any():
            most = _most_frequent(here[here >= 0])
            counts[most] = counts.get(most, 0) + 1
    return counts


def _most_frequent(ids: np.ndarray) -> int:
    return int(np.bincount(ids).argmax())


def _distance(looks: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Distance float32 (h, w) of each look (h, w, F) from the nearest known one (n, F), per feature; 0 where it is NaN."""
    flat = looks.reshape(-1, looks.shape[-1])
    square = (flat**2).sum(axis=1)[:, None] + (known**2).sum(axis=1) - 2 * flat @ known.T
    near = np.sqrt(np.maximum(square.min(axis=1), 0) / looks.shape[-1])
    return np.nan_to_num(near).reshape(looks.shape[:2]).astype(np.float32)
