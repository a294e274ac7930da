"""Files that come in through the browser: kept in the workspace, archives unpacked."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from core.errors import InputError
from core.files import replacing, replacing_folder


def save(name: str, content: BinaryIO, folder: Path) -> Path:
    """Keep one uploaded file under its own name in `folder` and return its path; the same name is replaced."""
    target = folder / _clean(name)
    with replacing(target) as temporary, open(temporary, "wb") as out:
        shutil.copyfileobj(content, out)
    return target


def unpack(name: str, content: BinaryIO, folder: Path) -> Path:
    """Unpack an uploaded zip below `folder` and return the folder that holds its files.

    Raises InputError when it is no zip or when an entry would land outside its folder.
    """
    target = folder / _clean(Path(name).stem)
    try:
        archive = zipfile.ZipFile(content)
    except zipfile.BadZipFile as error:
        raise InputError(
            f"{name} is not a zip archive", expected="a .zip with images and masks", do="Zip the data set's folder and upload that"
        ) from error
    with archive, replacing_folder(target) as temporary:
        for entry in archive.infolist():
            parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
            if parts and (parts[0] in ("/", "..") or ".." in parts or ":" in parts[0]):
                raise InputError(
                    f"{name} holds the entry {entry.filename}, which points outside the archive",
                    expected="entries below the archive's own folder",
                    do="Zip the folder again and upload that",
                )
            if parts and parts[0] != "__MACOSX":
                archive.extract(entry, temporary)
    return _only_folder(target)


def _only_folder(folder: Path) -> Path:
    """Step into a single wrapping folder, as zips of a folder have."""
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return (
        _only_folder(inside[0]) if len(inside) == 1 and inside[0].is_dir() and inside[0].name.lower() not in ("images", "masks") else folder
    )


def _clean(name: str) -> str:
    cleaned = re.sub(r"[^\w.\- ]+", "_", Path(name.replace("\\", "/")).name).strip(" .")
    return cleaned or "upload"
