"""Short texts that change when values or files do."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from core.errors import InputError


def digest_of(*parts: Any) -> str:
    """16 hexadecimal digits that name a combination of values: equal where their `repr` is equal."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def content_digest(path: str | os.PathLike) -> str:
    """SHA-256 of all bytes of a file (64 hexadecimal digits)."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digest(path: Path) -> str:
    """16 hex digits from a file's size, time of change and three samples of 64 KiB: quick on any size."""
    state = path.stat()
    digest = hashlib.sha256(f"{state.st_size}:{state.st_mtime_ns}".encode())
    with path.open("rb") as file:
        for offset in (0, state.st_size // 2, max(0, state.st_size - 65536)):
            file.seek(offset)
            digest.update(file.read(65536))
    return digest.hexdigest()[:16]


def steady(digests: Mapping[str, Callable[[], str]]) -> Callable[[], None]:
    """A function to call before a result is written, when all is read: raises InputError when a source is no longer what it is now.

    `digests` are the sources by name, each with what tells its state. Files are watched by `steady_files`.
    """
    before = {name: _now(digest) for name, digest in digests.items()}

    def refuse_each() -> None:
        for name, digest in digests.items():
            refuse_changed(name, before[name], digest)

    return refuse_each


def refuse_changed(name: str, before: str, digest: Callable[[], str]) -> None:
    """Raise InputError where the state of a source, told by `digest`, is no longer what it was before."""
    if _now(digest) != before:
        raise InputError(
            f"{name} changed while it was read",
            expected="files that nobody writes to meanwhile",
            do="Wait until it is whole and start again; nothing was written",
        )


def steady_files(paths: Iterable[Path]) -> Callable[[], None]:
    """`steady` for files, by their size, time and sampled bytes; those that are not there must stay away."""
    return steady({str(path): partial(file_digest, path) for path in paths})


def _now(digest: Callable[[], str]) -> str:
    try:
        return digest()
    except OSError as error:
        return type(error).__name__
