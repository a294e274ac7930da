"""Where pixels lie on the ground, and how large they are."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from affine import Affine
from pyproj import CRS, Geod
from pyproj.exceptions import CRSError, ProjError

from core.errors import SettingsError

_GEOD = Geod(ellps="WGS84")
PIXEL_TRANSFORM = Affine(1, 0, 0, 0, -1, 0)
"""x runs right and y runs up, so that a layer without CRS is not upside down in a GIS: y = -row."""
PIXELS = "pixels, x to the right and y upwards (no CRS is known)"
UNNAMED = "those of the file's transform, in units that nobody named (no CRS is known)"
_LARGE_DEGREES = 0.05
"""From this size on a pixel's sides are walked in steps: no parallel is the shortest way between two of its points."""
_STEPS = 32
_ECCENTRICITY = math.sqrt(_GEOD.es)
_Q_POLE = 1 + (1 - _GEOD.es) * math.atanh(_ECCENTRICITY) / _ECCENTRICITY
AUTHALIC_RADIUS_M2 = _GEOD.a**2 * _Q_POLE / 2
"""The radius, squared, of the sphere that has the ellipsoid's surface."""


@dataclass(frozen=True)
class GeoRef:
    """An affine transform from (column, row) to (x, y), a CRS or None, and a pixel size in m that the user gave or None.

    Without CRS, x and y are pixels (y runs up: -row), or what a transform makes of them, in units that nobody named. A local CRS (of a
    building site, say) has metres and no place on the earth. `pixel_size_m` counts only without CRS.
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
        """Whether it lies on the earth: there is a CRS, and it leads to longitude and latitude."""
        return self.crs is not None and on_earth(self.crs)

    @property
    def local(self) -> bool:
        """Whether there is a CRS that leads to no longitude and latitude."""
        return self.crs is not None and not on_earth(self.crs)

    @property
    def unnamed(self) -> bool:
        """Whether there is a transform and no CRS: coordinates are known, and their units and place are not."""
        return self.crs is None and self.transform != PIXEL_TRANSFORM

    @property
    def situated(self) -> bool:
        """Whether x and y say more than pixels do: there is a CRS, or a transform without one."""
        return self.crs is not None or self.unnamed

    @property
    def coordinates(self) -> str:
        """What x and y are, in a few words."""
        if self.crs is not None:
            return self.crs.name
        return UNNAMED if self.unnamed else PIXELS

    def named(self, crs: CRS) -> GeoRef:
        """The same transform in a CRS that the user names. Raises SettingsError for pixels, and where the CRS does not hold there."""
        if not self.unnamed:
            found = f"coordinates in {self.crs.name}" if self.crs is not None else "pixels without a transform"
            raise SettingsError(
                f"the CRS {crs.name} for {found}", expected="it for a raster with a transform and no CRS", do="Leave the CRS out"
            )
        placed = GeoRef(self.transform, crs)
        corner = placed.lonlat(0, 0)
        if corner is not None and not (abs(corner[0]) <= 540 and abs(corner[1]) <= 91):
            x, y = placed.xy(0, 0)
            raise SettingsError(
                f"the corner {x:g}, {y:g} in {crs.name}", expected="coordinates that this CRS holds", do="Name the CRS they are in"
            )
        return placed

    @property
    def units(self) -> str:
        """ "m" where lengths in metres are known, "px" otherwise."""
        known = self.pixel_size_m if self.crs is None else self.georeferenced or metres_per_unit(self.crs)
        return "m" if known else "px"

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
        """Longitude and latitude (WGS84, degrees) of a point in pixel space, or None where it has no place on the earth."""
        if self.crs is None or not self.georeferenced:
            return None
        return to_lonlat(self.crs).transform(*self.xy(row, col))

    def pixel_size(self, row: float = 0.0, col: float = 0.0) -> tuple[float, float] | None:
        """Height and width of the pixel at (row, col) in metres, geodesic on the earth; None where nothing is known."""
        if self.crs is None or not self.georeferenced:
            return self._side_m()
        lon, lat = degrees_of(self.crs, *self.points((row, row, row + 1), (col, col + 1, col)))
        width, height = _GEOD.inv(lon[[0, 0]], lat[[0, 0]], lon[1:], lat[1:])[2]
        return float(height), float(width)

    def pixel_area_m2(self, row: float = 0.0, col: float = 0.0) -> float | None:
        """Area of the pixel at (row, col) in m2, geodesic on the earth; None where nothing is known."""
        return self.block_area_m2(row, col, 1, 1)

    def mean_pixel_area_m2(self, height: int, width: int) -> float | None:
        """Mean area in m2 of the pixels of a height x width raster: of a world map no pixel stands for the others."""
        middle = self.pixel_area_m2(height / 2, width / 2)
        if middle is None or not self.georeferenced:
            return middle
        corners = [self.pixel_area_m2(row, col) or math.nan for row in (0, height - 1) for col in (0, width - 1)]
        if all(abs(area - middle) <= 1e-3 * middle for area in corners):
            return middle
        step = max(1, math.ceil(height / 256))
        rows = range(0, height, step)
        areas = [self.block_area_m2(row, 0, min(step, height - row), width) for row in rows]
        known = [area for area in areas if area is not None and math.isfinite(area)]
        return sum(known) / (height * width) if len(known) == len(areas) else middle

    def _side_m(self) -> tuple[float, float] | None:
        """Height and width of a pixel in metres without the earth: by the unit of a local CRS, or as the user said."""
        if self.crs is None:
            return None if self.pixel_size_m is None else (self.pixel_size_m, self.pixel_size_m)
        unit, t = metres_per_unit(self.crs), self.transform
        return None if unit is None else (math.hypot(t.b, t.e) * unit, math.hypot(t.a, t.d) * unit)

    def points(self, rows: npt.ArrayLike, cols: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """x and y (n,) of points (n,) in pixel space; see `xy`."""
        return applied(self.transform, np.asarray(cols, float), np.asarray(rows, float))

    def block_area_m2(self, row: float, col: float, height: float, width: float) -> float | None:
        """Area in m2 of height x width pixels from (row, col) on, geodesic on the earth; None where nothing is known."""
        if self.crs is None:
            return None if self.pixel_size_m is None else self.pixel_size_m**2 * height * width
        if not self.georeferenced:
            unit = metres_per_unit(self.crs)
            return None if unit is None else abs(self.transform.determinant) * unit**2 * height * width
        square = np.array([(0, 0), (0, 1), (1, 1), (1, 0), (0, 0)], float) * (height, width) + (row, col)
        lon, lat = degrees_of(self.crs, *self.points(*square.T))
        if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
            return math.nan
        if max(np.ptp(lon), np.ptp(lat)) < _LARGE_DEGREES:
            return abs(_GEOD.polygon_area_perimeter(lon, lat)[0])
        share = np.linspace(0, 1, _STEPS, endpoint=False)
        ring = np.vstack([*(a + share[:, None] * (b - a) for a, b in pairwise(square)), square[:1]])
        lon, lat = degrees_of(self.crs, *self.points(*ring.T))
        return float(ring_areas(lon, lat, np.array([0, len(lon)]), north=np.array([lat.mean() > 0]))[0])


def applied(transform: Affine, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x and y, arrays of any shape, after an affine transform, whose own product takes single points."""
    return transform.a * x + transform.b * y + transform.c, transform.d * x + transform.e * y + transform.f


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


def read_crs(text: str | CRS) -> CRS:
    """A CRS by its code or WKT. Raises SettingsError for what is none."""
    try:
        return CRS.from_user_input(text)
    except CRSError as error:
        raise SettingsError(f"no CRS {text!r}", expected='something like "EPSG:32640"', do="Correct the target CRS") from error


@lru_cache(maxsize=256)
def on_earth(crs: CRS) -> bool:
    """Whether a CRS leads to longitude and latitude (WGS84): a local or engineering CRS, and one of another planet, does not."""
    try:
        to_lonlat(crs)
    except (CRSError, ProjError):
        return False
    return not _horizontal(crs).is_engineering


@lru_cache(maxsize=256)
def metres_per_unit(crs: CRS) -> float | None:
    """Metres of one unit of a CRS's x and y; None where it counts degrees, or in a unit that nobody knows."""
    axes = _horizontal(crs).axis_info
    if not axes:
        return None
    name, factor = axes[0].unit_name.lower(), axes[0].unit_conversion_factor
    angular = crs.is_geographic or any(word in name for word in ("degree", "radian", "grad", "gon"))
    return None if angular or name in ("", "unknown") or not factor else float(factor)


def _horizontal(crs: CRS) -> CRS:
    """The part of a CRS that x and y belong to: without heights, and without a way to another datum."""
    if crs.is_bound and crs.source_crs is not None:
        return _horizontal(crs.source_crs)
    return _horizontal(crs.sub_crs_list[0]) if crs.is_compound and crs.sub_crs_list else crs


def degrees_of(crs: CRS, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes and latitudes (WGS84) of points (n,) in a CRS on the earth, infinite where it does not hold.

    Longitudes of a CRS in degrees run on beyond 180 as its own do, and what lies beyond a pole by half a pixel lies on it.
    """
    if not crs.is_geographic:
        lon, lat = to_lonlat(crs).transform(x, y)
        return np.asarray(lon, float), np.asarray(lat, float)
    factor = math.degrees(_horizontal(crs).axis_info[0].unit_conversion_factor or math.radians(1))
    x, y = np.asarray(x, float), np.clip(np.asarray(y, float), -90 / factor, 90 / factor)
    lon, lat = (np.asarray(values, float) for values in to_lonlat(crs).transform(x, y))
    with np.errstate(invalid="ignore"):
        return lon + 360 * np.round((x * factor - lon) / 360), lat


def lonlat_bounds(geo: GeoRef, height: int, width: int) -> list[list[float]] | None:
    """[[south, west], [north, east]] in degrees around a raster, beyond 180 over the antimeridian; None without a place on the earth."""
    if geo.crs is None or not geo.georeferenced:
        return None
    rows, cols = np.meshgrid(np.linspace(0, height, 17), np.linspace(0, width, 17))
    lon, lat = degrees_of(geo.crs, *geo.points(rows.ravel(), cols.ravel()))
    there = np.isfinite(lon) & np.isfinite(lat)
    if not there.any():
        return None
    lon, lat = lon[there], np.clip(lat[there], -90, 90)
    beyond = np.where(lon < 0, lon + 360, lon)
    if np.ptp(lon) > 180 > np.ptp(beyond):
        lon = beyond
    return [[float(lat.min()), float(lon.min())], [float(lat.max()), float(lon.max())]]


def authalic_sine(latitude: np.ndarray) -> np.ndarray:
    """Sine of the authalic latitude of latitudes in degrees: the height on the sphere that has the ellipsoid's areas (Snyder 1987)."""
    sine = np.sin(np.radians(latitude))
    q = (1 - _GEOD.es) * (sine / (1 - _GEOD.es * sine**2) + np.arctanh(_ECCENTRICITY * sine) / _ECCENTRICITY)
    return q / _Q_POLE


def ring_areas(lon: np.ndarray, lat: np.ndarray, offsets: np.ndarray, *, north: np.ndarray) -> np.ndarray:
    """Areas (R,) in m2 on the ellipsoid of closed rings of longitudes and latitudes (N,), in steps of less than half a turn.

    Ring r is lon[offsets[r]:offsets[r + 1]]. A ring that runs round the earth holds the pole that `north` (R,) bool says.
    """
    height = authalic_sine(lat)
    steps = np.radians((np.diff(lon) + 180) % 360 - 180)
    strips = steps * (height[1:] + height[:-1]) / 2
    inside = np.ones(len(lon) - 1, bool)
    inside[offsets[1:-1] - 1] = False  # from one ring to the next
    ring = np.searchsorted(offsets, np.arange(len(lon) - 1), side="right") - 1
    count = len(offsets) - 1
    turn = np.bincount(ring[inside], weights=steps[inside], minlength=count)
    area = np.bincount(ring[inside], weights=strips[inside], minlength=count)
    round_earth = np.abs(turn) > math.pi
    cap = 2 * math.pi - np.where(north, 1, -1) * area * np.sign(turn)
    return AUTHALIC_RADIUS_M2 * np.where(round_earth, cap, np.abs(area))
