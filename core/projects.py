"""Projects: a workspace has a name, can be copied whole to another folder, and is known from other folders."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

from core.errors import InputError
from core.files import dump_json, replacing, replacing_folder, write_json
from core.progress import OnProgress, ShouldStop, check, report
from core.reading.readable import read_record
from core.words import size_words
from core.workspace import Workspace

PROJECT_FILE = "project.json"
LONGEST_NAME = 60
_MADE_ANEW = ("trash", "features")
_RECORDS = (".json", ".jsonl")
_LARGEST_RECORD = 64 << 20
_COPIED_AT_ONCE = 8 << 20


class _Told(TypedDict):
    """What the file of a project holds."""

    name: str


def name_of(workspace: Workspace) -> str:
    """The project's name; that of its folder until it has one."""
    try:
        return read_record(workspace.root / PROJECT_FILE, _Told)["name"] or workspace.root.name
    except (OSError, ValueError):  # none yet, or cut off by a crash
        return workspace.root.name


def has_name(workspace: Workspace) -> bool:
    """Whether somebody gave the project a name."""
    return (workspace.root / PROJECT_FILE).is_file()


def rename(workspace: Workspace, name: str) -> None:
    """Give a project another name; its folder keeps its own. Raises InputError for an empty or very long one."""
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME:
        raise InputError(f"a project's name of {len(name)} letters", expected=f"1 to {LONGEST_NAME}", do="Choose another name")
    write_json(workspace.root / PROJECT_FILE, {"name": name})


def is_project(folder: Path) -> bool:
    """Whether a folder is a workspace that was used or named: nothing is ever made in another one by opening it."""
    try:
        return (folder / PROJECT_FILE).is_file() or ((folder / "runs").is_dir() and (folder / "predictions").is_dir())
    except OSError:
        return False


def beside(workspace: Workspace) -> list[Path]:
    """Other projects in the same folder, by name."""
    try:
        return sorted(folder for folder in workspace.root.parent.iterdir() if folder != workspace.root and is_project(folder))
    except OSError:
        return []


def opened(folder: Path) -> Workspace:
    """The workspace of another project. Raises InputError where the folder holds none."""
    if not is_project(folder):
        raise InputError(
            f"no project in {folder}", expected=f"a folder with {PROJECT_FILE}", do="Name a project's folder, or save this one as a new one"
        )
    return Workspace(folder)


def save_as(
    workspace: Workspace, folder: Path, *, name: str = "", on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None
) -> Workspace:
    """Copy a project to a new folder and return the copy, called `name` or as the folder is.

    What can be made anew and what was deleted stays behind. Records that name files of the old folder name the copies in the new one.
    Times of change are kept, so that corrections and finished layers are known as before. The folder appears when it is whole. Raises
    InputError for a folder that is there and not empty, lies in the project, or has too little room, and Cancelled.
    """
    folder = Path(os.path.abspath(folder))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}, which is there already", expected="a new folder", do="Choose another name")
    if folder.resolve().is_relative_to(workspace.root) or workspace.root.is_relative_to(folder.resolve()):
        raise InputError(f"{folder}, in or around the project itself", expected="a folder beside it", do="Choose another place")
    files = list(_files(workspace.root))
    sizes = [file.stat().st_size for file in files]
    folder.parent.mkdir(parents=True, exist_ok=True)
    room, needed = shutil.disk_usage(folder.parent).free, sum(sizes)
    if room < needed:
        raise InputError(f"{size_words(room)} free beside {folder}", expected=f"{size_words(needed)}", do="Choose another disk")
    done = 0
    with replacing_folder(folder) as place:
        for file, size in zip(files, sizes, strict=True):
            report(on_progress, done, needed, f"Copying {file.name}")
            target = place / file.relative_to(workspace.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(file, target, should_stop)
            if file.suffix in _RECORDS and size <= _LARGEST_RECORD:
                _move_paths(target, workspace.root, folder)
            done += size
        rename(Workspace(place), name or folder.name)
        # What is in folders changed their times; lists are ordered and dated by them.
        for made in sorted({file.parent for file in files} - {workspace.root}, reverse=True):
            shutil.copystat(made, place / made.relative_to(workspace.root))
    report(on_progress, needed, needed, "Copied")
    return Workspace(folder)


def _files(root: Path) -> Iterator[Path]:
    """Files of a project that its copy has, without the temporary ones of work that goes on; links are not followed out of it."""
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = [one for one in folders if not one.startswith(".") and not (here == root and one in _MADE_ANEW)]
        yield from (here / one for one in names if not one.startswith(".") and (here / one).is_file() and not (here / one).is_symlink())


def _copy(file: Path, target: Path, should_stop: ShouldStop | None) -> None:
    with file.open("rb") as source, target.open("wb") as copy:
        while part := source.read(_COPIED_AT_ONCE):
            check(should_stop)
            copy.write(part)
    check(should_stop)
    shutil.copystat(file, target)


def _move_paths(record: Path, old: Path, new: Path) -> None:
    """Have a record name files below `new` where it named them below `old`, and keep its time."""
    before, after = (dump_json(str(path))[1:-1].encode() for path in (old, new))
    text = record.read_bytes()
    moved = re.sub(rb'(?<=")' + re.escape(before) + rb'(?=["/\\])', lambda _: after, text)
    if moved == text:
        return
    times = record.stat()
    with replacing(record) as temporary:
        temporary.write_bytes(moved)
    os.utime(record, ns=(times.st_atime_ns, times.st_mtime_ns))
