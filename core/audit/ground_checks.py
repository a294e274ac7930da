"""What the audit tells of ground that images of different groups show: how much of it, and how far the labels agree there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.audit.findings import Finding, files_of
from core.confusion import counts_of_pairs
from core.datasets.datasets import Dataset
from core.datasets.pairs import Pair
from core.datasets.same_ground.overlaps import Overlap, carried, joined
from core.errors import MaskError, SceneError
from core.progress import ShouldStop, check
from core.scenes.scene import Window
from core.words import counted, listed, share_words

_SIDE_PX = 768
_LEAST_LABELLED = 200
_AGREE = 0.9
_MOST_COMPARED = 400
_TOLD = 3
_OUTSIDE = 254


@dataclass(frozen=True)
class Agreement:
    """How far the labels of one place agree in two images.

    `labelled` is the share of the place that both label, `alike` the share of that with equal labels, `inside` the same away from
    outlines, which never lie quite alike; `mean_iou` is over the classes that either shows. `apart` are the names of the two
    classes that disagree most, the first image's first, and their share of what both label.
    """

    first: str
    second: str
    labelled: float
    alike: float
    inside: float
    mean_iou: float
    apart: tuple[str, str, float] | None = None

    @property
    def disagrees(self) -> bool:
        """Whether it is worth a look."""
        return self.inside < _AGREE

    def to_dict(self) -> dict[str, Any]:
        """The agreement in plain values."""
        return {
            "labelled": round(self.labelled, 4),
            "alike": round(self.alike, 4),
            "alike_inside": round(self.inside, 4),
            "mean_iou": round(self.mean_iou, 4),
            "apart": None if self.apart is None else [*self.apart[:2], round(self.apart[2], 4)],
        }


def agreements(dataset: Dataset, overlaps: Sequence[Overlap], *, should_stop: ShouldStop | None = None) -> tuple[Agreement, ...]:
    """How far the labels agree where images show the same ground; the largest 400 places, where both have masks that can be read."""
    found = []
    for one in sorted(overlaps, key=lambda one: -one.pixels)[:_MOST_COMPARED]:
        check(should_stop)
        try:
            agreement = compare(dataset, one)
        except (MaskError, SceneError):  # other findings say so
            continue
        if agreement is not None:
            found.append(agreement)
    return tuple(found)


def compare(dataset: Dataset, one: Overlap) -> Agreement | None:
    """The agreement of the labels of one place, on at most 768 pixels a side; None where too little is labelled in both."""
    ids, other = labels_of_place(dataset, one)
    size = len(dataset.scheme)
    both = (ids < size) & (other < size)
    if both.sum() < _LEAST_LABELLED:
        return None
    table = counts_of_pairs(ids, other)[:size, :size]
    union = table.sum(axis=0) + table.sum(axis=1) - np.diag(table)
    inside = both & _even(ids) & _even(other)
    apart = np.where(np.eye(size, dtype=bool), 0, table)
    a, b = np.unravel_index(int(apart.argmax()), apart.shape)
    names = dataset.scheme.names
    return Agreement(
        one.first,
        one.second,
        labelled=float(both.sum() / max(1, np.count_nonzero(other != _OUTSIDE))),
        alike=float(np.trace(table) / table.sum()),
        inside=float((ids == other)[inside].mean()) if inside.sum() >= _LEAST_LABELLED else float(np.trace(table) / table.sum()),
        mean_iou=float((np.diag(table) / np.maximum(union, 1))[union > 0].mean()),
        apart=(names[a], names[b], float(apart[a, b] / table.sum())) if apart.any() else None,
    )


def labels_of_place(dataset: Dataset, one: Overlap, *, side_px: int = _SIDE_PX) -> tuple[np.ndarray, np.ndarray]:
    """Labels uint8 (h, w) of the place in the first image, and the second's brought onto them by nearest pixels: 254 where it ends."""
    first, second = dataset.pair(one.first), dataset.pair(one.second)
    laid = Laid.of(one, side_px=side_px)
    ids = _labels(first, dataset, one.place, laid.shape)
    return ids, laid.onto(_labels(second, dataset, one.second_place, laid.second_shape), _OUTSIDE)


@dataclass(frozen=True, eq=False)
class Laid:
    """A grid of `shape` over the first image's place, and which pixels of the second's place lie on it by nearest neighbour.

    `second_shape` is how large the second's place is read: no finer than the first. `rows` and `cols` int (h, w) count in that,
    `inside` bool (h, w) says where the second has pixels.
    """

    shape: tuple[int, int]
    second_shape: tuple[int, int]
    rows: np.ndarray
    cols: np.ndarray
    inside: np.ndarray

    @classmethod
    def of(cls, one: Overlap, *, side_px: int) -> Laid:
        """The grid of an overlap, of at most `side_px` a side."""
        place, window = one.place, one.second_place
        factor = max(1.0, max(place.height, place.width) / side_px)
        shape = (max(1, round(place.height / factor)), max(1, round(place.width / factor)))
        rows = place.row + (np.arange(shape[0]) + 0.5) * place.height / shape[0]
        cols = place.col + (np.arange(shape[1]) + 0.5) * place.width / shape[1]
        there = carried(np.array(one.matrix), np.stack(np.meshgrid(rows, cols, indexing="ij")))
        row, col = (np.floor(there[k]).astype(int) - start for k, start in ((0, window.row), (1, window.col)))
        inside = (row >= 0) & (row < window.height) & (col >= 0) & (col < window.width)
        factor = max(1.0, np.sqrt(window.pixels / max(1, shape[0] * shape[1])))
        small = (max(1, round(window.height / factor)), max(1, round(window.width / factor)))
        r, c = np.clip(row * small[0] // window.height, 0, small[0] - 1), np.clip(col * small[1] // window.width, 0, small[1] - 1)
        return cls(shape, small, r, c, inside)

    def onto(self, second: np.ndarray, outside: int) -> np.ndarray:
        """Pixels uint8 (second_shape, ...) of the second's place on the grid, `outside` where it has none."""
        found = second[self.rows, self.cols]
        return np.where(self.inside.reshape(*self.shape, *[1] * (found.ndim - 2)), found, outside).astype(np.uint8)


def _labels(pair: Pair, dataset: Dataset, window: Window, shape: tuple[int, int]) -> np.ndarray:
    if pair.mask is None:
        return np.full(shape, 255, np.uint8)
    if pair.shape != pair.image.shape:
        raise MaskError("a mask of another size", expected="that of its image", do="Mend it")
    return pair.labels_at(dataset.scheme, window, shape)


def _even(ids: np.ndarray) -> np.ndarray:
    """Where all labels within 3 pixels are one."""
    from scipy.ndimage import minimum_filter  # here, for pages import this module when they open

    return (minimum_filter(ids, 7) == ids) & (minimum_filter(255 - ids, 7) == 255 - ids)


def of(one: Overlap, agreed: Sequence[Agreement]) -> dict[str, Any]:
    """The key "labels" of an overlap: how far they agree, None where that could not be compared."""
    found = next((each for each in agreed if (each.first, each.second) == (one.first, one.second)), None)
    return {"labels": None if found is None else found.to_dict()}


def find(dataset: Dataset, overlaps: Sequence[Overlap], agreed: Sequence[Agreement]) -> tuple[Finding, ...]:
    """The findings about ground that is shown twice, and about labels that disagree there."""
    return tuple(_shown_twice(dataset, overlaps)) + tuple(_disagreeing(dataset, overlaps, agreed))


def _shown_twice(dataset: Dataset, overlaps: Sequence[Overlap]):
    if not overlaps:
        return
    largest = sorted(overlaps, key=lambda one: -one.pixels)
    names = _names(largest)
    together = list(dict.fromkeys(joined(dataset.groups, dataset.pairs, overlaps).values()))
    told = [f"{one.first} and {one.second} ({one.pixels:,} pixels, {share_words(one.share)} of the smaller)" for one in largest]
    groups = [" with ".join(members) if len(members) == 2 else listed(members, 4) for members in together]
    yield Finding(
        "warning",
        "same_ground",
        f"{counted(len(overlaps), 'pair of images shows', 'pairs of images show')} the same ground in different groups: "
        f"{listed(told, _TOLD)}. A split by group would put it on both sides, so it keeps {listed(groups, _TOLD)} in one part.",
        files_of(dataset, names, masks=False),
        None,
        names,
        tuple(largest),
    )


def _disagreeing(dataset: Dataset, overlaps: Sequence[Overlap], agreed: Sequence[Agreement]):
    places = {(one.first, one.second): one for one in overlaps}
    worst = sorted((one for one in agreed if one.disagrees), key=lambda one: -(1 - one.inside) * places[one.first, one.second].pixels)
    if not worst:
        return
    told = []
    for one in worst[:_TOLD]:
        place = places[one.first, one.second]
        apart = "" if one.apart is None else f", most often {one.apart[0]} in the one is {one.apart[1]} in the other"
        told.append(
            f"{one.first} at {_at(place.place)} and {one.second} at {_at(place.second_place)} label {share_words(one.alike)} of the pixels "
            f"alike (mean IoU {one.mean_iou:.2f}{apart})"
        )
    more = f"; and {len(worst) - _TOLD} more" if len(worst) > _TOLD else ""
    chosen = [places[one.first, one.second] for one in worst]
    names = _names(chosen)
    yield Finding(
        "warning",
        "labels_disagree",
        f"Labels of the same ground disagree in {counted(len(worst), 'place')}: {'; '.join(told)}{more}. No model can be right in both.",
        files_of(dataset, names),
        None,
        names,
        tuple(chosen),
    )


def _at(window: Window) -> str:
    return f"row {window.row}, column {window.col}, {window.height} x {window.width}"


def _names(overlaps: Sequence[Overlap]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for one in overlaps for name in (one.first, one.second)))
