"""Rasters opened by what they are, not by what they are called: no file leads to another one, or to a network, unless its name says so.

GDAL knows 150 kinds of raster, and some are a few lines of text that name other files or servers. A picture that somebody sent may be
such a text under the name of a picture. So the kinds that are opened are listed here, and virtual rasters, which people do use, are opened
when they are called .vrt, where they name plain files in their own folder or below it.
"""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

from core.errors import SceneError
from core.files import temporary_place
from core.scenes.remote.links import is_link, read_link
from core.scenes.remote.parts import open_parts
from core.scenes.remote.whole import refuse_not_here
from core.words import size_words
from core.workspace import default_workspace

DRIVERS = (
    *("GTiff", "PNG", "JPEG", "JP2OpenJPEG", "BMP", "WEBP", "GIF", "BIGGIF", "HFA", "AAIGrid", "EHdr", "ENVI", "ERS", "MRF", "NITF"),
    *("PNM", "TGA", "SAGA"),
)
VIRTUAL_SUFFIX = ".vrt"
STACKS_VARIABLE = "GROUNDLINE_STACKS"
"""Names the folder for virtual rasters of band files, in place of the system's folder for temporary files."""
MOST_BANDS, MOST_BLOCK_BYTES, MOST_PIXELS = 4096, 1 << 30, 1 << 37
"""What one raster may have: bands, bytes that are read at once (a strip or tile with all that lie in it), and pixels."""
_MOST_VIRTUAL_BYTES = 64 << 20
_HEAD_BYTES = 4096
_MOST_SIDE_BYTES = 16 << 20
_SIDE_SUFFIXES = (".ovr", ".msk", ".aux.xml")
_NAMES_FILES = ("SourceFilename", "SourceDataset", "Filename", "DatasetDescription")


def open_file(path: Path) -> rasterio.DatasetReader:
    """Open a raster file with GDAL. Raises SceneError for one that leads elsewhere or is too large, RasterioIOError for what is none."""
    if is_link(path):
        return _open_far(path)
    virtual = path.suffix.lower() == VIRTUAL_SUFFIX
    if virtual:
        _refuse_far_sources(path)
    for suffix in _SIDE_SUFFIXES:
        _refuse_side_file(path, path.with_name(path.name + suffix))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            with rasterio.Env():
                # Not rasterio.open, which takes one driver only.
                dataset = rasterio.DatasetReader(os.fspath(path), driver=["VRT"] if virtual else list(DRIVERS), sharing=False)
        except RasterioIOError:
            if not virtual and leads_elsewhere(path):
                raise SceneError(
                    f"{path.name} is a text that names other files or a server, not an image",
                    expected="an image file; a virtual raster is called .vrt",
                    do="Save it as GeoTIFF, for example with gdal_translate",
                ) from None
            raise
    try:
        refuse_too_large(path.name, dataset)
    except SceneError:
        dataset.close()
        raise
    return dataset


def _open_far(path: Path) -> rasterio.DatasetReader:
    """What a link leads to: the file that was fetched, or parts of the one on the other machine. Raises SceneError, RasterioIOError."""
    link = read_link(path)
    if link.whole is not None:
        return open_file(link.whole)
    refuse_not_here(link)
    dataset = open_parts(link)
    try:
        refuse_too_large(path.stem, dataset)
    except SceneError:
        dataset.close()
        raise
    return dataset


def refuse_too_large(name: str, dataset: rasterio.DatasetReader) -> None:
    """Raise SceneError for more bands, pixels or bytes at once than a machine can take, before a pixel is read."""
    if dataset.count > MOST_BANDS:
        raise SceneError(f"{name} has {dataset.count:,} bands", expected=f"at most {MOST_BANDS:,}", do="Save the bands that are needed")
    pixels = dataset.width * dataset.height
    if pixels > MOST_PIXELS:
        raise SceneError(
            f"{name} has {dataset.width:,} x {dataset.height:,} pixels",
            expected=f"at most {MOST_PIXELS / 1e9:.0f} thousand million pixels",
            do="Cut it into scenes",
        )
    if dataset.count == 0:
        return
    height, width = dataset.block_shapes[0]
    together = dataset.count if dataset.profile.get("interleave") == "pixel" else 1
    block = height * width * together * _item_bytes(dataset.dtypes[0])
    if block > MOST_BLOCK_BYTES:
        raise SceneError(
            f"{name} is stored in pieces of {width:,} x {height:,} pixels, {size_words(block)} each, that are read whole",
            expected=f"pieces of at most {size_words(MOST_BLOCK_BYTES)}",
            do="Save it in tiles, for example with gdal_translate -co TILED=YES",
        )


def _item_bytes(dtype: str) -> int:
    try:
        return np.dtype(dtype).itemsize
    except TypeError:  # complex integers, which NumPy does not have
        return 8


def leads_elsewhere(path: Path) -> bool:
    """Whether a file is a text of the kinds by which GDAL finds its way to other files or servers: XML, JSON, or a list of such."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return head.lstrip(b"\xef\xbb\xbf \t\r\n\0")[:1] in (b"<", b"{", b"[") or b"<VRTDataset" in head or b"<GDAL_WMS" in head


def _refuse_side_file(path: Path, beside: Path) -> None:
    """GDAL opens overviews and masks beside an image as any kind of raster, and a list of statistics may name overviews elsewhere."""
    if not beside.is_file():
        return
    statistics = beside.name.endswith(".aux.xml")
    if statistics:
        with beside.open("rb") as file:
            wrong = b"OVERVIEW_FILE" in file.read(_MOST_SIDE_BYTES)
    else:
        wrong = leads_elsewhere(beside)
    if wrong:
        raise SceneError(
            f"{beside.name} beside {path.name} leads to another file", expected="an image of its own", do=f"Move {beside.name} away"
        )


def _refuse_far_sources(path: Path) -> None:
    """Raise SceneError for a virtual raster that names anything but image files in its folder or below it; our own may lead anywhere."""
    folder = path.resolve().parent
    if any(folder.is_relative_to(place.resolve()) for place in _own_places()):
        return
    for name in dict.fromkeys(_sources(path)):  # each is named once for each band
        source = folder / name
        if re.match(r"[\w+.-]{2,}:|/vsi|<|{", name.strip()) or not source.resolve().is_relative_to(folder):
            raise SceneError(
                f"{path.name} names {name.strip()[:80]}, which does not lie beside it",
                expected="a virtual raster of files in its own folder or below it",
                do="Move it to its files and make it there (gdalbuildvrt writes such paths), or save it as GeoTIFF",
            )
        if not source.is_file():
            raise SceneError(
                f"{path.name} names {name.strip()[:80]}, which is not there", expected="all its files", do="Copy them beside it"
            )
        if leads_elsewhere(source):
            raise SceneError(
                f"{path.name} names {name.strip()[:80]}, which leads to further files", expected="image files", do="Save it as GeoTIFF"
            )


def _own_places() -> tuple[Path, ...]:
    return temporary_place(STACKS_VARIABLE), default_workspace().root / "layers" / "placed"


def _sources(path: Path) -> list[str]:
    """What a virtual raster names, anywhere in it. Raises SceneError for what is no XML of a bearable size."""
    try:
        if path.stat().st_size > _MOST_VIRTUAL_BYTES:
            raise ValueError(f"{path.stat().st_size / 2**20:.0f} MiB")
        content = path.read_bytes()
        if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
            raise ValueError("it defines entities")
        tree = ElementTree.fromstring(content)
    except (ValueError, ElementTree.ParseError) as error:
        raise SceneError(
            f"{path.name} is no virtual raster ({error})", expected="what gdalbuildvrt writes", do="Make it again, or save it as GeoTIFF"
        ) from None
    found = [element.text or "" for element in tree.iter() if element.tag.rpartition("}")[2] in _NAMES_FILES]
    return [*found, *(value for element in tree.iter() for key, value in element.attrib.items() if key in _NAMES_FILES)]
