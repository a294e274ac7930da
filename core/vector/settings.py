"""How outlines are drawn: what `vectorize` can be told; no numba in here, so that pages and flags can read it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from numbers import Real

from core.errors import SettingsError
from core.settings import Settings, setting

METHODS = {
    "visvalingam": "Visvalingam-Whyatt order within the tolerance, on shared borders",
    "douglas-peucker": "Douglas-Peucker, with points put back where borders would cross, on shared borders",
}
"""Ways to simplify, and how a layer's metadata names them."""

SMALLEST_M2 = {"vehicle": 2.0, "pool": 5.0, "solar": 5.0, "tree": 5.0, "building": 10.0, "road": 20.0, "railway": 20.0, "water": 20.0}
"""Smallest areas that single classes are commonly mapped with from pictures of half a metre and finer, in m2, by what their names mean."""

Classes = bool | tuple[str | int, ...]
"""A choice of classes by name or id: True leaves it to the names, False is none."""


@dataclass(frozen=True, repr=False)
class VectorSettings(Settings):
    """Settings of a tracing.

    threshold: pixels of lower confidence (0 to 1) belong to no polygon. min_area: smaller regions join the neighbour that they share most
    border with: pixels, "4px" or "2m2". min_areas, thresholds: those of single classes, as "NAME=AREA" and "NAME=FRACTION"; the
    others have the common one. simplify: how far a border may move at most: pixels,
    "1px" or "0.5m"; 0 keeps pixel outlines. smooth: 0 to 4, rounds corners. classes: names or ids to keep (all). pixel_size_m: for sources
    without CRS.
    distance_to: a class, by name or id; a column distance_m (distance_px) then says how far each polygon is from the nearest one of it.
    regularize: classes whose outlines get right angles; True takes those whose name contains "building". centre_lines: classes whose
    centre lines are drawn; True takes those whose name contains "road" or "street". method: the order in which points go, "visvalingam" or
    "douglas-peucker". Raises SettingsError.
    """

    threshold: float = setting(0.0, "pixels less sure than this are left out", low=0, high=1, metavar="FRACTION")
    min_area: str | float = setting("4px", "smaller ones are merged: 4, 4px or 10m2", metavar="AREA")
    simplify: str | float = setting("1px", "tolerance: 1, 1px or 0.5m; 0: none", metavar="LENGTH")
    smooth: int = setting(0, "times to round the corners off", low=0, high=4, metavar="TIMES", do="Choose 0 for straight sides")
    classes: tuple[str | int, ...] | None = setting(None, "only these classes", key="classes_only", metavar="NAME,NAME")
    pixel_size_m: float | None = setting(None, "metres per pixel, for a raster without coordinates", key="pixel_size", metavar="M")
    method: str = setting("visvalingam", "the order in which points go", choices=tuple(METHODS))
    regularize: Classes = setting(False, "classes to square; auto: buildings", metavar="auto|NAME,NAME")
    centre_lines: Classes = setting(False, "classes with centre lines; auto: roads", metavar="auto|NAME,NAME")
    distance_to: str | int | None = setting(None, "class to whose nearest polygon each one's distance is told", metavar="NAME")
    min_areas: tuple[str, ...] = setting((), "smallest areas of single classes, Building=10m2", metavar="NAME=AREA,...")
    thresholds: tuple[str, ...] = setting((), "thresholds of single classes, Building=0.6", metavar="NAME=FRACTION,...")

    title = "settings of outlines"

    def __post_init__(self) -> None:
        for name in ("classes", "regularize", "centre_lines"):
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, (getattr(self, name),))
        check_threshold(self.threshold)
        super().__post_init__()
        read_size(self.min_area, power=2, name="min_area")
        read_size(self.simplify, power=1, name="simplify")
        for entry in by_class(self.min_areas, name="min_areas").values():
            read_size(entry, power=2, name="min_areas")
        self.class_thresholds()
        # An empty list of classes is a plain no, so that both are the same settings.
        for name in ("regularize", "centre_lines"):
            object.__setattr__(self, name, getattr(self, name) or False)

    def __repr__(self) -> str:
        # Corrections of a layer are kept under a digest of this text, so what came later stands in it only where it is used.
        told = [f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.name not in _LATER or getattr(self, one.name)]
        return f"{type(self).__name__}({', '.join(told)})"

    def class_thresholds(self) -> dict[str, float]:
        """The thresholds of single classes, 0 to 1, by their names."""
        found = {}
        for name, text in by_class(self.thresholds, name="thresholds").items():
            try:
                found[name] = float(text)
            except ValueError:
                found[name] = math.nan
            if not 0 <= found[name] <= 1:
                raise SettingsError(f"thresholds {name}={text}", expected="confidences from 0 to 1", do="Correct it, Building=0.6 say")
        return found


_LATER = ("min_areas", "thresholds")


def class_of(entry: str) -> str:
    """The class of a "NAME=VALUE"."""
    return entry.rpartition("=")[0].strip()


def by_class(entries: tuple[str, ...], *, name: str) -> dict[str, str]:
    """What "NAME=VALUE" says of each class, by its name. Raises SettingsError for another text and for a class that is there twice."""
    found: dict[str, str] = {}
    for entry in entries:
        of, value = class_of(entry), entry.rpartition("=")[2].strip()
        if not of or not value or of in found:
            expected = "NAME=VALUE, each class once"
            raise SettingsError(f"{name} {entry!r}", expected=expected, do="Correct it, Building=10m2 say")
        found[of] = value
    return found


def check_threshold(threshold: float) -> None:
    """Raises SettingsError for a least confidence that is not from 0 to 1."""
    if isinstance(threshold, Real) and not 0 <= threshold <= 1:
        raise SettingsError(f"a threshold of {threshold:g}", expected="a confidence from 0 to 1", do="Choose 0 to keep every pixel")


def read_size(value: float | int | str, *, power: int, name: str) -> tuple[float, bool]:
    """The number of a size such as 4, "4px", "0.5m" (power 1) or "2m2" (power 2), and whether it is in metres or square metres.

    Raises SettingsError for anything else, and for a negative size.
    """
    units = {1: ("px", "m"), 2: ("px", "m2")}[power]
    match = re.fullmatch(r"\s*([0-9.]+(?:e-?[0-9]+)?)\s*(px2?|px²|m2|m²|m|)\s*", str(value).lower())
    try:
        number = float(match.group(1)) if match else math.nan
    except ValueError:
        number = math.nan
    if match is None or not math.isfinite(number):
        example = f'a number of pixels, or a text such as "4{units[0]}" or "2{units[1]}"'
        raise SettingsError(f"{name} {value!r}", expected=example, do=f"Give {name} as such a size")
    unit = match.group(2).replace("²", "2")
    if unit not in ("", "px", "px2", units[1]):
        raise SettingsError(f"{name} {value!r}", expected=f"a size in {units[0]} or {units[1]}", do="Change its unit")
    return number, unit == units[1]
