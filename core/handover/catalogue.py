"""The folder in the words of a catalogue: a STAC 1.1 item of the result, and a collection that holds it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import shapely

from core.errors import SettingsError
from core.files import write_json
from core.geo import GeoRef, degrees_of
from core.vector.layer import PolygonLayer

ITEM, COLLECTION = "item.json", "collection.json"
EXTENSIONS = (
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
)
_SHA256 = "1220"
"""How a multihash says that a SHA-256 of 32 bytes follows."""
_TIME_UNKNOWN = "When the picture was taken is not known; the time is that of this result."


@dataclass(frozen=True)
class Asset:
    """A file as a catalogue lists it: what it is, its media type, what it is for, and its bytes and SHA-256 in hexadecimal digits."""

    title: str
    media_type: str
    roles: tuple[str, ...]
    size: int
    sha256: str
    classes: bool = False


@dataclass(frozen=True)
class Caption:
    """What is said of the whole: a title, a description, whom the picture belongs to, a licence, and when it was taken (ISO 8601) or ""."""

    title: str
    description: str
    attribution: str = ""
    licence: str = "other"
    acquired: str = ""


def time_of(text: str) -> datetime:
    """A day or a moment in ISO 8601, in UTC where it names no zone. Raises SettingsError for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"{text!r} as a time", expected="a day like 2026-05-30", do="Correct when the picture was taken") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def write_catalogue(folder: Path, layer: PolygonLayer, files: Mapping[str, Asset], told: Caption, *, now: datetime) -> None:
    """Write the item and its collection into `folder`, tied to each other and to `files` by relative links."""
    height, width = layer.made["height"], layer.made["width"]
    footprint = _footprint(layer.geo, height, width)
    properties: dict[str, Any] = {
        "title": told.title,
        "description": told.description if told.acquired else f"{told.description} {_TIME_UNKNOWN}",
        "created": now.isoformat().replace("+00:00", "Z"),
        "license": told.licence,
        "proj:code": f"EPSG:{layer.geo.epsg}" if layer.geo.epsg else None,
        "proj:shape": [height, width],
        "proj:transform": list(layer.geo.transform)[:6],
    }
    if layer.geo.crs is not None and not layer.geo.epsg:
        properties["proj:wkt2"] = layer.geo.crs.to_wkt("WKT2_2019")
    side = layer.geo.pixel_size(height / 2, width / 2)
    if side is not None and np.isfinite(side).all():
        properties["gsd"] = round(float(np.mean(side)), 4)
    moment = time_of(told.acquired) if told.acquired else now
    providers = [{"name": told.attribution, "roles": ["producer"]}] if told.attribution else []
    name = plain_id(told.title)
    bbox = None if footprint is None else [round(float(side), 9) for side in footprint.bounds]
    geometry = None if footprint is None else shapely.geometry.mapping(footprint)
    item = pystac.Item(name, geometry, bbox, moment, properties | ({"providers": providers} if providers else {}))
    item.stac_extensions = list(EXTENSIONS)
    for file, asset in files.items():
        more: dict[str, Any] = {"file:size": asset.size, "file:checksum": f"{_SHA256}{asset.sha256}"}
        if asset.classes:
            more["classification:classes"] = _classes(layer)
        item.add_asset(file, pystac.Asset(f"./{file}", asset.title, None, asset.media_type, list(asset.roles), more))
    space = pystac.SpatialExtent([bbox or [-180.0, -90.0, 180.0, 90.0]])
    extent = pystac.Extent(space, pystac.TemporalExtent([[moment, moment]]))
    about = [pystac.Provider.from_dict(one) for one in providers] or None
    collection = pystac.Collection(f"{name}-collection", told.description, extent, title=told.title, license=told.licence, providers=about)
    item.collection_id = collection.id
    for rel in ("root", "parent", "collection"):
        item.add_link(pystac.Link(rel, f"./{COLLECTION}", "application/json"))
    collection.clear_links()
    collection.add_link(pystac.Link("root", f"./{COLLECTION}", "application/json"))
    collection.add_link(pystac.Link("item", f"./{ITEM}", "application/geo+json", told.title))
    write_json(folder / ITEM, item.to_dict(include_self_link=False, transform_hrefs=False))
    write_json(folder / COLLECTION, collection.to_dict(include_self_link=False, transform_hrefs=False))


def plain_id(title: str) -> str:
    """A title as an identifier of a catalogue: letters of the alphabet, digits and dashes; never empty."""
    return re.sub(r"[^0-9A-Za-z]+", "-", title).strip("-").lower() or "result"


def _classes(layer: PolygonLayer) -> list[dict[str, Any]]:
    scheme = layer.scheme
    names = [f"class-{number}-{plain_id(name)}" for number, name in enumerate(scheme.names)]
    return [
        {"value": number, "name": name, "title": scheme.names[number], "color_hint": scheme.hex(number).lstrip("#").upper()}
        for number, name in enumerate(names)
    ]


def _footprint(geo: GeoRef, height: int, width: int) -> shapely.Polygon | None:
    """The corners of the raster in longitude and latitude; None where it has no place on the earth."""
    if geo.crs is None or not geo.georeferenced:
        return None
    lon, lat = degrees_of(geo.crs, *geo.points((0, height, height, 0), (0, 0, width, width)))
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        return None
    return shapely.geometry.polygon.orient(shapely.Polygon(np.column_stack([lon, lat]).round(9)))
