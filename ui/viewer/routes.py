"""The routes that serve what pages registered, from the dashboard's own port: tiles, pixel values, files, GeoJSON."""

from __future__ import annotations

import asyncio
import gzip
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from core.classes import IGNORED_ID
from core.errors import GroundlineError
from core.scenes.display import encode
from core.workspace import STATIC
from ui import served
from ui.viewer import tiles

_CACHE = {"Cache-Control": "public, max-age=86400, immutable"}  # an id changes with the content
_workers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="tiles")


class _Count(Convertor[int]):
    """A number of few digits; a longer one names nothing, and Python refuses to read one of thousands."""

    regex = "[0-9]{1,9}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("count", _Count())


def routes() -> list[BaseRoute]:
    """Routes for `st.App`, both at the root and under `server.baseUrlPath`: user routes do not follow that option."""
    found = []
    for base in dict.fromkeys(("", served.base_path())):
        found += [
            Route(f"{base}{served.PREFIX}/pixels/{{layer}}/{{z:count}}/{{x:count}}/{{y:count}}", _pixels),
            Route(f"{base}{served.PREFIX}/pictures/{{layer}}/{{z:count}}/{{x:count}}/{{y:count}}", _pictures),
            Route(f"{base}{served.PREFIX}/map/{{layer}}/{{z:count}}/{{x:count}}/{{y:count}}", _map),
            Route(f"{base}{served.PREFIX}/features/{{layer}}", _features),
            Route(f"{base}{served.PREFIX}/values/{{layer}}/{{row:count}}/{{col:count}}", _values),
            Route(f"{base}{served.PREFIX}/files/{{layer}}", _file),
            Mount(f"{base}{served.PREFIX}/static/{{version}}", _Static(directory=STATIC)),
        ]
    return found


class _Static(StaticFiles):
    """The files of `static/`: scripts, styles and what they need. The version in their URL is for the browser's memory only."""

    def file_response(self, *args: Any, **how: Any) -> Response:
        response = super().file_response(*args, **how)
        response.headers.update(_CACHE)
        return response


async def _pixels(request: Request) -> Response:
    return await _tile(request, _pixel_tile)


async def _pictures(request: Request) -> Response:
    return await _tile(request, _picture_tile)


async def _map(request: Request) -> Response:
    return await _tile(request, _map_tile)


async def _tile(request: Request, make: Callable[[str, int, int, int], tuple[bytes, str] | None]) -> Response:
    asked = request.path_params
    if tiles.find(asked["layer"], tiles.Picture) is None or asked["z"] > 30:
        return Response(status_code=404)
    loop = asyncio.get_running_loop()
    try:
        made = await loop.run_in_executor(_workers, make, asked["layer"], asked["z"], asked["x"], asked["y"])
    except GroundlineError as error:
        return Response(str(error), status_code=422, media_type="text/plain")
    if made is None:
        return Response(status_code=204, headers=_CACHE)
    return Response(made[0], media_type=made[1], headers=_CACHE)


async def _values(request: Request) -> Response:
    picture, row, col = tiles.find(request.path_params["layer"], tiles.Picture), request.path_params["row"], request.path_params["col"]
    if picture is None or picture.values is None or row >= picture.height or col >= picture.width:
        return Response(status_code=404)
    try:
        found = await asyncio.get_running_loop().run_in_executor(_workers, picture.values, row, col)
    except GroundlineError as error:
        return Response(str(error), status_code=422, media_type="text/plain")
    return JSONResponse(found, headers=_CACHE)


async def _file(request: Request) -> Response:
    file = tiles.find(request.path_params["layer"], tiles.Download)
    if file is None or not file.path.is_file():
        return Response(status_code=404)
    return FileResponse(file.path, filename=file.name)


async def _features(request: Request) -> Response:
    features = tiles.find(request.path_params["layer"], tiles.Features)
    if features is None:
        return Response(status_code=404)
    packed = await asyncio.get_running_loop().run_in_executor(_workers, lambda: features.gzipped)
    headers = _CACHE | {"Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, media_type="application/geo+json", headers=headers | {"Content-Encoding": "gzip"})
    return Response(gzip.decompress(packed), media_type="application/geo+json", headers=headers)


@lru_cache(maxsize=1024)
def _pixel_tile(layer_id: str, z: int, x: int, y: int) -> tuple[bytes, str] | None:
    """A tile in pixel space for the viewer: colours of a picture, bare numbers of a layer of codes."""
    drawn = _drawn(layer_id, z, x, y)
    if drawn is None:
        return None
    layer, pixels, valid = drawn
    shape = pixels.shape[:2]
    if layer.codes:
        canvas = np.full((tiles.TILE_PX, tiles.TILE_PX, 3), IGNORED_ID, np.uint8)
        canvas[: shape[0], : shape[1]] = pixels
        return encode(canvas)
    if shape == (tiles.TILE_PX, tiles.TILE_PX) and valid is None:
        return encode(pixels, lossy=True)
    return encode(_on_clear(pixels, np.full(shape, 255, np.uint8) if valid is None else valid * np.uint8(255)))


@lru_cache(maxsize=1024)
def _picture_tile(layer_id: str, z: int, x: int, y: int) -> tuple[bytes, str] | None:
    """A tile in pixel space in which codes are already drawn in the colours of their classes."""
    layer = tiles.find(layer_id, tiles.Picture)
    if layer is None or not layer.codes:
        return _pixel_tile(layer_id, z, x, y)
    drawn = _drawn(layer_id, z, x, y)
    if drawn is None:
        return None
    ids = drawn[1][..., 0]
    return encode(_on_clear(layer.scheme.decode(ids), np.where(ids == IGNORED_ID, 0, 255).astype(np.uint8)))


def _drawn(layer_id: str, z: int, x: int, y: int) -> tuple[tiles.Picture, np.ndarray, np.ndarray | None] | None:
    layer = tiles.find(layer_id, tiles.Picture)
    shown = None if layer is None else tiles.tile_window(layer.height, layer.width, z, x, y)
    if layer is None or shown is None:
        return None
    window, every = shown
    pixels, valid = layer.draw(window, (math.ceil(window.height / every), math.ceil(window.width / every)))
    return layer, pixels, valid


def _on_clear(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    canvas = np.zeros((tiles.TILE_PX, tiles.TILE_PX, 4), np.uint8)
    canvas[: pixels.shape[0], : pixels.shape[1]] = np.dstack([pixels, alpha])
    return canvas


@lru_cache(maxsize=1024)
def _map_tile(layer_id: str, z: int, x: int, y: int) -> tuple[bytes, str] | None:
    layer = tiles.find(layer_id, tiles.Picture)
    if layer is None or layer.warp is None or not layer.geo.georeferenced:
        return None
    made = layer.warp(z, x, y)
    if made is None or not made[1].any():
        return None
    pixels, alpha = made
    if layer.scheme is None and (alpha == 255).all():
        return encode(pixels, lossy=True)
    return encode(np.dstack([pixels, alpha]))
