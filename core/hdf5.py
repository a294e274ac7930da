"""HDF5 files that hold what they show: looked through before anything is read from them.

Such a file can name other files to read from, hold groups that hold each other, and claim pieces of any size that are all one value.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import h5py

from core.errors import GroundlineError, InputError
from core.words import size_words

MOST_MEMBERS, MOST_TEXTS, MOST_PIECE_BYTES = 200_000, 1_000_000, 1 << 29
"""Groups and data sets in one file; texts in its heaps; bytes of a piece that is packed and has to be unpacked whole (a chunk)."""

MOST_SEARCHED_BYTES = 1 << 32
"""Larger files are not searched for damage that makes the library hang."""
_PIECE = struct.Struct("<H6xQ")  # number and length of a heap's piece; what has no number is free
_ENDLESS = ("holds texts that cannot be read to their end", "a file as it was written", "Copy or download it again")


@contextmanager
def open_hdf5_file(path: str | os.PathLike, error: type[GroundlineError] = InputError) -> Iterator[h5py.File]:
    """Open a file for reading. Raises `error` for one that leads elsewhere or in circles, OSError for one that is none."""
    path = Path(path)
    state = path.stat()
    wrong = _wrong_with(path, state.st_size, state.st_mtime_ns)
    if wrong is not None:
        raise error(f"{path.name} {wrong[0]}", expected=wrong[1], do=wrong[2])
    with h5py.File(path, "r") as file:
        yield file


@lru_cache(maxsize=256)
def _wrong_with(path: Path, size: int, changed: int) -> tuple[str, str, str] | None:
    if 0 < size <= MOST_SEARCHED_BYTES:
        with path.open("rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as content:
            wrong = _wrong_with_heaps(content)
            if wrong is not None:
                return wrong
    with h5py.File(path, "r") as file:
        return wrong_with(file)


def _wrong_with_heaps(content: bytes | mmap.mmap) -> tuple[str, str, str] | None:
    """What is wrong with heaps of texts: a piece of no length, over which the HDF5 library goes on for ever when it reads one of them.

    Heaps can seem to begin anywhere, also within each other, so that the pieces of all of them together are counted.
    """
    pieces, at = 0, content.find(b"GCOL")
    while at >= 0:
        here, stop = at + 16, at + int.from_bytes(content[at + 8 : at + 16], "little")
        while here + 16 <= min(stop, len(content)):
            number, length = _PIECE.unpack_from(content, here)
            step = (length if number == 0 else 16 + (length + 7) // 8 * 8) % 2**64
            if step == 0:
                return _ENDLESS
            pieces += 1
            if pieces > MOST_TEXTS:
                return f"holds more than {MOST_TEXTS:,} texts, or heaps of texts within each other", *_ENDLESS[1:]
            here += step
        at = content.find(b"GCOL", at + 4)
    return None


def refuse_wrong(name: str, content: BinaryIO, error: type[GroundlineError] = InputError) -> None:
    """The same for a file in memory, that lies inside another one."""
    wrong = _wrong_with_heaps(content.read())
    if wrong is None:
        content.seek(0)
        with h5py.File(content, "r") as file:
            wrong = wrong_with(file)
    if wrong is not None:
        raise error(f"{name} {wrong[0]}", expected=wrong[1], do=wrong[2])


def wrong_with(file: h5py.File) -> tuple[str, str, str] | None:
    """What was found, what is expected and what to do, for a file that is not safe to read; None for the others."""
    waiting, seen, members = [file["/"]], {h5py.h5o.get_info(file["/"].id).addr}, 0
    while waiting:
        group = waiting.pop()
        for name in group:
            members += 1
            if members > MOST_MEMBERS:
                return f"holds more than {MOST_MEMBERS:,} groups and data sets", "a file of images or weights", "Check where it comes from"
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                return f"leads to another file ({link.filename[:60]})", "a file that holds its data itself", "Copy the data into it"
            if not isinstance(link, h5py.HardLink):
                continue
            item = group[name]
            if isinstance(item, h5py.Dataset):
                wrong = _wrong_with_data(item)
                if wrong is not None:
                    return wrong
            elif isinstance(item, h5py.Group):
                address = h5py.h5o.get_info(item.id).addr
                if address in seen:
                    return f"has a group in two places ({item.name[:60]})", "groups that hold each other nowhere", "Save it again"
                seen.add(address)
                waiting.append(item)
    return None


def _wrong_with_data(data: h5py.Dataset) -> tuple[str, str, str] | None:
    elsewhere = [source.file_name for source in data.virtual_sources() if source.file_name != "."] if data.is_virtual else []
    elsewhere += [name for name, _, _ in data.external or ()]
    if elsewhere:
        found = f"takes {data.name[:60]} from another file ({elsewhere[0][:60]})"
        return found, "a file that holds its data itself", "Copy the data into it"
    piece = math.prod(data.chunks) * data.dtype.itemsize if data.chunks else 0
    if piece > MOST_PIECE_BYTES:
        return (
            f"keeps {data.name[:60]} in pieces of {size_words(piece)} that are unpacked whole",
            f"pieces of at most {size_words(MOST_PIECE_BYTES)}",
            "Save it with smaller chunks",
        )
    return None
