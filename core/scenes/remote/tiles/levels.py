"""What a map server offers, whatever its kind: levels of tiles in a CRS, and the address of each tile."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from affine import Affine
from pyproj import CRS, Transformer

from core.errors import SettingsError
from core.geo import GeoRef
from core.scenes.scene import Window

MOST_PIXELS = 400_000_000
"""The largest picture that is put together: 20,000 pixels a side, or some 6,000 tiles of 256."""
_SLACK = 1e-6
Bounds = tuple[float, float, float, float]
"""West, south, east and north."""


@dataclass(frozen=True)
class TileLevel:
    """Tiles of one size of pixel: `name` as the server calls it, `left` and `top` in the units of the CRS, as is `pixel`, the side of one.

    tile_px: width and height of a tile. columns and rows: how many tiles there are, None where nobody says.
    """

    name: str
    crs: CRS
    left: float
    top: float
    pixel: float
    tile_px: tuple[int, int]
    columns: int | None = None
    rows: int | None = None

    def ground_m(self, bounds: Bounds) -> float:
        """Side of a pixel in metres on the ground in the middle of a region in the level's CRS."""
        west, south, east, north = bounds
        place = Affine(self.pixel, 0, (west + east) / 2, 0, -self.pixel, (south + north) / 2)
        size = GeoRef(place, self.crs).pixel_size(0, 0)
        return self.pixel if size is None else math.sqrt(size[0] * size[1])

    def window(self, bounds: Bounds) -> Window:
        """The pixels that a region in the level's CRS touches, counted from the corner of all tiles."""
        west, south, east, north = bounds
        first, last = (west - self.left) / self.pixel, (east - self.left) / self.pixel
        above, below = (self.top - north) / self.pixel, (self.top - south) / self.pixel
        ends = [math.floor(first + _SLACK), math.ceil(last - _SLACK), math.floor(above + _SLACK), math.ceil(below - _SLACK)]
        most_cols = math.inf if self.columns is None else self.columns * self.tile_px[0]
        most_rows = math.inf if self.rows is None else self.rows * self.tile_px[1]
        col, col_stop = max(0, ends[0]), min(ends[1], most_cols)
        row, row_stop = max(0, ends[2]), min(ends[3], most_rows)
        return Window(row, col, int(max(0, row_stop - row)), int(max(0, col_stop - col)))

    def place(self, window: Window) -> Affine:
        """The transform of a picture that shows a window."""
        return Affine(self.pixel, 0, self.left + window.col * self.pixel, 0, -self.pixel, self.top - window.row * self.pixel)


@dataclass(frozen=True)
class TileOffer:
    """A layer of a map server: its levels from the coarsest to the finest, and what a tile (level, column, row) is asked for by.

    attribution: whom its pictures belong to, as the server says. The addresses may hold keys.
    """

    title: str
    levels: tuple[TileLevel, ...]
    address_of: Callable[[TileLevel, int, int], str] = field(repr=False)
    attribution: str = ""


@dataclass(frozen=True)
class Plan:
    """What is to be fetched: a window of a level, with the tiles that it touches (column, row)."""

    offer: TileOffer
    level: TileLevel
    window: Window
    tiles: tuple[tuple[int, int], ...]
    ground_m: float

    @property
    def megabytes(self) -> float:
        """About how much there is to fetch, at one byte for each pixel, which is between JPEG and PNG."""
        return self.window.pixels / 1e6


def bounds_in(crs: CRS, bbox: Bounds | None, extent: Bounds | None) -> Bounds:
    """A region in a CRS: of `bbox` in degrees, or of `extent`, which is in the CRS already. Raises SettingsError for neither or both."""
    if (bbox is None) == (extent is None):
        raise SettingsError(
            "no region" if bbox is None else "two regions",
            expected="--bbox WEST,SOUTH,EAST,NORTH in degrees, or --extent in the coordinates of the layer",
            do="Name one region",
        )
    west, south, east, north = given = bbox or extent or (0, 0, 0, 0)
    wrong = not all(math.isfinite(side) for side in given) or west >= east or south >= north
    if wrong or (bbox is not None and (abs(west) > 180 or abs(east) > 180 or abs(south) > 90 or abs(north) > 90)):
        raise SettingsError(
            f"the region {','.join(f'{side:g}' for side in given)}",
            expected="WEST,SOUTH,EAST,NORTH, each smaller than the one two places after it" + (", in degrees" if bbox else ""),
            do="Put them in that order",
        )
    if extent is not None:
        return extent
    found = Transformer.from_crs(4326, crs, always_xy=True).transform_bounds(west, south, east, north, densify_pts=21)
    if not all(math.isfinite(side) for side in found):
        raise SettingsError(f"a region that {crs.name} does not reach", expected="a place that the layer shows", do="Choose another region")
    return (found[0], found[1], found[2], found[3])


def plan(
    offer: TileOffer,
    *,
    bbox: Bounds | None = None,
    extent: Bounds | None = None,
    zoom: str | None = None,
    gsd_m: float | None = None,
) -> Plan:
    """What a region needs, at the level of that name or at the coarsest one whose pixels are no larger than `gsd_m` on the ground.

    Raises SettingsError where there is no such level, nothing of the region, or more than anybody should fetch.
    """
    if (zoom is None) == (gsd_m is None):
        raise SettingsError("no scale" if zoom is None else "two scales", expected="--zoom or --gsd", do="Name one of them")
    bounds = bounds_in(offer.levels[0].crs, bbox, extent)
    level = _named(offer.levels, zoom) if zoom is not None else _fine(offer.levels, bounds, gsd_m or 0.0)
    window = level.window(bounds)
    if not window.pixels:
        raise SettingsError("nothing of the region on this layer", expected="a region that it shows", do="Choose another region")
    if window.pixels > MOST_PIXELS:
        raise SettingsError(
            f"{window.width:,} x {window.height:,} pixels",
            expected=f"at most {MOST_PIXELS / 1e6:.0f} million",
            do="Fetch a smaller region, or larger pixels",
        )
    wide, high = level.tile_px
    columns = range(window.col // wide, (window.col + window.width - 1) // wide + 1)
    rows = range(window.row // high, (window.row + window.height - 1) // high + 1)
    tiles = tuple((column, row) for row in rows for column in columns)
    return Plan(offer, level, window, tiles, level.ground_m(bounds))


def _named(levels: Sequence[TileLevel], zoom: str) -> TileLevel:
    found = next((level for level in levels if zoom in (level.name, level.name.rpartition(":")[2])), None)
    if found is None:
        names = [level.name for level in levels]
        raise SettingsError(f"zoom {zoom}", expected=f"one of {', '.join(names[:30])}", do="Choose a level that the layer has")
    return found


def _fine(levels: Sequence[TileLevel], bounds: Bounds, gsd_m: float) -> TileLevel:
    if not gsd_m > 0:
        raise SettingsError(f"pixels of {gsd_m:g} m", expected="more than 0", do="Change --gsd")
    fine = [level for level in levels if level.ground_m(bounds) <= gsd_m * (1 + _SLACK)]
    if not fine:
        finest = min(level.ground_m(bounds) for level in levels)
        raise SettingsError(f"pixels of {gsd_m:g} m", expected=f"{finest:.3g} m or more, which is the layer's finest", do="Change --gsd")
    return max(fine, key=lambda level: level.pixel)
