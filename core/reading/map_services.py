"""Addresses of map servers as people type and paste them (XYZ tiles, WMS, WMTS): checked, and brought into one form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from core.errors import SettingsError

XYZ, WMS, WMTS = "xyz", "wms", "wmts"
KINDS = {XYZ: "Tiles (XYZ)", WMS: "WMS", WMTS: "WMTS"}
"""The kinds of server, and what people read of them."""
VERSIONS = ("1.3.0", "1.1.1")
PNG, JPEG = "image/png", "image/jpeg"
FORMATS = {PNG: "PNG", JPEG: "JPEG", "image/webp": "WebP"}
MATRIX_SET = "GoogleMapsCompatible"
"""What most WMTS call the tiles of Web Mercator."""
ZOOM = 19
"""The closest zoom of most tile servers; what is nearer is enlarged."""
CLOSEST = 24
_SUBDOMAINS = "abc"
_MOST_LETTERS = 2000
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_PLACES = re.compile(r"\$?\{([^{}]*)\}")
_SWITCH = re.compile(r"switch:([a-z0-9]+(?:,[a-z0-9]+)*)", re.IGNORECASE)
# Other programs' words for the same places in an address.
_SAME = {"zoom": "z", "tilematrix": "z", "tilecol": "x", "tilerow": "y", "ratio": "r", "subdomain": "s", "subdomains": "s"}
_KNOWN = {"z", "x", "y", "-y", "s", "r"}
# What a map's requests set themselves; all else that was typed, a key say, goes with them.
_SET_BY_WMS = {"service", "request", "version", "layers", "styles", "format", "transparent", "crs", "srs", "bbox", "width", "height"}
_SET_BY_WMTS = {"service", "request", "version", "layer", "style", "format", "tilematrixset", "tilematrix", "tilerow", "tilecol"}


@dataclass(frozen=True)
class MapService:
    """A layer of pictures that a map server offers in Web Mercator.

    address: of tiles with {z}, {x} and {y} or {-y}, {s} one of `subdomains`, {r} "@2x" on fine screens; for a WMS without what each
    request sets itself. base: below everything, else over the polygons. parameters: what each request to a WMS says besides the place.
    closest_zoom: the deepest tiles that there are.
    """

    name: str
    kind: str
    address: str
    attribution: str = ""
    base: bool = True
    subdomains: tuple[str, ...] = ()
    parameters: dict[str, str] = field(default_factory=dict)
    closest_zoom: int = ZOOM

    @property
    def origins(self) -> tuple[str, ...]:
        """Scheme, host and port of all servers that pictures may come from, as a browser writes them."""
        return tuple(dict.fromkeys(_origin(self.address.replace("{s}", one)) for one in self.subdomains or ("",)))

    @property
    def host(self) -> str:
        """The server as people read it."""
        return urlsplit(self.origins[0]).netloc


def read_service(
    kind: str,
    address: str,
    *,
    name: str = "",
    attribution: str = "",
    base: bool = True,
    layers: str = "",
    version: str = VERSIONS[0],
    picture: str = PNG,
    transparent: bool = True,
    matrix_set: str = MATRIX_SET,
    closest_zoom: int = ZOOM,
) -> MapService:
    """The layer that somebody typed; what a pasted address says itself (layer, version, format) counts where the form is empty.

    layers: names of a WMS's layers with commas between them, or the one of a WMTS. picture: a format of `FORMATS`. Nothing is asked of
    the server. Raises SettingsError for an address that no map can be drawn from.
    """
    if kind not in KINDS:
        raise SettingsError(f"{kind!r} as a kind of server", expected=f"one of {', '.join(KINDS)}", do="Choose one of them")
    if picture not in FORMATS or version not in VERSIONS or not 0 <= closest_zoom <= CLOSEST:
        raise SettingsError(
            f"the format {picture!r}, version {version!r} and zoom {closest_zoom}",
            expected=f"{', '.join(FORMATS)}; {' or '.join(VERSIONS)}; 0 to {CLOSEST}",
            do="Choose among these",
        )
    typed, subdomains = _typed(address)
    parameters: dict[str, str] = {}
    if kind == WMS:
        typed, parameters = _wms(typed, layers, version, picture, transparent)
    else:
        typed = typed if kind == XYZ else _wmts(typed, layers, picture, matrix_set)
        _refuse_places(typed, kind)
    subdomains = (subdomains or tuple(_SUBDOMAINS)) if "{s}" in typed else ()
    made = MapService("", kind, typed, attribution.strip(), base, subdomains, parameters, closest_zoom)
    return replace(made, name=name.strip() or made.host)


def _typed(address: str) -> tuple[str, tuple[str, ...]]:
    """An address with its places named as here, and the names of its servers where it lists them."""
    typed = address.strip().strip("\"'")
    subdomains: list[str] = []
    # Browsers write braces so when an address is copied from them.
    typed = re.sub(r"%7B|%7D", lambda found: unquote(found[0]), typed, flags=re.IGNORECASE)

    def place(found: re.Match[str]) -> str:
        listed = _SWITCH.fullmatch(found[1].strip())
        if listed:
            subdomains.extend(listed[1].lower().split(","))
            return "{s}"
        bare = found[1].strip().lower()
        return f"{{{_SAME.get(bare, bare if bare in _KNOWN else found[1].strip())}}}"

    typed = _PLACES.sub(place, typed)
    if not typed:
        raise SettingsError("no address", expected="one that begins with https:// or http://", do="Paste the address of the map server")
    if len(typed) > _MOST_LETTERS or re.search(r"[\s\x00-\x1f\x7f<>\"'`\\]", typed):
        raise SettingsError(
            f"the address {typed[:80]!r}", expected="one without spaces, quotation marks and line breaks", do="Paste it once more"
        )
    named = tuple(dict.fromkeys(subdomains))
    for one in named or ("a",):
        _origin(typed.replace("{s}", one))
    return typed, named


def _origin(address: str) -> str:
    """Scheme, host and port; the host in the letters that names in the network have. Raises SettingsError where there are none."""
    try:
        parts = urlsplit(address)
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except (ValueError, UnicodeError):
        host, port = "", None
    if _no_server(address, host):
        raise SettingsError(
            f"the address {address[:80]!r}",
            expected="https:// or http:// and the name of a server, without a user and a password",
            do="Correct how it begins",
        )
    return f"{parts.scheme}://{host}" + ("" if port is None else f":{port}")


def _no_server(address: str, host: str) -> bool:
    """Whether an address with this host is none that pictures come from."""
    scheme, _, rest = address.partition("://")
    return scheme.lower() not in ("http", "https") or "@" in rest.partition("/")[0] or not _HOST.fullmatch(host)


def _refuse_places(address: str, kind: str) -> None:
    """Raise SettingsError unless an address of tiles says where zoom, column and row go, and nothing that cannot be filled in."""
    places = [found[1] for found in _PLACES.finditer(address)]
    strange = sorted(set(places) - _KNOWN)
    if strange:
        raise SettingsError(
            f"the address says {', '.join(f'{{{one}}}' for one in strange)}",
            expected="{z}, {x}, {y} or {-y}, {s} and {r}",
            do="Write the value itself there",
        )
    if not {"z", "x"} <= set(places) or not {"y", "-y"} & set(places):
        others = "choose WMS or WMTS" if kind == XYZ else "name the layer below"
        raise SettingsError(
            f"an address without {', '.join(f'{{{one}}}' for one in 'zxy' if one not in [p.lstrip('-') for p in places])}",
            expected="one such as https://tiles.example.org/{z}/{x}/{y}.png",
            do=f"Say where zoom, column and row go, or {others} where it is such a server",
        )


def _parted(address: str, without: Iterable[str]) -> tuple[str, dict[str, str], list[tuple[str, str]]]:
    """The address without its query, what the query says of `without` in small letters, and what else it says."""
    parts = urlsplit(address)
    said = parse_qsl(parts.query, keep_blank_values=True)
    own = {key.lower(): value for key, value in said if key.lower() in without}
    return urlunsplit((*parts[:3], "", "")), own, [(key, value) for key, value in said if key.lower() not in without]


def _wms(address: str, layers: str, version: str, picture: str, transparent: bool) -> tuple[str, dict[str, str]]:
    """The address of a WMS with what it needs for itself, and what each request says besides the place."""
    bare, said, others = _parted(address, _SET_BY_WMS)
    left = sorted({found[1] for found in _PLACES.finditer(address)} - {"s"})
    if left:
        raise SettingsError(
            f"a WMS address with {', '.join(f'{{{one}}}' for one in left)}",
            expected="one such as https://maps.example.org/wms",
            do="Choose Tiles (XYZ) for an address with {z}, {x} and {y}",
        )
    names = ",".join(filter(None, (one.strip() for one in (layers or said.get("layers", "")).split(","))))
    if not names:
        raise _no_layer("WMS")
    version = said["version"] if said.get("version") in VERSIONS else version
    seen_through = transparent and picture != JPEG  # a JPEG cannot be
    told = {
        "layers": names,
        "styles": said.get("styles", ""),
        "format": picture,
        "transparent": str(seen_through).lower(),
        "version": version,
    }
    return bare + (f"?{urlencode(others)}" if others else ""), told


def _wmts(address: str, layers: str, picture: str, matrix_set: str) -> str:
    """The address of a WMTS's tiles: a template filled in, or made of its parameters."""
    bare, said, others = _parted(address, _SET_BY_WMTS)
    layer, matrix_set = layers.strip() or said.get("layer", ""), matrix_set.strip() or said.get("tilematrixset", "") or MATRIX_SET
    ending = picture.removeprefix("image/")
    if {"z", "x"} <= {found[1] for found in _PLACES.finditer(bare)}:
        known = {"style": "default", "tilematrixset": matrix_set, "layer": layer, "format": picture, "ext": ending, "time": "default"}
        return _PLACES.sub(partial(_filled, known=known), address)
    if not layer or _PLACES.search(layer):
        raise _no_layer("WMTS")
    # GeoServer puts the name of the set before the zoom.
    zoom = f"{quote(matrix_set, safe=':')}:{{z}}" if matrix_set.upper().startswith("EPSG:") else "{z}"
    told = {
        "SERVICE": "WMTS",
        "REQUEST": "GetTile",
        "VERSION": "1.0.0",
        "LAYER": layer,
        "STYLE": said.get("style", ""),
        "TILEMATRIXSET": matrix_set,
        "FORMAT": picture,
    }
    asked = urlencode([*others, *told.items()], quote_via=quote, safe="/:")
    return f"{bare}?{asked}&TILEMATRIX={zoom}&TILEROW={{y}}&TILECOL={{x}}"


def _filled(found: re.Match[str], known: Mapping[str, str]) -> str:
    value = known.get(found[1].lower(), "")
    return quote(value, safe=":/,") if value else found[0]


def _no_layer(kind: str) -> SettingsError:
    return SettingsError(
        f"a {kind} without the name of a layer",
        expected="the name that its capabilities list, ortho_2024 say",
        do="Type it under Layer",
    )
