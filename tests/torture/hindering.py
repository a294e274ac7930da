"""Work that the machine or somebody else gets in the way of: it is refused in one line, spoils nothing, and ends well when done again.

    python -m tests.torture.hindering                every case, every hindrance
    python -m tests.torture.hindering predict

Files that may not grow, a disk that is full (where this user may mount one), too little memory, sources that are moved away at a
random moment, and the same work begun twice at once.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from core.files import delete
from tests.torture import cases
from tests.torture.cases import CASES, Case
from tests.torture.stopping import REFUSED, _forked, _must, _names, snapshot

_FILE_BYTES = (0, 300, 3_000, 30_000)
_DISK_SHARES = (0.05, 0.4, 0.8)
_MORE_MEMORY = (32 << 20, 128 << 20, 512 << 20)
_AWAY = 5


class Trials:
    """A case, done once without hindrance, and again and again with some: `counts` by hindrance and what became of it."""

    def __init__(self, case: Case, folder: Path):
        self.case, self.begin, self.place = case, folder / "begin", folder / "place"
        self.counts: Counter = Counter()
        self.faults: list[str] = []
        self.begin.mkdir()
        _must(_forked(case.begin, self.place, made_from=self.begin), f"{case.name}: the beginning cannot be made")
        shutil.copytree(self.place, self.begin, dirs_exist_ok=True)
        self.older = self._outputs()
        told = multiprocessing.get_context("fork").SimpleQueue()

        def counted(place: Path) -> None:
            heard: list[str] = []
            cases.LISTENERS.append(lambda done, total, message: heard.append(message))
            case.work(place)
            told.put(len(heard))

        _must(_forked(counted, self.place), f"{case.name}: the work itself fails")
        self.moments = max(1, told.get())
        self.right, self.names = self._outputs(), _names(self.place)
        self.needed = sum(self._new_bytes(file) for name in case.outputs for file in [self.place / name, *(self.place / name).rglob("*")])

    def _outputs(self) -> dict:
        return {name: snapshot(self.place / name) for name in self.case.outputs}

    def _new_bytes(self, file: Path) -> int:
        """How much of a file was not there in the beginning: all of it, or nothing."""
        before = self.begin / file.relative_to(self.place)
        old = file.is_dir() or (before.is_file() and before.read_bytes() == file.read_bytes())
        return 0 if old else file.stat().st_size

    def fresh(self) -> None:
        """Put everything back to the beginning."""
        for item in self.place.iterdir():
            shutil.rmtree(item) if item.is_dir() else item.unlink()
        shutil.copytree(self.begin, self.place, dirs_exist_ok=True)

    def judge(self, kind: str, code: int, *, may_die: bool = False) -> None:
        """Look at what a hindered process left, do the work again, and look at that."""
        outcome = {0: "done", REFUSED: "refused"}.get(code, "died")
        fault = ""
        if outcome == "died" and not may_die:
            fault = f"it ended with {code}, not with one line"
        if not fault and not self.case.in_place:
            wrong = [name for name, found in self._outputs().items() if found not in (self.older[name], self.right[name])]
            fault = f"{wrong[0]} is neither the older result nor the new one" if wrong else ""
        if not fault and outcome == "done" and self._outputs() != self.right:
            fault = "it says that it succeeded, with another result"
        if not fault:
            code = _forked(self.case.again or self.case.work, self.place)
            fault = f"done again, it ends with {code}" if code else ""
        if not fault and self._outputs() != self.right:
            fault = "done again, the result is another one"
        if not fault and (more := sorted(_names(self.place) - self.names)):
            fault = f"left behind: {', '.join(more[:5])}"
        self.counts[f"{kind}: {'lost or wrong' if fault else outcome}"] += 1
        if fault:
            self.faults.append(f"{self.case.name}, {kind}: {fault}")
            print(self.faults[-1], flush=True)

    def files_that_may_not_grow(self) -> None:
        """Each file has at most so many bytes."""
        for most in _FILE_BYTES:
            self.fresh()
            code = _forked(self.case.work, self.place, limit=lambda most=most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))
            self.judge("file-size limit", code)

    def full_disks(self) -> None:
        """The place is a disk of its own, with room for a share of the result."""
        for share in _DISK_SHARES:
            with self._disk(8 + round(share * self.needed / 1024)) as there:
                if not there:
                    self.counts["full disk: skipped, this user may not mount one"] += 1
                    return
                code = _forked(self.case.work, self.place)
                subprocess.run(["mount", "-o", "remount,size=1g", str(self.place)], check=True)
                self.judge("full disk", code)

    @contextlib.contextmanager
    def _disk(self, room_kib: int) -> Iterator[bool]:
        taken = sum(-(-path.stat().st_size // 4096) * 4 for path in self.begin.rglob("*") if path.is_file())
        mount = ["mount", "-t", "tmpfs", "-o", f"size={taken + room_kib}k", "groundline", str(self.place)]
        if subprocess.run(mount, capture_output=True).returncode:
            yield False
            return
        try:
            shutil.copytree(self.begin, self.place, dirs_exist_ok=True)
            yield True
        finally:
            subprocess.run(["umount", str(self.place)], check=True)

    def little_memory(self) -> None:
        """The process may take so much more than it has when it begins. Libraries may end it; nothing may be spoilt."""
        for more in _MORE_MEMORY:
            self.fresh()

            def limit(more=more) -> None:
                most = psutil.Process().memory_info().vms + more
                resource.setrlimit(resource.RLIMIT_AS, (most, most))

            self.judge("memory limit", _forked(self.case.work, self.place, limit=limit, after_s=120), may_die=True)

    def sources_that_go_away(self, seed: int) -> None:
        """What the work reads is moved away in the middle of it, and back before it is done again."""
        dice = random.Random(seed)
        for _ in range(_AWAY):
            self.fresh()
            at, heard = dice.randint(1, self.moments), []

            def go(done: int, total: int, message: str, at=at, heard=heard) -> None:
                heard.append(message)
                if len(heard) == at:
                    for name in self.case.sources:
                        (self.place / name).rename(self.place / f"{name}-away")

            def work(place: Path, go=go) -> None:
                cases.LISTENERS.append(go)
                self.case.work(place)

            code = _forked(work, self.place)
            for name in self.case.sources:
                if (self.place / f"{name}-away").exists():
                    delete(self.place / name)
                    (self.place / f"{name}-away").rename(self.place / name)
            self.judge("source moved away", code)

    def the_same_twice(self) -> None:
        """Two processes begin the same work at once: one at least does it, and the other says why it does not."""
        self.fresh()
        fork = multiprocessing.get_context("fork")
        first, second = fork.SimpleQueue(), fork.SimpleQueue()
        runs = [fork.Process(target=lambda heard=heard: heard.put(_forked(self.case.work, self.place))) for heard in (first, second)]
        for run in runs:
            run.start()
        codes = sorted((first.get(), second.get()))
        for run in runs:
            run.join()
        self.judge("begun twice", codes[-1] if codes[0] == 0 else 1)


def main() -> int:
    """Try the cases that were named, or all, and print what became of them."""
    parser = argparse.ArgumentParser(description="Work that something gets in the way of.")
    parser.add_argument("names", nargs="*", help=f"among {', '.join(CASES)}; all by default")
    parser.add_argument("--seed", type=int, default=0, help="for the moments at which sources go away")
    asked = parser.parse_args()
    chosen = [CASES[name] for name in asked.names or CASES]
    for case in chosen:
        case.load()
    faults = 0
    for case in chosen:
        with tempfile.TemporaryDirectory(prefix="groundline-torture-") as folder:
            trials = Trials(case, Path(folder))
            hindrances: tuple[Callable[[], None], ...] = (
                trials.files_that_may_not_grow,
                trials.full_disks,
                trials.little_memory,
                lambda trials=trials: trials.sources_that_go_away(asked.seed),
                trials.the_same_twice,
            )
            for hindrance in hindrances:
                hindrance()
        faults += len(trials.faults)
        print(f"{case.name}: {'; '.join(f'{words} {count}' for words, count in sorted(trials.counts.items()))}", flush=True)
    print(f"{faults} lost or wrong")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
