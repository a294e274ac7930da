"""Where pixels lie on the ground, and how large they are."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from affine import Affine
from pyproj import CRS, Geod

from core.errors import SettingsError

_GEOD = Geod(ellps="WGS84")
PIXEL_TRANSFORM = Affine(1, 0, 0, 0, -1, 0)
"""x runs right and y runs up, so that a layer without CRS is not upside down in a GIS: y = -row."""


@dataclass(frozen=True)
class GeoRef:
    """An affine transform from (column, row) to (x, y), a CRS or None, and a pixel size in m that the user gave or None.

    Without CRS, x and y are pixels (y runs up: -row). `pixel_size_m` counts only without CRS.
    """

    transform: Affine = PIXEL_TRANSFORM
    crs: CRS | None = None
    pixel_size_m: float | None = None

    @classmethod
    def pixels(cls, *, pixel_size_m: float | None = None) -> GeoRef:
        """A reference without CRS: coordinates are pixels."""
        return cls(pixel_size_m=pixel_size_m)

    @classmethod
    def placed(cls, latitude: float, longitude: float, *, pixel_size_m: float) -> GeoRef:
        """A north-up reference in the UTM zone of its anchor: the outer upper left corner at `latitude`, `longitude` (WGS84, degrees).

        Raises SettingsError for a place that is not on the earth, or a pixel size that is not above 0.
        """
        if not (-90 <= latitude <= 90 and -180 <= longitude <= 180 and 0 < pixel_size_m < 1e6):
            raise SettingsError(
                f"the corner {latitude:g}, {longitude:g} and pixels of {pixel_size_m:g} m",
                expected="a latitude from -90 to 90, a longitude from -180 to 180 and a pixel size above 0",
                do="Correct them",
            )
        crs = local_utm(longitude, latitude)
        x, y = to_lonlat(crs).transform(longitude, latitude, direction="INVERSE")
        return cls(Affine(pixel_size_m, 0, x, 0, -pixel_size_m, y), crs)

    @property
    def georeferenced(self) -> bool:
        """Whether there is a CRS."""
        return self.crs is not None

    @property
    def units(self) -> str:
        """ "m" where lengths in metres are known, "px" otherwise."""
        return "m" if self.georeferenced or self.pixel_size_m else "px"

    @property
    def epsg(self) -> int | None:
        """EPSG code of the CRS, where it has one."""
        return self.crs.to_epsg() if self.crs is not None else None

    def window(self, row: int, col: int) -> GeoRef:
        """The reference of a window that begins at (row, col)."""
        return replace(self, transform=self.transform * Affine.translation(col, row))

    def scaled(self, row_factor: float, col_factor: float | None = None) -> GeoRef:
        """The reference after resizing the picture by these factors (0.5: half as many pixels, each twice as large)."""
        col_factor = row_factor if col_factor is None else col_factor
        size = self.pixel_size_m
        return replace(
            self,
            transform=self.transform * Affine.scale(1 / col_factor, 1 / row_factor),
            pixel_size_m=None if size is None else size / math.sqrt(row_factor * col_factor),
        )

    def xy(self, row: float, col: float) -> tuple[float, float]:
        """Coordinates of a point in pixel space; (0, 0) is the outer corner of the first pixel."""
        return self.transform * (col, row)

    def lonlat(self, row: float, col: float) -> tuple[float, float] | None:
        """Longitude and latitude (WGS84, degrees) of a point in pixel space, or None without CRS."""
        if self.crs is None:
            return None
        return to_lonlat(self.crs).transform(*self.xy(row, col))

    def pixel_size(self, row: float = 0.0, col: float = 0.0) -> tuple[float, float] | None:
        """Height and width of the pixel at (row, col) in metres, geodesic with a CRS; None where nothing is known."""
        if self.crs is None:
            return None if self.pixel_size_m is None else (self.pixel_size_m, self.pixel_size_m)
        lonlat = to_lonlat(self.crs).transform
        here, right, below = (lonlat(*self.xy(*point)) for point in ((row, col), (row, col + 1), (row + 1, col)))
        width = _GEOD.inv(*here, *right)[2]
        height = _GEOD.inv(*here, *below)[2]
        return height, width

    def pixel_area_m2(self, row: float = 0.0, col: float = 0.0) -> float | None:
        """Area of the pixel at (row, col) in m2, geodesic with a CRS; None where nothing is known."""
        if self.crs is None:
            return None if self.pixel_size_m is None else self.pixel_size_m**2
        corners = [self.lonlat(row + i, col + j) for i, j in ((0, 0), (0, 1), (1, 1), (1, 0))]
        area, _ = _GEOD.polygon_area_perimeter(*zip(*corners, strict=True))
        return abs(area)


def local_utm(longitude: float, latitude: float) -> CRS:
    """The WGS84 UTM zone of a point; universal polar stereographic beyond 84 N and 80 S."""
    if latitude >= 84:
        return CRS.from_epsg(5041)
    if latitude <= -80:
        return CRS.from_epsg(5042)
    zone = min(60, max(1, int((longitude + 180) // 6) + 1))
    return CRS.from_epsg((32600 if latitude >= 0 else 32700) + zone)


@lru_cache(maxsize=64)
def to_lonlat(crs: CRS):
    """A transformer from `crs` to longitude and latitude (WGS84), axis order x, y. Its `transform(x, y)` takes arrays."""
    from pyproj import Transformer

    return Transformer.from_crs(crs, CRS.from_epsg(4326), always_xy=True)
