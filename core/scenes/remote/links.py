"""A picture on another machine as a path: a small file in the workspace that holds the address that somebody typed.

Whatever takes a path takes it so, jobs and workers of a cluster too, and keys in the address stand in this file alone. Such a file counts
in the workspace's own folder and nowhere else: one that somebody sent leads nowhere.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from core.digests import digest_of
from core.errors import InputError, SceneError
from core.files import write_json
from core.reading.addresses import is_address, masked, name_of, read_address
from core.reading.readable import read_record, reason
from core.workspace import default_workspace

LINK_SUFFIX = ".remote"


class _Written(TypedDict):
    """What a link says: the address; whether it can be read in parts, None while nobody has asked; the file that was fetched whole."""

    address: str
    parts: bool | None
    whole: str | None


@dataclass(frozen=True)
class Link:
    """A link that was read. `whole` is the file that was fetched, None where there is none."""

    path: Path
    address: str = field(repr=False)
    parts: bool | None
    whole: Path | None

    @property
    def shown(self) -> str:
        """The address without what may be secret in it."""
        return masked(self.address)

    def known(self, *, parts: bool, whole: Path | None = None) -> Link:
        """The link with what was found out, which is written down."""
        _write(self.path, {"address": self.address, "parts": parts, "whole": None if whole is None else whole.name})
        return Link(self.path, self.address, parts, whole)


def is_link(path: str | os.PathLike) -> bool:
    """Whether a path is called as a link."""
    return Path(path).suffix.lower() == LINK_SUFFIX


def link_of(address: str) -> Path:
    """The link to an address that somebody typed, the same one for the same address; nothing is asked of anybody. Raises SettingsError."""
    address = read_address(address)
    path = default_workspace().remote / digest_of(address)[:10] / f"{name_of(address)}{LINK_SUFFIX}"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.parent.chmod(0o700)
        _write(path, {"address": address, "parts": None, "whole": None})
    return path


def path_or_link(typed: str | os.PathLike) -> Path:
    """What was typed as a path: an address becomes its link. Raises SettingsError."""
    return link_of(typed) if isinstance(typed, str) and is_address(typed) else Path(typed)


def read_link(path: Path) -> Link:
    """A link of the workspace. Raises SceneError for one that lies elsewhere or is damaged."""
    if not path.resolve().is_relative_to(default_workspace().remote.resolve()):
        raise SceneError(
            f"{path.name} leads to another machine and was not made here",
            expected="an address that you type yourself",
            do="Ask whoever sent the file for the address, and type that",
        )
    try:
        written: _Written = read_record(path, _Written)
        address = read_address(written["address"])
    except (OSError, ValueError, InputError) as error:
        raise SceneError(
            f"{path.name} is no link ({reason(error)})", expected="one that Groundline wrote", do="Type the address again"
        ) from None
    whole = None if written["whole"] is None else path.with_name(Path(written["whole"]).name)
    return Link(path, address, written["parts"], whole if whole is not None and whole.is_file() else None)


def shown_address(path: str | os.PathLike) -> str:
    """Where the picture at a path comes from, without anything secret; empty for files of this machine."""
    if not is_link(path):
        return ""
    try:
        return read_link(Path(path)).shown
    except SceneError:
        return ""


def _write(path: Path, written: _Written) -> None:
    write_json(path, written)
    path.chmod(0o600)
