"""Rasters and polygons that pages show in the browser, served as tiles and GeoJSON by `ui.viewer.routes`.

A page registers what it shows, a `Picture`, `Features` or a `Download`; its id is a digest of the content and the only
thing that a URL names.
What was not registered answers 404, so no request can reach a file that no page has opened.
"""

from __future__ import annotations

import gzip
import json
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from core.classes import ClassScheme
from core.datasets.pairs import Pair
from core.digests import digest_of
from core.geo import GeoRef, lonlat_bounds
from core.scenes.display import default_rgb, display_rgb, scene_limits
from core.scenes.opening import open_scene
from core.scenes.scene import Scene, Window
from ui import served

TILE_PX = 512
MAP_TILE_PX = 256
MAX_SHOWN = 512

Draw = Callable[[Window, tuple[int, int]], tuple[np.ndarray, np.ndarray | None]]


@dataclass(frozen=True)
class Picture:
    """A raster as tiles.

    `draw(window, (h, w))` gives pixels uint8 (h, w, 3) and a bool mask (h, w) of the valid ones or None for all. With a
    `scheme` the pixels are codes: class id, confidence (0-255) and true class id in the three channels, 255 meaning none.
    `warp(z, x, y)` gives colours and alpha of a map tile where the raster can lie on a map, `values(row, col)` tells all
    about one pixel where there is more to tell.
    """

    id: str
    height: int
    width: int
    geo: GeoRef
    draw: Draw = field(repr=False, compare=False)
    warp: Callable[[int, int, int], tuple[np.ndarray, np.ndarray] | None] | None = field(default=None, repr=False, compare=False)
    scheme: ClassScheme | None = None
    has_confidence: bool = False
    has_truth: bool = False
    values: Callable[[int, int], dict[str, Any]] | None = field(default=None, repr=False, compare=False)

    @property
    def codes(self) -> bool:
        """Whether the pixels are class ids rather than colours."""
        return self.scheme is not None

    @property
    def max_zoom(self) -> int:
        """The zoom level at which one tile pixel is one scene pixel; level 0 fits into one tile."""
        return max_zoom(self.height, self.width)

    @property
    def bounds(self) -> list[list[float]] | None:
        """[[south, west], [north, east]] in degrees, None without CRS."""
        return lonlat_bounds(self.geo, self.height, self.width)


class Features:
    """What a map draws, as JSON: made by `make` when it is first asked for, and kept compressed."""

    def __init__(self, id: str, make: Callable[[], dict[str, Any]]):
        self.id = id
        self._make: Callable[[], dict[str, Any]] | None = make
        self._gzipped = b""
        self._lock = threading.Lock()

    @property
    def gzipped(self) -> bytes:
        """The compressed text."""
        with self._lock:  # two browsers that ask at once
            if self._make is not None:
                text = json.dumps(self._make(), separators=(",", ":"), allow_nan=False).encode()
                self._gzipped, self._make = gzip.compress(text, 5), None
        return self._gzipped


@dataclass(frozen=True)
class Download:
    """A file, and the name under which it is downloaded."""

    id: str
    path: Path
    name: str


Shown = Picture | Features | Download
S = TypeVar("S", Picture, Features, Download)


class _Registry:
    """What is shown by id, shared by all sessions; the least used is forgotten first and comes back at its page's next run."""

    def __init__(self):
        self._shown: OrderedDict[str, Shown] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, shown: S) -> S:
        with self._lock:
            self._shown[shown.id] = shown
            self._shown.move_to_end(shown.id)
            while len(self._shown) > MAX_SHOWN:
                self._shown.popitem(last=False)
        return shown

    def get(self, shown_id: str) -> Shown | None:
        with self._lock:
            return self._shown.get(shown_id)


_registry = _Registry()
register = _registry.put


# ---- what pages register ----


def image_layer(source: str | Path | Scene, *, bands: Sequence[int] | None = None) -> Picture:
    """A scene as a picture; data that is not uint8 is stretched between its 2nd and 98th percentile. Raises SceneError."""
    scene = source if isinstance(source, Scene) else open_scene(source)
    chosen = tuple(bands) if bands else default_rgb(scene)
    limits = scene_limits(scene, chosen)

    def draw(window: Window, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray | None]:
        valid = scene.valid(window, out_shape=shape)
        return display_rgb(scene, window, bands=chosen, out_shape=shape, limits=limits), None if valid.all() else valid

    def warp(z: int, x: int, y: int) -> tuple[np.ndarray, np.ndarray] | None:
        from core.scenes.warping import image_tile

        return image_tile(scene, chosen, limits, z, x, y, size_px=MAP_TILE_PX)

    return register(
        Picture(id=digest_of("image", scene.digest, chosen), height=scene.height, width=scene.width, geo=scene.geo, draw=draw, warp=warp)
    )


def mask_layer(pair: Pair, scheme: ClassScheme) -> Picture:
    """The mask of a data set's pair as codes. Raises MaskError or SceneError."""
    mask = pair.mask

    def draw(window: Window, shape: tuple[int, int]) -> tuple[np.ndarray, None]:
        return _codes(pair.labels_at(scheme, window, shape)), None

    height, width = pair.shape
    key = digest_of("mask", mask.digest, scheme, pair.encoding, pair.shift_px, pair.shape)
    return register(Picture(id=key, height=height, width=width, geo=pair.image.geo, scheme=scheme, draw=draw))


def prediction_layer(folder: str | Path, *, truth: Pair | None = None) -> Picture:
    """A prediction as codes with confidence, and with the true class where `truth` (a data set's pair) has one."""
    from core.prediction.folder.rasters import CONFIDENCE, LABELS, Prediction

    prediction = Prediction.open(folder)
    labels, confidence = prediction.scene(LABELS), prediction.scene(CONFIDENCE)
    if truth is not None and (truth.mask is None or truth.mask.shape != labels.shape):
        truth = None

    def draw(window: Window, shape: tuple[int, int]) -> tuple[np.ndarray, None]:
        ids = labels.read(window, [1], out_shape=shape, categorical=True)[..., 0]
        sure = confidence.read(window, [1], out_shape=shape, categorical=True)[..., 0]
        true_ids = None if truth is None else truth.labels_at(prediction.scheme, window, shape)
        return _codes(ids, sure, true_ids), None

    def warp(z: int, x: int, y: int) -> tuple[np.ndarray, np.ndarray] | None:
        from core.scenes.warping import class_tile

        return class_tile(labels, prediction.scheme, z, x, y, size_px=MAP_TILE_PX)

    def values(row: int, col: int) -> dict[str, Any]:
        pixel = Window(row, col, 1, 1)
        place = labels.geo.lonlat(row + 0.5, col + 0.5)
        return {
            "probabilities": [round(int(value) / 255, 3) for value in prediction.probabilities(pixel)[0, 0]],
            "margin": round(int(prediction.margin(pixel)[0, 0]) / 255, 3),
            "place": None if place is None else [round(degrees, 6) for degrees in place],
        }

    return register(
        Picture(
            id=digest_of("prediction", labels.digest, confidence.digest, prediction.scheme, truth and truth.mask.digest),
            height=labels.height,
            width=labels.width,
            geo=labels.geo,
            scheme=prediction.scheme,
            has_confidence=True,
            has_truth=truth is not None,
            draw=draw,
            warp=warp,
            values=values,
        )
    )


def measured_layer(folder: str | Path) -> Picture:
    """A map of measured values in colours from dark blue (low) to yellow (high), which tells the value of each pixel."""
    from core.prediction.folder.measured import MeasuredMap

    found = MeasuredMap.open(folder)
    scene = found.scene

    def values(row: int, col: int) -> dict[str, Any]:
        value = float(found.values(Window(row, col, 1, 1))[0, 0])
        place = scene.geo.lonlat(row + 0.5, col + 0.5)
        return {
            "name": found.name,
            "value": value if math.isfinite(value) else None,
            "place": None if place is None else [round(degrees, 6) for degrees in place],
        }

    key = digest_of("measured", scene.digest, found.statistics)
    return register(Picture(id=key, height=found.height, width=found.width, geo=scene.geo, draw=found.picture, values=values))


def features(digest: str, make: Callable[[], dict[str, Any]]) -> Features:
    """What `make()` gives, made at most once for each `digest`, which names its content."""
    name = digest_of("features", digest)
    return find(name, Features) or register(Features(name, make))


def file_url(path: Path, name: str) -> str:
    """Register a file that may be downloaded as `name`, and give its URL for the page itself."""
    made = register(Download(digest_of("file", str(path), path.stat().st_mtime_ns, name), path, name))
    return f"{served.base_path()}{served.PREFIX}/files/{made.id}"


def find(shown_id: str, kind: type[S]) -> S | None:
    """What is registered under an id, None where that is nothing or of another kind."""
    found = _registry.get(shown_id)
    return found if isinstance(found, kind) else None


def max_zoom(height: int, width: int) -> int:
    """The zoom level at which one tile pixel is one pixel of a raster of this size; level 0 fits into one tile."""
    return max(0, math.ceil(math.log2(max(height, width, 1) / TILE_PX)))


def tile_window(height: int, width: int, z: int, x: int, y: int) -> tuple[Window, int] | None:
    """The pixels of a raster that a tile shows, and how many of them one of its own stands for; None where there is no such tile."""
    most = max_zoom(height, width)
    if z > most:
        return None
    every = 2 ** (most - z)
    window = Window(y * TILE_PX * every, x * TILE_PX * every, TILE_PX * every, TILE_PX * every).intersect(Window(0, 0, height, width))
    return (window, every) if window.pixels else None


# ---- URLs ----


def pixel_url(layer: Picture) -> str:
    """Template of a layer's tiles in pixel space, for the page itself."""
    return f"{served.base_path()}{served.PREFIX}/pixels/{layer.id}/{{z}}/{{x}}/{{y}}"


def values_url(layer: Picture) -> str:
    """Template of the URL that tells about one pixel of a layer, for the page itself."""
    return f"{served.base_path()}{served.PREFIX}/values/{layer.id}/{{row}}/{{col}}"


def _codes(ids: np.ndarray, confidence: np.ndarray | None = None, truth: np.ndarray | None = None) -> np.ndarray:
    full = np.full_like(ids, 255)
    return np.dstack([ids, full if confidence is None else confidence, full if truth is None else truth])
