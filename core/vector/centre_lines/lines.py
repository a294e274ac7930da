"""Centre lines of roads and other long areas: a network of lines that share their nodes, with length and width."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import Geod
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree
from skimage.morphology import skeletonize

from core.classes import ClassScheme
from core.geo import GeoRef, metres_per_unit, to_lonlat
from core.progress import OnProgress, ShouldStop, check, report
from core.vector.centre_lines.line_graph import Network, Path, clean_network
from core.vector.centre_lines.skeletons import neighbours_of, trace_paths
from core.vector.layer import LineLayer
from core.vector.tracing.arcs import Arcs
from core.vector.tracing.polygons import transformed
from core.vector.tracing.zonal import region_rows

BLOCK_PX = 2048
WIDEST_HALO_PX = 512
"""Blocks see this far beyond their rim at most, so seams are invisible where no area is wider than 512 px."""
LEAST_SIGMA_PX = 2.0
LINE_TOLERANCE_PX = 0.25

LINE_METHOD = "skeleton (Zhang-Suen), spurs shorter than the local width pruned; widths are means of twice the distance to the border"

ReadMask = Callable[[int, int, int, int], np.ndarray]


def line_layer(
    arcs: Arcs,
    class_ids: np.ndarray,
    scheme: ClassScheme,
    geo: GeoRef,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> LineLayer:
    """Centre lines of the regions of each class, traced from their exact pixels; see `centre_lines`. Raises Cancelled."""
    frames, nodes = [], 0
    regions_of = region_rows(arcs)
    for class_id in class_ids:
        of_class = arcs.regions.classes == class_id

        def read_mask(r0: int, c0: int, r1: int, c1: int, of_class: np.ndarray = of_class) -> np.ndarray:
            return of_class[regions_of(r0, r1)[:, c0:c1]]

        network = centre_lines(read_mask, arcs.height, arcs.width, on_progress=on_progress, should_stop=should_stop)
        frame = line_frame(network, geo, height=arcs.height, width=arcs.width)
        frame[["from_node", "to_node"]] += nodes
        nodes = max(nodes, int(frame["to_node"].max()), int(frame["from_node"].max())) if len(frame) else nodes
        frame.insert(1, "class_id", np.full(len(frame), class_id, np.int32))
        frame.insert(2, "class_name", np.full(len(frame), scheme.names[class_id], object))
        frames.append(frame)
    whole = frames[0] if len(frames) == 1 else gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), geometry="geometry", crs=geo.crs)
    whole["id"] = np.arange(1, len(whole) + 1)
    return LineLayer(whole, scheme, geo, geo.units, {"line_method": LINE_METHOD, "widest_px": WIDEST_HALO_PX})


def centre_lines(
    read_mask: ReadMask,
    height: int,
    width: int,
    *,
    block_px: int = BLOCK_PX,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Network:
    """Centre lines of the set pixels of a mask, in pixel space, block by block.

    read_mask(r0, c0, r1, c1) gives bool (r1 - r0, c1 - c0). The skeleton is that of Zhang and Suen (1984): connected as the mask is with
    its diagonals, with one loop round each hole. Spurs shorter than the local width go, junctions nearer to each other than
    three quarters of it become one, and dead ends are drawn out to the end of the area. Thinning works inwards from the borders, so a
    block that sees four times the widest area's radius beyond its rim has the very pixels that the whole would have. Raises Cancelled.
    """
    blocks = list(itertools.product(_pieces(height, block_px), _pieces(width, block_px)))
    parts = []
    for done, ((top, bottom), (left, right)) in enumerate(blocks):
        check(should_stop)
        parts.append(_block_skeleton(read_mask, height, width, (top, left, bottom, right)))
        report(on_progress, done + 1, len(blocks), "finding centre lines")
    rows, cols, radius, across = (np.concatenate([part[k] for part in parts]) for k in range(4))
    order = np.lexsort((cols, rows))
    rows, cols, radius, across = rows[order], cols[order], radius[order], across[order]
    near = neighbours_of(rows, cols)
    pixels, offsets = trace_paths(near)
    points = np.column_stack([cols + 0.5, rows + 0.5])
    paths = []
    for a, b in itertools.pairwise(offsets):
        own = pixels[a:b]
        paths.append(Path(int(own[0]), int(own[-1]), points[own], across[own]))
    return clean_network(paths, points, radius, across, height=height, width=width)


def _pieces(length: int, size: int) -> list[tuple[int, int]]:
    """Ranges of about `size` that make up `length`; what is left at the end, less than a quarter of one, is part of the last."""
    starts = range(0, max(1, length - size // 4), size)
    return list(itertools.pairwise([*starts, length]))


def _block_skeleton(read_mask: ReadMask, height: int, width: int, block: tuple[int, int, int, int]) -> tuple[np.ndarray, ...]:
    """Skeleton pixels of a block (top, left, bottom, right): rows, columns, distance to the border, and width of the area, in pixels."""
    halo, (top, left, bottom, right) = 32, block
    while True:
        r0, c0, r1, c1 = max(0, top - halo), max(0, left - halo), min(height, bottom + halo), min(width, right + halo)
        # A rim of one pixel, so that neighbours can be asked for; the scene's own rim is no border of an area.
        mask = np.pad(read_mask(r0, c0, r1, c1), 1)
        if not mask.any():
            return tuple(np.empty(0, kind) for kind in (np.int64, np.int64, np.float64, np.float64))
        thin = skeletonize(mask)
        i, j = np.nonzero(thin)
        distance_at = _distances(mask)
        radius = distance_at(i, j)
        # The middle of the widest place may lie one pixel beside the skeleton.
        widest = radius.max() + 1
        inside = r0 == 0 and c0 == 0 and r1 == height and c1 == width
        if inside or halo >= WIDEST_HALO_PX or halo >= 4 * widest + 8:
            break
        halo = int(min(WIDEST_HALO_PX, max(2 * halo, 4 * math.ceil(widest) + 8)))
    core = (i - 1 + r0 >= top) & (i - 1 + r0 < bottom) & (j - 1 + c0 >= left) & (j - 1 + c0 < right)
    i, j, radius = i[core], j[core], radius[core]
    # Beside the skeleton: where an even number of pixels lies across, the middle runs between two of them.
    beside = np.zeros(i.size)
    for di, dj in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        asked = np.flatnonzero(mask[i + di, j + dj] & ~thin[i + di, j + dj])
        beside[asked] = np.maximum(beside[asked], distance_at(i[asked] + di, j[asked] + dj))
    return (i - 1 + r0).astype(np.int64), (j - 1 + c0).astype(np.int64), radius, radius + beside


def _distances(mask: np.ndarray) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """What tells how far set pixels, by rows and columns, lie from the nearest one that is not; a rim of one pixel is not looked at.

    Only few pixels are asked for: the nearest of the border's own is found for these alone, not for all.
    """
    own = mask[1:-1, 1:-1]
    near = mask[:-2, 1:-1] | mask[2:, 1:-1] | mask[1:-1, :-2] | mask[1:-1, 2:]
    border = np.argwhere(near & ~own) + 1
    if not len(border):
        return lambda rows, cols: np.full(rows.size, min(own.shape) / 2)
    tree = cKDTree(border, balanced_tree=False, compact_nodes=False)
    return lambda rows, cols: tree.query(np.column_stack([rows, cols]))[0]


def smoothed(path: Path) -> np.ndarray:
    """Points (n, 2) of a path after a Gaussian of a quarter of its width (2 px at least), its ends where they were; a loop goes on."""
    xy = path.xy
    sigma = max(LEAST_SIGMA_PX, float(np.mean(path.across)) / 4)
    reach = int(math.ceil(3 * sigma))
    if path.is_loop and path.free:
        ring = gaussian_filter1d(xy[:-1], sigma, axis=0, mode="wrap")
        return np.vstack([ring, ring[:1]])
    if len(xy) < 3:
        return xy
    # Turned about its ends a path goes on as it came, so a symmetric kernel leaves the ends where they are.
    reach = min(reach, len(xy) - 1)
    ahead, after = 2 * xy[0] - xy[reach:0:-1], 2 * xy[-1] - xy[-2 : -reach - 2 : -1]
    out = gaussian_filter1d(np.vstack([ahead, xy, after]), sigma, axis=0, mode="nearest", truncate=3.0)[reach:-reach]
    # To the last bit, so that lines share their nodes.
    out[0], out[-1] = xy[0], xy[-1]
    return out


def line_frame(network: Network, geo: GeoRef, *, height: int, width: int) -> gpd.GeoDataFrame:
    """Lines with length, width and nodes: columns id, length_m, width_m (or _px), from_node, to_node, geometry; widths are means.

    Lengths are geodesic on the earth, those of its plane in a local CRS, else in pixels, or metres by the pixel size. Nodes are numbered
    from 1 by their first line.
    """
    unit = geo.units
    drawn = [shapely.LineString(smoothed(path)) for path in network.paths]
    drawn = shapely.simplify(np.array(drawn, object), LINE_TOLERANCE_PX) if drawn else np.empty(0, object)
    placed = shapely.transform(drawn, lambda xy: transformed(xy, geo.transform)) if len(drawn) else drawn
    scale = math.sqrt(geo.pixel_area_m2(height / 2, width / 2) or 1.0)
    if geo.georeferenced:
        lengths = geodesic_lengths(placed, geo)
    elif geo.local and unit == "m":
        lengths = shapely.length(placed) * metres_per_unit(geo.crs)
    else:
        lengths = shapely.length(drawn) * scale
    nodes = _by_first_use(np.array([[path.start, path.end] for path in network.paths], int).ravel()).reshape(-1, 2)
    columns = {
        "id": np.arange(1, len(drawn) + 1),
        f"length_{unit}": lengths,
        f"width_{unit}": np.array([float(np.mean(path.across)) for path in network.paths]) * scale,
        "from_node": nodes[:, 0],
        "to_node": nodes[:, 1],
    }
    return gpd.GeoDataFrame(columns, geometry=placed, crs=geo.crs)


def geodesic_lengths(lines: np.ndarray, geo: GeoRef) -> np.ndarray:
    """Length of each line in metres on the WGS84 ellipsoid; the lines lie in the CRS of `geo`."""
    xy, owner = shapely.get_coordinates(lines, return_index=True)
    if len(xy) == 0:
        return np.zeros(len(lines))
    lon, lat = to_lonlat(geo.crs).transform(xy[:, 0], xy[:, 1])
    steps = Geod(ellps="WGS84").inv(lon[:-1], lat[:-1], lon[1:], lat[1:])[2]
    same = owner[1:] == owner[:-1]
    return np.bincount(owner[1:][same], weights=steps[same], minlength=len(lines))


def _by_first_use(numbers: np.ndarray) -> np.ndarray:
    """Numbers renamed 1, 2, ... in the order of their first use."""
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    rank = np.empty(first.size, int)
    rank[np.argsort(first)] = np.arange(1, first.size + 1)
    return rank[inverse]
