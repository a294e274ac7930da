"""numba's compiler for our kernels, with a cache on the disk that notices when any of them has changed.

numba looks only at the file of the function itself: after an update of a function that others call, those would go on with
the old one. So the place of the code goes by all sources of the package, and by those in the folder of a function outside it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import numba

_PACKAGE = Path(__file__).resolve().parent
_PREFIX = "kernels-"
_KEPT_DAYS = 7  # another version of the program may still run


def compiled(function: Callable | None = None, **options: Any) -> Any:
    """Decorator: compile for the types of the first call, run without the interpreter's lock, keep the machine code on the disk.

    `options` are those of `numba.njit`. An entrance for C is not made: nothing calls from there. Where nothing can be written, it is
    compiled anew in each process.
    """
    if function is None:
        return partial(compiled, **options)
    config: Any = numba.config  # filled when it is imported, so its names are not known to type checkers
    before = config.CACHE_DIR
    config.CACHE_DIR = str(cache_folder(_beside(function)))
    try:
        return numba.njit(function, cache=True, nogil=True, **{"no_cfunc_wrapper": True, **options})
    finally:
        config.CACHE_DIR = before


def digest_of_sources(files: Iterable[Path]) -> str:
    """Twelve letters that change with the text of any of the files, and with numba's version."""
    digest = hashlib.sha256(numba.__version__.encode())
    for file in sorted(files):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _beside(function: Callable) -> Path:
    """The folder of a function's file; the package itself for what is of it, or was typed."""
    file = Path(function.__code__.co_filename).resolve()
    return file.parent if file.is_file() and not file.is_relative_to(_PACKAGE) else _PACKAGE


@cache
def cache_folder(beside: Path = _PACKAGE) -> Path:
    """Where the machine code of the package's very sources and of those in the folder `beside` lies.

    What others left is removed a week after it was used last.
    """
    files = {*_PACKAGE.rglob("*.py"), *beside.glob("*.py")}
    sources = [file for file in files if b"@compiled" in file.read_bytes()]
    root = Path(os.environ.get("NUMBA_CACHE_DIR") or _PACKAGE / "__pycache__")
    folder = root / f"{_PREFIX}{digest_of_sources(sources)}"
    with suppress(OSError):  # not there yet, or on a disk for reading alone
        os.utime(folder)
    oldest = time.time() - _KEPT_DAYS * 86400
    for other in root.glob(f"{_PREFIX}*"):
        if other != folder and other.stat().st_mtime < oldest:
            shutil.rmtree(other, ignore_errors=True)
    return folder


# Last: what compiles it stands above.
@compiled
def copy_row(target, k, source, m):
    """target[k] = source[m] of two tables, number by number.

    The assignment of a whole row takes numba 5 s to compile, with its words for unequal shapes.
    """
    for column in range(target.shape[1]):
        target[k, column] = source[m, column]
