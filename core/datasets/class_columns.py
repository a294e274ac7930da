"""Which column of a vector layer names the classes: told by names and values, or by OpenStreetMap's tags."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_SURE = (
    "class_name",
    "classname",
    "class",
    "label",
    "label_name",
    "class_label",
    "category",
    "category_name",
    "landcover",
    "land_cover",
    "lulc",
    "fclass",
    "classe",
    "klasse",
    "clase",
    "class_id",
    "classid",
)
"""Columns that are called after classes, the likeliest first; a year may follow (class_2018)."""
_LIKELY = ("landuse", "land_use", "type", "code", "gridcode", "dn", "value", "name")
"""Columns that often hold classes and often something else: they count only where nothing surer says what a feature is."""
_NAMES_OF_THINGS = frozenset(("name",))
_TAGS = (
    "building",
    "highway",
    "railway",
    "aeroway",
    "waterway",
    "water",
    "natural",
    "landuse",
    "leisure",
    "amenity",
    "barrier",
    "power",
    "man_made",
)
"""OpenStreetMap's keys of things on the ground; the first that a feature has is its class."""
_OSM_IDS = frozenset(("osm_id", "osm_way_id", "osm_type", "@id", "@type", "full_id", "other_tags"))
_MISSING = frozenset(("", "none", "null", "<null>", "nan", "<na>"))
_NOT_SO = frozenset(("no", "0", "false"))
_MANY = 64
_MOST = 254


@dataclass(frozen=True, eq=False)
class ClassColumn:
    """The class of each feature (n,), None where none is given, and where they come from: empty words for what needs none."""

    classes: np.ndarray
    told: tuple[str, ...] = ()


def classes_of(fields: Mapping[str, np.ndarray], count: int, *, fallback: str, sure: bool = False) -> ClassColumn:
    """The class of each of `count` features: by a column, by OpenStreetMap's tags, else `fallback` for all of them.

    `sure`: whether the fallback is the name that a layout gives the class, so that only a column called after classes counts more.
    """
    lowered = {name.lower(): name for name in fields}
    refused: list[str] = []

    def taken(names: tuple[str, ...]) -> ClassColumn | None:
        for name in _in_order(lowered, names):
            values = as_classes(fields[lowered[name]])
            reason = _no_class(values, name)
            if reason is None:
                return ClassColumn(values, tuple(refused))
            if reason:
                refused.append(f"column {lowered[name]} names no classes ({reason})")
        return None

    found = taken(_SURE)
    if found is None and _is_osm(lowered):
        return _by_tags({name: fields[own] for name, own in lowered.items()}, count, refused)
    if found is None and not sure:
        found = taken(_LIKELY)
    return found or ClassColumn(np.full(count, fallback, object), tuple(refused))


def as_classes(values: np.ndarray) -> np.ndarray:
    """Class names (n,) of a column: whole numbers without their point (1.0 is 1), None for what is missing."""
    return np.array([_name(value) for value in values.tolist()], object)


def _name(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    if re.fullmatch(r"-?\d+\.0+", text):  # numbers that were kept as text
        text = text.partition(".")[0]
    return None if text.lower() in _MISSING else text


def _in_order(lowered: Mapping[str, str], wanted: tuple[str, ...]) -> list[str]:
    """The columns called so, or so with a year or number behind, in the order of `wanted`."""
    return [name for word in wanted for name in lowered if name == word or re.fullmatch(rf"{word}_?\d+", name)]


def _no_class(values: np.ndarray, name: str) -> str | None:
    """Why the values of a column are no classes; None when they may be, an empty text where that goes without saying."""
    present = [value for value in values.tolist() if value is not None]
    different = set(present)
    if not present:
        return "it is empty" if name in _SURE else ""
    if 2 * len(present) < len(values):
        return f"{len(values) - len(present)} of {len(values)} rows hold none"
    if any(re.fullmatch(r"-?\d+\.\d+(e-?\d+)?", value) for value in different):
        return "its numbers are measures"
    thing = name in _NAMES_OF_THINGS
    too_many = len(different) > (_MANY if 4 * len(different) > len(present) else _MOST)
    nearly_all = len(present) >= 8 and 5 * len(different) > 4 * len(present)
    if too_many or nearly_all or (thing and 2 * len(different) > len(present)):
        return f"{len(different)} different values in {len(present)} rows"
    return None


def _is_osm(lowered: Mapping[str, str]) -> bool:
    keys = set(_TAGS) & set(lowered)
    return bool(keys - {"landuse"}) or bool(_OSM_IDS & set(lowered) and (keys or "other_tags" in lowered))


def _by_tags(fields: Mapping[str, np.ndarray], count: int, refused: list[str]) -> ClassColumn:
    """The key of the first tag that each feature has: a school is a building, whatever its tag says of it."""
    classes = np.full(count, None, object)
    others = as_classes(fields["other_tags"]) if "other_tags" in fields else classes.copy()
    for key in _TAGS:
        values = as_classes(fields[key]) if key in fields else np.full(count, None, object)
        for k in np.flatnonzero((classes == None) & ((values != None) | (others != None))):  # noqa: E711  (of each element)
            value = values[k] if values[k] is not None else _hidden(others[k], key)
            if value is not None and value.lower() not in _NOT_SO:
                classes[k] = key
    return ClassColumn(classes, (*refused, "the key of OpenStreetMap's tags is the class"))


def _hidden(tags: str | None, key: str) -> str | None:
    """A tag among the others, as GDAL writes them: "building"=>"yes","name"=>"Town hall"."""
    found = re.search(rf'"{key}"=>"([^"]*)"', tags or "")
    return found[1] if found else None
