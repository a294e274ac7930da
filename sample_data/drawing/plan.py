"""Plans a town: where arterials, streets, blocks and plots run, before anything is drawn."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from shapely import LineString, STRtree

Rect = tuple[float, float, float, float]  # u0, v0, u1, v1 in the town's own straight coordinates, metres


@dataclass(frozen=True)
class Bend:
    """Bends the town's straight (u, v) metres onto the ground's (x, y) metres by a turn and a few long waves."""

    angle_rad: float
    centre: tuple[float, float]
    waves: np.ndarray  # (n, 5): wave vector x and y (1/m), phase, shift x and y (m)

    @classmethod
    def random(cls, rng: np.random.Generator, size_m: tuple[float, float], *, turn_deg: float, strength: float) -> Bend:
        """Draw a bend whose waves are 260 to 620 m long and shift the ground by up to about `strength` x 20 m."""
        count = 4
        length = rng.uniform(260, 620, count)
        heading = rng.uniform(0, 2 * np.pi, count)
        shift = strength * length * rng.uniform(0.018, 0.036, count)
        turn = rng.uniform(0, 2 * np.pi, count)
        k = 2 * np.pi / length
        waves = np.stack(
            [k * np.cos(heading), k * np.sin(heading), rng.uniform(0, 6.28, count), shift * np.cos(turn), shift * np.sin(turn)], 1
        )
        return cls(np.deg2rad(turn_deg), (size_m[0] / 2, size_m[1] / 2), waves)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return ground positions (n, 2) of town positions (n, 2)."""
        points = np.asarray(points, dtype=float)
        c, s = np.cos(self.angle_rad), np.sin(self.angle_rad)
        turned = points @ np.array([[c, s], [-s, c]])
        phase = turned @ self.waves[:, :2].T + self.waves[:, 2]
        return turned + np.sin(phase) @ self.waves[:, 3:] + self.centre

    def rect(self, rect: Rect, *, step_m: float = 8.0) -> np.ndarray:
        """Return the bent outline (n, 2) of a rectangle."""
        u0, v0, u1, v1 = rect
        corners = [(u0, v0), (u1, v0), (u1, v1), (u0, v1), (u0, v0)]
        sides = [straight(a, b, step_m=step_m)[:-1] for a, b in itertools.pairwise(corners)]
        return self(np.concatenate(sides))


@dataclass(frozen=True)
class Road:
    """A road's centre line (n, 2) in metres, its width, and what it is: highway, arterial, collector, street, shore."""

    points: np.ndarray
    width_m: float
    kind: str
    bridge: bool = False


@dataclass(frozen=True)
class District:
    """A part of the town between arterials, in town coordinates, and what it is used for."""

    rect: Rect
    use: str


@dataclass(frozen=True)
class Plot:
    """A building plot: outline (4, 2) on the ground; its sides 0-1 lie at the street, 2-3 at the back."""

    corners: np.ndarray
    use: str

    @property
    def width_m(self) -> float:
        """Length of the side at the street."""
        return float(np.hypot(*(self.corners[1] - self.corners[0])))

    @property
    def depth_m(self) -> float:
        """From the middle of the street's side to the middle of the back."""
        return float(np.hypot(*((self.corners[3] + self.corners[2] - self.corners[0] - self.corners[1]) / 2)))

    def at(self, across: np.ndarray, along: np.ndarray) -> np.ndarray:
        """Return ground points for metres across (0 = middle of the plot) and metres back from the street."""
        front = (self.corners[0] + self.corners[1]) / 2
        back = (self.corners[2] + self.corners[3]) / 2
        deep = (back - front) / max(np.hypot(*(back - front)), 1e-6)
        wide = np.array([deep[1], -deep[0]])
        if np.dot(wide, self.corners[1] - self.corners[0]) < 0:
            wide = -wide
        return front + np.multiply.outer(across, wide) + np.multiply.outer(along, deep)

    def box(self, across: float, along: float, width_m: float, depth_m: float) -> np.ndarray:
        """Return the corners (4, 2) of a rectangle whose near left corner lies at (across, along)."""
        a = np.array([across, across + width_m, across + width_m, across])
        return self.at(a, np.array([along, along, along + depth_m, along + depth_m]))


def straight(start: tuple[float, float], end: tuple[float, float], *, step_m: float = 6.0) -> np.ndarray:
    """Return points (n, 2) from start to end no further than `step_m` apart."""
    start, end = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    count = max(int(np.ceil(np.hypot(*(end - start)) / step_m)), 1) + 1
    return start + (end - start) * np.linspace(0, 1, count)[:, None]


def divide(
    rng: np.random.Generator, rect: Rect, *, target_m: float, depth: int = 0
) -> tuple[list[Rect], list[tuple[tuple[float, float], tuple[float, float], int]]]:
    """Cut a rectangle in two again and again; return the leaves and the cuts (start, end, depth)."""
    u0, v0, u1, v1 = rect
    wide, high = u1 - u0, v1 - v0
    if max(wide, high) < target_m * (1.0 + 0.25 * rng.random()):
        return [rect], []
    share = rng.uniform(0.40, 0.60)
    if wide > high:
        at = u0 + wide * share
        cut, halves = ((at, v0), (at, v1), depth), [(u0, v0, at, v1), (at, v0, u1, v1)]
    else:
        at = v0 + high * share
        cut, halves = ((u0, at), (u1, at), depth), [(u0, v0, u1, at), (u0, at, u1, v1)]
    leaves, cuts = [], [cut]
    for half in halves:
        more_leaves, more_cuts = divide(rng, half, target_m=target_m, depth=depth + 1)
        leaves += more_leaves
        cuts += more_cuts
    return leaves, cuts


def inset(rect: Rect, by_m: float) -> Rect:
    """Return the rectangle made smaller by a distance on all sides."""
    return rect[0] + by_m, rect[1] + by_m, rect[2] - by_m, rect[3] - by_m


def _flip(rect: Rect) -> Rect:
    return rect[1], rect[0], rect[3], rect[2]


PLOT_SIZES = {  # width, depth and street width in metres
    "villas": ((15.0, 20.0), 22.0, 6.4),
    "townhouses": ((8.5, 10.0), 18.0, 6.0),
    "apartments": ((30.0, 42.0), 30.0, 7.5),
    "sheds": ((28.0, 44.0), 38.0, 8.5),
    "houses": ((19.0, 27.0), 31.0, 5.5),
    "mixed": ((20.0, 30.0), 24.0, 7.0),
}


def street_plan(rng: np.random.Generator, district: District, bend: Bend) -> tuple[list[Road], list[Plot]]:
    """Lay rows of plots and the streets between them into a district.

    Rows run along its longer side; two plots lie back to back between two streets; some cross streets are left out.
    """
    width_range, depth_m, street_m = PLOT_SIZES[district.use]
    turned = (district.rect[3] - district.rect[1]) > (district.rect[2] - district.rect[0])
    u0, v0, u1, v1 = _flip(district.rect) if turned else district.rect
    ground = (lambda p: bend(np.asarray(p)[:, ::-1])) if turned else bend
    walk_m = 2.4
    pitch = 2 * depth_m + street_m + 2 * walk_m
    rows = max(int(round((v1 - v0 + street_m + 2 * walk_m) / pitch)), 1)
    pitch = (v1 - v0 + street_m + 2 * walk_m) / rows
    block_v = pitch - street_m - 2 * walk_m
    roads, plots = [], []
    columns = max(int(round((u1 - u0) / rng.uniform(85, 125))), 1)
    breaks = np.linspace(u0, u1, columns + 1)
    breaks[1:-1] += rng.uniform(-12, 12, columns - 1)
    for row in range(rows):
        low = v0 + row * pitch
        high = low + block_v
        if row:
            middle = low - walk_m - street_m / 2
            roads.append(Road(ground(straight((u0 - 12, middle), (u1 + 12, middle))), street_m, "street"))
        edges = [u0]
        for at in breaks[1:-1]:
            if rng.random() < 0.72:
                start = (at, low - street_m - walk_m if row else low - 12)
                end = (at, high + street_m + walk_m if row < rows - 1 else high + 12)
                roads.append(Road(ground(straight(start, end)), street_m - 0.5, "street"))
                edges += [at - street_m / 2 - walk_m, at + street_m / 2 + walk_m]
        edges.append(u1)
        for left, right in zip(edges[::2], edges[1::2], strict=True):
            plots += _block(rng, (left, low, right, high), district.use, ground, width_range)
    return roads, plots


def _block(rng, rect: Rect, use: str, ground: Callable, width_range: tuple[float, float]) -> Iterator[Plot]:
    """Yield the plots of one block: two rows back to back, streets on both long sides."""
    u0, v0, u1, v1 = rect
    double = v1 - v0 > 1.3 * np.mean(width_range) or use in ("villas", "townhouses")
    middle = (v0 + v1) / 2
    for front, back in ((v0, middle), (v1, middle)) if double else ((v0, v1),):
        count = max(int((u1 - u0) / rng.uniform(*width_range)), 1)
        edges = np.linspace(u0, u1, count + 1)
        if use in ("villas", "mixed") and count > 2:
            edges[1:-1] += rng.uniform(-1.2, 1.2, count - 1)
        for left, right in itertools.pairwise(edges):
            if right - left > 6:
                corners = ground([(left, front), (right, front), (right, back), (left, back)])
                yield Plot(corners, use)


def keep_where(road: Road, clearance_m: np.ndarray, *, least_m: float, gsd_m: float, shortest_m: float = 18.0) -> list[Road]:
    """Return the runs of a road where a raster of distances (h, w, in metres) stays at or above `least_m`."""
    index = np.round(road.points[:, ::-1] / gsd_m).astype(int)
    index = np.clip(index, 0, np.array(clearance_m.shape) - 1)
    fine = clearance_m[index[:, 0], index[:, 1]] >= least_m
    runs, start = [], None
    for at, good in enumerate([*fine, False]):
        if good and start is None:
            start = at
        elif not good and start is not None:
            part = road.points[start:at]
            if at - start > 1 and np.hypot(*np.diff(part, axis=0).T).sum() >= shortest_m:
                runs.append(Road(part, road.width_m, road.kind, road.bridge))
            start = None
    return runs


def junctions(roads: list[Road]) -> list[tuple[np.ndarray, float, tuple[str, str]]]:
    """Return where roads meet: position (2,), half width of the wider road in metres, and both kinds."""
    lines = [LineString(road.points) for road in roads]
    tree = STRtree(lines)
    found = []
    for first, second in tree.query(lines, predicate="intersects").T:
        if first >= second:
            continue
        cross = lines[first].intersection(lines[second])
        for part in getattr(cross, "geoms", [cross]):
            spot = part.centroid
            half = max(roads[first].width_m, roads[second].width_m) / 2
            found.append((np.array([spot.x, spot.y]), half, (roads[first].kind, roads[second].kind)))
    return found


def smooth_line(points: np.ndarray, *, sigma: float, step: int = 4) -> np.ndarray:
    """Return a line (n, 2) with its wiggles filtered away and every `step`-th point kept."""
    smooth = ndimage.gaussian_filter1d(points, sigma, axis=0, mode="nearest")
    return np.concatenate([smooth[:-1:step], smooth[-1:]])


def curve(points: np.ndarray, *, step_m: float = 5.0) -> np.ndarray:
    """Return a smooth curve (n, 2) through control points by Catmull-Rom splines."""
    p = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    parts = []
    for a, b, c, d in zip(p[:-3], p[1:-2], p[2:-1], p[3:], strict=True):
        t = np.linspace(0, 1, max(int(np.hypot(*(c - b)) / step_m), 2), endpoint=False)[:, None]
        parts.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate([*parts, points[-1:]])
