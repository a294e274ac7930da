"""Zip archives: looked through before a byte is written, then unpacked once."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from core.digests import file_digest
from core.errors import Cancelled, DatasetError, GroundlineError
from core.files import replacing_folder, temporary_place
from core.progress import OnProgress, ShouldStop, check, report
from core.reading.zip_limits import refuse_growing
from core.words import size_words

UNPACKED_VARIABLE = "GROUNDLINE_UNPACKED"


def unpack(path: Path, into: Path | None = None, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None) -> Path:
    """Unpack a zip into `into`, or into a folder for temporary files that the same zip finds again, and return it.

    Raises DatasetError, before anything is written, for names that lead out of the folder, links, too many files, and
    archives that would grow to more than 200 times their size or more than the disk holds.
    """
    path = Path(path)
    folder = Path(into) if into is not None else _place(path)
    if folder.is_dir() and any(folder.iterdir()):
        return folder
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            folder.parent.mkdir(parents=True, exist_ok=True)
            look_through(members, path, free_bytes=shutil.disk_usage(folder.parent).free)
            with replacing_folder(folder) as temporary:
                for i, member in enumerate(members):
                    check(should_stop)
                    report(on_progress, i, len(members), f"Unpacking {member.filename}")
                    archive.extract(member, temporary)
    except (GroundlineError, Cancelled, MemoryError):
        raise
    except Exception as error:  # zipfile and zlib raise half a dozen kinds for damaged archives
        raise DatasetError(
            f"{path.name} cannot be unpacked ({error})", expected="a whole zip without password", do="Make the archive again"
        ) from error
    return folder


def look_through(members: list[zipfile.ZipInfo], path: Path, *, free_bytes: int) -> None:
    """Raise DatasetError when an archive is not safe to unpack."""
    for member in members:
        name = member.filename.replace("\\", "/")
        parts = PurePosixPath(name).parts
        linked = stat.S_ISLNK(member.external_attr >> 16)
        if name.startswith("/") or ".." in parts or ":" in parts[0] or linked or "\0" in member.filename:
            raise DatasetError(
                f"{path.name} holds {member.filename!r}, which would be written outside its folder",
                expected="an archive of plain files",
                do="Make the archive from the folder itself",
            )
    size = refuse_growing(path.name, members, DatasetError, do="Unpack it yourself if you trust it, and give the folder")
    if size > free_bytes:
        raise DatasetError(
            f"{path.name} needs {size_words(size)}",
            expected=f"at most the {size_words(free_bytes)} that are free",
            do="Make room on the disk",
        )


def _place(path: Path) -> Path:
    """The folder of this content in the user's own part of the folder for temporary files."""
    return temporary_place(UNPACKED_VARIABLE) / f"{path.stem}-{file_digest(path)}"
