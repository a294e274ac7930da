"""Zip archives that would grow beyond all measure are told by their table of contents, before a byte is unpacked."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence

from core.errors import GroundlineError, InputError
from core.words import size_words

MOST_FILES = 200_000
MOST_RATIO = 200
"""Images and weights that are worth a zip shrink to a half or so; only made-up data shrinks to a two-hundredth."""
HARMLESS_BYTES = 256 * 2**20


def refuse_growing(name: str, members: Sequence[zipfile.ZipInfo], error: type[GroundlineError] = InputError, *, do: str) -> int:
    """Bytes that the members of an archive have unpacked. Raises `error` for too many, or more than 200 times what they have packed."""
    if len(members) > MOST_FILES:
        raise error(f"{len(members):,} files in {name}", expected=f"at most {MOST_FILES:,}", do=do)
    size, packed = sum(member.file_size for member in members), max(1, sum(member.compress_size for member in members))
    if size > HARMLESS_BYTES and size > MOST_RATIO * packed:
        raise error(
            f"{name} would grow to {size_words(size)}, {size // packed} times its size",
            expected=f"an archive that grows to at most {MOST_RATIO} times its size",
            do=do,
        )
    return size
