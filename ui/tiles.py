"""Rasters and polygons for the browser, served from the dashboard's own port as tiles and GeoJSON.

A page registers what it shows and gets a `Layer`; its id is a digest of the content and the only thing that a URL names.
What was not registered answers 404, so no request can reach a file that no page has opened.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import math
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.classes import IGNORED_ID, ClassScheme
from core.data.datasets import Pair, encode_mask
from core.errors import GroundlineError
from core.geo import GeoRef, to_lonlat
from core.scene import Scene, Window, default_rgb, display_rgb, open_scene, stretch_limits

TILE_PX = 512
MAP_TILE_PX = 256
PREFIX = "/groundline"
MAX_LAYERS = 512
_SAMPLE_PX = 1024  # side of the decimated picture that stretch limits are taken from
_CACHE = {"Cache-Control": "public, max-age=86400, immutable"}  # an id changes with the content

Draw = Callable[[Window, tuple[int, int]], tuple[np.ndarray, np.ndarray | None]]


@dataclass(frozen=True)
class Layer:
    """Something registered for the browser.

    `draw(window, (h, w))` gives pixels uint8 (h, w, 3) and a bool mask (h, w) of the valid ones or None for all. A layer
    of codes holds class id, confidence (0-255) and true class id in its three channels, 255 meaning none.
    """

    id: str
    height: int = 0
    width: int = 0
    geo: GeoRef = GeoRef()
    scheme: ClassScheme | None = None
    has_confidence: bool = False
    has_truth: bool = False
    draw: Draw | None = field(default=None, repr=False, compare=False)
    warp: Callable[[int, int, int], tuple[np.ndarray, np.ndarray] | None] | None = field(default=None, repr=False, compare=False)
    features: bytes | None = field(default=None, repr=False, compare=False)

    @property
    def codes(self) -> bool:
        """Whether the pixels are class ids rather than colours."""
        return self.scheme is not None

    @property
    def max_zoom(self) -> int:
        """The zoom level at which one tile pixel is one scene pixel; level 0 fits into one tile."""
        return max(0, math.ceil(math.log2(max(self.height, self.width, 1) / TILE_PX)))

    @property
    def bounds(self) -> list[list[float]] | None:
        """[[south, west], [north, east]] in degrees, None without CRS."""
        return lonlat_bounds(self.geo, self.height, self.width)


class _Registry:
    """Layers by id, shared by all sessions; the least used is forgotten first and comes back at its page's next run."""

    def __init__(self):
        self._layers: OrderedDict[str, Layer] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, layer: Layer) -> Layer:
        with self._lock:
            self._layers[layer.id] = layer
            self._layers.move_to_end(layer.id)
            while len(self._layers) > MAX_LAYERS:
                self._layers.popitem(last=False)
        return layer

    def get(self, layer_id: str) -> Layer | None:
        with self._lock:
            return self._layers.get(layer_id)


_registry = _Registry()
_known_limits: dict[tuple[str, tuple[int, ...]], tuple[np.ndarray, np.ndarray]] = {}
_workers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="tiles")
register = _registry.put


# ---- what pages register ----


def image_layer(source: str | Path | Scene, *, bands: Sequence[int] | None = None) -> Layer:
    """A scene as a picture; data that is not uint8 is stretched between its 2nd and 98th percentile. Raises SceneError."""
    scene = source if isinstance(source, Scene) else open_scene(source)
    chosen = tuple(bands) if bands else default_rgb(scene)
    limits = _limits(scene, chosen)

    def draw(window: Window, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray | None]:
        valid = scene.valid(window, out_shape=shape)
        return display_rgb(scene, window, bands=chosen, out_shape=shape, limits=limits), None if valid.all() else valid

    def warp(z: int, x: int, y: int) -> tuple[np.ndarray, np.ndarray] | None:
        from ui.warping import image_tile

        return image_tile(scene, chosen, limits, z, x, y)

    return register(
        Layer(id=_digest("image", scene.digest, chosen), height=scene.height, width=scene.width, geo=scene.geo, draw=draw, warp=warp)
    )


def mask_layer(pair: Pair, scheme: ClassScheme) -> Layer:
    """The mask of a data set's pair as codes. Raises MaskError or SceneError."""
    mask = pair.mask

    def draw(window: Window, shape: tuple[int, int]) -> tuple[np.ndarray, None]:
        return _codes(labels_at(pair, scheme, window, shape)), None

    height, width = pair.shape
    key = _digest("mask", mask.digest, scheme, pair.kind, pair.shift_px, pair.shape)
    return register(Layer(id=key, height=height, width=width, geo=pair.image.geo, scheme=scheme, draw=draw))


def prediction_layer(folder: str | Path, *, truth: Pair | None = None) -> Layer:
    """A prediction as codes with confidence, and with the true class where `truth` (a data set's pair) has one."""
    from core.prediction.rasters import CONFIDENCE, LABELS, Prediction

    prediction = Prediction.open(folder)
    labels, confidence = prediction.scene(LABELS), prediction.scene(CONFIDENCE)
    if truth is not None and (truth.mask is None or truth.mask.shape != labels.shape):
        truth = None

    def draw(window: Window, shape: tuple[int, int]) -> tuple[np.ndarray, None]:
        ids = labels.read(window, [1], out_shape=shape, categorical=True)[..., 0]
        sure = confidence.read(window, [1], out_shape=shape, categorical=True)[..., 0]
        true_ids = None if truth is None else labels_at(truth, prediction.scheme, window, shape)
        return _codes(ids, sure, true_ids), None

    def warp(z: int, x: int, y: int) -> tuple[np.ndarray, np.ndarray] | None:
        from ui.warping import class_tile

        return class_tile(labels, prediction.scheme, z, x, y)

    return register(
        Layer(
            id=_digest("prediction", labels.digest, confidence.digest, prediction.scheme, truth and truth.mask.digest),
            height=labels.height,
            width=labels.width,
            geo=labels.geo,
            scheme=prediction.scheme,
            has_confidence=True,
            has_truth=truth is not None,
            draw=draw,
            warp=warp,
        )
    )


def features_layer(geojson: dict[str, Any], *, digest: str) -> Layer:
    """Polygons as GeoJSON, kept compressed; `digest` names the content."""
    text = json.dumps(geojson, separators=(",", ":"), allow_nan=False).encode()
    return register(Layer(id=_digest("features", digest), features=gzip.compress(text, 5)))


def labels_at(pair: Pair, scheme: ClassScheme, window: Window, shape: tuple[int, int]) -> np.ndarray:
    """Class ids uint8 `shape` of a window of a pair's mask, nearest pixels when that is fewer than the window has."""
    mask = pair.mask
    if pair.shift_px == (0, 0) and mask.shape == pair.image.shape:
        return encode_mask(mask.read(window, out_shape=shape, categorical=True), scheme, pair.kind)[0]
    ids = pair.labels(scheme, window)
    rows = ((np.arange(shape[0]) + 0.5) * ids.shape[0] / shape[0]).astype(int)
    cols = ((np.arange(shape[1]) + 0.5) * ids.shape[1] / shape[1]).astype(int)
    return ids[np.ix_(rows, cols)]


def known(layer_id: str) -> Layer | None:
    """The registered layer of an id."""
    return _registry.get(layer_id)


def features_id(digest: str) -> str:
    """The id that `features_layer` gives to this content."""
    return _digest("features", digest)


# ---- URLs ----


def base_path() -> str:
    """The path that Streamlit is served under, "" or "/seg"."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""


def pixel_url(layer: Layer) -> str:
    """Template of a layer's tiles in pixel space, for the page itself."""
    return f"{base_path()}{PREFIX}/pixels/{layer.id}/{{z}}/{{x}}/{{y}}"


def static_url() -> str:
    """Where the files of `static/` are, for the page itself; ends with a slash."""
    return f"{base_path()}/app/static/"


# ---- routes ----


def routes() -> list[Route]:
    """Routes for `st.App`, both at the root and under `server.baseUrlPath`: user routes do not follow that option."""
    found = []
    for base in dict.fromkeys(("", base_path())):
        found += [
            Route(f"{base}{PREFIX}/pixels/{{layer}}/{{z:int}}/{{x:int}}/{{y:int}}", _pixels),
            Route(f"{base}{PREFIX}/pictures/{{layer}}/{{z:int}}/{{x:int}}/{{y:int}}", _pictures),
            Route(f"{base}{PREFIX}/map/{{layer}}/{{z:int}}/{{x:int}}/{{y:int}}", _map),
            Route(f"{base}{PREFIX}/features/{{layer}}", _features),
        ]
    return found


async def _pixels(request: Request) -> Response:
    return await _tile(request, _pixel_tile)


async def _pictures(request: Request) -> Response:
    return await _tile(request, _picture_tile)


async def _map(request: Request) -> Response:
    return await _tile(request, _map_tile)


async def _tile(request: Request, make: Callable[[str, int, int, int], tuple[bytes, str] | None]) -> Response:
    asked = request.path_params
    if known(asked["layer"]) is None or asked["z"] > 30:
        return Response(status_code=404)
    loop = asyncio.get_running_loop()
    try:
        made = await loop.run_in_executor(_workers, make, asked["layer"], asked["z"], asked["x"], asked["y"])
    except GroundlineError as error:
        return Response(str(error), status_code=422, media_type="text/plain")
    if made is None:
        return Response(status_code=204, headers=_CACHE)
    return Response(made[0], media_type=made[1], headers=_CACHE)


async def _features(request: Request) -> Response:
    layer = known(request.path_params["layer"])
    if layer is None or layer.features is None:
        return Response(status_code=404)
    headers = _CACHE | {"Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(layer.features, media_type="application/geo+json", headers=headers | {"Content-Encoding": "gzip"})
    return Response(gzip.decompress(layer.features), media_type="application/geo+json", headers=headers)


@lru_cache(maxsize=1024)
def _pixel_tile(layer_id: str, z: int, x: int, y: int) -> tuple[bytes, str] | None:
    """A tile in pixel space for the viewer: colours of a picture, bare numbers of a layer of codes."""
    drawn = _drawn(layer_id, z, x, y)
    if drawn is None:
        return None
    layer, pixels, valid = drawn
    shape = pixels.shape[:2]
    if layer.codes:
        canvas = np.full((TILE_PX, TILE_PX, 3), IGNORED_ID, np.uint8)
        canvas[: shape[0], : shape[1]] = pixels
        return encode(canvas)
    if shape == (TILE_PX, TILE_PX) and valid is None:
        return encode(pixels, lossy=True)
    return encode(_on_clear(pixels, np.full(shape, 255, np.uint8) if valid is None else valid * np.uint8(255)))


@lru_cache(maxsize=1024)
def _picture_tile(layer_id: str, z: int, x: int, y: int) -> tuple[bytes, str] | None:
    """A tile in pixel space in which codes are already drawn in the colours of their classes."""
    layer = known(layer_id)
    if layer is None or not layer.codes:
        return _pixel_tile(layer_id, z, x, y)
    drawn = _drawn(layer_id, z, x, y)
    if drawn is None:
        return None
    ids = drawn[1][..., 0]
    return encode(_on_clear(layer.scheme.decode(ids), np.where(ids == IGNORED_ID, 0, 255).astype(np.uint8)))


def _drawn(layer_id: str, z: int, x: int, y: int) -> tuple[Layer, np.ndarray, np.ndarray | None] | None:
    layer = known(layer_id)
    if layer is None or layer.draw is None or z > layer.max_zoom:
        return None
    factor = 2 ** (layer.max_zoom - z)
    row, col = y * TILE_PX * factor, x * TILE_PX * factor
    height, width = min(TILE_PX * factor, layer.height - row), min(TILE_PX * factor, layer.width - col)
    if height <= 0 or width <= 0:
        return None
    pixels, valid = layer.draw(Window(row, col, height, width), (math.ceil(height / factor), math.ceil(width / factor)))
    return layer, pixels, valid


def _on_clear(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    canvas = np.zeros((TILE_PX, TILE_PX, 4), np.uint8)
    canvas[: pixels.shape[0], : pixels.shape[1]] = np.dstack([pixels, alpha])
    return canvas


@lru_cache(maxsize=1024)
def _map_tile(layer_id: str, z: int, x: int, y: int) -> tuple[bytes, str] | None:
    layer = known(layer_id)
    if layer is None or layer.warp is None or not layer.geo.georeferenced:
        return None
    made = layer.warp(z, x, y)
    if made is None or not made[1].any():
        return None
    pixels, alpha = made
    if layer.scheme is None and (alpha == 255).all():
        return encode(pixels, lossy=True)
    return encode(np.dstack([pixels, alpha]))


def encode(pixels: np.ndarray, *, lossy: bool = False) -> tuple[bytes, str]:
    """Bytes and media type of a picture uint8 (h, w, 3 or 4): JPEG when `lossy`, else PNG."""
    out = io.BytesIO()
    picture = Image.fromarray(pixels)
    if lossy:
        picture.save(out, "JPEG", quality=88)
        return out.getvalue(), "image/jpeg"
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue(), "image/png"


def lonlat_bounds(geo: GeoRef, height: int, width: int) -> list[list[float]] | None:
    """[[south, west], [north, east]] in degrees around a raster's outline; None without CRS."""
    if geo.crs is None:
        return None
    steps = np.linspace(0, 1, 9)
    rows = np.concatenate([np.zeros(9), np.ones(9), steps, steps]) * height
    cols = np.concatenate([steps, steps, np.zeros(9), np.ones(9)]) * width
    lon, lat = to_lonlat(geo.crs).transform(*(geo.transform * (cols, rows)))
    return [[float(np.min(lat)), float(np.min(lon))], [float(np.max(lat)), float(np.max(lon))]]


def _codes(ids: np.ndarray, confidence: np.ndarray | None = None, truth: np.ndarray | None = None) -> np.ndarray:
    full = np.full_like(ids, 255)
    return np.dstack([ids, full if confidence is None else confidence, full if truth is None else truth])


def scene_limits(scene: Scene, bands: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """2nd and 98th percentile of each band, from a decimated picture of the scene: the same for all of its tiles."""
    factor = max(1.0, max(scene.shape) / _SAMPLE_PX)
    shape = (max(1, round(scene.height / factor)), max(1, round(scene.width / factor)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return stretch_limits(scene.read(bands=bands, out_shape=shape), scene.valid(out_shape=shape), (2, 98))


def _limits(scene: Scene, bands: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray] | None:
    if scene.dtype == "uint8":
        return None
    key = (scene.digest, bands)
    if key not in _known_limits:
        if len(_known_limits) >= 512:
            _known_limits.clear()
        _known_limits[key] = scene_limits(scene, bands)
    return _known_limits[key]


def _digest(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]
