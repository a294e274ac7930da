"""Where vectorize takes class ids and confidence from: a prediction folder, a class raster, or an array."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import rasterio

from core.classes import IGNORED_ID, ClassScheme
from core.digests import file_digest
from core.errors import SceneError, SettingsError
from core.geo import GeoRef
from core.prediction.folder.origin import ADDRESS, ATTRIBUTION
from core.prediction.folder.pyramids import BLOCK_PX
from core.prediction.folder.rasters import LABELS, MARGIN, PREDICTION_FILE, PROBABILITIES, Prediction, is_prediction
from core.scenes.image_names import place_name
from core.scenes.opening import open_scene, scene_of_array
from core.scenes.scene import Scene, Window
from core.vector.settings import check_threshold

BAND_PIXELS = 1 << 22
_LEAST_CACHE_BYTES = 64 << 20
_TILE_ROWS = 512
"""Rows of the tiles of rasters that others made: the most that is usual."""


@dataclass(frozen=True)
class LabelSource:
    """Class ids and confidence by rows: rows(r0, r1) -> (r1 - r0, width), ids of an integer type.

    confidence_rows: likewise, of an unsigned type whose largest number is 1.0, or floats from 0 to 1. margin_rows: likewise uint8, the
    largest probability minus the second. probability_rows: uint8 (r1 - r0, width, classes of the scheme). digest: a text that changes
    when a file that they are read from does. picture: whom the picture belongs to and its address, where they are known. tiles_bytes: what
    a row of tiles of all the rasters holds, unpacked.
    """

    name: str
    height: int
    width: int
    geo: GeoRef
    scheme: ClassScheme
    rows: Callable[[int, int], np.ndarray]
    confidence_rows: Callable[[int, int], np.ndarray] | None
    model: str | None = None
    margin_rows: Callable[[int, int], np.ndarray] | None = None
    probability_rows: Callable[[int, int], np.ndarray] | None = None
    digest: Callable[[], str] = str
    picture: Mapping[str, str] = field(default_factory=dict)
    tiles_bytes: int = 0


@contextmanager
def tiles_kept(labels: LabelSource) -> Iterator[None]:
    """While the rasters are read by rows from above to below: GDAL keeps a row of their tiles, so that each is unpacked once, and no more.

    Left to itself it keeps tiles of all that was read, up to a twentieth of the machine's memory.
    """
    with _cache_of(labels.tiles_bytes):
        yield


def _cache_of(tiles_bytes: int) -> rasterio.Env:
    """An environment in which GDAL keeps so many bytes of tiles, and a quarter more, for rows that reach into the next ones."""
    return rasterio.Env(GDAL_CACHEMAX=max(_LEAST_CACHE_BYTES, tiles_bytes * 5 // 4))


def open_labels(
    source: str | os.PathLike | np.ndarray | Scene | LabelSource,
    *,
    threshold: float = 0.0,
    thresholds: Mapping[str, float] | None = None,
    geo: GeoRef | None = None,
    scheme: ClassScheme | None = None,
    confidence: str | os.PathLike | np.ndarray | None = None,
    pixel_size_m: float | None = None,
) -> LabelSource:
    """Open what `vectorize` takes; pixels below the confidence `threshold` (0 to 1) get the ignored id. A LabelSource is returned as it is.

    thresholds: by the names of single classes, those that count for their pixels instead. Raises SceneError or SettingsError when the
    source is no class raster, or a threshold is asked without confidence.
    """
    if isinstance(source, LabelSource):
        return source
    check_threshold(threshold)
    if pixel_size_m is not None and not 0 < pixel_size_m < 1e6:
        raise SettingsError(f"a pixel size of {pixel_size_m:g} m", expected="a number of metres above 0", do="Correct the pixel size")
    path = Path(source) if isinstance(source, (str, os.PathLike)) else None
    if path is not None and path.is_file() and path.name == LABELS and (path.parent / PREDICTION_FILE).is_file():
        path = path.parent
    if path is not None and path.is_dir() and is_prediction(path) and confidence is None:
        found = _from_prediction(Prediction.open(path))
        known = found.probability_rows if scheme is None or len(scheme) == len(found.scheme) else None
        found = replace(found, geo=geo or found.geo, scheme=scheme or found.scheme, probability_rows=known)
    else:
        if path is not None:
            scene = open_scene(path, expand_palette=False)
        elif isinstance(source, Scene):
            scene = source
        else:
            array = np.asarray(source)
            if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "iubf":
                raise SceneError(
                    f"an array of shape {array.shape} and type {array.dtype}",
                    expected="class ids (height, width)",
                    do="Give one id per pixel",
                )
            scene = scene_of_array(array.astype(np.uint8) if array.dtype == bool else array)
        found = _from_scene(scene if geo is None else scene.with_geo(geo), scheme, confidence)
    if pixel_size_m is not None:
        if found.geo.crs is not None:
            raise SettingsError(
                f"a pixel size of {pixel_size_m:g} m for a scene with coordinates", expected="it only for scenes without", do="Leave it out"
            )
        found = replace(found, geo=replace(found.geo, pixel_size_m=pixel_size_m))
    return _sure(found, threshold, thresholds or {}) if threshold or thresholds else found


def _sure(labels: LabelSource, threshold: float, thresholds: Mapping[str, float]) -> LabelSource:
    """Labels of which those that are less sure than the common threshold, or that of their class, have the ignored id."""
    names, ignored, confidence_rows = labels.scheme.names, labels.scheme.ignored_id, labels.confidence_rows
    strangers = [name for name in thresholds if name not in names]
    if strangers:
        raise SettingsError(f"no class {strangers[0]!r}", expected=f"some of {', '.join(names[:20])}", do="Correct the class names")
    if confidence_rows is None:
        found = "thresholds without confidence" if thresholds else f"a threshold of {threshold:g} without confidence"
        raise SettingsError(found, expected="a confidence raster", do="Give one, or threshold 0")
    least = np.full(max(len(names), ignored + 1), float(threshold))
    least[[names.index(name) for name in thresholds]] = list(thresholds.values())

    def rows(r0: int, r1: int) -> np.ndarray:
        ids, sure = labels.rows(r0, r1), confidence_rows(r0, r1)
        limit = least.take(ids, mode="clip") * full_scale(sure.dtype) - (1e-9 if sure.dtype.kind == "u" else 1e-6)
        return np.where(sure < limit, np.array(ignored).astype(ids.dtype), ids)

    return replace(labels, rows=rows)


def full_scale(dtype: np.dtype | type) -> float:
    """What stands for 1.0: the largest number of an unsigned type, else 1."""
    return float(np.iinfo(dtype).max) if np.dtype(dtype).kind == "u" else 1.0


def _from_prediction(prediction: Prediction) -> LabelSource:
    def window(r0: int, r1: int) -> Window:
        return Window(r0, 0, r1 - r0, prediction.width)

    scene = prediction.made.get("scene")
    return LabelSource(
        place_name(Path(scene)) if scene else prediction.folder.name,
        prediction.height,
        prediction.width,
        prediction.geo,
        prediction.scheme,
        lambda r0, r1: prediction.labels(window(r0, r1)),
        lambda r0, r1: prediction.confidence(window(r0, r1)),
        prediction.card_name,
        (lambda r0, r1: prediction.margin(window(r0, r1))) if (prediction.folder / MARGIN).exists() else None,
        (lambda r0, r1: prediction.probabilities(window(r0, r1))) if (prediction.folder / PROBABILITIES).exists() else None,
        lambda: file_digest(prediction.folder / PREDICTION_FILE),
        {key: str(prediction.made[key]) for key in (ATTRIBUTION, ADDRESS) if prediction.made.get(key)},
        # Labels, confidence and margin are a byte each, as is the probability of each class.
        tiles_bytes=BLOCK_PX * prediction.width * (len(prediction.scheme) + 3),
    )


def _from_scene(scene: Scene, scheme: ClassScheme | None, confidence) -> LabelSource:
    if scene.bands not in (1, 3) or (scene.bands == 3 and scheme is None):
        raise SceneError(
            f"{scene.name} with {scene.bands} bands", expected="one band of class ids", do="Give a prediction folder or a class raster"
        )
    scores = None
    if confidence is not None:
        scores = scene_of_array(np.asarray(confidence)) if isinstance(confidence, np.ndarray) else open_scene(confidence)
        if scores.shape != scene.shape or scores.bands != 1:
            raise SceneError(
                f"a confidence raster of {scores.height} x {scores.width} pixels and {scores.bands} bands",
                expected=f"one band of {scene.height} x {scene.width} pixels",
                do="Give the confidence that belongs to these labels",
            )

    def confidence_rows(r0: int, r1: int) -> np.ndarray:
        return scores.read(Window(r0, 0, r1 - r0, scene.width))[..., 0]

    used = (scene,) if scores is None else (scene, scores)
    tiles_bytes = _TILE_ROWS * scene.width * sum(one.bands * np.dtype(one.dtype).itemsize for one in used)
    with _cache_of(tiles_bytes):
        named = scheme or _scheme_of(scene)

    def rows(r0: int, r1: int) -> np.ndarray:
        window = Window(r0, 0, r1 - r0, scene.width)
        values = scene.read(window, categorical=True)
        if scene.bands == 3:
            ids = named.encode(values)[0]
        elif scheme is not None:
            ids = named.encode_values(values[..., 0])[0] if len(named) < IGNORED_ID else values[..., 0]
        else:
            ids = np.nan_to_num(values[..., 0], nan=named.ignored_id)
            ids = ids if ids.dtype == np.uint8 else ids.astype(np.int32)
        hidden = ~scene.valid(window)
        if hidden.any():
            ids = np.where(hidden, np.array(named.ignored_id).astype(ids.dtype), ids)
        return ids

    sure = None if scores is None else confidence_rows

    def digest() -> str:
        return "".join(one.digest for one in used)

    size = scene.height, scene.width
    return LabelSource(scene.name, *size, scene.geo, named, rows, sure, digest=digest, tiles_bytes=tiles_bytes)


def _scheme_of(scene: Scene) -> ClassScheme:
    """Names "Class 0", "Class 1", ... for the ids that a raster holds; 255 (of 8-bit rasters) and nodata are ignored."""
    highest = 0
    step = max(1, BAND_PIXELS // scene.width)
    for r0 in range(0, scene.height, step):
        window = Window(r0, 0, min(step, scene.height - r0), scene.width)
        values, valid = scene.read(window, categorical=True)[..., 0], scene.valid(window)
        if not valid.all():
            values = values[valid]
        if values.size == 0:
            continue
        if scene.dtype == "uint8":
            # Where 255 becomes 0, the largest is one more than the highest id.
            highest = max(highest, int((values + np.uint8(1)).max()) - 1)
            continue
        low, high = float(values.min()), float(values.max())
        if low < 0 or high > 65535 or (values.dtype.kind == "f" and not np.array_equal(values, np.round(values))):
            raise SceneError(
                f"values from {low:g} to {high:g} in {scene.name}", expected="whole class ids from 0 to 65535", do="Give a class raster"
            )
        highest = max(highest, int(high))
    return replace(ClassScheme.unnamed(highest + 1), ignored_colours=())
