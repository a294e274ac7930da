"""Files that are either whole or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import json
import math
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import SettingsError


def refuse_foreign_folder(folder: Path, own_file: str, expected: str = "a new folder, or an older result") -> None:
    """What is written takes the place of the folder: raise SettingsError when it holds anything but what `own_file` is a sign of."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / own_file).is_file()):
        raise SettingsError(f"{folder} holds other files", expected=expected, do="Choose another place")


@contextmanager
def replacing(path: str | os.PathLike, *, suffix: str | None = None) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it takes `path`'s place, on any error it is deleted.

    `suffix` sets the ending of the temporary name for writers that look at it; the ending of `path` otherwise.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    ending = suffix if suffix is not None else "".join(path.suffixes[-2:])
    temporary = path.with_name(f".{uuid.uuid4().hex[:12]}{ending}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Give an empty temporary folder beside `path`; on success it takes `path`'s place, on any error it is deleted.

    An older folder at `path` is kept until the new one is complete.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            old = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.old")
            os.replace(path, old)
            os.replace(temporary, path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: str | os.PathLike, value: Any) -> Path:
    """Write `value` as UTF-8 JSON in one step; NumPy values become numbers and lists, NaN and infinity become null."""
    path = Path(path)
    with replacing(path) as temporary:
        temporary.write_text(dump_json(value, indent=2) + "\n", encoding="utf-8")
    return path


def read_json(path: str | os.PathLike) -> Any:
    """Read a JSON file written as UTF-8."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def dump_json(value: Any, *, indent: int | None = None) -> str:
    """Text of `value` as strict JSON: NumPy values become numbers and lists, NaN and infinity become null."""
    return json.dumps(_plain(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value
