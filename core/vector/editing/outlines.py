"""Outlines changed by hand, while the layer stays without gaps and overlaps.

All borders around the change are cut at each other once, and the faces between them are given out anew: what two polygons share is then
the same points in both, as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import shapely

from core.errors import SettingsError
from core.vector.editing.nodes import Corner, corners_of, without_nodes
from core.vector.editing.table import Table

_NOBODY, _NEW = -1, -2
_SNAP_PX = 0.25
"""What is drawn this near to a border, in pixels, is meant to lie on it."""
_SLIVER_PX = 1e-4
"""Faces of this area, in square pixels, are left by rounding alone."""


def draw(table: Table, shape: shapely.Polygon, class_id: int) -> None:
    """Add a polygon that takes its place from those that are there. Raises SettingsError where it lies outside the scene."""
    shape, rows = _fitted(table, shape)
    if not len(table.ids):
        raise SettingsError("a polygon drawn in a layer that has none", expected="a layer with polygons", do="Trace the map first")
    faces, owner = _faces(table, rows, shape.boundary, inside=shape)
    drawn = _one(faces[owner == _NEW])
    like = int(rows[0]) if len(rows) else 0
    new = table.add(like, drawn)
    _give_out(table, rows, faces, owner)
    table.classes[new] = -1  # of no class until now, so that it counts as corrected
    table.changed_class([new], class_id)


def split(table: Table, row: int, line: shapely.LineString) -> None:
    """Cut a polygon along a line, or a piece out of it by a closed one; its largest part keeps the row.

    Corners that nearly lie on its border are meant to lie there, and ends there to reach it. Raises SettingsError for what does not cut it.
    """
    whole = table.shapes[row]
    borders, reach = whole.boundary, _SNAP_PX * table.pixel
    line = _onto(shapely.snap(line, borders, reach), borders, reach)
    closed = line.is_ring
    if not closed:
        line = _longer(line, 0.005 * table.pixel)
    cut = shapely.intersection(line, shapely.buffer(whole, 0.01 * table.pixel))
    rows = _near(table, whole)
    faces, owner = _faces(table, rows, cut)
    parts = _without_slivers(faces[owner == row], _SLIVER_PX * table.pixel**2)
    if len(parts) < 2:
        raise SettingsError(
            f"a {'piece' if closed else 'line'} that does not cut polygon {table.ids[row]}",
            expected="one inside of it or across its border" if closed else "one from side to side",
            do="Undo this step, and draw it " + ("there" if closed else "longer"),
        )
    _give_out(table, rows[rows != row], faces, owner)
    _set_parts(table, row, parts)


def merge(table: Table, rows: Sequence[int]) -> None:
    """Make one polygon of several, in the row of the largest. Raises SettingsError where they do not share borders."""
    shape = shapely.coverage_union_all(table.shapes[rows])
    if shape.geom_type != "Polygon":
        raise SettingsError(
            f"polygons that do not touch along a border ({', '.join(str(table.ids[row]) for row in rows[:5])})",
            expected="neighbours",
            do="Undo this step, and merge those that lie side by side",
        )
    heir = max(rows, key=lambda row: table.areas[row])
    for row in rows:
        if row != heir:
            table.take_in(heir, row, table.areas[row])
            table.areas[heir] += table.areas[row]
            table.on_edge[heir] |= table.on_edge[row]
            table.alive[row] = False
    table.shapes[heir] = shape
    table.corrected[heir] = True


def reshape(table: Table, row: int, shape: shapely.Polygon) -> None:
    """Give a polygon another outline: its neighbours give way, and what it leaves goes to the one with most border there, else to nobody.

    Sides that it had already stay as they are, to the bit. Raises SettingsError where the outline lies outside the scene.
    """
    old = table.shapes[row]
    shape, touched = _fitted(table, shape, was=row)
    rows = np.union1d(touched, _near(table, old))
    faces, owner = _faces(table, rows, shape.boundary, inside=shape)
    left = np.flatnonzero(owner == row)
    owner[owner == _NEW] = row
    others, kept = rows[rows != row], corners_of([*table.shapes[rows], shape])
    for face in left:
        # Faces have the same corners; the borders that they were cut from may lie beside them by rounding.
        shared = shapely.length(shapely.intersection(shapely.boundary(faces), faces[face].boundary))
        border = np.array([shared[owner == other].sum() for other in others])
        heir = int(others[np.argmax(border)]) if border.max(initial=0) > 0 else _NOBODY
        owner[face] = heir
        if heir != _NOBODY:
            table.take_in(heir, row, table.areas[row] * faces[face].area / old.area)
    count = len(table.ids)
    _give_out(table, rows, faces, owner)
    # Where the new border has crossed the old one, which is gone, neither of its neighbours has a corner.
    changed = [one for one in (*rows, *range(count, len(table.ids))) if table.alive[one]]
    table.shapes[changed] = without_nodes(table.shapes[changed], kept, table.pixel)
    table.corrected[row] = True


def _near(table: Table, shape: shapely.Geometry) -> np.ndarray:
    """Rows of the polygons that a geometry touches, in order."""
    alive = np.flatnonzero(table.alive)
    return np.sort(alive[shapely.STRtree(table.shapes[alive]).query(shape, predicate="intersects")])


def _fitted(table: Table, shape: shapely.Polygon, *, was: int = _NOBODY) -> tuple[shapely.Polygon, np.ndarray]:
    """A drawn outline within the scene and on the borders that it nearly follows, and the rows that it touches.

    Where it changes that of the row `was`, this one's borders hold nothing, and its sides are not moved.
    """
    inside = shape if shapely.covers(table.rim, shape) else shapely.intersection(shape, table.rim)
    if inside.geom_type != "Polygon" or inside.area == 0:
        raise SettingsError(
            "an outline that lies outside the scene" if inside.area == 0 else "an outline that the rim of the scene cuts in several parts",
            expected="one inside the scene",
            do="Undo this step, and draw it there",
        )
    reach = _SNAP_PX * table.pixel
    near = _near(table, shapely.buffer(inside, reach))
    borders = shapely.union_all([*shapely.boundary(table.shapes[near[near != was]]), table.rim.exterior])
    if was == _NOBODY:
        snapped = _onto(shapely.snap(inside, borders, reach), borders, reach)
    else:
        others = shapely.difference(borders, table.shapes[was].boundary)
        snapped = shapely.Polygon(*_fitted_rings(inside, _sides(table.shapes[was]), others, reach))
    fits = snapped.geom_type == "Polygon" and snapped.is_valid and snapped.area > 0
    found = snapped if fits else inside
    return found, _near(table, found)


def _longer(line: shapely.LineString, by: float) -> shapely.LineString:
    """A line that runs on beyond both of its ends: one that ends on a border would by rounding end short of it."""
    points = shapely.get_coordinates(line)
    for end, before in ((0, 1), (-1, -2)):
        way = points[end] - points[before]
        points[end] += way * by / max(np.hypot(*way), by)
    return shapely.LineString(points)


def _without_slivers(parts: np.ndarray, least: float) -> np.ndarray:
    """Parts (n,) of a polygon, those smaller than `least` joined to the one with which they share most border."""
    large, found = shapely.area(parts) >= least, list(parts)
    if not large.any():
        return parts
    for k in np.flatnonzero(~large):
        border = shapely.length(shapely.intersection(shapely.boundary(parts), parts[k].boundary))
        heir = int(np.argmax(np.where(large, border, -1)))
        found[heir] = shapely.coverage_union_all([found[heir], parts[k]])
    return np.array(found, object)[large]


def _onto(shape: shapely.Geometry, borders: shapely.Geometry, reach: float) -> shapely.Geometry:
    """A geometry whose corners lie on the borders that are within reach of them."""

    def moved(corners: np.ndarray) -> np.ndarray:
        points = shapely.points(corners)
        nearest = shapely.get_point(shapely.shortest_line(points, borders), 1)
        return np.where(shapely.dwithin(points, borders, reach)[:, None], shapely.get_coordinates(nearest), corners)

    return shapely.transform(shape, moved)


_Side = tuple[Corner, Corner]


def _sides(shape: shapely.Polygon) -> set[_Side]:
    """The sides of a polygon, each in both directions."""
    rings = [list(ring.coords) for ring in (shape.exterior, *shape.interiors)]
    there = {side for ring in rings for side in pairwise(ring)}
    return there | {(end, start) for start, end in there}


def _fitted_rings(
    shape: shapely.Polygon, known: set[_Side], borders: shapely.Geometry, reach: float
) -> tuple[list[Corner], list[list[Corner]]]:
    """Rim and holes of an outline whose new sides are snapped to borders, while the known ones stay."""
    rim, *holes = ([*_fitted_ring(list(ring.coords), known, borders, reach)] for ring in (shape.exterior, *shape.interiors))
    return rim, holes


def _fitted_ring(ring: list[Corner], known: set[_Side], borders: shapely.Geometry, reach: float) -> list[Corner]:
    """A closed ring whose new sides are snapped to borders, run by run."""
    sides = list(pairwise(ring))
    start = next((k for k, side in enumerate(sides) if side in known), None)
    if start is None:
        return list(_onto(shapely.snap(shapely.LinearRing(ring), borders, reach), borders, reach).coords)
    found: list[Corner] = []
    run: list[Corner] = []
    for side in [*sides[start:], *sides[:start], sides[start]]:
        if side not in known:
            run = run or [side[0]]
            run.append(side[1])
            continue
        if run:
            line = _onto(shapely.snap(shapely.LineString(run), borders, reach), borders, reach)
            found.extend([run[0], *list(line.coords)[1:-1]])
        run = []
        found.append(side[0])
    return found


def _faces(
    table: Table, rows: np.ndarray, cut: shapely.Geometry, *, inside: shapely.Polygon | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Faces between the borders of rows and a cut (n,), and whose each is: a row, `_NEW` where it lies in `inside`, or `_NOBODY`."""
    noded = shapely.union_all([*shapely.boundary(table.shapes[rows]), cut])
    faces = shapely.get_parts(shapely.polygonize([noded]))
    points = shapely.point_on_surface(faces)
    owner = np.full(len(faces), _NOBODY)
    at, which = shapely.STRtree(table.shapes[rows]).query(points, predicate="intersects")
    owner[at] = rows[which]
    if inside is not None:
        owner[shapely.intersects(inside, points)] = _NEW
    for face in np.flatnonzero(shapely.area(faces) < _SLIVER_PX * table.pixel**2):
        border = shapely.length(shapely.intersection(shapely.boundary(faces), faces[face].boundary))
        border[face] = 0
        if border.max() > 0:
            owner[face] = owner[np.argmax(border)]
    return faces, owner


def _give_out(table: Table, rows: np.ndarray, faces: np.ndarray, owner: np.ndarray) -> None:
    """Give each row the faces that are its, as polygons of their own where they do not hang together."""
    for row in rows:
        mine = faces[owner == row]
        if len(mine):
            _set_parts(table, int(row), shapely.get_parts(shapely.coverage_union_all(mine)))
        else:
            table.alive[row] = False


def _set_parts(table: Table, row: int, parts: np.ndarray) -> None:
    """Give a row the largest of its parts, and the others rows of their own."""
    parts = parts[np.argsort(-shapely.area(parts), kind="stable")]
    for part in parts[1:]:
        table.add(row, part)
    table.put(row, parts[0])


def _one(faces: np.ndarray) -> shapely.Polygon:
    """The polygon that faces make."""
    return max(shapely.get_parts(shapely.coverage_union_all(faces)), key=lambda part: part.area)
