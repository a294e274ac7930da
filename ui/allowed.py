"""What the browser may ask of this machine: which folders it opens files from, and whether it changes anything."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from core.errors import InputError
from core.publishing.names import listens_here_alone
from core.reading.addresses import host_of, read_address
from core.scenes.remote.links import link_of
from core.workspace import MODELS, PROJECT, default_workspace

ROOTS_VARIABLE = "GROUNDLINE_ROOTS"
"""Folders whose files a path typed in the browser may name, parted as in PATH."""
HOSTS_VARIABLE = "GROUNDLINE_HOSTS"
"""Hosts and buckets whose pictures an address typed in the browser may name, with commas between them."""
READ_ONLY_VARIABLE = "GROUNDLINE_READ_ONLY"
"""Set to 1 where the dashboard only shows: nothing is started, sent, corrected or deleted."""
READ_ONLY_WORDS = "This dashboard only shows what is there: it was started with --read-only."


def shared() -> bool:
    """Whether other machines can reach this dashboard."""
    return not listens_here_alone(st.get_option("server.address"))


# ---- folders ----


def roots() -> tuple[Path, ...]:
    """Folders that typed paths may lie in, links followed: those that were named, else home and the workspace, on a network the workspace.

    The workspace and what ships with Groundline always count.
    """
    named = [entry for entry in os.environ.get(ROOTS_VARIABLE, "").split(os.pathsep) if entry.strip()]
    given = [Path(entry.strip()).expanduser() for entry in named] or ([] if shared() else [Path.home()])
    return tuple(dict.fromkeys(folder.resolve() for folder in (*given, default_workspace().root, PROJECT / "sample_data", MODELS)))


def may_open(path: str | os.PathLike) -> bool:
    """Whether a file or folder lies in the allowed folders, wherever its links lead."""
    try:
        where = Path(path).expanduser()
        # Asking a Windows share where it leads would already call its server.
        if str(where).startswith(("\\\\", "//")) and not _inside(Path(os.path.abspath(where)), roots()):
            return False
        return _inside(where.resolve(), roots())
    except (OSError, RuntimeError, ValueError):  # links in a circle, the home of nobody, a zero byte
        return False


def open_path(path: str | os.PathLike) -> Path:
    """A path that came from the browser, `~` filled in. Raises InputError when it lies outside the allowed folders."""
    if not may_open(path):
        named = ", ".join(str(folder) for folder in roots() if folder not in (PROJECT / "sample_data", MODELS))
        raise InputError(
            f"{path} lies outside the folders that this dashboard may open",
            expected=f"a path in {named}",
            do=f"Start the dashboard with --roots FOLDER{os.pathsep}FOLDER to allow others, or copy the data there",
        )
    return Path(path).expanduser()


def open_address(address: str) -> Path:
    """The link to an address that was typed in the browser. Raises InputError where this dashboard asks that host nothing.

    On a network strangers would see through it what this machine alone can reach, with its keys: only hosts that were named count there.
    """
    refuse_if_read_only()
    host = host_of(read_address(address))
    named = [name.strip() for name in os.environ.get(HOSTS_VARIABLE, "").split(",") if name.strip()]
    if host not in named and (named or shared()):
        raise InputError(
            f"{host} is no server that this dashboard asks for pictures",
            expected=f"one of {', '.join(named)}" if named else "a file: it is open to the network",
            do=f"Have its owner name the host, or the bucket, in {HOSTS_VARIABLE}",
        )
    return link_of(address)


def _inside(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


# ---- changes ----


def read_only() -> bool:
    """Whether this dashboard only shows."""
    return os.environ.get(READ_ONLY_VARIABLE) == "1"


def refuse_if_read_only() -> None:
    """Called before anything is started, kept or deleted. Raises InputError where the dashboard only shows."""
    if read_only():
        raise InputError(
            "this dashboard only shows what is there", expected="one that was started without --read-only", do="Ask who runs it"
        )


def changing(help: str | None = None, *, disabled: bool = False) -> dict[str, Any]:
    """Keywords of a button that changes something: switched off, with the reason as its help, where the dashboard only shows."""
    return {"help": READ_ONLY_WORDS, "disabled": True} if read_only() else {"help": help, "disabled": disabled}
