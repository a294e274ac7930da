"""The map of a report: the scene as a picture and the polygons as SVG, all in the text itself."""

from __future__ import annotations

import base64
import io
import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import shapely
from affine import Affine
from PIL import Image

from core.scenes.display import display_rgb
from core.vector.layer import LineLayer, PolygonLayer

if TYPE_CHECKING:
    from core.scenes.scene import Scene

PICTURE_PX = 1400
MOST_POINTS = 250_000


def map_svg(layer: PolygonLayer, sums: pd.DataFrame, scene: Scene | None, lines: LineLayer | None = None) -> tuple[str, str]:
    """SVG of the layer on the scene's grid, one group class<id> for each class of `sums`, and a sentence on what it shows.

    Centre lines are a group of their own, lines.

    Up to `MOST_POINTS` points the polygons are outlines; beyond that each class is a picture of its pixels.
    """
    height, width = int(layer.made["height"]), int(layer.made["width"])
    factor = max(1.0, max(height, width) / PICTURE_PX)
    rows, cols = max(1, math.ceil(height / factor)), max(1, math.ceil(width / factor))
    shapes, ids = layer.frame.geometry.to_numpy(), layer.frame["class_id"].to_numpy()
    fine = shapely.get_num_coordinates(shapes).sum() <= MOST_POINTS
    alpha = 0.8 if scene is None else 0.45
    parts = [] if scene is None else [_image(_scene_pixels(scene, rows, cols), "WEBP", cols, rows)]
    for row in sums.itertuples():
        mine = shapes[ids == row.class_id]
        if fine:
            path = _outline(shapely.get_rings(mine), ~layer.geo.transform, 1 / factor, closed=True)
            drawn = f'<path d="{path}" fill="{row.colour}" fill-opacity="{alpha}" stroke="{_darker(row.colour)}"/>'
        else:
            drawn = _image(_class_pixels(mine, layer, row.colour, alpha, rows, cols), "PNG", cols, rows)
        parts.append(f'<g id="class{row.class_id}">{drawn}</g>')
    if lines is not None:
        path = _outline(lines.frame.geometry.to_numpy(), ~layer.geo.transform, 1 / factor, closed=False)
        parts.append(f'<path id="lines" d="{path}" fill="none" stroke="#1d2733" stroke-width="1.6" stroke-dasharray="6 4"/>')
    note = "The polygons" if fine else "The classes' pixels (the layer holds too many polygons to draw their outlines here)"
    picture = " on the scene" if scene is not None else ""
    return (
        f'<svg class="map" viewBox="0 0 {cols} {rows}" role="img" aria-label="Map of the polygons" stroke-width="0.8" '
        f'stroke-linejoin="round" fill-rule="evenodd">{"".join(parts)}</svg>',
        f"{note}{picture}, as the scene lies; {width:,} by {height:,} pixels.",
    )


def _outline(shapes: np.ndarray, to_pixels: Affine, scale: float, *, closed: bool) -> str:
    """Rings or lines as one SVG path in picture pixels, a tenth of a pixel fine."""
    if len(shapes) == 0:
        return ""
    xy, owner = shapely.get_coordinates(shapes, return_index=True)
    xy = np.round(np.column_stack(to_pixels * (xy[:, 0], xy[:, 1])) * scale, 1)
    kept = np.r_[owner[1:] == owner[:-1], False] | (not closed)  # a ring's last point is its first
    words = [f"{x:g} {y:g}" for x, y in xy[kept].tolist()]
    starts = np.r_[0, np.cumsum(np.bincount(owner[kept], minlength=len(shapes)))]
    return "".join(f"M{'L'.join(words[a:b])}{'Z' if closed else ''}" for a, b in itertools.pairwise(starts))


def _scene_pixels(scene: Scene, rows: int, cols: int) -> Image.Image:
    rgb = display_rgb(scene, out_shape=(rows, cols))
    valid = scene.valid(out_shape=(rows, cols)).astype(np.uint8) * 255
    return Image.fromarray(np.ascontiguousarray(np.dstack([rgb, valid])), "RGBA")


def _class_pixels(shapes: np.ndarray, layer: PolygonLayer, colour: str, alpha: float, rows: int, cols: int) -> Image.Image:
    from rasterio.features import rasterize

    transform = layer.geo.transform * Affine.scale(layer.made["width"] / cols, layer.made["height"] / rows)
    inside = rasterize(shapes.tolist(), out_shape=(rows, cols), transform=transform, dtype=np.uint8)
    table = np.array([(0, 0, 0, 0), (*bytes.fromhex(colour[1:]), round(255 * alpha))], np.uint8)
    return Image.fromarray(table[inside], "RGBA")


def _image(picture: Image.Image, kind: str, cols: int, rows: int) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **({"quality": 82} if kind == "WEBP" else {"optimize": True}))
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<image width="{cols}" height="{rows}" preserveAspectRatio="none" href="data:image/{kind.lower()};base64,{data}"/>'


def _darker(colour: str) -> str:
    return "#" + "".join(f"{round(0.55 * part):02x}" for part in bytes.fromhex(colour[1:]))
