"""Addresses of pictures on other machines: what counts as one, what is shown of it, and which machines a redirect may lead to."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import parse_qsl, unquote, urlsplit

from core.errors import SettingsError

FORM = "https://HOST/IMAGE.tif or s3://BUCKET/KEY.tif"
S3 = "s3"
_SCHEMES = ("https", "http", S3)
_ADDRESS = re.compile(rf"(?:{'|'.join(_SCHEMES)})://", re.IGNORECASE)
_IN_TEXT = re.compile(rf"(?:{'|'.join(_SCHEMES)})://[^\s'\"<>]+", re.IGNORECASE)
# Whatever else stands in a query may be a key, a token or a signature.
_HARMLESS = {
    *("service", "request", "version", "layers", "layer", "styles", "style", "format", "transparent", "crs", "srs", "bbox", "width"),
    *("height", "tilematrixset", "tilematrix", "tilerow", "tilecol", "map", "time", "bgcolor", "exceptions", "dpi"),
}
_HIDDEN = "***"
_LONGEST = 4000
_UNSAFE = re.compile(r"[^\w.\- ]+")
_LONGEST_NAME = 80


def is_address(text: object) -> bool:
    """Whether a text is meant as the address of a picture on another machine."""
    return isinstance(text, str) and _ADDRESS.match(text.strip()) is not None


def read_address(text: str) -> str:
    """An address as it is asked for: without what stands around it. Raises SettingsError for one that names no host or nothing on it."""
    typed = text.strip().strip("\"'")
    try:
        parts = urlsplit(typed)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    whole = bool(host) and (parts.path.strip("/") or parts.query) and not re.search(r"[\s\0-\x1f\\]", typed) and len(typed) <= _LONGEST
    if not whole or parts.scheme.lower() not in _SCHEMES:
        raise SettingsError(
            f"{masked(typed)[:200]} is no address of a picture", expected=FORM, do="Write spaces as %20, and check the address"
        )
    return parts._replace(scheme=parts.scheme.lower(), fragment="").geturl()


def masked(text: str) -> str:
    """A text in which addresses have lost users, passwords and all that may be a key; what is left says where something came from."""
    return _IN_TEXT.sub(lambda found: _masked_one(found[0]), text)


def _masked_one(address: str) -> str:
    place, mark, query = address.partition("?")
    scheme, _, rest = place.partition("://")
    host, slash, path = rest.partition("/")
    told = []
    for part in query.split("&") if mark else ():
        key, equals, _ = part.partition("=")
        told.append(part if key.lower() in _HARMLESS else f"{key}={_HIDDEN}" if equals else _HIDDEN)
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}{mark}{'&'.join(told)}"


def is_secret(address: str) -> bool:
    """Whether an address holds anything that is not shown."""
    return masked(address) != address


def host_of(address: str) -> str:
    """The host, or the bucket, as people read it."""
    return urlsplit(address).netloc.rpartition("@")[2]


def user_of(address: str) -> str:
    """USER:PASSWORD as it stands in an address, decoded; empty where there is none."""
    user, at, _ = urlsplit(address).netloc.rpartition("@")
    return unquote(user) if at else ""


def without_user(address: str) -> str:
    """The address without USER:PASSWORD."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def name_of(address: str) -> str:
    """What a file of that address would be called, without its ending; the layer or the host where the path says nothing."""
    parts = urlsplit(address)
    layers = next((value for key, value in parse_qsl(parts.query) if key.lower() in ("layers", "layer") and value), "")
    last = unquote(parts.path.rstrip("/").rpartition("/")[2])
    if "{" in last or last.lower() in ("wms", "wmts", "wmtscapabilities.xml"):
        last = ""
    stem = layers or last.rpartition(".")[0] or last or (parts.hostname or "")
    return _UNSAFE.sub("-", stem).strip("-. ")[:_LONGEST_NAME] or "picture"


def is_private(host: str) -> bool:
    """Whether a name leads to this machine or into a network that is not the public one; what nobody knows does not."""
    name = host.rpartition("@")[2]
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return False
    return any(not ipaddress.ip_address(str(one).partition("%")[0]).is_global for one in found)
