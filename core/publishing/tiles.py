"""Rasters as tiles that pygeoapi asks for: PNG in the squares of Web Mercator, drawn by rio-tiler, the last ones kept in bounded memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import numpy as np
from pygeoapi.models.provider.base import TileMatrixSetEnum
from pygeoapi.provider.tile import BaseTileProvider, ProviderTileNotFoundError

from core.errors import GroundlineError
from core.prediction.folder.rasters import Prediction
from core.publishing.offers import CLASSES
from core.scenes.display import default_rgb, encode, scene_limits
from core.scenes.opening import open_scene
from core.scenes.warping import class_tile, image_tile

SCHEME = "WebMercatorQuad"
TILE_PX = 256
DEEPEST = 24
"""The last level that is drawn; its pixels are a centimetre wide."""
_KEPT_BYTES = 64 << 20
_LONGEST_NUMBER = 9


class _Kept:
    """Tiles that were drawn last, by what names them; the least used are dropped where they take more than their bytes."""

    def __init__(self, most_bytes: int):
        self._most, self._bytes = most_bytes, 0
        self._tiles: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """The tile of that name, made where it is not at hand."""
        with self._lock:
            if key in self._tiles:
                self._tiles.move_to_end(key)
                return self._tiles[key]
        tile = make()  # not under the lock: others are drawn meanwhile
        with self._lock:
            self._bytes += len(tile) - len(self._tiles.pop(key, b""))
            self._tiles[key] = tile
            while self._bytes > self._most and len(self._tiles) > 1:
                self._bytes -= len(self._tiles.popitem(last=False)[1])
        return tile


_kept = _Kept(_KEPT_BYTES)
_EMPTY = encode(np.zeros((TILE_PX, TILE_PX, 4), np.uint8))[0]


class RasterTiles(BaseTileProvider):
    """The classes of a prediction in their colours, or the picture below them as the viewer stretches it."""

    def __init__(self, provider_def: dict[str, Any]):
        super().__init__(provider_def)
        self.tile_type = "map"

    def get_layer(self) -> str:
        """What the tiles are called in addresses; a raster has one layer only."""
        return ""

    def get_fields(self) -> dict[str, Any]:
        """None: the pixels are colours."""
        return {}

    def get_tiling_schemes(self) -> list[Any]:
        """Web Mercator, in which web maps lie."""
        return [TileMatrixSetEnum.WEBMERCATORQUAD.value]

    def get_tiles_service(self, baseurl: str = "", servicepath: str = "", dirpath: str = "", tile_type: str = "") -> dict[str, Any]:
        """The links that lead to the tiles."""
        address = servicepath.replace("{tileMatrixSetId}", SCHEME)
        about = address.split("/{tileMatrix}")[0]
        return {
            "links": [
                {"type": self.mimetype, "rel": "item", "title": "The tiles", "href": address},
                {"type": "application/json", "rel": "describedby", "title": "About them", "href": f"{about}/metadata?f=json"},
            ]
        }

    def get_metadata(self, dataset: str, server_url: str, **told: Any) -> dict[str, Any]:
        """What is known of the tiles, as OGC API Tiles has it, or as TileJSON. Raises ProviderTileNotFoundError for other squares."""
        scheme = self.get_tiling_schemes()[0]
        if told.get("tileset") != scheme.tileMatrixSet:
            raise ProviderTileNotFoundError()
        options, where = self.options or {}, f"{server_url}/collections/{dataset}/tiles/{SCHEME}"
        if str(told.get("metadata_format") or "").lower() == "tilejson":
            address = f"{where}/{{z}}/{{y}}/{{x}}?f={self.format_type}"
            zoom = options["zoom"]
            return {
                **{"tilejson": "3.0.0", "name": told.get("title"), "description": told.get("description"), "tiles": [address]},
                **{"bounds": options["bounds"], "minzoom": zoom["min"], "maxzoom": zoom["max"], "attribution": options["attribution"]},
            }
        return {
            "title": told.get("title"),
            "description": told.get("description"),
            "dataType": self.tile_type,
            "crs": scheme.crs,
            "tileMatrixSetURI": scheme.tileMatrixSetURI,
            "attribution": options["attribution"],
            "links": self.get_tiles_service(servicepath=f"{where}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}?f={self.format_type}")["links"],
        }

    def get_tiles(self, layer: str = "", tileset: str = "", z: str = "", y: str = "", x: str = "", format_: str = "") -> bytes:
        """A tile as PNG, clear where the raster has nothing. Raises ProviderTileNotFoundError where Web Mercator has no such square."""
        numbers = [str(text) for text in (z, x, y)]
        known = tileset == SCHEME and all(text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER for text in numbers)
        level, column, row = map(int, numbers) if known else (DEEPEST + 1, 0, 0)
        if level > DEEPEST or max(row, column) >= 2**level:
            raise ProviderTileNotFoundError()
        try:
            return self._tile(level, column, row)
        except GroundlineError as error:  # its file is gone, or another one by now
            raise ProviderTileNotFoundError() from error

    def _tile(self, z: int, x: int, y: int) -> bytes:
        options = self.options or {}
        scene = open_scene(self.data, expand_palette=options["kind"] != CLASSES)

        def make() -> bytes:
            if options["kind"] == CLASSES:
                scheme = Prediction.open(Path(options["prediction"])).scheme
                drawn = class_tile(scene, scheme, z, x, y, size_px=TILE_PX)
            else:
                bands = default_rgb(scene)
                drawn = image_tile(scene, bands, scene_limits(scene, bands), z, x, y, size_px=TILE_PX)
            return _EMPTY if drawn is None else encode(np.dstack(drawn))[0]

        return _kept.get((scene.digest, options["kind"], options.get("prediction"), z, x, y), make)
