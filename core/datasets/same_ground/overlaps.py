"""Images of different groups that show the same ground, and by how many pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from shapely import STRtree, box
from shapely.affinity import affine_transform
from shapely.geometry import Polygon

from core.datasets.pairs import Pair
from core.datasets.same_ground.matching import candidates, fit
from core.datasets.same_ground.points import Points, coarse, points_of
from core.errors import SceneError
from core.geo import GeoRef, applied, degrees_of, to_lonlat
from core.progress import OnProgress, ShouldStop, check, part, report
from core.scenes.scene import Scene, Window

GEOREFERENCE, PICTURES = "georeference", "pictures"
_LEAST_SHARE, _LEAST_SIDE_PX = 0.005, 3
_LEAST_SHARE_SEEN = 0.03
_REACH = 14
_SHARP, _ALIKE = 4.0, 0.15
_MANY_POINTS, _ALIKE_OF_FEW = 10, 0.5
"""A lattice, such as fields or blocks of one size, lays a few points and many edges of other ground on each other."""
_OUTLINE = np.linspace(0, 1, 5)
_VALID_PX = 128


@dataclass(frozen=True)
class Overlap:
    """Ground that two images of different groups show: `pixels` of the first, in its `place`; the second's lie in `second_place`.

    `matrix` takes (row, column, 1) of the first to row and column of the second. `share` is that of the smaller image's pixels. `how`
    it was found: by the "georeference", or by the "pictures" with `points` found in both.
    """

    first: str
    second: str
    how: str
    pixels: int
    share: float
    place: Window
    second_place: Window
    matrix: tuple[tuple[float, float, float], tuple[float, float, float]]
    points: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The overlap in plain values; places are (row, column, height, width)."""
        return {
            "first": self.first,
            "second": self.second,
            "how": self.how,
            "pixels": self.pixels,
            "share": round(self.share, 4),
            "place": _plain(self.place),
            "second_place": _plain(self.second_place),
            "scale": round(float(np.sqrt(abs(np.linalg.det(np.array(self.matrix)[:, :2])))), 3),
            "quarter_turns": int(np.rint(np.arctan2(self.matrix[0][1], self.matrix[0][0]) / (np.pi / 2))) % 4,
        }


def same_ground(
    pairs: Sequence[Pair],
    points: Mapping[str, Points] | None = None,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[Overlap, ...]:
    """Images of different groups that show the same ground, in the pairs' order.

    Where both images lie on the earth, or in one CRS, their georeference decides; else the pictures do, at scales of up to a factor
    of 2 and in quarter turns. `points` are those that are known, by the pair's name. Images that cannot be read are passed over.
    """
    if len({pair.group for pair in pairs}) < 2:
        return ()
    images = {pair.name: image for pair in pairs if (image := _opened(pair)) is not None}
    there = [pair for pair in pairs if pair.name in images]
    found = list(_by_place(there, should_stop))
    frames = [_frame(images[pair.name].geo) for pair in there]
    if None in frames or len(set(frames)) > 1:
        known = _all_points(there, points or {}, part(on_progress, 0, 1, 2), should_stop)
        found += _by_pictures(there, frames, known, part(on_progress, 1, 2, 2), should_stop)
    order = {pair.name: k for k, pair in enumerate(pairs)}
    return tuple(sorted(found, key=lambda one: (order[one.first], order[one.second])))


def joined(groups: Sequence[str], pairs: Sequence[Pair], overlaps: Sequence[Overlap]) -> dict[str, tuple[str, ...]]:
    """For each group that shows ground of another all groups that hang together so, itself among them, in the order of `groups`."""
    parent = {group: group for group in groups}
    group_of = {pair.name: pair.group for pair in pairs}
    for one in overlaps:
        a, b = _root(parent, group_of[one.first]), _root(parent, group_of[one.second])
        parent[b] = a
    together: dict[str, list[str]] = {}
    for group in groups:
        together.setdefault(_root(parent, group), []).append(group)
    return {group: tuple(members) for members in together.values() if len(members) > 1 for group in members}


def _root(parent: dict[str, str], group: str) -> str:
    while parent[group] != group:
        group = parent[group]
    return group


def _opened(pair: Pair) -> Scene | None:
    try:
        return pair.image
    except SceneError:
        return None


# ---- by georeference ----


def _frame(geo: GeoRef) -> str | None:
    """What x and y can be compared in: the earth, or a local CRS by its text; None for pixels and for coordinates without a name."""
    if geo.crs is None:
        return None
    return "earth" if geo.georeferenced else geo.crs.to_wkt()


def _by_place(pairs: Sequence[Pair], should_stop: ShouldStop | None) -> Iterator[Overlap]:
    frames: dict[str, list[Pair]] = {}
    for pair in pairs:
        if (frame := _frame(pair.image.geo)) is not None:
            frames.setdefault(frame, []).append(pair)
    for frame, members in frames.items():
        boxes = [_box(pair.image, frame) for pair in members]
        for i, j in sorted(STRtree(boxes).query(boxes, predicate="intersects").T.tolist()):
            check(should_stop)
            if i < j and members[i].group != members[j].group:
                one = overlap(members[i], members[j], _between(members[i].image, members[j].image), how=GEOREFERENCE)
                if one is not None:
                    yield one


def _box(image: Scene, frame: str):
    rows, cols = (grid.ravel() for grid in np.meshgrid(_OUTLINE * image.height, _OUTLINE * image.width))
    x, y = image.geo.points(rows, cols)
    if frame == "earth" and image.geo.crs is not None:
        x, y = degrees_of(image.geo.crs, x, y)
    return box(np.min(x), np.min(y), np.max(x), np.max(y)) if np.isfinite([x, y]).all() else Polygon()


def _between(first: Scene, second: Scene) -> np.ndarray:
    """From (row, column, 1) of the first to the second by their georeference, float (2, 3): exact in one CRS, else the best affine."""
    rows, cols = (grid.ravel() for grid in np.meshgrid(_OUTLINE * first.height, _OUTLINE * first.width))
    x, y = first.geo.points(rows, cols)
    if first.geo.crs is not None and second.geo.crs is not None and first.geo.crs != second.geo.crs:
        x, y = to_lonlat(second.geo.crs).transform(*degrees_of(first.geo.crs, x, y), direction="INVERSE")
    there = np.column_stack(applied(~second.geo.transform, np.asarray(x), np.asarray(y))[::-1])
    if not np.isfinite(there).all():
        return np.full((2, 3), np.nan)
    return np.linalg.lstsq(np.column_stack([rows, cols, np.ones(len(rows))]), there, rcond=None)[0].T


# ---- by pictures ----


def _all_points(
    pairs: Sequence[Pair], known: Mapping[str, Points], on_progress: OnProgress | None, should_stop: ShouldStop | None
) -> dict[str, Points]:
    found = dict(known)
    for number, pair in enumerate(pairs):
        check(should_stop)
        report(on_progress, number, len(pairs), f"Looking for the same ground twice: {pair.name}")
        if pair.name not in found:
            try:
                found[pair.name] = points_of(pair.image)
            except SceneError:
                continue
    return found


def _by_pictures(
    pairs: Sequence[Pair],
    frames: Sequence[str | None],
    points: Mapping[str, Points],
    on_progress: OnProgress | None,
    should_stop: ShouldStop | None,
) -> Iterator[Overlap]:
    seen = [k for k, pair in enumerate(pairs) if len(points.get(pair.name, ()))]
    own = [points[pairs[k].name] for k in seen]
    turns = candidates(own, [pairs[k].group for k in seen], on_progress=part(on_progress, 0, 1, 2), should_stop=should_stop)
    best: dict[tuple[int, int], Overlap] = {}
    picture = lru_cache(maxsize=64)(lambda k: coarse(pairs[k].image))
    for number, (i, j, quarters) in enumerate(turns):
        check(should_stop)
        report(part(on_progress, 1, 2, 2), number, len(turns), "Comparing what may be the same ground")
        a, b = seen[i], seen[j]
        if frames[a] is not None and frames[a] == frames[b]:
            continue  # their georeference has decided
        fitted = fit(own[i], own[j], quarters)
        if fitted is None:
            continue
        matrix, agreeing = fitted
        one = overlap(pairs[a], pairs[b], matrix, how=PICTURES, points=agreeing)
        if one is None or one.share < _LEAST_SHARE_SEEN or not looks_alike(picture(a), picture(b), one):
            continue
        if (a, b) not in best or best[a, b].points < agreeing:
            best[a, b] = one
    yield from best.values()


def looks_alike(first: tuple[np.ndarray, np.ndarray, float], second: tuple[np.ndarray, np.ndarray, float], one: Overlap) -> bool:
    """Whether the two pictures (`coarse`) fit where they lie on each other, and clearly better than moved by some pixels."""
    alike, sharp = likeness(first, second, one)
    return alike > (_ALIKE if one.points >= _MANY_POINTS else _ALIKE_OF_FEW) and sharp > _SHARP


def likeness(
    first: tuple[np.ndarray, np.ndarray, float], second: tuple[np.ndarray, np.ndarray, float], one: Overlap
) -> tuple[float, float]:
    """Correlation (-1 to 1) of the fine structure of two pictures in their place, and by how many spreads it stands out.

    Compared are all moves by up to 14 pixels of the coarser picture, through the FFT.
    """
    (grey, valid, factor), (other, other_valid, other_factor) = first, second
    matrix = np.array(one.matrix)
    step = factor * max(1.0, other_factor / (factor * np.sqrt(abs(np.linalg.det(matrix[:, :2])))))
    height, width = (max(1, int(side / step)) for side in (one.place.height, one.place.width))
    rows, cols = np.meshgrid(
        one.place.row + (np.arange(height) + 0.5) * step, one.place.col + (np.arange(width) + 0.5) * step, indexing="ij"
    )
    here = np.stack([rows, cols])
    there = carried(matrix, here)
    finer = step * np.sqrt(abs(np.linalg.det(matrix[:, :2]))) / other_factor
    a, a_valid = _sampled(grey, valid, here / factor - 0.5, step / factor)
    b, b_valid = _sampled(other, other_valid, there / other_factor - 0.5, finer)
    both = a_valid & b_valid
    if both.sum() < 400:
        return 0.0, 0.0
    a, b = _structure(a, both), _structure(b, both)
    norm = np.sqrt((a**2).sum() * (b**2).sum())
    if norm == 0:
        return 0.0, 0.0
    shape = [-(-(length + _REACH) // 60) * 60 for length in a.shape]
    surface = np.fft.irfft2(np.fft.rfft2(a, shape) * np.conj(np.fft.rfft2(b, shape)), shape)
    moves = np.arange(-_REACH, _REACH + 1)
    surface = surface[np.ix_(moves, moves)] / norm
    near = np.hypot(moves[:, None], moves) <= 2.5
    far = np.hypot(moves[:, None], moves) > 5
    best = float(surface[near].max())
    return best, (best - float(np.median(surface[far]))) / max(float(surface[far].std()), 1e-9)


def _sampled(grey: np.ndarray, valid: np.ndarray, places: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    from scipy.ndimage import gaussian_filter, map_coordinates  # here, for pages import this module when they open

    smooth = gaussian_filter(grey, 0.5 * step) if step > 1.2 else grey
    inside = map_coordinates(valid.astype(np.float32), places, order=1, cval=0) > 0.999
    return map_coordinates(smooth, places, order=1, mode="nearest"), inside


def _structure(grey: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """What differs from its surroundings, in units of the contrast there, 0 where not valid."""
    from scipy.ndimage import gaussian_filter

    share = np.maximum(gaussian_filter(valid.astype(np.float32), 6), 1e-3)
    fine = np.where(valid, grey - gaussian_filter(np.where(valid, grey, 0), 6) / share, 0)
    fine = gaussian_filter(fine, 0.7)
    contrast = np.sqrt(gaussian_filter(fine**2, 8) / share)
    return np.where(valid, fine / (contrast + 0.02), 0)


# ---- how much ----


def overlap(first: Pair, second: Pair, matrix: np.ndarray, *, how: str, points: int = 0) -> Overlap | None:
    """The ground of the first image that the second shows where it lies on it by `matrix`; None for a rim of it, or nothing valid."""
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:, :2])) < 1e-9:
        return None
    a, b = first.image, second.image
    there = _mapped(box(0, 0, a.height, a.width), matrix).intersection(box(0, 0, b.height, b.width))
    back = np.linalg.inv(np.vstack([matrix, (0, 0, 1)]))[:2]
    here = _mapped(there, back)
    if here.is_empty or here.area == 0:
        return None
    smaller = min(a.height * a.width, abs(np.linalg.det(back[:, :2])) * b.height * b.width)
    place, second_place = _window(here, a), _window(there, b)
    if here.area < _LEAST_SHARE * smaller or min(place.height, place.width, second_place.height, second_place.width) < _LEAST_SIDE_PX:
        return None
    area = here.area * _valid_share(a, b, place, matrix)
    if area < _LEAST_SHARE * smaller:
        return None
    (p, q, r), (s, t, u) = matrix.tolist()
    return Overlap(first.name, second.name, how, round(area), float(area / smaller), place, second_place, ((p, q, r), (s, t, u)), points)


def carried(matrix: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Rows and columns (2, h, w) of the first image's pixels as those of the second's, by the matrix (2, 3) of an overlap."""
    return np.einsum("ab,brc->arc", matrix[:, :2], places) + matrix[:, 2, None, None]


def _mapped(shape, matrix: np.ndarray):
    """A shapely shape in (row, column) through a matrix."""
    (a, b, e), (c, d, f) = matrix
    return affine_transform(shape, (a, b, c, d, e, f))


def _window(shape, image: Scene) -> Window:
    top, left, bottom, right = shape.bounds
    row, col = max(0, round(top)), max(0, round(left))
    return Window(row, col, min(image.height, round(bottom)) - row, min(image.width, round(right)) - col)


def _valid_share(a: Scene, b: Scene, place: Window, matrix: np.ndarray) -> float:
    """Share of the place's pixels in the second image that are valid in both, of a sample."""
    shape = min(place.height, _VALID_PX), min(place.width, _VALID_PX)
    rows, cols = (
        start + (np.arange(n) + 0.5) * side / n
        for start, side, n in ((place.row, place.height, shape[0]), (place.col, place.width, shape[1]))
    )
    there = carried(matrix, np.stack(np.meshgrid(rows, cols, indexing="ij")))
    inside = (there[0] >= 0) & (there[0] < b.height) & (there[1] >= 0) & (there[1] < b.width)
    if not inside.any():
        return 0.0
    small = min(b.height, 4 * _VALID_PX), min(b.width, 4 * _VALID_PX)
    valid = b.valid(out_shape=small)
    r, c = (np.clip((there[k] * small[k] / b.shape[k]).astype(int), 0, small[k] - 1) for k in (0, 1))
    return float((a.valid(place, out_shape=shape) & valid[r, c])[inside].mean())


def _plain(window: Window) -> list[int]:
    return [window.row, window.col, window.height, window.width]
