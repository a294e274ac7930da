"""What the command line answers, recorded so that it can be compared: exit codes, keys of `--json`, errors, and what can be typed.

Run `python tests/verbs/contract.py --root CHECKOUT --python PYTHON --out tests/verbs/contract.json` to record another checkout. Only
`core.__main__.main` and `python -m core` are used, so that the record holds however the code behind them is laid out.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VERBS = (
    "audit",
    "prepare",
    "train",
    "evaluate",
    "compare",
    "fetch",
    "predict",
    "predict-batch",
    "estimate",
    "quantise",
    "vectorize",
    "handover",
    "serve",
    "refine",
    "labels",
    "models",
    "import-model",
    "export-model",
    "demo",
)
SCENES = ("coast", "gardens", "villas")
"""Scenes of the sample town of which corners are taken; the last one is held out."""
SIDE_PX = 96


def record(root: Path = ROOT, python: str = sys.executable) -> dict[str, Any]:
    """{"cases": {case: what it answered}, "help": {verb: what can be typed}} of a checkout, found out in one process of its own."""
    with tempfile.TemporaryDirectory(prefix="groundline-contract-") as name:
        folder = Path(name).resolve()
        env = {
            **os.environ,
            "PYTHONPATH": str(root),
            "GROUNDLINE_WORKSPACE": str(folder / "workspace"),
            "COLUMNS": "200",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "SM_FRAMEWORK": "tf.keras",
            "CUDA_VISIBLE_DEVICES": "-1",
            "PYTHONUNBUFFERED": "1",
        }
        command = [python, str(Path(__file__).resolve()), "--inside", str(folder), "--root", str(root), "--out", str(folder / "found.json")]
        done = subprocess.run(command, cwd=root, env=env, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"the recording ended with {done.returncode}:\n{done.stderr[-4000:]}")
        return json.loads((folder / "found.json").read_text(encoding="utf-8"))


# ---- what is asked ----


def _cases(root: Path, folder: Path) -> Iterator[tuple[str, list[Any]]]:
    """(name, arguments) in order: what one case writes, the next ones read. Names that end in "(people)" are asked without `--json`.

    Between two cases the caller runs the first, so that code here may copy what it wrote.
    """
    data, work = folder / "data", folder / "work"
    patches, shuffled, model, honest = work / "patches", work / "random", work / "tiny", work / "honest"
    scene, image, nowhere = data / "images" / f"{SCENES[-1]}.tif", folder / "gone.tif", folder / "nowhere"
    (folder / "text.tif").write_text("not an image")
    (folder / "foreign").mkdir()
    (folder / "foreign" / "thesis.txt").write_text("years of work")
    (folder / "classes.txt.json").write_text("{")

    yield "audit", ["audit", data]
    yield "audit of chips", ["audit", root / "sample_data" / "chips12"]
    yield "audit with classes (people)", ["audit", data, "--classes", data / "classes.json"]
    yield "audit: nothing there", ["audit", folder / "gone"]
    yield "audit: no pairs", ["audit", folder / "foreign"]
    yield "audit: a class file cut off", ["audit", data, "--classes", folder / "classes.txt.json"]
    yield "audit: an unknown flag", ["audit", data, "--loud"]
    yield "audit: no data set", ["audit"]

    cut = ["--patch-size", 32, "--validation", 0.5, "--min-labelled", 0.0]
    yield "prepare", ["prepare", data, patches, *cut, "--hold-out", SCENES[-1], "--seed", 1]
    yield "prepare at random (people)", ["prepare", data, shuffled, *cut, "--split", "random", "--stride", 16, "--test", 0.2]
    yield (
        "prepare in blocks, scaled",
        ["prepare", data, work / "blocks", "--patch-size", 16, "--split", "block", "--scale", 0.5, "--bands", "3,1"],
    )
    yield "prepare, nothing said", ["prepare", data, work / "large"]
    yield "prepare: nothing there", ["prepare", folder / "gone", nowhere]
    yield "prepare: patches of 0", ["prepare", data, nowhere, "--patch-size", 0]
    yield "prepare: no such split", ["prepare", data, nowhere, "--split", "fair"]
    yield "prepare: no such group", ["prepare", data, nowhere, *cut, "--hold-out", "moon"]
    yield "prepare: a folder of other files", ["prepare", data, folder / "foreign", *cut]
    yield "prepare: no such band", ["prepare", data, nowhere, *cut, "--bands", "9"]

    tiny = ["--batch-size", 4, "--filters", "4,8", "--no-augment", "--loss", "cross_entropy", "--seed", 3]
    yield "train", ["train", patches, model, *tiny, "--epochs", 1]
    yield "train, resumed (people)", ["train", patches, model, *tiny, "--epochs", 2, "--resume"]
    yield "train on random patches", ["train", shuffled, honest, *tiny, "--epochs", 1, "--steps-per-epoch", 2]
    yield "train --rate-test", ["train", patches, nowhere, *tiny, "--rate-test"]
    search = ["--search", "--learning-rates", "0.001,0.003", "--batch-sizes", "4", "--search-epochs", 1]
    yield "train --search", ["train", patches, work / "search", *tiny, *search]
    yield "train: never prepared", ["train", data, nowhere]
    yield "train: no epochs", ["train", patches, nowhere, "--epochs", 0]
    yield "train: no such loss", ["train", patches, nowhere, "--loss", "magic"]
    yield "train: no such network", ["train", patches, nowhere, "--architecture", "magic"]
    yield "train: no such encoder", ["train", patches, nowhere, "--encoder", "magic"]
    yield "train: two instead of training", ["train", patches, nowhere, "--probe", "--search"]
    yield "train: weights that are nowhere", ["train", patches, nowhere, *tiny, "--weights", folder / "gone.h5"]
    yield "train: a strength of nothing", ["train", patches, nowhere, "--augmentation", "magic=1"]
    yield "train: a rate that is no number", ["train", patches, nowhere, "--search", "--learning-rates", "low"]

    plain = ["--engine", "tensorflow", "--overlap", 0.25, "--memory", "8GiB"]
    yield "evaluate", ["evaluate", model, data, "--scenes", "test", *plain]
    everything = ["--out", work / "first", "--report", work / "report.html", "--polygons", "Building"]
    yield "evaluate, all kept", ["evaluate", model, data, *everything, *plain]
    yield "evaluate and calibrate (people)", ["evaluate", model, data, "--scenes", "validation", "--store-temperature", *plain]
    yield (
        "evaluate random patches",
        ["evaluate", honest, data, "--scenes", "test", "--patches", shuffled, "--out", work / "optimistic", *plain],
    )
    yield "evaluate held-out scenes", ["evaluate", model, data, "--scenes", "test", "--out", work / "second", *plain]
    yield "evaluate: no such model", ["evaluate", "magic", data]
    yield "evaluate: no data set", ["evaluate", model, folder / "foreign", *plain]
    yield "evaluate: calibrate by all scenes", ["evaluate", model, data, "--store-temperature"]
    yield "evaluate: no such part", ["evaluate", model, data, "--scenes", "best"]
    yield "evaluate: no such class", ["evaluate", model, data, "--polygons", "Moon", *plain]

    shutil.copytree(work / "first", work / "again")
    yield "compare", ["compare", work / "first", work / "again", "--out", work / "maps"]
    yield "compare two parts (people)", ["compare", work / "optimistic", work / "second", "--optimistic"]
    yield "compare two parts", ["compare", work / "optimistic", work / "second", "--optimistic"]
    yield "compare: no evaluation", ["compare", work / "first", data]
    yield "compare: two that are alike, as if not", ["compare", work / "first", work / "again", "--optimistic"]

    yield "predict", ["predict", model, scene, work / "predicted", *plain]
    yield "predict a window (people)", ["predict", model, scene, work / "part", "--window", "10,20,40,33", "--symmetries", 8, *plain]
    yield "predict: no such model", ["predict", "magic", scene, nowhere]
    yield "predict: no such scene", ["predict", model, image, nowhere]
    yield "predict: no image", ["predict", model, folder / "text.tif", nowhere, *plain]
    yield "predict: a window of three numbers", ["predict", model, scene, nowhere, "--window", "1,2,3"]
    yield "predict: a window outside", ["predict", model, scene, nowhere, "--window", "1000,0,10,10", *plain]
    yield "predict: an overlap of 2", ["predict", model, scene, nowhere, "--overlap", 2]
    yield "predict: a memory of lots", ["predict", model, scene, nowhere, "--memory", "lots"]
    yield "predict: three symmetries", ["predict", model, scene, nowhere, "--symmetries", 3]
    yield "predict: a cluster", ["predict", model, scene, nowhere, "--cluster", "everywhere"]
    yield "predict: no int8 form", ["predict", model, scene, nowhere, "--engine", "fast"]
    yield "predict: a folder of other files", ["predict", model, scene, folder / "foreign", *plain]

    yield "predict-batch", ["predict-batch", model, data / "images", work / "batch", *plain]
    yield "predict-batch again (people)", ["predict-batch", model, data / "images", work / "batch", *plain]
    yield "predict-batch: no scenes", ["predict-batch", model, folder / "foreign", nowhere, *plain]
    yield "predict-batch: nothing there", ["predict-batch", model, folder / "gone", nowhere, *plain]

    yield "estimate", ["estimate", model, scene, *plain]
    yield "estimate (people)", ["estimate", model, scene, *plain, "--window", "0,0,64,64"]
    yield "estimate: no such scene", ["estimate", model, image]

    yield "vectorize", ["vectorize", work / "predicted", *(work / f"all{end}" for end in _PRODUCTS), "--min-area", 4]
    drawing = [
        "--threshold",
        0.1,
        "--min-area",
        "2m2",
        "--simplify",
        "0.5m",
        "--smooth",
        1,
        "--classes-only",
        "Building,Road",
        "--regularize",
        "Building",
        "--centre-lines",
        "Road",
        "--distance-to",
        "Road",
        "--method",
        "douglas-peucker",
        "--crs",
        "EPSG:4326",
    ]
    yield "vectorize a class raster", ["vectorize", work / "predicted" / "labels.tif", work / "raster.gpkg"]
    yield "vectorize a prediction, every flag", ["vectorize", work / "predicted", work / "flags.gpkg", *drawing, "--scene", scene]
    yield "vectorize (people)", ["vectorize", work / "predicted", work / "people.geojson", "--regularize", "auto", "--centre-lines", "auto"]
    yield "vectorize: nothing there", ["vectorize", folder / "gone", folder / "a.gpkg"]
    yield "vectorize: no prediction", ["vectorize", folder / "foreign", folder / "a.gpkg"]
    yield "vectorize: no such format", ["vectorize", work / "predicted", folder / "a.docx"]
    yield "vectorize: an area of some", ["vectorize", work / "predicted", folder / "a.gpkg", "--min-area", "some"]
    yield "vectorize: a sure 2", ["vectorize", work / "predicted", folder / "a.gpkg", "--threshold", 2]
    yield "vectorize: no such class", ["vectorize", work / "predicted", folder / "a.gpkg", "--classes-only", "Moon"]
    yield "vectorize: no such coordinates", ["vectorize", work / "predicted", folder / "a.gpkg", "--crs", "EPSG:1"]
    yield "vectorize: a file as a folder", ["vectorize", work / "predicted", folder / "text.tif" / "a.gpkg"]

    old = folder / "old.keras"
    shutil.copy(model / "model.keras", old)
    told = ["--classes", "a,b,c,d,e", "--bands", "1,2,3", "--divide-by", 128, "--pixel-size", 0.3, "--name", "Old one"]
    yield "import-model", ["import-model", old, folder / "workspace" / "models" / "old", *told]
    yield "import-model, nothing told (people)", ["import-model", old, work / "old"]
    yield "import-model: two bands", ["import-model", old, nowhere, "--bands", "1,2"]
    yield "import-model: nothing there", ["import-model", folder / "gone.h5", nowhere]
    yield "import-model: no network", ["import-model", folder / "text.tif", nowhere]

    yield "serve: nothing there", ["serve", folder / "gone"]
    yield "serve: no workspace", ["serve", folder / "foreign"]
    yield "serve: a port that is none", ["serve", folder / "workspace", "--port", 70000]
    yield "serve: no such host", ["serve", folder / "workspace", "--host", "no such machine"]

    yield "models", ["models"]
    yield "models (people)", ["models"]
    yield "models: one too many", ["models", "all"]

    yield "export-model to ONNX", ["export-model", model, work / "out.onnx"]
    yield "export-model to OpenVINO (people)", ["export-model", model, work / "openvino", "--format", "openvino"]
    yield "export-model: no such model", ["export-model", "magic", folder / "m.onnx"]
    yield "export-model: no such format", ["export-model", model, nowhere, "--format", "paper"]

    shutil.copytree(root / "models" / "sample-town", folder / "workspace" / "models" / "slow", ignore=shutil.ignore_patterns("model-int8"))
    yield "quantise", ["quantise", "slow", root / "sample_data" / "town" / "images" / "coast.tif"]
    yield "quantise: a scene of one patch", ["quantise", "slow", scene]
    yield "quantise: no such model", ["quantise", "magic", scene]
    yield "quantise: nothing there", ["quantise", "slow", folder / "gone"]

    yield "demo", ["demo", work / "demo", "--model", model, "--scene", scene]
    yield "demo: no such scene", ["demo", nowhere, "--scene", image]
    yield "demo: no such model", ["demo", nowhere, "--model", "magic"]

    # The probe measures in a process of its own what a batch takes, and comes last because it is the slowest.
    yield "train --probe", ["train", patches, nowhere, *tiny, "--probe"]

    yield "no such verb", ["dance"]
    yield "no verb", []
    yield "the version (people)", ["--version"]


_PRODUCTS = (".gpkg", ".geojson", ".shp", ".shp.zip", ".csv", ".kml", ".parquet", ".fgb", ".dxf", ".html", ".qml", ".report.html", ".png")

_OF_MANY_STEPS = ("train --rate-test", "train --probe")
"""Cases whose networks are traced. The others take a few steps, which TensorFlow does in a tenth of the time that tracing takes."""

_AS_PROGRAMS = ("audit", "audit: nothing there", "audit: an unknown flag")
"""Cases that start `python -m core` itself; the others call its `main`, because each start of TensorFlow takes seconds."""


def make_data(root: Path, folder: Path) -> None:
    """Corners of scenes of the sample town with their masks."""
    import rasterio
    from rasterio.windows import Window

    town = root / "sample_data" / "town"
    for part in ("images", "masks"):
        (folder / "data" / part).mkdir(parents=True)
    for name in SCENES:
        for part in ("images", "masks"):
            (source,) = (town / part).glob(f"{name}.*")
            with rasterio.open(source) as file:
                window = Window(448, 448, SIDE_PX, SIDE_PX)
                profile = {"driver": "GTiff", "height": SIDE_PX, "width": SIDE_PX, "count": 3, "dtype": "uint8", "crs": file.crs}
                pixels, transform = file.read((1, 2, 3), window=window), file.window_transform(window)
            with rasterio.open(folder / "data" / part / f"{name}.tif", "w", transform=transform, **profile) as file:
                file.write(pixels)
    shutil.copy(town / "classes.json", folder / "data" / "classes.json")


# ---- what was answered ----


def _inside(root: Path, folder: Path) -> dict[str, Any]:
    # pandas before TensorFlow lets training hang on some machines (keras#23083), and the audit brings pandas.
    import tensorflow

    make_data(root, folder)
    names = _names(root)
    cases = {}
    for name, arguments in _cases(root, folder):
        people = name.endswith("(people)")
        words = [str(argument) for argument in arguments] + ([] if people else ["--json"])
        run = _as_program if name in _AS_PROGRAMS else _as_call
        tensorflow.config.run_functions_eagerly(name not in _OF_MANY_STEPS)
        began = time.monotonic()
        cases[name] = _told(*run(words), people, {str(folder): "<tmp>", str(root): "<root>"}, names)
        print(f"{time.monotonic() - began:6.1f} s  {name}", file=sys.__stdout__, flush=True)
    return {"cases": cases, "help": typed()}


def _as_call(words: list[str]) -> tuple[int, str, str]:
    from core.__main__ import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as leaving:
            code = leaving.code
    return int(code or 0), out.getvalue(), err.getvalue()


def _as_program(words: list[str]) -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, "-m", "core", *words], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def _told(code: int, out: str, err: str, people: bool, places: Mapping[str, str], names: frozenset[str]) -> dict[str, Any]:
    """What a case answered: a mistake's lines, the keys of its JSON, or its lines for people with every number as N."""
    if code != 0:  # the last line: a slow machine may have told of progress before
        return {"exit": code, "stdout": out, "stderr_lines": [_plain(line, places) for line in err.strip().splitlines()[-1:]]}
    if people:
        lines = [_countless(_plain(line, places), names) for line in out.strip().splitlines()]
        # As many rows as there are classes or scenes, which a network found: one of each sort will do.
        return {"exit": code, "stdout_lines": [line for line, before in zip(lines, [None, *lines], strict=False) if line != before]}
    return {"exit": code, "keys": sorted(set(_keys(json.loads(out.strip().splitlines()[-1]), "", names)))}


def _keys(value: Any, path: str, names: frozenset[str]) -> Iterator[str]:
    """Dotted paths of all keys; names of classes, scenes and colours are `*`, the items of a list `[]`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            below = f"{path}.{'*' if key in names or key.startswith('#') else key}".lstrip(".")
            yield below
            if key != "metrics":  # of a model's card: whatever its maker wrote there
                yield from _keys(inner, below, names)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner, f"{path}[]", names)


def _names(root: Path) -> frozenset[str]:
    """Every name of a class or scene that may be a key."""
    files = [*root.glob("sample_data/*/classes.json"), *root.glob("models/*/card.json")]
    found = {*SCENES, *"abcde"}

    def collect(value: Any, inside: bool) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                collect(inner, inside or key in ("classes", "scheme", "names"))
        elif isinstance(value, list):
            for inner in value:
                collect(inner, inside)
        elif inside and isinstance(value, str):
            found.add(value)

    for file in files:
        collect(json.loads(file.read_text(encoding="utf-8")), False)
    return frozenset(found)


def _plain(line: str, places: Mapping[str, str]) -> str:
    for place, word in places.items():
        line = line.replace(place, word)
    # Python 3.12 and later name choices without quotation marks.
    return re.sub(r"\(choose from (.*)\)", lambda found: f"(choose from {found[1].replace(chr(39), '')})", line.replace("\\", "/"))


def _countless(line: str, names: frozenset[str]) -> str:
    """A line for people with N for each number (and for the dash that stands for none), * for a name in front, and single spaces."""
    line = re.sub(r"(?<![\w<.])([-+](?=\d))?\d[\d,]*(\.\d+)*(e[-+]?\d+)?(?!\w)", "N", line)
    words = ["N" if word == "-" else word for word in line.split()]
    return " ".join(["*" if word in names and place == 0 else word for place, word in enumerate(words)])


def typed() -> dict[str, dict[str, Any]]:
    """What can be typed after each verb, which nothing has to run for: {verb: {flag or place: what its help says}}."""
    return {verb: _typed(verb) for verb in VERBS}


def _typed(verb: str) -> dict[str, Any]:
    """What can be typed after a verb: {flag or place: choices, metavar, how many, and the sentence of its help with the default}."""
    seen: list[argparse.ArgumentParser] = []
    asked = argparse.ArgumentParser.parse_known_args

    def parse(self: argparse.ArgumentParser, *arguments: Any, **named: Any) -> Any:
        seen.append(self)
        return asked(self, *arguments, **named)

    argparse.ArgumentParser.parse_known_args = parse  # type: ignore[method-assign]
    try:
        code, _, _ = _as_call([verb, "--help"])
    finally:
        argparse.ArgumentParser.parse_known_args = asked  # type: ignore[method-assign]
    parser = seen[-1]
    assert code == 0 and parser.prog.endswith(f" {verb}"), (verb, code, parser.prog)
    formatter = parser.formatter_class(prog=parser.prog, width=200)
    found = {}
    for action in parser._actions:
        help_text = "" if action.help is None else formatter._expand_help(action)
        found[" ".join(action.option_strings) or str(action.metavar or action.dest)] = {
            "choices": None if action.choices is None else [str(choice) for choice in action.choices],
            "metavar": action.metavar,
            "nargs": action.nargs,
            "help": help_text,
        }
    return found


def written(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The record as JSON with a line for each case and for each flag, so that a change of one is a line of a comparison."""
    cases = ",\n".join(f"  {json.dumps(name)}: {_line(case)}" for name, case in sorted(found["cases"].items()))
    verbs = ",\n".join(
        f"  {json.dumps(verb)}: {{\n"
        + ",\n".join(f"   {json.dumps(flag)}: {_line(said)}" for flag, said in sorted(flags.items()))
        + "\n  }"
        for verb, flags in sorted(found["help"].items())
    )
    return f'{{\n "cases": {{\n{cases}\n }},\n "help": {{\n{verbs}\n }}\n}}\n'


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def main() -> None:
    """Record a checkout, or, with `--inside`, be the process that does so."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout whose command line is asked")
    parser.add_argument("--python", default=sys.executable, help="the Python to do it with")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    root = options.root.resolve()
    found = record(root, options.python) if options.inside is None else _inside(root, options.inside)
    options.out.write_text(written(found), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
