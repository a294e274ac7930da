"""Scenes that come as one file for each band (Sentinel-2, Landsat, 38-Cloud): recognised by name, stacked by a virtual raster."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from affine import Affine
from rasterio.errors import RasterioIOError

from core.errors import SceneError
from core.files import replacing, temporary_place
from core.scenes.raster_files import STACKS_VARIABLE, open_file

_COLOUR_BANDS = ("coastal", "red", "r", "green", "gre", "g", "blue", "b", "rededge", "reg", "nir", "swir", "swir1", "swir2")
_BAND = re.compile(rf"B(?:\d{{1,2}}|8A)|BAND[_-]?\d{{1,2}}|{'|'.join(_COLOUR_BANDS)}", flags=re.IGNORECASE)
_RESOLUTION = re.compile(r"R?\d{1,3}m", flags=re.IGNORECASE)
_FEWEST_COLOURS = 3


def band_of(stem: str) -> tuple[str, str] | None:
    """The file's name without the band that it is of, and that band; None where it names no band, or two."""
    tokens = [token for token in re.split(r"([_\-\s.]+)", stem) if token]
    bands = [k for k, token in enumerate(tokens) if _BAND.fullmatch(token)]
    if len(bands) != 1:
        return None
    rest = [token for k, token in enumerate(tokens) if k != bands[0] and not (k > bands[0] and _RESOLUTION.fullmatch(token))]
    return re.sub(r"[_\-\s.]{2,}", "_", "".join(rest)).strip("_-. "), tokens[bands[0]].lower()


def without_band(folder: str) -> str:
    """A folder's name without the word for a band or a resolution: train_red is train, R10m is nothing."""
    kept = [token for token in re.split(r"[_\-\s.]+", folder) if token and not _BAND.fullmatch(token) and not _RESOLUTION.fullmatch(token)]
    return folder if len(kept) == len([token for token in re.split(r"[_\-\s.]+", folder) if token]) else "_".join(kept)


def band_stacks(files: Iterable[tuple[tuple[str, ...], str, Path]]) -> dict[tuple[tuple[str, ...], str], tuple[Path, ...]]:
    """The files of each scene, band after band, by (place, name without band), of files as (place, stem, path).

    Two bands make a scene where they are numbered, three where they are called by colours. Of one band in several resolutions
    the finest counts, told by the number before the m in its name.
    """
    found: dict[tuple[tuple[str, ...], str], dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for place, stem, path in files:
        named = band_of(stem)
        if named is not None:
            found[tuple(part for part in map(without_band, place) if part), named[0]][named[1]].append(path)
    stacks = {}
    for key, bands in found.items():
        numbered = any(band not in _COLOUR_BANDS for band in bands)
        if len(bands) >= (2 if numbered else _FEWEST_COLOURS):
            stacks[key] = tuple(min(bands[band], key=_metres) for band in sorted(bands, key=_order))
    return stacks


def stack_path(paths: Sequence[Path]) -> Path:
    """Where the virtual raster of these files lies: in the user's own part of the folder for temporary files, by their content."""
    digest = hashlib.sha256()
    for path in paths:
        state = path.stat()
        digest.update(f"{path.resolve()}|{state.st_size}|{state.st_mtime_ns}".encode())
    named = band_of(paths[0].stem)
    return (
        temporary_place(STACKS_VARIABLE)
        / f"bands-{digest.hexdigest()[:16]}"
        / f"{named[0] if named and named[0] else paths[0].parent.name}.vrt"
    )


def write_stack(paths: Sequence[Path]) -> Path:
    """The virtual raster with one band for each file, on the finest grid among them; written once for each state of the files.

    Raises SceneError when a file has several bands or cannot be opened.
    """
    target = stack_path(paths)
    if target.exists():
        return target
    headers = [_header(path) for path in paths]
    finest = min(headers, key=lambda one: abs(one["transform"].a))
    for path, header in zip(paths, headers, strict=True):
        if not _same_ground(finest, header):
            raise SceneError(
                f"{path.name} shows other ground than the other bands of its name",
                expected="bands of one scene",
                do='Name the images by a pattern (--images "PATTERN") where they are scenes of their own',
            )
    height, width, transform = finest["height"], finest["width"], finest["transform"]
    lines = [f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}">']
    if finest["crs"] is not None:
        lines.append(f"<SRS>{escape(finest['crs'].to_wkt())}</SRS>")
    if transform != Affine.identity():
        lines.append(f"<GeoTransform>{', '.join(repr(float(value)) for value in transform.to_gdal())}</GeoTransform>")
    for number, (path, header) in enumerate(zip(paths, headers, strict=True), 1):
        placed = ~transform * header["transform"]
        nodata = "" if header["nodata"] is None else f"<NoDataValue>{header['nodata']}</NoDataValue>"
        lines.append(
            f'<VRTRasterBand dataType="{header["dtype"]}" band="{number}">'
            f"<Description>{escape((band_of(path.stem) or ('', path.stem))[1].upper())}</Description>{nodata}<SimpleSource>"
            f'<SourceFilename relativeToVRT="0">{escape(str(path.resolve()))}</SourceFilename><SourceBand>1</SourceBand>'
            f'<SrcRect xOff="0" yOff="0" xSize="{header["width"]}" ySize="{header["height"]}"/>'
            f'<DstRect xOff="{placed.c:.9g}" yOff="{placed.f:.9g}" xSize="{header["width"] * placed.a:.9g}" '
            f'ySize="{header["height"] * placed.e:.9g}"/></SimpleSource></VRTRasterBand>'
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target, suffix=".vrt") as temporary:
        Path(temporary).write_text("\n".join([*lines, "</VRTDataset>"]))
    return target


def _same_ground(one: dict, other: dict) -> bool:
    """Whether two headers cover the same ground to a pixel of the coarser."""
    ends = []
    for header in (one, other):
        placed = ~one["transform"] * header["transform"]
        ends += [placed * (0, 0), placed * (header["width"], header["height"])]
    pixel = max(1.0, abs(other["transform"].a / one["transform"].a))
    return all(abs(a - b) <= pixel for k in (0, 1) for a, b in zip(ends[k], ends[k + 2], strict=True))


def _header(path: Path) -> dict:
    names = {"uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16", "uint32": "UInt32", "int32": "Int32"}
    names |= {"float32": "Float32", "float64": "Float64"}
    try:
        with open_file(path) as file:
            if file.count != 1 or file.dtypes[0] not in names:
                raise SceneError(
                    f"{path.name} has {file.count} bands of {file.dtypes[0]}, its name says that it is one band of a scene",
                    expected="one file for each band",
                    do="Rename it, or name the image files by a pattern",
                )
            kept = {"height": file.height, "width": file.width, "transform": file.transform, "crs": file.crs, "nodata": file.nodata}
            return {**kept, "dtype": names[file.dtypes[0]]}
    except RasterioIOError as error:
        raise SceneError(f"{path.name} is no image that can be opened", expected="one file for each band", do="Check the file") from error


def _metres(path: Path) -> tuple[int, str]:
    found = [int(re.sub(r"\D", "", token)) for token in re.split(r"[_\-\s.]+", path.stem) if _RESOLUTION.fullmatch(token)]
    return (found[-1] if found else 0, str(path))


def _order(band: str) -> tuple[int, int, str]:
    """Numbered bands by number (8A behind 8), colours as people say them."""
    if band in _COLOUR_BANDS:
        return (0, _COLOUR_BANDS.index(band), band)
    digits = re.sub(r"\D", "", band)
    return (1, int(digits), band)
