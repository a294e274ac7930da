"""The graph of a skeleton: spurs pruned, junctions that are one drawn as one, paths joined where nothing branches off."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace

import numpy as np

SPUR_WIDTHS = 1.0
JUNCTION_WIDTHS = 0.75
LEAST_LOOP_PX2 = 1.01
"""Four neighbouring pixels of a skeleton make a loop of 1 px2 that goes round nothing; round a hole of one pixel it is 2 px2."""


@dataclass(frozen=True)
class Path:
    """A line between two nodes: xy (n, 2) float64 (column, row), and the width (n,) of its area in pixels at each point.

    free: a loop that has no junction, so that it may be rounded everywhere.
    """

    start: int
    end: int
    xy: np.ndarray
    across: np.ndarray
    free: bool = False

    @property
    def is_loop(self) -> bool:
        """Whether it comes back to its start."""
        return self.start == self.end

    @property
    def length(self) -> float:
        """Length in pixels."""
        return float(np.hypot(*np.diff(self.xy, axis=0).T).sum())

    @property
    def loop_area(self) -> float:
        """Area in px2 that a loop goes round."""
        x, y = (self.xy - self.xy[0]).T
        return abs(float(x[:-1] @ y[1:] - x[1:] @ y[:-1])) / 2

    def reversed(self) -> Path:
        """The path walked the other way."""
        return replace(self, start=self.end, end=self.start, xy=self.xy[::-1], across=self.across[::-1])


@dataclass(frozen=True)
class Network:
    """Paths in reading order of their first point; paths that meet have a node, and its point, in common."""

    paths: list[Path]


@dataclass
class _Graph:
    """Paths by number, and the numbers of the paths at each node (a loop counts twice)."""

    paths: dict[int, Path] = field(default_factory=dict)
    at: dict[int, list[int]] = field(default_factory=dict)
    count: int = 0

    def add(self, path: Path) -> int:
        key = self.count
        self.count += 1
        self.paths[key] = path
        self.at.setdefault(path.start, []).append(key)
        self.at.setdefault(path.end, []).append(key)
        return key

    def remove(self, key: int) -> Path:
        path = self.paths.pop(key)
        self.at[path.start].remove(key)
        self.at[path.end].remove(key)
        return path

    def degree(self, node: int) -> int:
        return len(self.at.get(node, ()))


def clean_network(paths: list[Path], points: np.ndarray, radius: np.ndarray, across: np.ndarray, *, height: int, width: int) -> Network:
    """Paths of a skeleton as a network: what is noise goes, what is one junction becomes one.

    points, radius, across: place, distance to the border and width of the area at each node, that is at each skeleton pixel.
    Components and loops stay as many as they were, but for loops round nothing and components no longer than they are wide.
    """
    graph = _Graph()
    for path in paths:
        graph.add(path)
    _contract(graph, points, across, widths=0.0, least=1.5)
    for key, path in list(graph.paths.items()):
        if path.is_loop and path.loop_area < LEAST_LOOP_PX2:
            graph.remove(key)
            _join(graph, path.start)
    _prune(graph, across)
    _contract(graph, points, across, widths=JUNCTION_WIDTHS, least=1.5)
    for key, path in list(graph.paths.items()):
        lonely = graph.degree(path.start) == graph.degree(path.end) == 1
        if lonely and path.length + radius[path.start] + radius[path.end] - 1 <= float(np.mean(path.across)):
            graph.remove(key)
    made = []
    for path in graph.paths.values():
        free = path.is_loop and graph.degree(path.start) == 2
        made.append(replace(_drawn_out(graph, path, radius, height, width), free=free))
    made.sort(key=lambda path: (path.xy[0, 1], path.xy[0, 0], path.xy[-1, 1], path.xy[-1, 0], len(path.xy)))
    return Network(made)


def _join(graph: _Graph, node: int) -> int | None:
    """Make one path of the two that meet at a node where nothing else branches off; returns its number."""
    if graph.degree(node) != 2 or graph.at[node][0] == graph.at[node][1]:
        return None
    one, two = (graph.remove(key) for key in tuple(graph.at[node]))
    one = one if one.end == node else one.reversed()
    two = two if two.start == node else two.reversed()
    whole = Path(one.start, two.end, np.vstack([one.xy, two.xy[1:]]), np.concatenate([one.across, two.across[1:]]))
    return graph.add(whole)


def _prune(graph: _Graph, across: np.ndarray) -> None:
    """Take away dead ends shorter than the local width, the shortest first, and join what is left of their junctions."""

    def spur(key: int) -> tuple[float, int] | None:
        path = graph.paths[key]
        if path.is_loop:
            return None
        dead = [graph.degree(path.start) == 1, graph.degree(path.end) == 1]
        if sum(dead) != 1:
            return None
        junction = path.end if dead[0] else path.start
        return (path.length, key) if path.length < SPUR_WIDTHS * across[junction] else None

    queue = [found for key in graph.paths if (found := spur(key))]
    heapq.heapify(queue)
    while queue:
        _, key = heapq.heappop(queue)
        if key not in graph.paths or not spur(key):
            continue
        path = graph.remove(key)
        junction = path.start if graph.degree(path.end) == 0 else path.end
        joined = _join(graph, junction)
        if joined is not None and (found := spur(joined)):
            heapq.heappush(queue, found)


def _contract(graph: _Graph, points: np.ndarray, across: np.ndarray, *, widths: float, least: float) -> None:
    """Make one node of two junctions with a path between them shorter than `widths` times the local width, or than `least` px."""
    short = sorted((path.length, key) for key, path in graph.paths.items())
    members: dict[int, list[int]] = {}
    for length, key in short:
        path = graph.paths.get(key)
        if path is None or path.is_loop or graph.degree(path.start) < 3 or graph.degree(path.end) < 3:
            continue
        if length >= max(least, widths * min(across[path.start], across[path.end])):
            continue
        graph.remove(key)
        kept, gone = path.start, path.end
        members[kept] = members.get(kept, [kept]) + members.pop(gone, [gone])
        for other in dict.fromkeys(graph.at[gone]):
            moved = graph.paths[other]
            at_start, at_end = moved.start == gone, moved.end == gone
            graph.paths[other] = replace(moved, start=kept if at_start else moved.start, end=kept if at_end else moved.end)
            graph.at[kept] += [other] * (at_start + at_end)
        graph.at[gone] = []
    for node, own in members.items():
        middle = points[own].mean(axis=0)
        for key in dict.fromkeys(graph.at[node]):
            path = graph.paths[key]
            if path.start == node:
                path = replace(path, xy=np.vstack([middle, path.xy]), across=np.append(path.across[:1], path.across))
            if path.end == node:
                path = replace(path, xy=np.vstack([path.xy, middle]), across=np.append(path.across, path.across[-1:]))
            graph.paths[key] = path


def _drawn_out(graph: _Graph, path: Path, radius: np.ndarray, height: int, width: int) -> Path:
    """Lengthen a path at its dead ends by the distance to the border, along the way that it came, at most to the scene's rim."""
    for _ in range(2):
        path = path.reversed()
        if graph.degree(path.end) != 1 or len(path.xy) < 2:
            continue
        tip, reach = path.xy[-1], radius[path.end] - 0.5
        # The last bit of a skeleton bends towards a corner: the line goes on as it came before.
        bend = int(np.ceil(radius[path.end]))
        bent = len(path.xy) > 4 * bend
        if bent:
            path = replace(path, xy=path.xy[:-bend], across=path.across[:-bend])
        back = path.xy[max(0, len(path.xy) - 1 - max(3, 2 * bend))]
        along = (path.xy[-1] - back) / np.hypot(*(path.xy[-1] - back))
        if bent:
            reach += float((tip - path.xy[-1]) @ along)
        tip = path.xy[-1]
        for axis, limit in ((0, width), (1, height)):
            if along[axis]:
                reach = min(reach, ((limit if along[axis] > 0 else 0) - tip[axis]) / along[axis])
        end = np.clip(tip + reach * along, 0, (width, height))
        path = replace(path, xy=np.vstack([path.xy, end]), across=np.append(path.across, path.across[-1]))
    return path
