"""Work that is stopped before each of its file operations in turn, and done again: does a kill at a bad moment lose or spoil anything?

    python -m tests.torture.stopping                 every case, every moment
    python -m tests.torture.stopping prepare --most 40
    python -m tests.torture.stopping --kills 50      every case, killed at 50 random times instead

A case is done once without interruption; that gives the result that is right and the number of its file operations (opening for
writing, renaming, deleting, making a folder). Then, from the same beginning, a process is ended by the operating system's own call
before the nth of them, and, where that opens a file for writing, once more with the file opened and nothing in it. After each:

- the outputs are those of before, or the new ones, each file whole;
- the same work, done again, ends well and gives the right result;
- nothing else lies there afterwards.

With `--kills` the system kills the process after a random part of the time that the work takes, wherever it is then: in the middle of an
epoch, of a file that GDAL or SQLite writes, or of cleaning up.

Processes are forked off one that has imported everything and done nothing, so that a trial costs no start of Python.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from core.__main__ import PLACE_ERRORS
from core.errors import GroundlineError
from tests.torture.cases import CASES, Case

KILLED, REFUSED = 137, 2
_EVENTS = "tensorboard"
_CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_VOLATILE = {"windows", "seam_score", "seconds", "model_seconds", "peak_memory_mib", "patches_per_s", "date", "time", "network.xml"}
_VOLATILE_MEMBERS = ("metadata.json", "config.json", "about.npy")
# Times; and OpenVINO numbers what it made in memory, so that one network's files differ in some names (and its digest, above).
_TIMES = re.compile(
    rb"(?<=\bConstant_)\d+|(?<=\bConvert_)\d+"
    rb"|seconds: [\d.]+|\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?|[\d.,]+ (s|min|h|seconds|minutes)\b"
)


@dataclass
class Outcome:
    """What became of the trials of a case: `faults` are sentences, one for each that went wrong."""

    name: str
    operations: int = 0
    trials: int = 0
    faults: list[str] = field(default_factory=list)


class Stopper:
    """Counts file operations below a folder as the interpreter announces them, and ends the process before one of them."""

    def __init__(self, root: Path, at: int = 0, *, emptied: bool = False):
        self.root, self.at, self.emptied = f"{root}{os.sep}", at, emptied
        self.count, self.opened = 0, []

    def __call__(self, event: str, args: tuple) -> None:
        """The audit hook."""
        if event == "open":
            if not args[2] & _WRITING or not self._below(args[0]):
                return
        elif event in _CHANGES:
            # What is deleted by its name in an open folder (shutil.rmtree does that) is ours: nothing else is deleted in a trial.
            if not self._below(args[0]) and not (event in ("os.remove", "os.rmdir") and args[-1] not in (-1, None)):
                return
        else:
            return
        self.count += 1
        if event == "open" and args[2] & os.O_TRUNC:
            self.opened.append(self.count)
        if self.count == self.at:
            if self.emptied:
                self.at = 0
                os.close(os.open(args[0], os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
            os._exit(KILLED)

    def _below(self, path: Any) -> bool:
        return isinstance(path, (str, bytes, os.PathLike)) and os.path.abspath(os.fsdecode(path)).startswith(self.root)


def stop_everywhere(
    case: Case, *, most: int | None = None, kills: int = 0, seed: int = 0, say: Callable[[str], None] = lambda text: None
) -> Outcome:
    """Try a case before every file operation, or before `most` of them, evenly spread; or kill it at random times, `kills` of them."""
    outcome = Outcome(case.name)
    with tempfile.TemporaryDirectory(prefix="groundline-torture-") as folder:
        begin, place = Path(folder) / "begin", Path(folder) / "place"
        begin.mkdir()
        _must(_forked(case.begin, place, made_from=begin), f"{case.name}: the beginning cannot be made")
        shutil.copytree(place, begin, dirs_exist_ok=True)
        older = {name: snapshot(place / name) for name in case.outputs}
        counted = multiprocessing.get_context("fork").SimpleQueue()
        began = time.monotonic()
        _must(_forked(case.work, place, Stopper(place), counted), f"{case.name}: the work itself fails")
        seconds = time.monotonic() - began
        outcome.operations, opened = counted.get()
        right = {name: snapshot(place / name) for name in case.outputs}
        names = _names(place)
        if kills:
            dice = random.Random(f"{seed} {case.name}")
            ends = [End(after_s=dice.uniform(0, seconds)) for _ in range(kills)]
        else:
            ends = [End(at) for at in range(1, outcome.operations + 1)] + [End(at, emptied=True) for at in opened]
            ends.sort(key=lambda end: (end.at, end.emptied))
            if most is not None and len(ends) > most:
                ends = [ends[round(k * (len(ends) - 1) / (most - 1))] for k in range(most)]
        for end in ends:
            fault = _trial(case, begin, place, end, older, right, names)
            outcome.trials += 1
            if fault:
                outcome.faults.append(f"{case.name}, {end.words(outcome.operations, seconds)}: {fault}")
                say(outcome.faults[-1])
            if outcome.trials % 10 == 0:
                say(f"{case.name}: {outcome.trials} of {len(ends)} so far, {len(outcome.faults)} lost or wrong")
    return outcome


@dataclass(frozen=True)
class End:
    """When a process ends: before its `at`-th file operation, with that file `emptied`, or after some seconds."""

    at: int = 0
    emptied: bool = False
    after_s: float | None = None

    def words(self, operations: int, seconds: float) -> str:
        """The moment, for a sentence."""
        if self.after_s is not None:
            return f"killed after {self.after_s:.2f} of {seconds:.2f} s"
        return f"operation {self.at} of {operations}{' (file left empty)' if self.emptied else ''}"


def _trial(case: Case, begin: Path, place: Path, end: End, older: dict, right: dict, names: set[str]) -> str:
    shutil.rmtree(place)
    shutil.copytree(begin, place)
    stopper = None if end.after_s is not None else Stopper(place, end.at, emptied=end.emptied)
    code = _forked(case.work, place, stopper, after_s=end.after_s)
    if code not in (KILLED, -signal.SIGKILL, 0):
        return f"it ended with {code} by itself"
    for name in case.outputs:
        found = snapshot(place / name)
        if found not in (older[name], right[name]) and not case.in_place:
            return f"{name} is neither the older result nor the new one: {_difference(found, right[name])}"
    code = _forked(case.again or case.work, place)
    if code:
        return f"done again, it ends with {code}"
    for name in case.outputs:
        if (found := snapshot(place / name)) != right[name]:
            return f"done again, {name} is not what it should be: {_difference(found, right[name])}"
    if more := sorted(_names(place) - names):
        return f"left behind: {', '.join(more[:5])}"
    return ""


def _forked(
    work: Callable[[Path], None],
    place: Path,
    stopper: Stopper | None = None,
    counted: Any = None,
    made_from: Path | None = None,
    after_s: float | None = None,
    limit: Callable[[], None] | None = None,
) -> int:
    """Exit code of `work(place)` in a process of its own, which is killed after `after_s`; 2 where it is refused in one line."""

    def child() -> None:
        if made_from is not None:
            place.mkdir()
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            if not os.environ.get("TORTURE_TALKS"):
                os.dup2(nowhere.fileno(), 2)
        if stopper is not None:
            sys.addaudithook(stopper)
        if limit is not None:
            limit()
        try:
            work(place)
        except GroundlineError:
            os._exit(REFUSED)
        except MemoryError:
            os._exit(REFUSED)
        except OSError as error:
            if error.errno not in PLACE_ERRORS:
                raise
            os._exit(REFUSED)
        if counted is not None:
            counted.put((stopper.count, stopper.opened))

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(after_s)
    process.kill()  # nothing, where it has ended
    process.join()
    return process.exitcode or 0


def _must(code: int, sentence: str) -> None:
    if code:
        raise RuntimeError(f"{sentence} (exit code {code}; TORTURE_TALKS=1 shows why)")


def _names(place: Path) -> set[str]:
    # TensorBoard's files are one more for each process that went on, which it shows as one.
    # A lock that nobody holds is taken and deleted by the next run, where there is one.
    kept = (path for path in place.rglob("*") if _EVENTS not in path.parts and path.suffix != ".lock")
    return {path.relative_to(place).as_posix() for path in kept}


def snapshot(path: Path) -> Any:
    """What a file or folder holds, without times: two that are equal hold the same."""
    if path.is_dir():
        return {item.name: snapshot(item) for item in sorted(path.iterdir()) if item.name != _EVENTS}
    if not path.exists():
        return None
    content = path.read_bytes()
    if path.suffix in (".json", ".jsonl", ".geojson"):
        try:
            return [_steady(json.loads(line)) for line in (content.splitlines() if path.suffix == ".jsonl" else [content])]
        except ValueError:
            return f"broken: {content[:40]!r}"
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            # Dates, times, and numbers of objects in memory.
            return {item.filename: item.CRC for item in archive.infolist() if item.filename not in _VOLATILE_MEMBERS}
    if content.startswith(b"SQLite format 3"):
        with closing(sqlite3.connect(path)) as data:
            content = "\n".join(data.iterdump()).encode()
    return hashlib.sha256(_TIMES.sub(b"", content)).hexdigest()


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _steady(item) for key, item in value.items() if key not in _VOLATILE}
    return [_steady(item) for item in value] if isinstance(value, list) else value


def _difference(found: Any, right: Any, where: str = "") -> str:
    """The first place where two snapshots differ."""
    if isinstance(found, dict) and isinstance(right, dict):
        for key in {**found, **right}:
            if found.get(key) != right.get(key):
                return _difference(found.get(key), right.get(key), f"{where}/{key}")
    return f"{where or 'it'} is {str(found)[:80]} instead of {str(right)[:80]}"


def main() -> int:
    """Try the cases that were named, or all, and print what became of them."""
    parser = argparse.ArgumentParser(description="Work stopped before each of its file operations.")
    parser.add_argument("names", nargs="*", help=f"among {', '.join(CASES)}; all by default")
    parser.add_argument("--most", type=int, help="at most so many moments of each case")
    parser.add_argument("--kills", type=int, default=0, help="kill each case at so many random times instead")
    parser.add_argument("--seed", type=int, default=0, help="for the random times")
    asked = parser.parse_args()
    chosen = [CASES[name] for name in asked.names or CASES]
    for case in chosen:
        case.load()
    outcomes = []
    for case in chosen:
        outcomes.append(stop_everywhere(case, most=asked.most, kills=asked.kills, seed=asked.seed, say=partial(print, flush=True)))
        one = outcomes[-1]
        how = "killed" if asked.kills else f"{one.operations} file operations, stopped"
        print(f"{one.name}: {how} {one.trials} times, {len(one.faults)} lost or wrong", flush=True)
    total = Counter({"trials": sum(one.trials for one in outcomes), "faults": sum(len(one.faults) for one in outcomes)})
    print(f"{total['trials']} kills, {total['faults']} lost or wrong")
    return 1 if total["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
