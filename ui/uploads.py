"""Files that come in through the browser: kept in the workspace, archives unpacked."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import BinaryIO

from core.data import archives
from core.files import replacing


def save(name: str, content: BinaryIO, folder: Path) -> Path:
    """Keep one uploaded file under its own name in `folder` and return its path; the same name is replaced."""
    target = folder / _clean(name)
    with replacing(target) as temporary, open(temporary, "wb") as out:
        shutil.copyfileobj(content, out)
    return target


def unpack(name: str, content: BinaryIO, folder: Path) -> Path:
    """Unpack an uploaded zip into a folder of its name below `folder` and return that; the same name is replaced.

    Raises DatasetError when it is no zip or is not safe to unpack.
    """
    archive = save(name, content, folder)
    target = archive.with_suffix("")
    try:
        if target.is_dir():
            shutil.rmtree(target)
        return archives.unpack(archive, target)
    finally:
        archive.unlink()


def _clean(name: str) -> str:
    cleaned = re.sub(r"[^\w.\- ]+", "_", Path(name.replace("\\", "/")).name).strip(" .")
    return cleaned or "upload"
