"""Tiles fetched by a few connections at once and put together to a COG; what came stays beside it, so that the same work goes on there."""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import rasterio
import rasterio.shutil
from PIL import Image, UnidentifiedImageError
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterWindow

from core.digests import digest_of
from core.errors import ExportError, SceneError
from core.files import Unfinished, replacing, unfinished
from core.progress import OnProgress, ShouldStop, check, part, report
from core.reading.addresses import host_of, masked
from core.scenes.remote.asking import Unanswered, fetched
from core.scenes.remote.tiles.levels import Plan, TileLevel, TileOffer
from core.scenes.remote.tiles.offers import words_of
from core.scenes.scene import COPYRIGHT_TAG

CONNECTIONS = 4
"""How many tiles are asked for at once: what browsers do, and few enough for a server of an office."""
SOURCE_TAG = "GROUNDLINE_SOURCE"
_AT_ONCE = 64
_MOST_TILE_BYTES = 32 << 20
_RAW, _DONE = "raw", "done"
_OPAQUE = 128
_ROWS = 512
_FETCHING = 0.9
"""Share of the progress after which all tiles are here."""
_WAITING, _HERE, _MISSING = 0, 1, 2


@dataclass(frozen=True)
class Together:
    """What was put together: the file, how many tiles it is of, and how many of those the server does not have."""

    file: Path
    tiles: int
    missing: int


def put_together(
    plan: Plan,
    out: Path,
    *,
    source: str,
    attribution: str = "",
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Together:
    """Fetch the tiles of a plan and write them as a COG of three bands; what the server does not have is masked.

    source: the address that was typed, of which the file names what is no secret. Whatever stops the work leaves the tiles that came in a
    hidden folder beside `out`, where the same work goes on. Raises SceneError, Unanswered, ExportError, Cancelled.
    """
    first = plan.offer.address_of(plan.level, *plan.tiles[0])
    work = unfinished(out, digest_of(first, plan.level.name, plan.level.pixel, plan.window))
    if work.state is None:
        work.remember()
    window = plan.window
    shape = (window.height, window.width, 4)
    raw_file, done_file = work.place / _RAW, work.place / _DONE
    new = not done_file.is_file()
    raw = np.memmap(raw_file, np.uint8, "w+" if new else "r+", shape=shape)
    done = np.memmap(done_file, np.uint8, "w+" if new else "r+", shape=(len(plan.tiles),))
    _fetch(plan, raw, done, part(on_progress, 0, _FETCHING, 1), should_stop)
    missing = int((done == _MISSING).sum())
    if missing == len(plan.tiles):
        work.drop()
        raise SceneError(
            f"none of {missing} tiles on {host_of(first)}",
            expected="tiles of this region at this level",
            do="Choose another region or zoom",
        )
    report(on_progress, 9, 10, "Writing the picture")
    tags = {SOURCE_TAG: masked(source), "TIFFTAG_DATETIME": time.strftime("%Y:%m:%d %H:%M:%S")}
    tags |= {COPYRIGHT_TAG: attribution} if attribution else {}
    _write(plan, raw, work, out, tags, should_stop)
    work.drop()
    return Together(out, len(plan.tiles), missing)


def _fetch(plan: Plan, raw: np.ndarray, done: np.ndarray, on_progress: OnProgress | None, should_stop: ShouldStop | None) -> None:
    """All tiles that are not here yet, into `raw` (h, w, 4); each is marked in `done` when its pixels are written."""
    waiting = [number for number in range(len(plan.tiles)) if done[number] == _WAITING]
    count, total = len(plan.tiles) - len(waiting), len(plan.tiles)

    def one(number: int) -> np.ndarray | None:
        check(should_stop)
        return tile_pixels(plan.offer, plan.level, *plan.tiles[number], should_stop=should_stop)

    failed: BaseException | None = None
    with ThreadPoolExecutor(CONNECTIONS, "tiles") as pool:
        for start in range(0, len(waiting), _AT_ONCE):
            futures = {pool.submit(one, number): number for number in waiting[start : start + _AT_ONCE]}
            for future in as_completed(futures):
                number = futures[future]
                try:
                    pixels = future.result()
                except CancelledError:  # by the failure of another one
                    continue
                except BaseException as error:
                    failed = failed or error
                    for other in futures:
                        other.cancel()
                    continue  # what the other connections have in hand is kept
                if pixels is not None:
                    _lay(plan, raw, plan.tiles[number], pixels)
                done[number] = _MISSING if pixels is None else _HERE
                count += 1
                report(on_progress, count, total, f"Fetching tiles of {plan.offer.title}")
            if failed is not None:
                raise failed


def tile_pixels(offer: TileOffer, level: TileLevel, column: int, row: int, *, should_stop: ShouldStop | None = None) -> np.ndarray | None:
    """A tile as uint8 (h, w, 4), the last band 0 where it is transparent; None for one that the server does not have.

    Raises Unanswered, Cancelled, and SceneError for what is no picture of the size that tiles have.
    """
    address = offer.address_of(level, column, row)
    try:
        body, headers = fetched(address, most=_MOST_TILE_BYTES, should_stop=should_stop)
    except Unanswered as error:
        if error.status in (404, 410):
            return None
        raise
    if not body:
        return None
    host = host_of(address)
    try:
        picture = Image.open(io.BytesIO(body))
        if picture.size != level.tile_px:
            raise SceneError(
                f"tiles of {picture.size[0]} x {picture.size[1]} pixels from {host}",
                expected=f"{level.tile_px[0]} x {level.tile_px[1]}",
                do="Take the address of its plain tiles",
            )
        if picture.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
            raise SceneError(f"tiles of the kind {picture.mode} from {host}", expected="pictures of 8 bits", do="Choose another format")
        return np.asarray(picture.convert("RGBA"))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise SceneError(
            f"{host} sends {_told_of(body, headers.get('content-type', ''))} in place of a tile",
            expected="a PNG, JPEG or WebP",
            do="Check the address, its key and the layer; what is here already is kept",
        ) from None


def _told_of(body: bytes, kind: str) -> str:
    """What a body that is no picture is: the words of a server's exception, or its kind."""
    if body.lstrip()[:1] == b"<" and b"xception" in body[:2000] and b"<!ENTITY" not in body:
        try:
            return f"“{words_of(ElementTree.fromstring(body))}”"
        except ElementTree.ParseError:
            pass
    return "a web page" if b"<html" in body[:1000].lower() else f"something else ({kind.partition(';')[0] or 'of no kind'})"


def _lay(plan: Plan, raw: np.ndarray, tile: tuple[int, int], pixels: np.ndarray) -> None:
    """Put what a tile shows of the window where it belongs."""
    window, (wide, high) = plan.window, plan.level.tile_px
    left, top = tile[0] * wide - window.col, tile[1] * high - window.row
    col, row = max(0, left), max(0, top)
    col_stop, row_stop = min(window.width, left + wide), min(window.height, top + high)
    raw[row:row_stop, col:col_stop] = pixels[row - top : row_stop - top, col - left : col_stop - left]


def _bands(raw: np.ndarray, should_stop: ShouldStop | None) -> Iterator[tuple[RasterWindow, np.ndarray]]:
    for row in range(0, raw.shape[0], _ROWS):
        check(should_stop)
        rows = np.asarray(raw[row : row + _ROWS])
        yield RasterWindow(0, row, raw.shape[1], rows.shape[0]), rows.transpose(2, 0, 1)


def _write(plan: Plan, raw: np.ndarray, work: Unfinished, out: Path, tags: dict[str, str], should_stop: ShouldStop | None) -> None:
    """The pixels as a COG without loss, with a mask where a tile is missing or transparent."""
    plain = work.place / "plain.tif"
    gaps = any((rows[3] < _OPAQUE).any() for _, rows in _bands(raw, should_stop))
    how = dict(driver="GTiff", tiled=True, blockxsize=256, blockysize=256, compress="LZW", bigtiff="IF_SAFER", photometric="RGB")
    size = dict(height=raw.shape[0], width=raw.shape[1], count=3, dtype="uint8")
    place = dict(crs=rasterio.crs.CRS.from_wkt(plan.level.crs.to_wkt()), transform=plan.level.place(plan.window))
    try:
        with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            warnings.simplefilter("ignore")
            with rasterio.open(plain, "w", **how, **size, **place) as file:
                file.update_tags(**tags)
                for window, rows in _bands(raw, should_stop):
                    file.write(rows[:3], window=window)
                    if gaps:
                        file.write_mask(rows[3] >= _OPAQUE, window=window)
            with replacing(out, suffix=".tif") as temporary:
                rasterio.shutil.copy(plain, temporary, driver="COG", compress="DEFLATE", predictor="YES", overview_resampling="AVERAGE")
    except RasterioError as error:
        raise ExportError(
            f"{out.name} could not be written ({error})",
            expected="room on the disk",
            do="Free some space and start again; the tiles are kept",
        ) from error
