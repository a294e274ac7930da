"""Rows that benchmarks leave, and records of them: what ran where, beside what else the machine did.

A benchmark tells its figures by `keep`; they go nowhere unless `bench/all.py` runs it, which gathers the rows of a part into a
JSON record in bench/records/.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FOLDER = Path(__file__).with_name("records")
ROWS_FILE = "GROUNDLINE_BENCH_ROWS"
"""Environment variable: the file that rows are added to, one JSON object on a line."""
BUSY = 0.1
"""From this share of the machine's cores in others' hands on a record says that it was busy."""
FOR_EACH = ("numpy", "numba", "rasterio", "shapely", "openvino", "tensorflow", "keras")
"""What nearly every figure rests on; a part names its peers besides."""


@dataclass(frozen=True)
class Row:
    """One figure of ours, beside the same of a peer where there is one; without either, `note` says why it is not there."""

    what: str
    unit: str = ""
    ours: float | None = None
    against: str = ""
    theirs: float | None = None
    note: str = ""
    key: str = ""
    """A word by which the README's table asks for rows."""

    @property
    def ratio(self) -> float | None:
        """How many times as much the peer takes; nothing for scores, where more is better."""
        return self.theirs / self.ours if self.ours and self.theirs is not None and self.unit not in SCORES else None


SCORES = ("mean IoU",)


@dataclass(frozen=True)
class Record:
    """What one part of the benchmark found."""

    part: str
    date: str
    seconds: float
    busy: float
    """Share of the machine's cores that other programs used meanwhile."""
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    rows: tuple[Row, ...] = field(default=())

    def save(self, folder: Path = FOLDER) -> None:
        """Write it as JSON."""
        folder.mkdir(exist_ok=True)
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        (folder / f"{self.part}.json").write_text(f"{text}\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> Record:
        """Read it again."""
        told = json.loads(path.read_text(encoding="utf-8"))
        return Record(**{**told, "rows": tuple(Row(**row) for row in told["rows"])})


def keep(what: str, unit: str = "", ours: float | None = None, against: str = "", theirs: float | None = None, **named: str) -> None:
    """Leave a row for the record, where one is made."""
    path = os.environ.get(ROWS_FILE)
    if not path:
        return
    digits = Row(what, unit, *(None if value is None else float(f"{value:.4g}") for value in (ours,)), against=against, **named)
    row = asdict(digits) | {"theirs": None if theirs is None else float(f"{theirs:.4g}")}
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"{json.dumps(row, ensure_ascii=False)}\n")


def kept(path: Path) -> list[Row]:
    """The rows of a file that `keep` wrote."""
    return [Row(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Versions of packages of this environment, with GDAL's own where rasterio is one of them."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    if "rasterio" in found and found["rasterio"] != "not installed":
        import rasterio

        found["GDAL in rasterio"] = rasterio.__gdal_version__
    return found


def machine() -> dict[str, str]:
    """Cores, processor, memory and Python of this machine; nothing that tells whose it is."""
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": str(cores),
        "processor": processor_name(),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": platform.system(),
        "Python": ".".join(map(str, sys.version_info[:3])),
    }


def processor_name() -> str:
    """The processor as its maker names it, where the system tells."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
