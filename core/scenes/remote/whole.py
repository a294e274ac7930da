"""Pictures of other machines that cannot be read in parts: fetched once, up to a limit, and gone on with where it broke off."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import rasterio.shutil
from rasterio.errors import RasterioError

from core.errors import SceneError
from core.files import delete, read_json, replacing, write_json
from core.progress import OnProgress, ShouldStop, check, report
from core.reading.addresses import S3, host_of
from core.scenes.image_names import ARRAY_SUFFIXES, HDF5_SUFFIXES, RASTER_SUFFIXES
from core.scenes.remote.asking import Reply, Unanswered, asked, tried
from core.scenes.remote.links import Link, is_link, read_link
from core.scenes.remote.parts import TIFF_HEADS, found, open_parts, reading, why_whole
from core.words import size_words

MOST_BYTES = 4 << 30
"""The largest file that is fetched whole."""
_SPARE_BYTES = 256 << 20
_PART, _STATE = ".part", ".part.json"
_BY_HEAD = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"\0\0\0\x0cjP": ".jp2", b"GIF8": ".gif", b"BM": ".bmp", b"\x89HDF": ".h5"}
_TOLD = {".tif", ".tiff", ".jpeg", ".hdf5", *_BY_HEAD.values()}
"""Endings of files whose first bytes are known."""
_SUFFIXES = {*RASTER_SUFFIXES, *HDF5_SUFFIXES, *ARRAY_SUFFIXES} - {".vrt"}


def arrive(path: Path, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None) -> None:
    """Make sure that the picture a link leads to can be read: in parts, or from the file that is fetched here. Nothing for other paths.

    Raises SceneError, Cancelled; what was fetched until then is gone on with the next time.
    """
    if not is_link(path):
        return
    link = read_link(path)
    if link.whole is not None or link.parts:
        return
    why = why_whole(link)
    if why:
        report(on_progress, 0, 0, f"Fetching {path.stem} whole: {why}")
        link.known(parts=False, whole=_fetch(link, why, on_progress, should_stop))
    else:
        link.known(parts=True)


def refuse_not_here(link: Link) -> None:
    """Raise SceneError for a file that has to be fetched whole and was not yet."""
    if link.parts is None:
        why = why_whole(link)
        if not why:
            return
        size = None if link.address.startswith(f"{S3}://") else found(link).size
        _refuse_large(link, size)
        raise SceneError(
            f"{link.path.stem}{f' ({size_words(size)})' if size else ''} cannot be read in parts: {why}",
            expected="a cloud-optimized GeoTIFF on a server that gives parts of files, or a file that was fetched",
            do="Fetch it",
        )
    if not link.parts:
        raise SceneError(f"what was fetched of {link.shown[:200]} is gone", expected="the file", do="Fetch it again")


def _fetch(link: Link, why: str, on_progress: OnProgress | None, should_stop: ShouldStop | None) -> Path:
    if link.address.startswith(f"{S3}://"):
        return _copied(link)
    there = found(link)
    _refuse_large(link, there.size)
    suffix = _suffix(link, there.head)
    part, state = link.path.with_suffix(_PART), link.path.with_suffix(_STATE)

    def go_on() -> None:
        _go_on(link, part, state, on_progress, should_stop)

    tried(go_on, should_stop=should_stop)
    target = link.path.with_suffix(suffix)
    os.replace(part, target)
    state.unlink(missing_ok=True)
    return target


def _go_on(link: Link, part: Path, state: Path, on_progress: OnProgress | None, should_stop: ShouldStop | None) -> None:
    """Add what is missing of a file to what is here of the same state of it."""
    have = part.stat().st_size if part.is_file() else 0
    known = _known(state) if have else ""
    wanted = {"Range": f"bytes={have}-", "If-Range": known} if known else {}
    with asked(link.address, headers=wanted) as answer:
        going_on = answer.status == 206 and answer.headers.get("content-range", "").startswith(f"bytes {have}-")
        if answer.status == 206 and not going_on:
            delete(part)
            host = host_of(link.address)
            raise Unanswered(f"{host} gives other parts than were asked for", expected="the rest", do="Try again", passing=True)
        have = have if going_on else 0
        left = answer.headers.get("content-length", "")
        whole = have + int(left) if left.isdigit() else None
        _refuse_large(link, whole)
        write_json(state, {"state": _state(answer)})
        with part.open("ab" if going_on else "wb") as file:
            for piece in answer.pieces():
                check(should_stop)
                file.write(piece)
                have += len(piece)
                _refuse_large(link, have)
                report(on_progress, have, whole or 0, f"Fetching {link.path.stem}")


def _state(answer: Reply) -> str:
    """What names this state of the file to If-Range: a strong tag or a time; empty where there is none, and parts may be of two states."""
    tag = answer.headers.get("etag", "")
    return tag if tag.startswith('"') else answer.headers.get("last-modified", "")


def _known(state: Path) -> str:
    try:
        told: Mapping[str, object] = read_json(state)
        return str(told["state"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def _copied(link: Link) -> Path:
    """A file of a bucket, written anew in tiles with the same pixels."""
    target = link.path.with_suffix(".tif")
    with open_parts(link) as dataset, reading(link.path):
        _refuse_large(link, dataset.width * dataset.height * sum(np.dtype(dtype).itemsize for dtype in dataset.dtypes))
        try:
            with replacing(target, suffix=".tif") as temporary:
                rasterio.shutil.copy(dataset, temporary, driver="GTiff", tiled="YES", compress="DEFLATE", bigtiff="IF_SAFER")
        except RasterioError as error:
            raise SceneError(f"{link.shown[:200]} breaks off while it is fetched", expected="a whole file", do="Try again later") from error
    return target


def _refuse_large(link: Link, size: int | None) -> None:
    if size is not None and size > MOST_BYTES:
        raise SceneError(
            f"{link.path.stem} has {size_words(size)} and cannot be read in parts",
            expected=f"at most {size_words(MOST_BYTES)} to fetch whole, or a cloud-optimized GeoTIFF",
            do="Have it saved as one (gdal_translate -of COG)",
        )
    part = link.path.with_suffix(_PART)
    missing = (size or 0) - (part.stat().st_size if part.is_file() else 0)
    free = shutil.disk_usage(link.path.parent).free
    if free < _SPARE_BYTES + missing:
        raise SceneError(
            f"{size_words(free)} free in the workspace",
            expected=f"room for {link.path.stem}, {size_words(missing)}",
            do="Free some space; what is here already is kept",
        )


def _suffix(link: Link, head: bytes) -> str:
    """What the fetched file is called after: its own ending, else what its first bytes say. Raises SceneError for neither."""
    if head[:4] in TIFF_HEADS:
        return ".tif"
    named = Path(unquote(urlsplit(link.address).path)).suffix.lower()
    suffix = next((suffix for start, suffix in _BY_HEAD.items() if head.startswith(start)), named)
    if suffix not in _SUFFIXES or (suffix in _TOLD and not any(head.startswith(start) for start in _BY_HEAD)):
        raise SceneError(
            f"{link.shown[:200]} is no picture by its name or its first bytes",
            expected="GeoTIFF, PNG, JPEG, JPEG 2000 or HDF5",
            do="Check the address",
        )
    return suffix
