"""One writer for each output, and nothing left of those that were killed."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.digests import digest_of
from core.errors import JobBusy
from core.files import clear_up, delete, hidden_beside, temporary_place

_LOCK = ".lock"
_TURN_S = 10.0
_SCRATCH_VARIABLE = "GROUNDLINE_SCRATCH"
"""Names the folder for what is only needed while a program runs, in place of the system's."""


@contextmanager
def claimed(path: str | os.PathLike) -> Iterator[None]:
    """Hold a file or folder as the output of this process alone, by a lock beside it that the system frees when the process dies.

    What a killed run left of it is deleted. Raises JobBusy where another run writes there.
    """
    from filelock import FileLock, Timeout  # brings asyncio along, which `--help` can do without

    place = Path(os.path.realpath(path))
    made = not place.parent.exists()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(hidden_beside(place, _LOCK))
        lock.acquire(timeout=0)
    except Timeout:
        raise JobBusy(
            f"{path} is being written by another run",
            expected="an output that nobody else writes",
            do="Wait until it has ended, stop it, or choose another place",
        ) from None
    except OSError:
        yield  # no lock can lie there, and no output either: who writes it says why
        return
    try:
        clear_up(place)
        yield
    finally:
        # Deleted while it is held: after the release it could be another run's.
        with contextlib.suppress(OSError):
            Path(lock.lock_file).unlink()
        lock.release()
        if made:
            with contextlib.suppress(OSError):
                place.parent.rmdir()  # nothing was written


@contextmanager
def in_turn(path: str | os.PathLike, *, foreign: bool = False) -> Iterator[None]:
    """Read, change and write a small file while nobody else does; others wait, at most 10 s each.

    In a `foreign` folder, as that of a data set is, no lock is left: it lies among the user's temporary files.
    Raises JobBusy where one holds it longer.
    """
    from filelock import FileLock, Timeout

    place = Path(path)
    if foreign:
        beside = temporary_place(_SCRATCH_VARIABLE) / "turns" / f"{digest_of(os.path.realpath(place))}{_LOCK}"
    else:
        beside = hidden_beside(place, _LOCK)
    beside.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(beside)
    try:
        lock.acquire(timeout=_TURN_S)
    except Timeout:
        raise JobBusy(f"{path} is held by another process", expected="a file that is free", do="Try again, or end that process") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def scratch() -> Iterator[Path]:
    """Give an empty folder for what is only needed for a while; it is deleted at the end, or by a later call after a kill."""
    from filelock import FileLock

    root = temporary_place(_SCRATCH_VARIABLE) / "scratch"
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    _sweep(root)
    lock = FileLock(root / f"{uuid.uuid4().hex[:12]}{_LOCK}")
    lock.acquire()
    folder = Path(lock.lock_file).with_suffix("")
    folder.mkdir()
    try:
        yield folder
    finally:
        delete(folder)
        delete(Path(lock.lock_file))
        lock.release()


def _sweep(root: Path) -> None:
    """Delete the folders whose lock nobody holds."""
    from filelock import FileLock, Timeout

    for path in root.glob(f"*{_LOCK}"):
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            continue
        delete(path.with_suffix(""))
        delete(path)
        lock.release()
