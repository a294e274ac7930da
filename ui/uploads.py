"""Files that come in through the browser: kept in the workspace, archives unpacked."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import streamlit as st

from core.datasets import archives
from core.files import replacing
from core.scenes.image_names import ARRAY_SUFFIXES, HDF5_SUFFIXES, RASTER_SUFFIXES
from ui.allowed import refuse_if_read_only

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

IMAGE_TYPES = [suffix.lstrip(".") for suffix in (*RASTER_SUFFIXES, *HDF5_SUFFIXES, *ARRAY_SUFFIXES)]


def save(name: str, content: BinaryIO, folder: Path) -> Path:
    """Keep one uploaded file under its own name in `folder` and return its path; the same name is replaced.

    Raises InputError where nothing may be kept.
    """
    refuse_if_read_only()
    target = folder / _clean(name)
    with replacing(target) as temporary, open(temporary, "wb") as out:
        shutil.copyfileobj(content, out)
    return target


def once(sent: UploadedFile, folder: Path) -> Path:
    """`save` for a file that a page still holds: written when it arrives, not at each run of the page."""
    known = st.session_state.setdefault("gl_uploaded", {})
    if sent.file_id not in known:
        known[sent.file_id] = save(sent.name, sent, folder)
    return known[sent.file_id]


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


def keep(files: Sequence[BinaryIO], folder: Path) -> Path:
    """Keep what was sent together and return its path: the file, the unpacked zip, or a folder with all of them.

    Each file is open and has a `name`, as Streamlit's uploads do. Raises DatasetError for a zip that is not safe.
    """
    target = folder if len(files) == 1 else folder / _clean(f"{Path(files[0].name).stem} and {len(files) - 1} more")
    kept = [(unpack if file.name.lower().endswith(".zip") else save)(file.name, file, target) for file in files]
    return kept[0] if len(kept) == 1 else target


def _clean(name: str) -> str:
    cleaned = re.sub(r"[^\w.\- ]+", "_", Path(name.replace("\\", "/")).name).strip(" .")
    return cleaned or "upload"
