"""All benchmarks, each beside its peers in one run, and the documents that are made of them.

    python bench/all.py [--only PART[,PART...]] [--from-records] [--list]

Each part leaves its rows as bench/records/PART.json; docs/BENCHMARKS.md, docs/accuracy.svg and the README's table are then made
of all records that are there. A command that fails, or a peer that cannot be installed, is a row that says so. It takes about a quarter of
an hour on two quiet cores; `--from-records` runs nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import accuracy, peers  # noqa: E402
from bench.document import DOCUMENT, README, Headline, Part, document, readme_table, with_table  # noqa: E402
from bench.records import FOLDER, FOR_EACH, ROWS_FILE, Record, Row, kept, machine, versions_of  # noqa: E402

PATIENCE_S = 1800
PARTS = (
    Part(
        "prepare",
        "Preparing",
        (("prepare.py", "--patchify", "60"),),
        ("patchify", "pillow"),
        note="Peaks of a whole process; the search for the same ground is left out, see below.",
    ),
    Part("feeding", "The input pipeline of training", (("training.py", "pipeline"), ("training.py", "feeding"))),
    Part("epoch", "An epoch of training", (("training.py", "epoch", "--repeats", "2"),), note="Ours validates, and writes all its files."),
    Part("beyond", "Prediction beyond the network", (("predict.py", "beyond"),)),
    Part("engines", "Engines", (("predict.py", "speed"),)),
    Part(
        "tilings",
        "Going over a scene",
        (("predict.py", "whole-scene", "tilings"),),
        note="Ours writes probabilities, confidence and margin; Deepness keeps labels alone, and does not blend.",
    ),
    Part("estimates", "Estimates and memory", (("predict.py", "estimate", "memory"),)),
    Part(
        "vectorize",
        "From labels to polygons",
        (("vectorize.py", "--repeat", "1", "--others", "--files"),),
        ("geopandas", "pyogrio"),
        ("xarray-spatial", "gdal", "geofileops"),
        note="Ours counts attributes and a check of the coverage in. Polygons that are simplified one by one leave gaps and overlaps.",
    ),
    Part(
        "export",
        "Writing layers",
        (("export.py",),),
        ("geopandas", "pyogrio", "pyarrow"),
        note="Ours reads each file again and compares fields, values and places; `read again` is GeoPandas with a reading of its file.",
    ),
    Part(
        "labelling",
        "Labelling",
        (("labelling.py", "--only", "usual", "--seeds", "2", "--strokes", "3,8"),),
        ("scikit-image", "scikit-learn"),
    ),
    Part("scaling", "From one worker to two", (("scaling.py", "--only", "speedup", "--size", "6144", "--repeat", "1"),), ("distributed",)),
    Part(
        "region",
        "A region with kills",
        (("region.py", "--sizes", "2048,4096", "--kills", "5"),),
        note="Small sizes; [SCALING.md](SCALING.md) tells of larger ones. All starts hold Python's own, once for each kill.",
    ),
    Part("accuracy", "Accuracy for each processor second", (("accuracy.py",),)),
    Part(
        "start",
        "Starting",
        (("start.py",),),
        note="Without boto3, which only tests need. Kernels are compiled while the first page is read.",
    ),
    Part("open", "Opening", (("open.py",),)),
    Part("same-ground", "Finding the same ground", (("same_ground.py", "--rounds", "5"),)),
    Part("dashboard", "The dashboard, in Chromium", (("dashboard.py",),), ("streamlit", "playwright")),
    Part("handover", "The folder to hand over", (("handover.py", "--polygons", "20000"),)),
)
APART = (
    ("certify.py", "needs the Dubai set, and a model that has not seen the tiles"),
    ("dubai.py", "trains for hours; its scores are kept in `bench/dubai_scores.json` and told in [ACCURACY.md](ACCURACY.md)"),
    ("load.py", "ten minutes of many people at one dashboard"),
    ("networks.py", "half an hour; tells whether each network can learn, not how fast"),
    ("train_models.py", "trains a shipped model for hours"),
    ("tutorials.py", "compares labels, not times; told in [ACCURACY.md](ACCURACY.md)"),
)
"""Commands of bench/ that are not run here, and why."""
NO_COMMANDS = {"__init__.py", "all.py", "document.py", "keras_example.py", "peers.py", "records.py"}
HEADLINES = (
    Headline(
        "prepare", "peak_mib", "memory of preparing 60 images, against patchify in memory", "{span} times less", "prepare.py --patchify 60"
    ),
    Headline("engines", "fast", "the int8 engine, against `model.predict`", "{span} times less time", "predict.py speed"),
    Headline(
        "tilings", "Vooban", "blending with 8 symmetries, against Vooban's algorithm", "{span} times less time", "predict.py whole-scene"
    ),
    Headline(
        "estimates", "peak", "peak memory of predicting up to 20,000 x 20,000 pixels", "{span} MiB", "predict.py memory", of_ours=True
    ),
    Headline(
        "vectorize", "usual", "labels to polygons without gaps, against the usual way", "{span} times less time", "vectorize.py --repeat 1"
    ),
)


def main() -> int:
    """Run what is asked for and write the documents; 1 when a command failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help=f"parts, with commas: {', '.join(part.name for part in PARTS)}")
    parser.add_argument("--from-records", action="store_true", help="run nothing")
    parser.add_argument("--list", action="store_true", help="print the parts and what each took last")
    asked = parser.parse_args()
    names = asked.only.split(",") if asked.only else [part.name for part in PARTS]
    if unknown := set(names) - {part.name for part in PARTS}:
        parser.error(f"no part {', '.join(sorted(unknown))}; --list shows all")
    if asked.list:
        took = {record.part: f"{record.seconds:4.0f} s on {record.date}" for record in records()}
        print("\n".join(f"{part.name:12} {took.get(part.name, 'not run yet')}" for part in PARTS))
        return 0
    failed = False
    for part in PARTS:
        if part.name in names and not asked.from_records:
            record = run(part)
            record.save()
            failed |= any(row.ours is None for row in record.rows)
            print(f"== {part.name}: {record.seconds:.0f} s, others used {record.busy:.0%} of the cores", flush=True)
    for path, text in documents(records()).items():
        path.write_text(text, encoding="utf-8")
    return int(failed)


def records() -> list[Record]:
    """The records that are there, in the order of the parts."""
    paths = (FOLDER / f"{part.name}.json" for part in PARTS)
    return [Record.load(path) for path in paths if path.exists()]


def documents(found: list[Record]) -> dict[Path, str]:
    """What is made of records: the text of each file."""
    scores = json.loads(accuracy.SCORES.read_text(encoding="utf-8"))
    empty = Record("accuracy", "", 0, 0, {}, {})
    return {
        DOCUMENT: document(PARTS, APART, found, accuracy.PICTURE.name),
        accuracy.PICTURE: accuracy.draw(next((one for one in found if one.part == "accuracy"), empty), scores),
        README: with_table(README.read_text(encoding="utf-8"), readme_table(accuracy.headlines(scores), HEADLINES, found)),
    }


def run(part: Part) -> Record:
    """Run a part's commands, and gather what they kept; a command that fails is a row that says how."""
    print(f"== {part.title}", flush=True)
    versions = {**versions_of((*FOR_EACH, *part.packages)), **dict(split_version(peers.version_of(name), name) for name in part.peers)}
    print(", ".join(f"{name} {number}" for name, number in versions.items()), flush=True)
    rows: list[Row] = []
    begun, used_before, own_before = time.monotonic(), machine_seconds(), own_seconds()
    with tempfile.TemporaryDirectory(prefix="groundline-bench-") as folder:
        for number, words in enumerate(part.commands):
            told = Path(folder) / f"{number}.jsonl"
            reason = failure([sys.executable, str(ROOT / "bench" / words[0]), *words[1:]], told)
            rows += kept(told)
            if reason:
                print(f"failed: {reason}", flush=True)
                rows.append(Row(f"`{' '.join(words)}`", note=reason))
    seconds = time.monotonic() - begun
    others = machine_seconds() - used_before - (own_seconds() - own_before)
    share = min(1.0, max(0.0, others / (seconds * (os.cpu_count() or 1))))
    return Record(part.name, date.today().isoformat(), round(seconds, 1), round(share, 2), machine(), versions, tuple(rows))


def failure(command: list[str], told: Path) -> str:
    """Run a command, whose rows go into a file, and show what it prints; why it failed, or nothing."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
        try:
            done = subprocess.run(command, cwd=ROOT, env={**os.environ, ROWS_FILE: str(told)}, stderr=errors, timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            return f"not done after {PATIENCE_S / 60:.0f} minutes"
        errors.seek(0)
        lines = [line.strip() for line in errors.read().splitlines() if re.search(r"\w", line)]
    told = next((line for line in reversed(lines) if "Error" in line), lines[-1] if lines else "nothing said")
    return "" if done.returncode == 0 else f"ended with {done.returncode}: {told}"


def split_version(told: str, name: str) -> tuple[str, str]:
    """Name and version of a peer out of what `peers.version_of` tells."""
    return (name, "not installed") if told.startswith("not installed") else tuple(told.split(" ", 1))


def own_seconds() -> float:
    """Processor seconds of this process and of all that it ran to their ends."""
    told = os.times()
    return told.user + told.system + told.children_user + told.children_system


def machine_seconds() -> float:
    """Processor seconds that this machine has spent in all."""
    import psutil

    told = psutil.cpu_times()
    return told.user + told.system + getattr(told, "nice", 0.0)


if __name__ == "__main__":
    sys.exit(main())
