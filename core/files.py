"""Files that are either whole or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import math
import os
import re
import shutil
import stat
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.digests import digest_of
from core.errors import SettingsError

_STATE_FILE = "state.json"
_PARTIAL, OLD = ".partial", ".old"
_TEMPORARY = re.compile(r"\..+\.groundline-[0-9a-f]{12}(\.[\w-]+)*")
LONGEST_NAME = 255
_HERE, _EXCHANGE = -100, 2
"""What Linux and macOS call the working folder, and the wish to swap (linux/fs.h, sys/stdio.h)."""
STORE_FILE, PREDICTION_FILE, MEASURED_FILE = "store.json", "prediction.json", "measured.json"
"""What tells folders of prepared patches and of predictions: their rasters belong to no data set that they lie in."""
_KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISREG, "a file"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)


def refuse_foreign_folder(folder: Path, own_file: str, expected: str = "a new folder, or an older result") -> None:
    """What is written takes the place of the folder: raise SettingsError when it is anything but a folder that `own_file` is a sign of.

    A free place and an empty folder are welcome.
    """
    _refuse_what_is_no_folder(folder, expected)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / own_file).is_file():
        raise SettingsError(f"{folder} holds other files", expected=expected, do="Choose another place")


def _refuse_what_is_no_folder(path: Path, expected: str = "a new folder, or an older result") -> None:
    kind = _kind(path)
    if kind == "a link":  # renaming would move the link, and leave the folder behind it where it is
        raise SettingsError(f"{path} is a link", expected=expected, do="Name the folder itself")
    if kind not in (None, "a folder"):
        raise SettingsError(f"{path} is {kind}", expected=expected, do="Choose another place")


def refuse_no_file(path: Path) -> None:
    """Raise SettingsError when no file can be written to the path: something else lies there, or a folder above it is none.

    A link is judged by what it leads to, and replaced by the new file; what it leads to stays as it is.
    """
    above = next((folder for folder in path.absolute().parents if _kind(folder) is not None), None)
    if above is not None and not above.is_dir():
        raise SettingsError(f"{above} is no folder", expected="a folder to write into", do="Choose another place")
    kind = _kind(path)
    if kind == "a link":
        kind = _kind(Path(os.path.realpath(path)))
    if kind not in (None, "a file"):
        raise SettingsError(f"{path} is {kind}", expected="a new file, or one that may be replaced", do="Choose another place")


def _kind(path: Path) -> str | None:
    """What lies at a path, looked at and never opened; None where nothing does."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise SettingsError(
            f"a name of {len(os.fsencode(path.name))} bytes ({path.name[:20]}…)",
            expected=f"at most {LONGEST_NAME}, which is what disks hold",
            do="Choose a shorter name",
        ) from None
    return next((name for is_kind, name in _KINDS if is_kind(mode)), "a device")


def temporary_place(variable: str) -> Path:
    """The user's own part of the folder for temporary files, or the folder that an environment variable names."""
    named = os.environ.get(variable)
    return Path(named) if named else Path(tempfile.gettempdir()) / f"groundline-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


@contextmanager
def replacing(path: str | os.PathLike, *, suffix: str | None = None, part_of: Path | None = None) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it takes `path`'s place, on any error it is deleted.

    `suffix` sets the ending of the temporary name for writers that look at it; the ending of `path` otherwise. A file that belongs to
    another one, `part_of`, bears that one's name until it is whole: who claims that one clears up after a kill.
    Raises SettingsError, before any work and again before anything is replaced, when a folder, pipe or device lies there.
    """
    path = Path(path)
    refuse_no_file(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(part_of or path, suffix if suffix is not None else "".join(path.suffixes[-2:]))
    try:
        yield temporary
        refuse_no_file(path)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Give an empty temporary folder beside `path`; on success it takes `path`'s place, on any error it is deleted.

    An older folder at `path` is kept until the new one is complete. Raises SettingsError, before any work and again
    before anything is replaced, when something other than a folder lies there.
    """
    path = Path(path)
    _refuse_what_is_no_folder(path)
    with folder_beside(path) as temporary:
        yield temporary
        put_in_place(temporary, path)


@contextmanager
def folder_beside(path: str | os.PathLike) -> Iterator[Path]:
    """Give an empty folder beside `path`, on the same disk, to make things in; it is deleted at the end."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def put_in_place(new: Path, path: Path) -> None:
    """Rename the folder `new` to `path`. An older folder there is deleted afterwards, and comes back when the renaming fails.

    Where the system can, the two are swapped in one step, so that one of them is there at every moment.
    Raises SettingsError when something other than a folder lies there.
    """
    _refuse_what_is_no_folder(path)
    if not path.exists():
        os.replace(new, path)
        return
    old = _temporary(path, OLD)
    if _swap(new, path):
        os.replace(new, old)
    else:
        os.replace(path, old)
        try:
            os.replace(new, path)
        except OSError:
            os.replace(old, path)
            raise
    shutil.rmtree(old, ignore_errors=True)


def _swap(one: Path, other: Path) -> bool:
    """Whether the system and its disk could make two paths change places at once."""
    try:
        if sys.platform == "linux":
            return ctypes.CDLL(None).renameat2(_HERE, os.fsencode(one.absolute()), _HERE, os.fsencode(other.absolute()), _EXCHANGE) == 0
        if sys.platform == "darwin":
            return ctypes.CDLL(None).renamex_np(os.fsencode(one.absolute()), os.fsencode(other.absolute()), _EXCHANGE) == 0
    except (AttributeError, OSError):  # a C library without the call
        pass
    return False


def is_name(name: str) -> bool:
    """Whether disks hold a file of that name: it is not too long, and no half of a character."""
    try:
        return len(os.fsencode(name)) <= LONGEST_NAME
    except UnicodeEncodeError:
        return False


def hidden_beside(path: Path, ending: str) -> Path:
    """The path of something of ours beside `path`, called after it; a name too long for most disks ends in its digest instead."""
    name = f".{path.name}{ending}"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f".{path.name[:40]}~{digest_of(path.name)[:8]}{ending}"
    return path.with_name(name)


def _temporary(path: Path, ending: str = "") -> Path:
    number = f".groundline-{uuid.uuid4().hex[:12]}{ending}"
    # What is made for something temporary bears its name too: who clears up after that one finds both.
    return hidden_beside(path.with_name(path.name[1:]) if _TEMPORARY.fullmatch(path.name) else path, number)


def leftovers(path: Path) -> list[Path]:
    """What runs that were killed left of `path` beside it and, where it is a folder, in it and in its folders.

    Only for who holds the claim on `path`: what another run is writing looks the same.
    """
    start = hidden_beside(path, ".").name
    found = [item for item in _listed(path.parent) if item.name.startswith(f"{start}groundline-") and _TEMPORARY.fullmatch(item.name)]
    for folder in (path, unfinished_place(path)):
        inside = _listed(folder)
        inside += [item for each in inside if each.is_dir() and not each.is_symlink() for item in _listed(each)]
        found += [item for item in inside if _TEMPORARY.fullmatch(item.name)]
    return found


def clear_up(path: Path) -> None:
    """Delete the `leftovers` of `path`; an older result that a killed run had moved aside comes back first."""
    found = leftovers(path)
    older = [item for item in found if item.name.endswith(OLD) and item.is_dir() and item.parent == path.parent]
    if older and not os.path.lexists(path):
        os.replace(max(older, key=lambda item: item.stat().st_mtime), path)
    for item in found:
        delete(item)


def delete(path: Path) -> None:
    """Delete a file or folder as far as it can be deleted."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def take_room(path: Path) -> None:
    """Take all the room on the disk that a file of zeros says it has: the system kills who writes to a map that finds none later."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


@dataclass(frozen=True)
class Unfinished:
    """Work in a folder beside the one that it will become; the older result is kept until then.

    `place` is where to work, `state` what an interrupted run with the same key remembered last, None when work starts anew.
    """

    folder: Path
    place: Path
    key: str
    state: dict[str, Any] | None

    def remember(self, **state: Any) -> None:
        """Write how far the work is: what the next run with the same key finds in `state`."""
        write_json(self.place / _STATE_FILE, {"key": self.key, **state})

    def finish(self, *, without: Sequence[str] = ()) -> None:
        """Delete the state and the files named in `without`, and put the rest in the folder's place."""
        for name in (_STATE_FILE, *without):
            (self.place / name).unlink(missing_ok=True)
        put_in_place(self.place, self.folder)

    def drop(self) -> None:
        """Delete the work."""
        shutil.rmtree(self.place, ignore_errors=True)


def unfinished(folder: Path, key: str) -> Unfinished:
    """The unfinished work for `folder`: that of an interrupted run with the same `key`, or an empty place to start in."""
    place = unfinished_place(folder)
    try:
        state = dict(read_json(place / _STATE_FILE))
    except (OSError, ValueError):
        state = {}
    if state.pop("key", None) == key:
        return Unfinished(folder, place, key, state)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return Unfinished(folder, place, key, None)


def unfinished_place(folder: str | os.PathLike) -> Path:
    """Where the work for `folder` lies until the folder appears."""
    return hidden_beside(Path(folder), _PARTIAL)


def write_json(path: str | os.PathLike, value: Any) -> Path:
    """Write `value` as UTF-8 JSON in one step; NumPy values become numbers and lists, NaN and infinity become null."""
    path = Path(path)
    with replacing(path) as temporary:
        temporary.write_text(dump_json(value, indent=2) + "\n", encoding="utf-8")
    return path


def read_json(path: str | os.PathLike) -> Any:
    """Read a JSON file written as UTF-8. Raises OSError and ValueError, the latter also for lists nested without end."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def dump_json(value: Any, *, indent: int | None = None) -> str:
    """Text of `value` as strict JSON: NumPy values become numbers and lists, NaN and infinity become null."""
    return json.dumps(_plain(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # NumPy's arrays and numbers, without loading it where there are none
        return _plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value
