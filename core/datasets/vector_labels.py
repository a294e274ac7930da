"""Labels drawn as polygons or lines in a vector file, burnt onto a scene's grid window by window."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np
import shapely
from affine import Affine
from pyproj import CRS
from rasterio.features import rasterize

from core.classes import IGNORED_ID
from core.datasets.annotations import COCO, GEO, LABELME, Drawing, drawings, kind_of_json
from core.datasets.class_columns import classes_of
from core.datasets.label_scenes import id_scene
from core.datasets.layer_contents import refuse_other_content
from core.digests import file_digest
from core.errors import Cancelled, GroundlineError, MaskError
from core.geo import GeoRef, on_earth
from core.projecting import moved
from core.scenes.opening import open_scene
from core.scenes.scene import Scene, Window

ROWS_DOWN = Affine.identity()
ROWS_UP = Affine(1, 0, 0, 0, -1, 0)
_NEAR = 3.0
"""How many widths of an image beyond it a feature is kept whole; what reaches further is cut before it is brought to another CRS."""
_UNTOUCHED = 254


@dataclass(frozen=True, eq=False)
class VectorLayer:
    """The features of one layer: shapely geometries (n,), the class of each (None: not labelled), and the CRS (None: not said).

    told: what has to be said of how the classes were found. left_out: how many features could not be taken, by the reason.
    """

    path: Path
    geometries: np.ndarray
    classes: np.ndarray
    crs: CRS | None
    told: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Labels:
    """A file that labels an image, or the part of it that does.

    named: the class of its features where the layout tells it. called: what their class is called where nothing tells it, the file's name
    when left away. image: what a COCO or labelme file calls the image. grid: the transform from its coordinates to columns and rows, as six
    numbers, where they are not those of its CRS.
    """

    path: Path
    named: str | None = None
    called: str | None = None
    image: str | None = None
    grid: tuple[float, ...] | None = None

    def layers(self) -> tuple[VectorLayer, ...]:
        """The layers of the file, none where it holds no features. Raises MaskError when it cannot be read."""
        return read_layers(self.path, self.named, self.called, self.image)


@dataclass(frozen=True)
class VectorSource:
    """Ids of the features under each pixel's centre; lines and points take the pixels they touch. Later features win."""

    labels: tuple[Labels, ...]
    geo: GeoRef
    shape: tuple[int, int]
    names: tuple[str, ...]
    rest: int

    def read(self, window: Window, bands: Sequence[int], out_shape: tuple[int, int] | None, categorical: bool) -> np.ndarray:
        """Ids uint8 (h, w, 1); see Scene.read."""
        shape = out_shape or (window.height, window.width)
        geometries, class_ids, tree = self.on_grid()
        box = shapely.box(window.col, window.row, window.col + window.width, window.row + window.height)
        near = np.sort(tree.query(box))
        ids = np.full(shape, self.rest, np.uint8)
        place = Affine.translation(window.col, window.row) * Affine.scale(window.width / shape[1], window.height / shape[0])
        for lines in (False, True):
            chosen = [(geometries[i], int(class_ids[i])) for i in near if (shapely.get_dimensions(geometries[i]) < 2) == lines]
            if chosen:
                ids = _burn(chosen, ids, place, touched=lines)
        return np.repeat(ids[..., None], len(bands), axis=2)

    def on_grid(self) -> tuple[np.ndarray, np.ndarray, shapely.STRtree]:
        """Geometries in columns and rows of the image, their class ids, and a tree to find those near a window."""
        return _on_grid(self.labels, tuple(_changed(one.path) for one in self.labels), self.geo, self.shape, self.names)

    def valid(self, window: Window, out_shape: tuple[int, int] | None) -> np.ndarray:
        """bool (h, w), all True."""
        return np.ones(out_shape or (window.height, window.width), bool)

    def fingerprint(self) -> str:
        """Digest of the files, the grid and the classes."""
        files = "".join(file_digest(one.path) for one in self.labels)
        return hashlib.sha256(f"{files}{self.labels}{self.geo}{self.names}".encode()).hexdigest()[:16]


def open_vector_mask(labels: tuple[Labels, ...], image_path: Path, names: tuple[str, ...], rest: int, *, own: bool = False) -> Scene:
    """A one-band scene of ids on the grid of an image. own: whether the labels are of this image alone.

    Raises MaskError when the file says where it lies and the image does not, when it was drawn on an image of another size, or when none
    of its own features lies on the image.
    """
    image = open_scene(image_path)
    for one in labels:
        _check_place(one, image)
    source = VectorSource(labels, image.geo, image.shape, names, rest)
    if own and labels[0].image is None and _lies_beside(source, image):
        raise MaskError(
            f"no feature of {labels[0].path.name} lies on {image_path.name}",
            expected="labels drawn on their image",
            do="Check the CRS and the place of both",
        )
    return id_scene(labels[0].path, image.shape, image.geo, source)


def _lies_beside(source: VectorSource, image: Scene) -> bool:
    """Whether there are features, and none of them lies on the image."""
    there = any(len(layer.geometries) for one in source.labels for layer in one.layers())
    return there and len(source.on_grid()[2].query(shapely.box(0, 0, image.width, image.height))) == 0


def _check_place(labels: Labels, image: Scene) -> None:
    if labels.image is not None:
        drawing = _drawing(labels.path, labels.image)
        if drawing.shape is not None and drawing.shape != image.shape:
            height, width = drawing.shape
            raise MaskError(
                f"{labels.path.name} was drawn on {height} x {width} pixels (height x width), {image.path.name} has "
                f"{image.height} x {image.width}",
                expected="the image that the labels were drawn on",
                do="Give the image in that size, or draw the labels anew",
            )
    elif labels.grid is None and not image.geo.georeferenced:
        for layer in labels.layers():
            if layer.crs is not None:
                has = f"lies in the local CRS {image.geo.coordinates}" if image.geo.local else "has none"
                raise MaskError(
                    f"{labels.path.name} has coordinates in {layer.crs.name}, {image.path.name} {has}",
                    expected="an image with a georeference",
                    do="Give the image its georeference, or the labels as a mask",
                )


def grid_of(labels: Labels, image_path: Path) -> tuple[Labels, str | None]:
    """The labels with the grid that their coordinates fit, and words on it where that had to be guessed. Opens the image's header.

    Coordinates in a CRS lie where it says. Those without one (or in degrees that are none), and those of a CRS on an image that has a
    transform and no CRS or a local one, are the image's own, or its columns and rows: whichever of these lies on the image.
    """
    if labels.image is not None:
        return labels, None
    layers = [layer for layer in labels.layers() if len(layer.geometries)]
    grid, words = fitting_grid(layers, open_scene(image_path), labels.path.name) if layers else (None, None)
    return labels if grid is None else replace(labels, grid=grid), words


def fitting_grid(layers: Sequence[VectorLayer], image: Scene, name: str) -> tuple[tuple[float, ...] | None, str | None]:
    """The transform from the coordinates of layers to columns and rows, as `grid_of` finds it, None where their CRS says it; and words."""
    said = all(_is_said(layer) for layer in layers)
    if said and not (image.geo.unnamed or image.geo.local):
        return None, None
    bounds = np.array([shapely.total_bounds(layer.geometries) for layer in layers])
    own = ~image.geo.transform
    choices = {
        "coordinates are taken for those of the image": own,
        "coordinates are taken for columns and rows of the image": ROWS_DOWN,
        "coordinates are taken for columns and rows of the image that run up": ROWS_UP,
    }
    shares = {words: _share_on(bounds, grid, image) for words, grid in choices.items()}
    words = max(shares, key=lambda words: shares[words])  # the first of equal ones
    if said and shares[words] < 0.5:
        return None, None
    grid = choices[words]
    plain = grid == own and not said and (image.geo.crs is None or image.geo.crs in [layer.crs for layer in layers])
    return tuple(grid)[:6], None if plain else f"{words} in {name}"


def _is_said(layer: VectorLayer) -> bool:
    """Whether a layer's CRS says where on the earth it lies."""
    return layer.crs is not None and on_earth(layer.crs) and _are_degrees(layer.geometries, layer.crs)


def _are_degrees(geometries: np.ndarray, crs: CRS) -> bool:
    """Whether coordinates that are said to be degrees can be: GeoJSON is so by definition and often holds metres or pixels."""
    if not crs.is_geographic:
        return True
    factor = np.degrees(crs.axis_info[0].unit_conversion_factor or 1.0)
    west, south, east, north = shapely.total_bounds(geometries) * factor
    return min(west, -east) >= -540 and min(south, -north) >= -90.001


def _share_on(bounds: np.ndarray, grid: Affine, image: Scene) -> float:
    """Share of the boxes' corners, brought to columns and rows, that lie on the image or a tenth of its size beside it."""
    xs, ys = bounds[:, [0, 0, 2, 2]].ravel(), bounds[:, [1, 3, 1, 3]].ravel()
    rows, cols = GeoRef(grid).points(ys, xs)[::-1]
    spare = 0.1
    on_cols = (cols >= -spare * image.width) & (cols <= (1 + spare) * image.width)
    on_rows = (rows >= -spare * image.height) & (rows <= (1 + spare) * image.height)
    return float((on_cols & on_rows).mean())


# ---- reading ----


def read_layers(path: Path, named: str | None = None, called: str | None = None, image: str | None = None) -> tuple[VectorLayer, ...]:
    """The layers of a file with the class of each feature, the layer's name where no column tells it; none for a file without features.

    named, called, image: as in `Labels`. Raises MaskError when the file cannot be read.
    """
    if image is not None:
        drawing = _drawing(path, image)
        return (VectorLayer(path, drawing.geometries, drawing.classes, None, (), drawing.left_out),)
    return _read_layers(path, named, called, _changed(path))


def _drawing(path: Path, image: str) -> Drawing:
    kind = kind_of_json(path) or COCO
    return next(drawing for drawing in drawings(path, kind) if drawing.image == image)


def is_label_file(path: Path) -> bool:
    """Whether a file of a vector suffix can label anything: most JSON files cannot."""
    return path.suffix.lower() != ".json" or kind_of_json(path) is not None


def drawn_images(path: Path) -> tuple[str, ...] | None:
    """The images that a COCO or labelme file names; None for a file of features on the ground."""
    kind = kind_of_json(path) if path.suffix.lower() == ".json" else GEO
    if kind not in (COCO, LABELME):
        return None
    return tuple(drawing.image for drawing in drawings(path, kind))


def file_name_of(image: str) -> str:
    """The file name of an image as an annotation file has it, without folders and in small letters."""
    return PurePosixPath(image.replace("\\", "/")).name.lower()


@lru_cache(maxsize=64)
def _read_layers(path: Path, named: str | None, called: str | None, changed: int) -> tuple[VectorLayer, ...]:
    from pyogrio import list_layers

    refuse_other_content(path)
    try:
        layers = [(str(name), kind) for name, kind in list_layers(path) if kind is not None]
        several = len(layers) > 1
        plain = called or stem_of(path)
        found = [_read_one(path, name, named or (name if several else plain), several or named is not None) for name, _ in layers]
    except (GroundlineError, Cancelled, MemoryError):
        raise
    except Exception as error:  # pyogrio, GEOS and PROJ raise half a dozen kinds for damaged files
        why = str(error).replace(str(path), path.name).partition(";")[0].rstrip(".")
        raise MaskError(f"{path.name} cannot be read ({why})", expected="GeoPackage, GeoJSON or Shapefile", do="Check the file") from error
    return tuple(layer for layer in found if len(layer.classes) or layer.left_out)


def _read_one(path: Path, name: str, fallback: str, sure: bool) -> VectorLayer:
    from pyogrio import raw

    meta, _, geometry, columns = raw.read(path, layer=name)
    shapes = shapely.force_2d(shapely.from_wkb(geometry if geometry is not None else np.empty(0, object)))
    kept = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    fields = dict(zip((str(name) for name in meta["fields"]), columns, strict=True))
    found = classes_of(fields, len(shapes), fallback=fallback, sure=sure)
    classless = int(sum(value is None for value in found.classes[kept]))
    left_out = {"without geometry": int((~kept).sum()), "without a class": classless}
    crs = CRS.from_user_input(meta["crs"]) if meta["crs"] and not names_no_crs(path) else None
    told = tuple(f"{words} in {path.name}" for words in found.told)
    return VectorLayer(path, shapes[kept], found.classes[kept], crs, told, {why: count for why, count in left_out.items() if count})


def names_no_crs(path: Path) -> bool:
    """Whether a GeoJSON says of itself, as ours do, that its coordinates are no degrees."""
    if path.suffix.lower() not in (".geojson", ".json"):
        return False
    with path.open("rb") as file:
        return re.search(rb'"coordinates": ?"(pixels|unnamed units)"', file.read(1 << 16)) is not None


def stem_of(path: Path) -> str:
    """The name of a vector file without its ending; .shp.zip is one."""
    return path.name[: -len(".shp.zip")] if path.name.lower().endswith(".shp.zip") else path.stem


def told_of(layers: Iterable[VectorLayer]) -> tuple[str, ...]:
    """What has to be said of layers: how their classes were found, and how many features count for nothing."""
    layers = list(layers)
    told = list(dict.fromkeys(words for layer in layers for words in layer.told))
    if len(told) > 3:
        told = [*told[:3], f"and {len(told) - 3} more files likewise"]
    left = sum((Counter(layer.left_out) for layer in layers), Counter())
    if left:
        reasons = ", ".join(f"{count} {why}" for why, count in left.items())
        total = sum(len(layer.classes) for layer in layers) + sum(count for why, count in left.items() if why != "without a class")
        told.append(f"{sum(left.values())} of {total} features left out: {reasons}")
    return tuple(told)


# ---- burning ----


@lru_cache(maxsize=8)
def _on_grid(
    labels: tuple[Labels, ...], changed: tuple[int, ...], geo: GeoRef, shape: tuple[int, int], names: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray, shapely.STRtree]:
    """Geometries in columns and rows, their class ids, and a tree to find those near a window."""
    ids = {name.casefold(): k for k, name in enumerate(names)}
    placed, class_ids = [], []
    for one in labels:
        for layer in one.layers():
            geometries, kept = (
                (layer.geometries, np.arange(len(layer.geometries))) if one.image is not None else placed_on(layer, one.grid, geo, shape)
            )
            placed.append(geometries)
            class_ids.append(np.array([ids.get((name or "").casefold(), IGNORED_ID) for name in layer.classes], np.uint8)[kept])
    everything = np.concatenate(placed) if placed else np.empty(0, object)
    return everything, np.concatenate(class_ids) if class_ids else np.empty(0, np.uint8), shapely.STRtree(everything)


def placed_on(layer: VectorLayer, grid: tuple[float, ...] | None, geo: GeoRef, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Geometries of a layer that may lie on an image, in its columns and rows, and which of the layer's they are.

    grid: the transform to columns and rows, as six numbers, where the layer's CRS does not say it.
    """
    everything = np.arange(len(layer.geometries))
    if grid is not None:
        return _moved_by(layer.geometries, Affine(*grid)), everything
    if layer.crs is None or geo.crs is None or layer.crs.equals(geo.crs, ignore_axis_order=True):
        return _moved_by(layer.geometries, ~geo.transform), everything
    geometries, kept = _near(layer.geometries, layer.crs, geo.transform, geo.crs, shape)
    there = moved(geometries, layer.crs, geo.crs)
    whole = np.isfinite(shapely.bounds(there)).all(axis=1) if len(there) else np.zeros(0, bool)
    return _moved_by(there[whole], ~geo.transform), kept[whole]


def _near(geometries: np.ndarray, crs: CRS, transform: Affine, image_crs: CRS, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Features near an image, in their own CRS, and their numbers; those that reach far beyond are cut, for no CRS holds everywhere."""
    rim = shapely.segmentize(shapely.box(0, 0, shape[1], shape[0]), max(shape) / 16)
    rim = _moved_by(np.array([rim], object), transform)
    west, south, east, north = shapely.bounds(moved(rim, image_crs, crs)[0])
    if not np.isfinite([west, south, east, north]).all() or (crs.is_geographic and (east > 180 or west < -180 or east - west > 90)):
        return geometries, np.arange(len(geometries))
    wide, high = _NEAR * (east - west), _NEAR * (north - south)
    around = (west - wide, south - high, east + wide, north + high)
    near = np.sort(shapely.STRtree(geometries).query(shapely.box(*around)))
    found = geometries[near]
    bounds = shapely.bounds(found)
    far = (bounds[:, :2] < around[:2]).any(axis=1) | (bounds[:, 2:] > around[2:]).any(axis=1) if len(found) else np.zeros(0, bool)
    if far.any():
        found = found.copy()
        found[far] = shapely.intersection(shapely.make_valid(found[far]), shapely.box(*around))
    return found, near


def _moved_by(geometries: np.ndarray, grid: Affine) -> np.ndarray:
    return (
        shapely.transform(geometries, lambda xy: np.column_stack(GeoRef(grid).points(xy[:, 1], xy[:, 0])))
        if len(geometries)
        else geometries
    )


def _burn(chosen: list, ids: np.ndarray, place: Affine, *, touched: bool) -> np.ndarray:
    fresh = rasterize(chosen, out_shape=ids.shape, fill=_UNTOUCHED, transform=place, all_touched=touched, dtype="uint8")
    return np.where(fresh == _UNTOUCHED, ids, fresh)


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns
