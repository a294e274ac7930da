"""How neighbouring chips lie: told from edges that continue each other, or from their georeference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.scenes.scene import Scene, Window

SIZE_TOLERANCE_PX = 2
"""Chips of one row or column may differ by this much: sets that were cut unevenly differ by a pixel."""
_FULL_READ_BYTES = 64 * 2**20
_COARSE_BINS = 48
_CANDIDATES = 6
_SURE_RATIO, _SURE_MARGIN = 2.0, 1.4
_WEAK_RATIO, _WEAK_MARGIN = 2.6, 1.2
_NAMED_RATIO = 3.0
_LEAST_CORRELATION = 0.5
_SHORTEST_EDGE_PX = 16
# Steps along a side from the chip that has the edge to the chip that continues it: (rows, columns).
_RIGHT, _DOWN = (0, 1), (1, 0)


@dataclass(frozen=True, eq=False)
class Chip:
    """What is known of a chip: its size, the outermost and the next line of each side (n, bands) float32, and its place
    on the ground where it has one (x, y of the upper left corner and pixel width and height in CRS units)."""

    name: str
    height: int
    width: int
    top: np.ndarray
    bottom: np.ndarray
    left: np.ndarray
    right: np.ndarray
    step: dict[str, float]
    place: tuple[str, float, float, float, float] | None = None


@dataclass(frozen=True)
class Layout:
    """A rectangle of chips: `cells` maps (row, column) to the number of a chip; a missing cell is a hole."""

    rows: int
    columns: int
    cells: dict[tuple[int, int], int]

    @property
    def complete(self) -> bool:
        """Whether there are no holes."""
        return len(self.cells) == self.rows * self.columns


def read_chip(scene: Scene, name: str | None = None) -> Chip:
    """Read the lines along a scene's sides (at most its first three bands)."""
    bands = tuple(range(1, min(scene.bands, 3) + 1))
    height, width = scene.shape
    if height * width * len(bands) * np.dtype(scene.dtype).itemsize <= _FULL_READ_BYTES:
        pixels = scene.read(bands=bands)
        lines = {"top": pixels[:2], "bottom": pixels[:-3:-1], "left": pixels[:, :2], "right": pixels[:, :-3:-1]}
    else:
        deep, wide = min(2, height), min(2, width)
        lines = {
            "top": scene.read(Window(0, 0, deep, width), bands),
            "bottom": scene.read(Window(height - deep, 0, deep, width), bands)[::-1],
            "left": scene.read(Window(0, 0, height, wide), bands),
            "right": scene.read(Window(0, width - wide, height, wide), bands)[:, ::-1],
        }
    edges, steps = {}, {}
    for side, strip in lines.items():
        strip = np.nan_to_num(strip.astype(np.float32))
        outer, inner = (strip[0], strip[-1]) if side in ("top", "bottom") else (strip[:, 0], strip[:, -1])
        edges[side], steps[side] = outer, float(np.abs(outer - inner).mean())
    return Chip(name or scene.name, height, width, **edges, step=steps, place=_place_of(scene))


def placed_chip(scene: Scene, name: str | None = None) -> Chip:
    """A chip without its sides, for which no pixel is read: enough where `known_by_ground` says so."""
    nothing = np.empty((0, min(scene.bands, 3)), np.float32)
    return Chip(name or scene.name, *scene.shape, nothing, nothing, nothing, nothing, {}, _place_of(scene))


def known_by_ground(chips: Sequence[Chip]) -> bool:
    """Whether `find_layouts` looks at no side of these chips: all have a place on the ground, or there is nothing to join."""
    return len(chips) < 2 or _layouts_by_place(chips) is not None


def layouts_of(scenes: Sequence[Scene]) -> list[Layout]:
    """`find_layouts` of scenes, of which pixels are read only where the ground does not tell how they lie."""
    chips = [placed_chip(scene) for scene in scenes]
    return find_layouts(chips if known_by_ground(chips) else [read_chip(scene) for scene in scenes])


def find_layouts(chips: Sequence[Chip]) -> list[Layout]:
    """Rectangles of two or more chips that continue each other, largest first; each chip is in one at most.

    Edges of two chips match when they differ hardly more than the lines inside the chips do, clearly less than the
    edge differs from any other chip's, seen from both sides, and when they are bright and dark in the same places.
    Sure matches are joined first, the surest before the others, as long as no chip would get two places. Where sure
    edges agree with the order of the names and no edge contradicts it, names place the chips whose edges tell nothing
    (open water).
    """
    if len(chips) < 2:
        return []
    by_ground = _layouts_by_place(chips)
    if by_ground is not None:
        return by_ground
    components = _join(len(chips), _matches(chips, _RIGHT) + _matches(chips, _DOWN))
    named = _layout_by_names(chips, components)
    if named is not None:
        return [named]
    layouts = [layout for layout in map(_to_layout, components) if len(layout.cells) >= 2]
    layouts = [layout for layout in layouts if _sizes_fit(chips, layout) and len(layout.cells) >= 0.7 * layout.rows * layout.columns]
    return sorted(layouts, key=lambda layout: (-len(layout.cells), min(layout.cells.values())))


def edge_ratio(first: Chip, second: Chip, direction: tuple[int, int]) -> float:
    """Mean difference of the touching edges over the mean step between lines inside the chips; about 1 for neighbours.

    Infinite when the edges differ in length by more than the tolerance.
    """
    a_side, b_side = ("right", "left") if direction == _RIGHT else ("bottom", "top")
    a, b = getattr(first, a_side), getattr(second, b_side)
    if abs(len(a) - len(b)) > SIZE_TOLERANCE_PX or a.shape[1] != b.shape[1] or min(len(a), len(b)) < _SHORTEST_EDGE_PX:
        return math.inf
    length = min(len(a), len(b))
    inner = 0.5 * (first.step[a_side] + second.step[b_side])
    # Where both chips are flat the step is 0; one thousandth of the edge's own spread keeps the ratio finite.
    floor = 1e-3 * float(a.std() + b.std()) + 1e-6
    return float(np.abs(a[:length] - b[:length]).mean()) / max(inner, floor)


def edge_correlation(first: Chip, second: Chip, direction: tuple[int, int]) -> float:
    """Correlation (-1 to 1) of the brightness along the touching edges; 0 where one of them is flat."""
    a, b = (first.right, second.left) if direction == _RIGHT else (first.bottom, second.top)
    length = min(len(a), len(b))
    a, b = (edge[:length].mean(axis=1) - edge[:length].mean() for edge in (a, b))
    norm = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / norm if norm > 0 else 0.0


def _matches(chips: Sequence[Chip], direction: tuple[int, int]) -> list[tuple[float, int, int, tuple[int, int]]]:
    """Accepted neighbours as (badness, chip, next chip, direction); sure ones have a badness below 1."""
    count = len(chips)
    ratios = np.full((count, count), np.inf)
    for i, near in enumerate(_candidates(chips, direction)):
        for j in near:
            if i != j:
                ratios[i, j] = edge_ratio(chips[i], chips[j], direction)
    found = []
    for i in range(count):
        j = int(np.argmin(ratios[i]))
        ratio = ratios[i, j]
        if not np.isfinite(ratio) or int(np.argmin(ratios[:, j])) != i:
            continue
        # With two chips there is no other to compare with: the edge must then be as good as the inside.
        others = min(np.delete(ratios[i], j).min(initial=np.inf), np.delete(ratios[:, j], i).min(initial=np.inf))
        margin = others / max(ratio, 1e-9) if np.isfinite(others) else 4.0 / max(ratio, 1e-9)
        if edge_correlation(chips[i], chips[j], direction) < _LEAST_CORRELATION:
            continue
        if ratio <= _SURE_RATIO and margin >= _SURE_MARGIN:
            found.append((min(0.99, ratio / margin / _SURE_RATIO), i, j, direction))
        elif ratio <= _WEAK_RATIO and margin >= _WEAK_MARGIN:
            found.append((1 + ratio / margin, i, j, direction))
    return found


def _candidates(chips: Sequence[Chip], direction: tuple[int, int]) -> list[np.ndarray]:
    """For each chip the few whose opposite edge looks alike when coarsely binned; all of them where they are few."""
    count = len(chips)
    if count <= 64:
        return [np.arange(count)] * count
    sides = ("right", "left") if direction == _RIGHT else ("bottom", "top")
    first, second = (np.stack([_binned(getattr(chip, side)) for chip in chips]) for side in sides)
    near = []
    for start in range(0, count, 512):
        block = first[start : start + 512]
        distance = (block**2).sum(1)[:, None] - 2 * block @ second.T + (second**2).sum(1)[None, :]
        distance[np.arange(len(block)), start + np.arange(len(block))] = np.inf
        near += list(np.argpartition(distance, _CANDIDATES, axis=1)[:, :_CANDIDATES])
    return near


def _binned(edge: np.ndarray) -> np.ndarray:
    grey = edge.mean(axis=1)
    return np.array([part.mean() for part in np.array_split(grey, min(_COARSE_BINS, len(grey)))]).astype(np.float32)


def _join(count: int, matches: list[tuple[float, int, int, tuple[int, int]]]) -> list[dict[int, tuple[int, int]]]:
    """Put chips together, best match first; a match that contradicts what lies already is dropped."""
    component = list(range(count))
    placed: dict[int, dict[int, tuple[int, int]]] = {i: {i: (0, 0)} for i in range(count)}
    for _, i, j, (down, right) in sorted(matches):
        a, b = component[i], component[j]
        if a == b:
            continue
        here, there = placed[a], placed[b]
        shift = (here[i][0] + down - there[j][0], here[i][1] + right - there[j][1])
        moved = {chip: (row + shift[0], col + shift[1]) for chip, (row, col) in there.items()}
        if set(moved.values()) & set(here.values()):
            continue
        here.update(moved)
        for chip in moved:
            component[chip] = a
        del placed[b]
    return list(placed.values())


def _to_layout(places: dict[int, tuple[int, int]]) -> Layout:
    top, left = min(r for r, _ in places.values()), min(c for _, c in places.values())
    cells = {(row - top, col - left): chip for chip, (row, col) in places.items()}
    return Layout(1 + max(r for r, _ in cells), 1 + max(c for _, c in cells), cells)


def _layout_by_names(chips: Sequence[Chip], components: list[dict[int, tuple[int, int]]]) -> Layout | None:
    """All chips as one full rectangle in the order of their names, where the matched edges agree with that."""
    count = len(chips)
    joined = sum(len(places) - 1 for places in components)
    if joined < count / 3 or joined == count - 1:
        return None
    for rows in range(2, count // 2 + 1):
        if count % rows:
            continue
        columns = count // rows
        for by_row in (True, False):
            order = [divmod(k, columns) if by_row else divmod(k, rows)[::-1] for k in range(count)]
            agrees = all(_same_shape(places, order) for places in components)
            layout = Layout(rows, columns, {place: k for k, place in enumerate(order)})
            if agrees and _sizes_fit(chips, layout) and not _contradicted(chips, layout):
                return layout
    return None


def _contradicted(chips: Sequence[Chip], layout: Layout) -> bool:
    """Whether any two neighbours of a layout have edges that clearly do not continue each other."""
    return any(
        edge_ratio(chips[k], chips[layout.cells[row + down, col + right]], (down, right)) > _NAMED_RATIO
        for (row, col), k in layout.cells.items()
        for down, right in (_RIGHT, _DOWN)
        if (row + down, col + right) in layout.cells
    )


def _same_shape(places: dict[int, tuple[int, int]], order: list[tuple[int, int]]) -> bool:
    shifts = {(order[chip][0] - row, order[chip][1] - col) for chip, (row, col) in places.items()}
    return len(shifts) == 1


def _sizes_fit(chips: Sequence[Chip], layout: Layout) -> bool:
    heights, widths = cell_sizes({place: (chips[k].height, chips[k].width) for place, k in layout.cells.items()})
    return all(
        heights[row] - chips[k].height <= SIZE_TOLERANCE_PX and widths[col] - chips[k].width <= SIZE_TOLERANCE_PX
        for (row, col), k in layout.cells.items()
    )


def cell_sizes(sizes: dict[tuple[int, int], tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Height of each row and width of each column: those of the largest chip in it."""
    rows, columns = 1 + max(r for r, _ in sizes), 1 + max(c for _, c in sizes)
    heights, widths = [0] * rows, [0] * columns
    for (row, col), (height, width) in sizes.items():
        heights[row], widths[col] = max(heights[row], height), max(widths[col], width)
    fallback_h, fallback_w = max(heights), max(widths)
    return [h or fallback_h for h in heights], [w or fallback_w for w in widths]


def _place_of(scene: Scene) -> tuple[str, float, float, float, float] | None:
    if not (scene.geo.situated and scene.geo.transform.is_rectilinear):
        return None
    t = scene.geo.transform
    return scene.geo.crs.to_string() if scene.geo.crs is not None else "", t.c, t.f, t.a, t.e


def _layouts_by_place(chips: Sequence[Chip]) -> list[Layout] | None:
    """Layouts of chips that all have a place on the ground and one pixel size; None where edges must tell."""
    places = [chip.place for chip in chips if chip.place is not None]
    if len(places) < len(chips) or len({(crs, round(dx, 9), round(dy, 9)) for crs, _, _, dx, dy in places}) > 1:
        return None
    _, x0, y0, dx, dy = places[0]
    offsets = [((y - y0) / dy, (x - x0) / dx) for _, x, y, _, _ in places]
    matches = []
    starts = {(round(row), round(col)): k for k, (row, col) in enumerate(offsets)}
    for k, (row, col) in enumerate(offsets):
        for step, target in ((_RIGHT, (row, col + chips[k].width)), (_DOWN, (row + chips[k].height, col))):
            neighbour = starts.get((round(target[0]), round(target[1])))
            if neighbour is not None and neighbour != k:
                matches.append((0.0, k, neighbour, step))
    layouts = [_to_layout(places) for places in _join(len(chips), matches) if len(places) >= 2]
    layouts = [layout for layout in layouts if _sizes_fit(chips, layout)]
    return sorted(layouts, key=lambda layout: (-len(layout.cells), min(layout.cells.values())))
