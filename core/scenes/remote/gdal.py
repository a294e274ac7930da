"""GDAL on another machine's file: its name there, and the options under which it asks; it is told of one file and looks for no other."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import rasterio

from core.reading.addresses import S3, masked, without_user
from core.scenes.remote.asking import CONNECT_S, SLOWEST_BYTES_S, TRIES, USER_AGENT, patience_s

_OTHER_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
ANONYMOUS = {"AWS_NO_SIGN_REQUEST": "YES"}


class _Masking(logging.Filter):
    """What is logged of GDAL's errors names addresses without what is secret in them."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = masked(record.getMessage()), ()
        return _USER not in record.msg


_USER = "GDAL_HTTP_USERPWD"
for _logger in ("rasterio.env", "rasterio._env", "rasterio._err", "rasterio._base", "rasterio._io"):
    logging.getLogger(_logger).addFilter(_Masking())


def gdal_name(address: str) -> str:
    """What GDAL calls the file at an address."""
    if address.startswith(f"{S3}://"):
        return f"/vsis3/{address.partition('://')[2]}"
    return f"/vsicurl/{without_user(address)}"


@contextmanager
def asking_as_told(address: str, *, user: str = "", more: Mapping[str, str] | None = None) -> Iterator[None]:
    """The options for all that GDAL asks of an address in this thread. What goes wrong goes to the log of rasterio, not to stderr.

    user: USER:PASSWORD for that host.
    """
    patience = str(max(1, round(patience_s())))
    options = {
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_HTTP_CONNECTTIMEOUT": str(max(1, round(min(CONNECT_S, patience_s())))),
        "GDAL_HTTP_LOW_SPEED_TIME": patience,
        "GDAL_HTTP_LOW_SPEED_LIMIT": str(SLOWEST_BYTES_S),
        "GDAL_HTTP_MAX_RETRY": str(TRIES - 1),
        "GDAL_HTTP_RETRY_DELAY": "1",
        "GDAL_HTTP_USERAGENT": USER_AGENT,
        "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
        # What was read of a file is forgotten with its last handle: the next one sees what is there then.
        "CPL_VSIL_CURL_NON_CACHED": gdal_name(address),
        **_endpoint(),
        **(more or {}),
    }
    if user:
        options |= {_USER: user, "GDAL_HTTP_AUTH": "BASIC"}
    with rasterio.Env(**options):
        yield


def _endpoint() -> dict[str, str]:
    """The server of S3 where it is another one; written with its scheme, as other programs take it, too."""
    named = os.environ.get("AWS_S3_ENDPOINT") or next((os.environ[key] for key in _OTHER_ENDPOINTS if os.environ.get(key)), "")
    if "://" not in named:
        return {}
    parts = urlsplit(named)
    return {
        "AWS_S3_ENDPOINT": parts.netloc,
        "AWS_HTTPS": "NO" if parts.scheme == "http" else "YES",
        "AWS_VIRTUAL_HOSTING": os.environ.get("AWS_VIRTUAL_HOSTING", "FALSE"),
    }
