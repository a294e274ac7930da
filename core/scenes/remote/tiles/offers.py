"""What was typed as the address of a map server, read as levels of tiles: XYZ and TileJSON, WMTS, WMS."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from xml.etree import ElementTree

from pyproj import CRS
from pyproj.exceptions import CRSError

from core.errors import SceneError, SettingsError
from core.geo import read_crs
from core.progress import ShouldStop
from core.reading.addresses import host_of, masked
from core.reading.map_services import CLOSEST, FORMATS, JPEG, PNG, WMS, XYZ, read_service
from core.scenes.remote.asking import fetched, refuse_astray
from core.scenes.remote.tiles.levels import Bounds, TileLevel, TileOffer, bounds_in

MERCATOR_M = math.pi * 6378137.0
_TILE_PX, _WMS_PX = 256, 1024
_WMTS_PIXEL_M = 0.00028
"""The side of a pixel that scale denominators count by (OGC 07-057)."""
_MOST_CAPABILITIES = 32 << 20
_MOST_WORDS = 300
_NO_BULK = ("tile.openstreetmap.org",)
"""Hosts whose terms forbid to fetch more than what somebody looks at."""
_NAMED_IN_ERRORS = 12


def is_service(address: str) -> bool:
    """Whether an address is that of a map server, and not of one picture."""
    said = {key.lower(): value.lower() for key, value in parse_qsl(urlsplit(address).query)}
    path = urlsplit(address).path.lower()
    templated = re.search(r"\{-?[xyz]\}|%7b-?[xyz]%7d|\{TileMatrix\}", address, re.IGNORECASE) is not None
    return templated or said.get("service") in ("wms", "wmts") or path.endswith((".json", "wmtscapabilities.xml", "/wms", "/wmts"))


def read_offer(
    address: str,
    *,
    layer: str = "",
    crs: str | None = None,
    bbox: Bounds | None = None,
    extent: Bounds | None = None,
    gsd_m: float | None = None,
    picture: str = PNG,
    should_stop: ShouldStop | None = None,
) -> TileOffer:
    """What a map server offers. A WMS has no levels of its own: one is made for the region and `gsd_m`, in `crs` (Web Mercator).

    Capabilities and TileJSON are asked for. Raises SettingsError, and what `fetched` raises.
    """
    host = host_of(address).partition(":")[0]
    if host.endswith(_NO_BULK):
        raise SettingsError(
            f"tiles of {host}, whose terms forbid to fetch them in bulk", expected="a server that allows it", do="Ask another one"
        )
    said = {key.lower(): value for key, value in parse_qsl(urlsplit(address).query)}
    path = urlsplit(address).path.lower()
    if re.search(r"\{-?[xy]\}|%7b-?[xy]%7d|\$\{[xy]\}", address, re.IGNORECASE):
        return _xyz(address)
    if path.endswith(".json"):
        return _not_astray(_tile_json(address, should_stop), address)
    if said.get("service", "").lower() == "wmts" or path.endswith(("wmtscapabilities.xml", "/wmts")):
        return _not_astray(_wmts(address, layer, should_stop), address)
    if said.get("service", "").lower() == "wms" or path.endswith("/wms"):
        return _wms(address, layer, crs, bbox, extent, gsd_m, picture, should_stop)
    raise SettingsError(
        f"{masked(address)[:200]} is no map server by its address",
        expected="tiles with {z}, {x} and {y}, a TileJSON, or ?service=WMS or ?service=WMTS",
        do="Add service=..., or give the address of one picture to predict itself",
    )


def _not_astray(offer: TileOffer, typed: str) -> TileOffer:
    """The offer of a server that names where its tiles are: those of other hosts are asked for where a redirect might lead there, too."""
    seen: set[str] = set()

    def address_of(level: TileLevel, column: int, row: int) -> str:
        there = offer.address_of(level, column, row)
        if (host := host_of(there)) not in seen:
            refuse_astray(typed, there)
            seen.add(host)
        return there

    return replace(offer, address_of=address_of)


# ---- XYZ ----


def _mercator(zooms: range) -> tuple[TileLevel, ...]:
    crs = CRS.from_epsg(3857)
    return tuple(
        TileLevel(str(z), crs, -MERCATOR_M, MERCATOR_M, 2 * MERCATOR_M / (_TILE_PX << z), (_TILE_PX, _TILE_PX), 1 << z, 1 << z)
        for z in zooms
    )


def _xyz(address: str, *, attribution: str = "", zooms: range = range(CLOSEST + 1)) -> TileOffer:
    service = read_service(XYZ, address)

    def address_of(level: TileLevel, column: int, row: int) -> str:
        z = int(level.name)
        known = {"z": z, "x": column, "y": row, "-y": (1 << z) - 1 - row, "r": ""}
        if service.subdomains:
            known["s"] = service.subdomains[(column + row) % len(service.subdomains)]
        return re.sub(r"\{(-?\w)\}", lambda found: str(known[found[1]]), service.address)

    return TileOffer(service.host, _mercator(zooms), address_of, attribution)


def _tile_json(address: str, should_stop: ShouldStop | None) -> TileOffer:
    text, _ = fetched(address, most=_MOST_CAPABILITIES, should_stop=should_stop)
    try:
        told: dict[str, Any] = json.loads(text)
        template, first, last = str(told["tiles"][0]), int(told.get("minzoom", 0)), int(told.get("maxzoom", CLOSEST))
        whose = re.sub(r"<[^>]*>", "", str(told.get("attribution") or ""))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise SceneError(
            f"{masked(address)[:200]} is no TileJSON",
            expected="one that lists its tiles",
            do="Type the tiles' own address with {z}/{x}/{y}",
        ) from None
    if told.get("scheme") == "tms":
        template = template.replace("{y}", "{-y}")
    return _xyz(template, attribution=" ".join(whose.split()), zooms=range(max(0, first), min(CLOSEST, last) + 1))


# ---- WMTS ----


def _wmts(address: str, layer: str, should_stop: ShouldStop | None) -> TileOffer:
    said = parse_qsl(urlsplit(address).query, keep_blank_values=True)
    own = {"service", "request", "version", "layer", "style", "format", "tilematrixset", "tilematrix", "tilerow", "tilecol"}
    told = {key.lower(): value for key, value in said}
    others = [(key, value) for key, value in said if key.lower() not in own]
    bare = address.partition("?")[0]
    if bare.lower().endswith(".xml"):
        asked = address
    else:
        asked = f"{bare}?{urlencode([*others, ('SERVICE', 'WMTS'), ('REQUEST', 'GetCapabilities'), ('VERSION', '1.0.0')])}"
    tree = _capabilities(asked, should_stop)
    wanted = layer or told.get("layer", "")
    layers = {_text(one, "Identifier"): one for one in _all(tree, "Layer") if _text(one, "Identifier")}
    found = layers.get(wanted)
    if found is None:
        raise _no_layer(wanted, list(layers))
    matrix_sets = {_text(one, "Identifier"): one for one in _children(_first(tree, "Contents"), "TileMatrixSet")}
    linked = [_text(link, "TileMatrixSet") for link in _all(found, "TileMatrixSetLink")]
    chosen = told.get("tilematrixset") or next(
        (name for name in linked if _is_mercator(matrix_sets.get(name))), linked[0] if linked else ""
    )
    if chosen not in matrix_sets:
        raise SceneError(
            f"the layer {wanted} has no tiles that its capabilities describe", expected="a matrix set", do="Choose another layer"
        )
    levels = _matrices(matrix_sets[chosen])
    style = next((_text(one, "Identifier") for one in _all(found, "Style")), "")
    formats = [(one.text or "").strip() for one in _children(found, "Format")]
    kind = next((one for one in (PNG, *FORMATS) if one in formats), JPEG)
    template = next((str(one.get("template")) for one in _all(found, "ResourceURL") if one.get("resourceType") == "tile"), "")
    if template and not bare.lower().endswith(".xml") and _served_by_words(tree):
        template = ""

    def address_of(level: TileLevel, column: int, row: int) -> str:
        if template:
            known = {"tilematrixset": chosen, "tilematrix": level.name, "tilecol": column, "tilerow": row, "style": style, "layer": wanted}
            return re.sub(r"\{(\w+)\}", lambda one: quote(str(known.get(one[1].lower(), "default")), safe=":"), template)
        values = {"SERVICE": "WMTS", "REQUEST": "GetTile", "VERSION": "1.0.0", "LAYER": wanted, "STYLE": style, "FORMAT": kind}
        values |= {"TILEMATRIXSET": chosen, "TILEMATRIX": level.name, "TILEROW": str(row), "TILECOL": str(column)}
        return f"{bare}?{urlencode([*others, *values.items()], quote_via=quote, safe='/:')}"

    return TileOffer(_text(found, "Title") or wanted, levels, address_of, _whose(tree))


def _served_by_words(tree: ElementTree.Element) -> bool:
    """Whether tiles may be asked for by words in the query."""
    return any((value.text or "").strip() == "KVP" for value in _all(tree, "Value"))


def _matrices(matrix_set: ElementTree.Element) -> tuple[TileLevel, ...]:
    named = _text(matrix_set, "SupportedCRS")
    crs = _crs_of(named)
    swapped = _north_first(crs) and named.lower().startswith("urn:")
    unit_m = 111319.49079327358 if crs.is_geographic else float(crs.axis_info[0].unit_conversion_factor or 1.0)
    levels = []
    try:
        for one in _children(matrix_set, "TileMatrix"):
            corner = [float(number) for number in _text(one, "TopLeftCorner").split()]
            left, top = reversed(corner) if swapped else corner
            numbers = [int(_text(one, name)) for name in ("TileWidth", "TileHeight", "MatrixWidth", "MatrixHeight")]
            pixel = float(_text(one, "ScaleDenominator")) * _WMTS_PIXEL_M / unit_m
            if pixel <= 0 or min(numbers) <= 0 or max(numbers[:2]) > 4096:
                raise ValueError
            levels.append(TileLevel(_text(one, "Identifier"), crs, left, top, pixel, (numbers[0], numbers[1]), numbers[2], numbers[3]))
        if not levels:
            raise ValueError
    except ValueError:
        raise SceneError("tiles whose capabilities make no sense", expected="scale, corner and sizes", do="Ask who runs it") from None
    return tuple(sorted(levels, key=lambda level: -level.pixel))


def _is_mercator(matrix_set: ElementTree.Element | None) -> bool:
    return matrix_set is not None and _text(matrix_set, "SupportedCRS").endswith(("3857", "900913"))


# ---- WMS ----


def _wms(
    address: str,
    layer: str,
    crs: str | None,
    bbox: Bounds | None,
    extent: Bounds | None,
    gsd_m: float | None,
    picture: str,
    should_stop: ShouldStop | None,
) -> TileOffer:
    service = read_service(WMS, address, layers=layer, picture=picture)
    join = "&" if "?" in service.address else "?"
    version = service.parameters["version"]
    asked = {"SERVICE": "WMS", "REQUEST": "GetCapabilities", "VERSION": version}
    tree = _capabilities(f"{service.address}{join}{urlencode(asked)}", should_stop)
    known = {_text(one, "Name"): one for one in _all(tree, "Layer") if _text(one, "Name")}
    names = service.parameters["layers"].split(",")
    for name in names:
        if name not in known:
            raise _no_layer(name, list(known))
    if gsd_m is None or not gsd_m > 0:
        raise SettingsError("no size of pixels", expected="--gsd in metres: a WMS draws any", do="Name it")
    plane = read_crs(crs or "EPSG:3857")
    bounds = bounds_in(plane, bbox, extent)
    one = TileLevel("", plane, bounds[0], bounds[3], 1e-5 if plane.is_geographic else 1.0, (_WMS_PX, _WMS_PX))
    level = TileLevel("", plane, bounds[0], bounds[3], one.pixel * gsd_m / one.ground_m(bounds), (_WMS_PX, _WMS_PX))
    code = plane.to_authority()
    named = f"{code[0]}:{code[1]}" if code else plane.to_string()
    swapped = version == "1.3.0" and _north_first(plane)

    def address_of(level: TileLevel, column: int, row: int) -> str:
        step = level.pixel * _WMS_PX
        west, north = level.left + column * step, level.top - row * step
        box = [west, north - step, west + step, north]
        box = [box[k] for k in (1, 0, 3, 2)] if swapped else box
        words = {"SERVICE": "WMS", "REQUEST": "GetMap", **{key.upper(): value for key, value in service.parameters.items()}}
        words |= {"CRS" if version == "1.3.0" else "SRS": named, "BBOX": ",".join(f"{side:.12g}" for side in box)}
        words |= {"WIDTH": str(_WMS_PX), "HEIGHT": str(_WMS_PX)}
        return f"{service.address}{join}{urlencode(words, quote_via=quote, safe='/:,')}"

    whose = next((text for name in names if (text := _text(_first(known[name], "Attribution"), "Title"))), "")
    return TileOffer(_text(known[names[0]], "Title") or names[0], (level,), address_of, whose or _whose(tree))


# ---- capabilities ----


def _capabilities(address: str, should_stop: ShouldStop | None) -> ElementTree.Element:
    content, _ = fetched(address, most=_MOST_CAPABILITIES, should_stop=should_stop)
    try:
        if b"<!ENTITY" in content:
            raise ValueError
        tree = ElementTree.fromstring(content)
    except (ValueError, ElementTree.ParseError):
        raise SceneError(
            f"{host_of(address)} sends no list of its layers", expected="capabilities of WMS or WMTS (XML)", do="Check the address"
        ) from None
    if "Exception" in tree.tag:
        raise SceneError(f"{host_of(address)} says: {words_of(tree)}", expected="a list of its layers", do="Check the address")
    return tree


def words_of(tree: ElementTree.Element) -> str:
    """What a server says in an exception, in one line."""
    return " ".join(" ".join(tree.itertext()).split())[:_MOST_WORDS].rstrip(".") or "nothing"


def _no_layer(name: str, known: list[str]) -> SettingsError:
    more = " and others" if len(known) > _NAMED_IN_ERRORS else ""
    return SettingsError(
        f"the layer {name!r}" if name else "no layer",
        expected=f"one of {', '.join(known[:_NAMED_IN_ERRORS])}{more}" if known else "a server that lists layers",
        do="Name a layer that the capabilities list (--layer)",
    )


def _whose(tree: ElementTree.Element) -> str:
    """Whom a server's pictures belong to: its provider, and the constraints that it names."""
    provider = _text(_first(tree, "ServiceProvider"), "ProviderName") or _text(_first(tree, "ContactPersonPrimary"), "ContactOrganization")
    limits = next((text for one in _all(tree, "AccessConstraints") if (text := " ".join((one.text or "").split()))), "")
    kept = [provider, "" if limits.lower() in ("none", "no conditions apply") else limits]
    return ". ".join(text.rstrip(".") for text in kept if text)[:_MOST_WORDS]


def _crs_of(name: str) -> CRS:
    try:
        return CRS.from_user_input(name.replace("urn:ogc:def:crs:EPSG:6.18.3:", "EPSG:").replace("EPSG::900913", "EPSG::3857"))
    except CRSError:
        raise SceneError(f"the CRS {name[:80]!r}", expected="one that PROJ knows", do="Choose another layer") from None


def _north_first(crs: CRS) -> bool:
    return bool(crs.axis_info) and crs.axis_info[0].direction.lower() == "north"


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _all(tree: ElementTree.Element | None, name: str) -> Iterator[ElementTree.Element]:
    return iter(()) if tree is None else (one for one in tree.iter() if _local(one) == name)


def _children(tree: ElementTree.Element | None, name: str) -> Iterator[ElementTree.Element]:
    return iter(()) if tree is None else (one for one in tree if _local(one) == name)


def _first(tree: ElementTree.Element | None, name: str) -> ElementTree.Element | None:
    return next(_all(tree, name), None)


def _text(tree: ElementTree.Element | None, name: str) -> str:
    """The text of a child, in one line; empty where there is none."""
    found = next(_children(tree, name), None)
    return "" if found is None or found.text is None else " ".join(found.text.split())
