"""Files of a run or model as one zip, made when it is asked for."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

_PACKED = (".keras", ".onnx", ".zip", ".png", ".jpg", ".npz")
"""Files that hardly shrink."""


def pack(files: Iterable[Path], *, below: Path) -> bytes:
    """A zip of files with their paths below a folder; what hardly shrinks is stored as it is."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for file in files:
            how = zipfile.ZIP_STORED if file.suffix.lower() in _PACKED else zipfile.ZIP_DEFLATED
            archive.write(file, file.relative_to(below), compress_type=how)
    return out.getvalue()
