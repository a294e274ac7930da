"""Vector files are what they are called, before GDAL looks at them: it would follow a text that names other files, databases or servers."""

from __future__ import annotations

import zipfile
from pathlib import Path

from core.errors import MaskError
from core.reading.zip_limits import refuse_growing

_HEAD_BYTES = 1 << 16
_BEGINNINGS = {".gpkg": b"SQLite format 3\0", ".shp": b"\0\0\x27\x0a", ".fgb": b"fgb", ".zip": b"PK\x03\x04"}
_ORDERS = b'"gdal_streamed_alg"'
"""The type of a JSON text that is a command line of GDAL."""
_PARTS = (
    *(".shp", ".shx", ".dbf", ".prj", ".cpg", ".qpj", ".qix", ".sbn", ".sbx", ".shp.xml"),
    *(".qml", ".sld", ".csv", ".txt", ".pdf", ".html"),
)


def refuse_other_content(path: Path) -> None:
    """Raise MaskError for a vector file whose content is not what its ending says."""
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if suffix in _BEGINNINGS:
        right = head.startswith(_BEGINNINGS[suffix])
    elif suffix == ".kml":
        right = text.startswith(b"<") and b"<kml" in text
    else:
        right = text.startswith(b"{") and _ORDERS not in head
    if not right:
        raise MaskError(
            f"{path.name} does not hold what its name says",
            expected="GeoPackage, GeoJSON, Shapefile, FlatGeobuf or KML",
            do="Check the file",
        )
    if suffix == ".zip":
        _look_through(path)


def _look_through(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
    except zipfile.BadZipFile as error:
        raise MaskError(f"{path.name} cannot be unpacked ({error})", expected="a Shapefile in a zip", do="Make it again") from error
    refuse_growing(path.name, members, MaskError, do="Unpack it yourself and give the folder")
    other = next((member.filename for member in members if not member.filename.lower().endswith(_PARTS)), None)
    if other is not None:
        raise MaskError(f"{path.name} holds {other[:80]}", expected="the parts of a Shapefile", do="Unpack it and give the folder")
