"""A map to print, as PNG or PDF: polygons on the scene or an online base map, with title, legend, scale bar, north arrow and source."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely
from affine import Affine
from pyproj import CRS, Transformer

from core.errors import ExportError, SettingsError
from core.files import replacing
from core.geo import local_utm, metres_per_unit, on_earth, to_lonlat
from core.prediction.folder.origin import ATTRIBUTION
from core.projecting import moved
from core.scenes.display import display_rgb
from core.scenes.scene import Scene
from core.vector.clip import class_sums
from core.vector.layer import LineLayer, PolygonLayer
from core.vector.printing.place import day_words, place_words
from core.words import area_words, length_words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BASES = {"scene": "The scene", "none": "No picture", "osm": "OpenStreetMap (online)", "imagery": "Aerial imagery (online)"}
"""What may lie below the polygons of a printed map, and its title."""

SUFFIXES = (".png", ".pdf")
PAGES_IN = {"a4": (11.69, 8.27), "a3": (16.54, 11.69)}
PICTURE_PX = 2400
INK, QUIET, PAPER = "#1d2733", "#5b6875", "#ffffff"
_METRES_PER_INCH = 0.0254
_BESIDE_IN, _ABOVE_IN = 3.75, 1.9
"""What the page keeps beside the map, and above and below it."""
_ROUND = (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 7.5, 8)
WIDEST_M = 2_000_000.0
_PLANE = CRS.from_epsg(3857)
"""Stands for a CRS in which a picture is only turned: GDAL bends nothing between a CRS and itself, and asks for one."""


def draw_figure(
    layer: PolygonLayer,
    path: str | os.PathLike,
    *,
    title: str | None = None,
    scene: Scene | None = None,
    base: str = "scene",
    attribution: str | None = None,
    page: str = "a4",
    dpi: int = 200,
    lines: LineLayer | None = None,
) -> Path:
    """Draw a layer on a page (landscape "a4" or "a3") as .png or .pdf, whose polygons stay vectors.

    Drawn in the layer's CRS, in the local UTM zone for one in degrees or Web Mercator, in pixels without. base: see `BASES`; an online
    map that does not answer, or a layer without CRS, falls back to the scene. attribution: a line of your own, printed with the source.
    dpi: 50 to 600, of a PNG. lines: centre lines, drawn above the polygons. Raises SettingsError for another ending, page, base or
    resolution, ExportError when it cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise SettingsError(f"a printed map called {path.name!r}", expected="a name that ends in .png or .pdf", do="Change the ending")
    if base not in BASES or page not in PAGES_IN or not 50 <= dpi <= 600:
        raise SettingsError(
            f"base {base!r}, page {page!r} and {dpi} dots per inch",
            expected=f"{', '.join(BASES)}; {', '.join(PAGES_IN)}; 50 to 600",
            do="Correct the settings of the printed map",
        )
    figure = compose(layer, title=title, scene=scene, base=base, attribution=attribution, page=page, dpi=dpi, lines=lines)
    named = {"Title": _title(layer, title)}
    try:
        with replacing(path, suffix=suffix) as temporary:
            figure.savefig(temporary, dpi=dpi, facecolor=PAPER, metadata=named)
    except OSError as error:
        raise ExportError(f"{path.name} could not be written ({error})", expected="a complete file", do="Check the free space") from error
    return path


def compose(
    layer: PolygonLayer,
    *,
    title: str | None,
    scene: Scene | None,
    base: str,
    attribution: str | None,
    page: str,
    dpi: int,
    lines: LineLayer | None = None,
) -> Figure:
    """The page as a matplotlib Figure, drawn without pyplot so that two users do not share one."""
    from matplotlib.figure import Figure

    crs = _drawing_crs(layer)
    shapes = layer.frame.geometry.to_numpy()
    if crs is not None and len(shapes):
        shapes = moved(shapes, layer.geo.crs, crs)
    corners = _frame_corners(layer, crs)
    figure = Figure(figsize=PAGES_IN[page], dpi=dpi)
    wide, high = PAGES_IN[page]
    fitted = _fitted(layer, crs, corners, wide - _BESIDE_IN, high - _ABOVE_IN)
    axes = figure.add_axes((0.45 / wide, 0.9 / high, (wide - _BESIDE_IN) / wide, (high - _ABOVE_IN) / high))
    if fitted is not None:
        _resize(axes, fitted[1], figure)
    _look_at(axes, corners)
    credits = _base_map(axes, layer, scene, base, crs, corners, dpi)
    sums = class_sums(layer)
    for row in sums.itertuples():
        _paint(axes, shapes[layer.frame["class_id"].to_numpy() == row.class_id], row.colour, 0.45 if credits.pictured else 0.75)
    if lines is not None:
        _draw_lines(axes, lines, crs)
    side = figure.add_axes(((wide - 3.1) / wide, 0.9 / high, 2.65 / wide, (high - _ABOVE_IN) / high))
    _legend(side, layer, sums, lines)
    _north(side, layer, crs, corners)
    _scale_bar(side, axes, layer, crs, figure, None if fitted is None else fitted[0])
    figure.text(0.45 / wide, 1 - 0.5 / high, _title(layer, title), fontsize=19, fontweight="bold", color=INK, va="center")
    words = [
        f"{place_words(layer)} {day_words()}.",
        _source(layer, crs),
        *credits.lines,
        *filter(None, dict.fromkeys((attribution, layer.made.get(ATTRIBUTION)))),
    ]
    figure.text(0.45 / wide, 0.72 / high, "\n".join(words), fontsize=7.5, color=QUIET, va="top", linespacing=1.4)
    return figure


class _Credits:
    """Whether a picture lies below the polygons, and the lines that have to be printed for it."""

    def __init__(self, pictured: bool, *lines: str):
        self.pictured, self.lines = pictured, lines


def _title(layer: PolygonLayer, title: str | None) -> str:
    return title or str(layer.made.get("source") or "Polygons")


def _source(layer: PolygonLayer, crs: CRS | None) -> str:
    made = layer.made
    model = f" with {made['model']}" if made.get("model") else ""
    drawn = crs.name if crs is not None else layer.geo.coordinates if layer.geo.unnamed else "pixels, no coordinates known"
    by = f"{made.get('software', 'Groundline')} from {made.get('source', 'a scene')}{model}"
    return f"{by}. Drawn in: {drawn}. Areas: {made.get('area_method')}."


def _drawing_crs(layer: PolygonLayer) -> CRS | None:
    """The layer's CRS where a length on paper is one on the ground, or no zone could hold it, else the UTM zone of the scene's middle; None
    without CRS."""
    from core.vector.tracing.attributes import planar_factor

    geo, height, width = layer.geo, layer.made["height"], layer.made["width"]
    middle = geo.lonlat(height / 2, width / 2)
    if geo.crs is None or middle is None or planar_factor(geo, height, width) is not None:
        return geo.crs
    utm = local_utm(*middle)
    x, y = geo.points((0, 0, height, height), (0, width, width, 0))
    reach = np.ptp(np.column_stack(Transformer.from_crs(geo.crs, utm, always_xy=True).transform(x, y)), axis=0).max()
    # No zone holds half of the earth: such a scene is drawn as it lies.
    return utm if reach < WIDEST_M else geo.crs


def _frame_corners(layer: PolygonLayer, crs: CRS | None) -> np.ndarray:
    """The scene's corners (4, 2) in the coordinates that are drawn."""
    height, width = layer.made["height"], layer.made["width"]
    corners = np.array([layer.geo.transform * point for point in ((0, 0), (width, 0), (width, height), (0, height))])
    if crs is None or crs.equals(layer.geo.crs, ignore_axis_order=True):
        return corners
    return shapely.get_coordinates(moved(np.array([shapely.polygons(corners)], object), layer.geo.crs, crs))[:4]


def _look_at(axes: Axes, corners: np.ndarray) -> None:
    (west, south), (east, north) = corners.min(0), corners.max(0)
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_aspect("equal", adjustable="box", anchor="NW")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_facecolor("#eef1f4")
    for spine in axes.spines.values():
        spine.set(color=QUIET, linewidth=0.8)


def round_scale(least: float) -> float:
    """The smallest denominator of a scale that people know (500, 750, 1,000, 1,250, ...) and that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (*_ROUND, 10) if step * power >= least * (1 - 1e-9))


def _fitted(layer: PolygonLayer, crs: CRS | None, corners: np.ndarray, wide_in: float, high_in: float) -> tuple[float, np.ndarray] | None:
    """The denominator of the round scale at which the scene fits into a box on paper, and its size there in inches (width, height); None
    where lengths are not known."""
    metres = _metres_per_unit(layer, crs)
    if metres is None:
        return None
    size_in = np.ptp(corners, axis=0) * metres / _METRES_PER_INCH
    least = float((size_in / (wide_in, high_in)).max())
    if not (math.isfinite(least) and least > 0):
        return None
    scale = round_scale(least)
    return scale, size_in / scale


def _resize(axes: Axes, size_in: np.ndarray, figure: Figure) -> None:
    """Give the map's box a width and height in inches, hung at its upper left corner."""
    box = axes.get_position()
    width, height = size_in / figure.get_size_inches()
    axes.set_position((box.x0, box.y1 - height, width, height))


def _metres_per_unit(layer: PolygonLayer, crs: CRS | None) -> float | None:
    """Metres of a unit that is drawn; None where they are not known, as for degrees, of which no length holds all over a map."""
    if crs is not None:
        return metres_per_unit(crs)
    size = layer.geo.pixel_size_m
    # Drawn in the units of the transform where it has one that nobody named.
    return size / math.sqrt(abs(layer.geo.transform.determinant)) if size and layer.geo.unnamed else size


def _paint(axes: Axes, shapes: np.ndarray, colour: str, alpha: float) -> None:
    """All polygons of a class as one path, holes left open."""
    from matplotlib.collections import PathCollection
    from matplotlib.colors import to_rgba
    from matplotlib.path import Path as Outline

    if len(shapes) == 0:
        return
    outlines = []
    for shape in shapes:
        rings = [np.asarray(ring.coords)[:, :2] for part in shapely.get_parts(shape) for ring in (part.exterior, *part.interiors)]
        codes = [np.r_[Outline.MOVETO, np.full(len(ring) - 2, Outline.LINETO), Outline.CLOSEPOLY] for ring in rings]
        outlines.append(Outline(np.concatenate(rings), np.concatenate(codes).astype(np.uint8)))
    dark = tuple(0.55 * part for part in to_rgba(colour)[:3])
    axes.add_collection(PathCollection(outlines, facecolor=to_rgba(colour, alpha), edgecolor=dark, linewidth=0.35), autolim=False)


def _draw_lines(axes: Axes, lines: LineLayer, crs: CRS | None) -> None:
    from matplotlib.collections import LineCollection

    shapes = lines.frame.geometry.to_numpy()
    if crs is not None and len(shapes):
        shapes = moved(shapes, lines.geo.crs, crs)
    paths = [shapely.get_coordinates(line) for line in shapes]
    axes.add_collection(LineCollection(paths, colors=INK, linewidths=0.9, linestyles="dashed"), autolim=False)


def _base_map(axes: Axes, layer: PolygonLayer, scene: Scene | None, base: str, crs: CRS | None, corners: np.ndarray, dpi: int) -> _Credits:
    if base in ("osm", "imagery") and crs is not None and on_earth(crs):
        from core.vector.printing.online_base import draw_online

        credit = draw_online(axes, base, crs)
        if credit is not None:
            return _Credits(True, credit)
        note = (f"{BASES[base]} did not answer.",)
    else:
        note = ()
    if base == "none" or scene is None:
        return _Credits(False, *note)
    _scene_picture(axes, scene, crs, corners)
    return _Credits(True, *note)


def _scene_picture(axes: Axes, scene: Scene, crs: CRS | None, corners: np.ndarray) -> None:
    """The scene, decimated, below the polygons; turned and bent into the drawn coordinates where they are not its own."""
    factor = max(1.0, max(scene.height, scene.width) / PICTURE_PX)
    height, width = max(1, math.ceil(scene.height / factor)), max(1, math.ceil(scene.width / factor))
    rgb = display_rgb(scene, out_shape=(height, width))
    pixels = np.dstack([rgb, scene.valid(out_shape=(height, width)).astype(np.uint8) * 255])
    transform = scene.geo.transform * Affine.scale(scene.width / width, scene.height / height)
    (west, south), (east, north) = corners.min(0), corners.max(0)
    straight = transform.b == transform.d == 0 and transform.a > 0 > transform.e
    same = crs is None or crs.equals(scene.geo.crs, ignore_axis_order=True)
    if not (straight and same):
        from rasterio.transform import from_bounds
        from rasterio.warp import Resampling, reproject

        side = max(east - west, north - south) / max(height, width)
        height, width = max(1, round((north - south) / side)), max(1, round((east - west) / side))
        warped = np.zeros((4, height, width), np.uint8)
        reproject(
            np.ascontiguousarray(pixels.transpose(2, 0, 1)),
            warped,
            src_transform=transform,
            src_crs=_PLANE if same else scene.geo.crs,
            dst_transform=from_bounds(west, south, east, north, width, height),
            dst_crs=_PLANE if same else crs,
            resampling=Resampling.bilinear,
        )
        pixels = warped.transpose(1, 2, 0)
    axes.imshow(pixels, extent=(west, east, south, north), interpolation="bilinear", zorder=0, aspect="equal")
    _look_at(axes, corners)


def _legend(side: Axes, layer: PolygonLayer, sums: pd.DataFrame, lines: LineLayer | None) -> None:
    from matplotlib.patches import Rectangle

    side.set_xlim(0, 1)
    side.set_ylim(0, 1)
    side.axis("off")
    side.text(0, 0.985, "Classes", fontsize=11, fontweight="bold", color=INK, va="top")
    step = min(0.05, 0.6 / max(1, len(sums)))
    for number, row in enumerate(sums.head(24).itertuples()):
        y = 0.925 - number * step
        side.add_patch(Rectangle((0, y - 0.014), 0.075, 0.028, facecolor=row.colour, edgecolor=INK, linewidth=0.5))
        side.text(0.11, y, row.class_name[:22], fontsize=9, color=INK, va="center")
        side.text(1, y, f"{area_words(row.area, layer.units)}", fontsize=9, color=INK, va="center", ha="right")
    y = 0.925 - min(24, len(sums)) * step
    if lines is not None:
        side.plot([0, 0.075], [y, y], color=INK, linewidth=0.9, linestyle="dashed")
        side.text(0.11, y, "Centre lines", fontsize=9, color=INK, va="center")
        side.text(1, y, length_words(sum(lines.lengths().values()), lines.units), fontsize=9, color=INK, va="center", ha="right")
        y -= step
    more = f" (and {len(sums) - 24} more classes)" if len(sums) > 24 else ""
    side.text(0, y - 0.01, f"{len(layer.frame):,} polygons{more}", fontsize=8, color=QUIET, va="top")


def _north(side: Axes, layer: PolygonLayer, crs: CRS | None, corners: np.ndarray) -> None:
    """An arrow to geographic north at the scene's middle; none where the directions are not known."""
    if crs is None or not on_earth(crs):
        why = "No coordinates" if crs is None else "A local CRS"
        side.text(0.5, 0.2, f"{why}:\nnorth is not known", fontsize=8, color=QUIET, ha="center", va="center")
        return
    middle = corners.mean(0)
    lon, lat = to_lonlat(crs).transform(*middle)
    up = shapely.get_coordinates(moved(np.array([shapely.Point(lon, lat - 1e-4)], object), CRS.from_epsg(4326), crs))[0]
    dx, dy = (middle - up) / np.hypot(*(middle - up))
    # The panel is stretched: lengths across and down are brought to the same size on paper.
    box = side.get_position()
    wide, high = box.width * side.figure.get_figwidth(), box.height * side.figure.get_figheight()
    reach = 0.32  # inches, half of the arrow
    middle = np.array([0.5, 0.2])
    ahead = np.array([dx * reach / wide, dy * reach / high])
    side.annotate("", xy=middle + ahead, xytext=middle - ahead, arrowprops={"facecolor": INK, "edgecolor": INK, "width": 2, "headwidth": 9})
    side.text(*(middle + 1.45 * ahead), "N", fontsize=12, fontweight="bold", color=INK, ha="center", va="center")


def round_length(longest: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is not longer."""
    power = 10.0 ** math.floor(math.log10(longest))
    return max(step * power for step in (1, 2, 5) if step * power <= longest * (1 + 1e-9))


def _scale_bar(side: Axes, axes: Axes, layer: PolygonLayer, crs: CRS | None, figure: Figure, scale: float | None) -> None:
    """A bar of a round length, with the scale of the printed page where metres are known."""
    from matplotlib.patches import Rectangle

    axes.apply_aspect()
    box = axes.get_position()
    units_per_inch = (axes.get_xlim()[1] - axes.get_xlim()[0]) / (box.width * figure.get_figwidth())
    metres = _metres_per_unit(layer, crs)
    if crs is not None and metres is None:
        return
    # Where metres are not known, in pixels, also of a transform whose units nobody named.
    per_inch = units_per_inch * (metres or 1 / (math.sqrt(abs(layer.geo.transform.determinant)) if layer.geo.unnamed else 1))
    panel = side.get_position().width * figure.get_figwidth()
    length = round_length(per_inch * panel * 0.9)
    share = length / per_inch / panel
    left = (1 - share) / 2
    for part in range(4):
        colour = INK if part % 2 == 0 else PAPER
        side.add_patch(Rectangle((left + share * part / 4, 0.05), share / 4, 0.012, facecolor=colour, edgecolor=INK, linewidth=0.7))
    unit, size = ("km", 1000) if metres and length >= 1000 else ("m" if metres else "px", 1)
    for at, value in ((left, 0), (left + share / 2, length / 2), (left + share, length)):
        side.text(at, 0.072, f"{value / size:g}", fontsize=7.5, color=INK, ha="center", va="bottom")
    side.text(left + share, 0.043, unit, fontsize=7.5, color=INK, ha="center", va="top")
    if scale is not None:
        side.text(0.5, 0.0, f"1 : {scale:,.10g} on this page", fontsize=8, color=QUIET, ha="center", va="bottom")
