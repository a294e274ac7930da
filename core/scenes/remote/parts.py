"""Pictures of other machines read in parts: what the server says of one first, and GDAL asking for the blocks that are worked on."""

from __future__ import annotations

import re
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.windows import Window as RasterWindow

from core.digests import digest_of
from core.errors import SceneError
from core.reading.addresses import S3, host_of, masked, user_of
from core.scenes.remote.asking import Reply, asked, tried
from core.scenes.remote.gdal import ANONYMOUS, asking_as_told, gdal_name
from core.scenes.remote.links import Link, is_link, read_link

TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEAD_BYTES = 16 << 10
_TRIES = 2
"""Of the first question: somebody sits before a page and waits."""
_FRESH_S, _FAILED_S, _BUCKET_FRESH_S = 3.0, 15.0, 60.0
"""How long an answer counts, a failure too, so that no page waits for a dead server twice; a bucket is asked by reading the file."""
_SAMPLED = 64


@dataclass(frozen=True)
class FarFile:
    """What a server says of a file: where it is in the end, its size in bytes (None: not told), its state, and how it begins."""

    address: str
    size: int | None
    state: str
    ranges: bool
    head: bytes


class _Known:
    """What was found out lately, or why nothing was, shared by the threads of a process."""

    def __init__(self) -> None:
        self.lock, self.by_key = threading.Lock(), dict[tuple[str, str], tuple[float, object]]()

    def get(self, key: tuple[str, str], fresh_s: float) -> object | None:
        with self.lock:
            when, what = self.by_key.get(key, (0.0, None))
        limit = _FAILED_S if isinstance(what, SceneError) else fresh_s
        return what if what is not None and time.monotonic() - when < limit else None

    def keep(self, key: tuple[str, str], what: object) -> None:
        with self.lock:
            self.by_key[key] = time.monotonic(), what

    def forget(self) -> None:
        with self.lock:
            self.by_key.clear()


known = _Known()
_opened: dict[str, dict[str, Any]] = {}
"""How the file of each address was opened last: it is read under the same options."""


def found(link: Link) -> FarFile:
    """What the server says of a link's file now, or a moment ago. Raises Unanswered, SceneError for a page in place of a picture."""
    key = ("found", link.address)
    lately = known.get(key, _FRESH_S)
    if isinstance(lately, SceneError):
        raise lately
    if isinstance(lately, FarFile):
        return lately
    try:
        fresh = tried(lambda: _look(link), tries=_TRIES)
    except SceneError as error:
        known.keep(key, error)
        raise
    known.keep(key, fresh)
    return fresh


def _look(link: Link) -> FarFile:
    with asked(link.address, headers={"Range": f"bytes=0-{_HEAD_BYTES - 1}"}) as answer:
        head = answer.head(_HEAD_BYTES)
    _refuse_text(link, answer, head)
    whole = re.fullmatch(r"bytes 0-\d+/(\d+)", answer.headers.get("content-range", "").strip())
    ranges = answer.status == 206 and whole is not None
    length = whole[1] if whole and ranges else answer.headers.get("content-length", "")
    size = int(length) if length.isdigit() else None
    state = answer.headers.get("etag") or answer.headers.get("last-modified") or digest_of(head)
    return FarFile(answer.address, size, state, ranges, head)


def _refuse_text(link: Link, answer: Reply, head: bytes) -> None:
    """A server that wants a log-in, or knows no such file, often sends a page and calls it a success."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"<", b"{", b"[") or answer.headers.get("content-type", "").startswith("text/html")
    if text or not head:
        what = "a web page or another text" if head else "nothing"
        raise SceneError(
            f"{host_of(link.address)} sends {what} for {link.shown[:200]}",
            expected="the bytes of a picture",
            do="Open the address in a browser, and copy that of the file itself",
        )


def why_whole(link: Link) -> str:
    """Why a file cannot be read in parts; empty where it can. Raises SceneError where nobody can tell."""
    if link.address.startswith(f"{S3}://"):
        with open_parts(link) as dataset:
            return "" if _in_tiles(dataset) else "it is not stored in tiles"
    there = found(link)
    if there.head[:4] not in TIFF_HEADS:
        return "it is no GeoTIFF"
    if not there.ranges:
        return f"{host_of(link.address)} gives no parts of files"
    with open_parts(link) as dataset:
        return "" if _in_tiles(dataset) else "it is not stored in tiles"


def _in_tiles(dataset: rasterio.DatasetReader) -> bool:
    """Whether a part of a file's columns can be read without the others; a file of one piece is small enough."""
    height, width = dataset.block_shapes[0]
    return width < dataset.width or (height, width) == dataset.shape or bool(dataset.profile.get("tiled"))


def open_parts(link: Link) -> rasterio.DatasetReader:
    """A GeoTIFF on another machine, of which nothing but its head is read yet. Raises SceneError."""
    bucket = link.address.startswith(f"{S3}://")
    address = link.address if bucket else found(link).address
    # Who typed a user and a password meant them for that host alone.
    user = user_of(link.address) if host_of(address) == host_of(link.address) else ""
    problem: Exception | None = None
    for more in ({}, ANONYMOUS) if bucket else ({},):
        asking: dict[str, Any] = {"address": address, "user": user, "more": more}
        with asking_as_told(**asking), warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            try:
                dataset = rasterio.DatasetReader(gdal_name(address), driver=["GTiff"], sharing=False)
                _opened[link.address] = asking
                return dataset
            except RasterioIOError as error:
                problem = problem or error
    words = masked(" ".join(str(problem).split()).rstrip("."))[:200]
    raise SceneError(
        f"{link.shown[:200]} cannot be opened ({words})",
        expected="a cloud-optimized GeoTIFF that may be read",
        do="Check the address, and for a bucket AWS_S3_ENDPOINT, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ) from None


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Around whatever reads pixels of the file at a path: GDAL asks other machines as told, where the path leads to one."""
    link = read_link(path) if is_link(path) else None
    asking = None if link is None or link.whole is not None else _opened.get(link.address)
    with nullcontext() if asking is None else asking_as_told(**asking):
        yield


def fingerprint(link: Link) -> str:
    """What changes when the file on the other machine does."""
    if not link.address.startswith(f"{S3}://"):
        there = found(link)
        return digest_of(link.shown, there.size, there.state)
    key = ("bucket", link.address)
    lately = known.get(key, _BUCKET_FRESH_S)
    if not isinstance(lately, str):
        with open_parts(link) as dataset, asking_as_told(**_opened[link.address]):
            lately = _stored(dataset)
        known.keep(key, lately)
    return digest_of(link.shown, lately)


def _stored(dataset: rasterio.DatasetReader) -> str:
    """What is told of a file without reading it: how it is made, where pieces of it lie and how long they are, and its first pixels."""
    height, width = dataset.block_shapes[0]
    places = []
    rows, cols = -(-dataset.height // height), -(-dataset.width // width)
    for number in sorted({round(k * (rows * cols - 1) / (_SAMPLED - 1)) for k in range(_SAMPLED)}):
        name = f"{number % cols}_{number // cols}"
        places.append([dataset.get_tag_item(f"BLOCK_{what}_{name}", "TIFF", bidx=1) for what in ("OFFSET", "SIZE")])
    pixels = dataset.read(1, window=RasterWindow(0, 0, min(width, dataset.width), min(height, dataset.height)))
    return digest_of(dataset.profile, dataset.tags(), places, digest_of(pixels.tobytes()))
