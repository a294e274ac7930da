"""Labels drawn on pictures and kept as JSON: COCO (one file for many images) and labelme (one file for each image)."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from PIL import Image
from rasterio.features import shapes as outlines
from shapely.errors import ShapelyError

from core.errors import MaskError
from core.reading.readable import reason

COCO, LABELME, GEO = "COCO", "labelme", "geo"
_GEO_MARKS = ('"FeatureCollection"', '"Feature"', '"Topology"', '"esriGeometry')
_MOST_PIXELS = 2**28  # of a mask of runs, which takes a byte each
_HEAD = 1 << 16
_IGNORED = "__ignore__"
_BACKGROUND = "_background_"
_CIRCLE_SEGMENTS = 32


@dataclass(frozen=True, eq=False)
class Drawing:
    """What is drawn on one image: geometries (n,) in columns and rows (rows run down), the class of each (None: not labelled).

    image: the name that the file gives the image. shape: (height, width) of it, None where the file does not say. left_out: how many
    annotations could not be taken, by the reason.
    """

    image: str
    shape: tuple[int, int] | None
    geometries: np.ndarray
    classes: np.ndarray
    left_out: Mapping[str, int] = field(default_factory=dict)


def kind_of_json(path: Path) -> str | None:
    """COCO, labelme or GEO (features on the ground) for a JSON file that labels something, None for any other."""
    with path.open("r", encoding="utf-8-sig", errors="replace") as file:
        head = file.read(_HEAD)
    if any(mark in head for mark in _GEO_MARKS):
        return GEO
    if '"shapes"' in head and ('"imagePath"' in head or '"imageData"' in head or '"version"' in head):
        return LABELME
    if '"annotations"' in head or '"images"' in head or '"categories"' in head:
        value = _loaded(path)
        if isinstance(value, dict) and all(isinstance(value.get(key), list) for key in ("images", "annotations", "categories")):
            return COCO
    if '"imageData"' in head or '"shapes"' in head:  # a picture inside the file can fill the head
        value = _loaded(path)
        return LABELME if isinstance(value, dict) and isinstance(value.get("shapes"), list) and "imagePath" in value else None
    return None


def drawings(path: Path, kind: str) -> tuple[Drawing, ...]:
    """What a COCO or labelme file draws, image by image. Raises MaskError when the file is not as it says."""
    return _drawings(path, kind, path.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _drawings(path: Path, kind: str, changed: int) -> tuple[Drawing, ...]:
    value = _loaded(path)
    try:
        return _coco(value) if kind == COCO else (_labelme(value, path),)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, ShapelyError) as error:
        raise MaskError(
            f"{path.name} cannot be read as {kind} ({reason(error)})", expected=f"a whole {kind} file", do="Check the file"
        ) from error


def _loaded(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError, RecursionError):
        return None


# ---- COCO ----


def _coco(value: Mapping[str, Any]) -> tuple[Drawing, ...]:
    # Numbers that some tools write as text are the same ones.
    names = {str(entry["id"]): str(entry["name"]).strip() for entry in value["categories"]}
    drawn: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for annotation in value["annotations"]:
        drawn[str(annotation["image_id"])].append(annotation)
    found = []
    for image in value["images"]:
        height, width = image.get("height"), image.get("width")
        shape = (int(height), int(width)) if height and width else None
        geometries: list[Any] = []
        classes: list[str | None] = []
        left: Counter[str] = Counter()
        for annotation in drawn.pop(str(image["id"]), ()):
            shape_of = _segmentation(annotation.get("segmentation"))
            if shape_of is None or shape_of.is_empty:
                left["with a box and no outline" if annotation.get("bbox") else "without geometry"] += 1
            elif str(annotation.get("category_id")) not in names:
                left["without a class"] += 1
                geometries.append(shape_of)
                classes.append(None)
            else:
                geometries.append(shape_of)
                classes.append(names[str(annotation["category_id"])])
        found.append(Drawing(str(image["file_name"]), shape, _objects(geometries), _objects(classes), left))
    lost = sum(len(rest) for rest in drawn.values())
    if lost and found:
        last = found[-1]
        found[-1] = Drawing(
            last.image, last.shape, last.geometries, last.classes, {**last.left_out, "of an image that the file does not list": lost}
        )
    return tuple(found)


def _segmentation(value: Any) -> Any:
    """Shapely geometry of a COCO segmentation: lists of x, y, x, y, ..., or a run-length mask; None for none."""
    if isinstance(value, Mapping):
        height, width = (int(side) for side in value["size"])
        counts = value["counts"]
        return _of_mask(run_lengths(counts if isinstance(counts, list) else unpacked(counts), height, width), 0, 0)
    rings = [np.reshape(ring, (-1, 2)).astype(float) for ring in value or () if len(ring) >= 6]
    polygons = [shapely.Polygon(ring) for ring in rings]
    if not polygons:
        return None
    return polygons[0] if len(polygons) == 1 else shapely.union_all(shapely.make_valid(np.array(polygons, object)))


def run_lengths(counts: Sequence[int], height: int, width: int) -> np.ndarray:
    """bool (height, width) of COCO's runs: pixels off, on, off, ..., down the columns. Raises ValueError when they fill another size."""
    runs = np.asarray(counts, np.int64)
    if runs.sum() != height * width:
        raise ValueError(f"runs over {runs.sum()} pixels for an image of {height} x {width}")
    if runs.sum() > _MOST_PIXELS:
        raise ValueError(f"a mask of {height} x {width} pixels, more than {_MOST_PIXELS:,}")
    return np.repeat(np.arange(runs.size) % 2 == 1, runs).reshape(width, height).T


def unpacked(text: str | bytes) -> list[int]:
    """Runs of COCO's packed text: groups of 5 bits from 48 on, the sixth says that more follow; from the fourth run on, differences."""
    codes = text.encode("ascii") if isinstance(text, str) else text
    runs: list[int] = []
    at = 0
    while at < len(codes):
        value, shift, more = 0, 0, True
        while more:
            code = codes[at] - 48
            value |= (code & 31) << shift
            more, at, shift = bool(code & 32), at + 1, shift + 5
            if not more and code & 16:
                value |= -1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
    return runs


def _of_mask(mask: np.ndarray, row: float, col: float) -> Any:
    """The set pixels of a mask as a geometry, its first pixel at (row, col)."""
    parts = [shapely.geometry.shape(shape) for shape, value in outlines(mask.astype(np.uint8), mask=mask) if value]
    return shapely.transform(shapely.MultiPolygon(parts), lambda xy: np.add(xy, (col, row))) if parts else None


# ---- labelme ----


def _labelme(value: Mapping[str, Any], path: Path) -> Drawing:
    height, width = value.get("imageHeight"), value.get("imageWidth")
    image = str(value.get("imagePath") or path.stem).replace("\\", "/")
    geometries: list[Any] = []
    classes: list[str | None] = []
    left: Counter[str] = Counter()
    for entry in value["shapes"]:
        geometry, label = _shape(entry), str(entry.get("label") or "").strip()
        if geometry is None or geometry.is_empty:
            left["without geometry"] += 1
            continue
        if not label:
            left["without a class"] += 1
        geometries.append(geometry)
        classes.append(None if label in ("", _IGNORED) else "Background" if label == _BACKGROUND else label)
    shape = (int(height), int(width)) if height and width else None
    return Drawing(image, shape, _objects(geometries), _objects(classes), left)


def _shape(entry: Mapping[str, Any]) -> Any:
    """Shapely geometry of a labelme shape; None for one that encloses nothing, or of a kind that is not known."""
    points = np.reshape(entry.get("points") or (), (-1, 2)).astype(float)
    kind = entry.get("shape_type") or "polygon"
    if kind == "polygon" or (kind == "rectangle" and len(points) > 2) or kind == "oriented_rectangle":
        return shapely.Polygon(points) if len(points) >= 3 else None
    if kind == "rectangle" and len(points) == 2:
        return shapely.box(*points.min(0), *points.max(0))
    if kind == "circle" and len(points) == 2:
        radius = float(np.hypot(*(points[1] - points[0])))
        return shapely.Point(points[0]).buffer(radius, quad_segs=_CIRCLE_SEGMENTS)
    if kind in ("line", "linestrip") and len(points) >= 2:
        return shapely.LineString(points)
    if kind in ("point", "points") and len(points):
        return shapely.MultiPoint(points)
    if kind == "mask" and len(points) and entry.get("mask"):
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(entry["mask"]))))
        return _of_mask((pixels if pixels.ndim == 2 else pixels[..., 0]) > 0, points[0, 1], points[0, 0])
    return None


def _objects(items: Sequence[Any]) -> np.ndarray:
    out = np.empty(len(items), object)
    out[:] = items
    return out
