"""What is stopped and done again: each case makes its beginning, in which an older result lies, and does its work through the verbs.

`begin` and `work` run in processes that are forked off one that has called `load` and nothing else.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import SceneError, SettingsError
from core.verbs import registry
from tests.helpers.datasets import save

SIDE_PX = 64
_ONE_THREAD = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NUMBA_NUM_THREADS")
SETTINGS = {
    **{"epochs": 2, "patience": 0, "batch_size": 2, "filters": [4, 8], "augment": False},
    **{"loss": "cross_entropy", "optimizer": "sgd", "learning_rate": 0.05},
}


@dataclass(frozen=True)
class Case:
    """`work` writes `outputs` (names in the place); `again` is what a user types after a kill, where that is something else.

    `in_place`: what it writes is there from the beginning and grows, so that between two moments it is neither old nor new.
    """

    name: str
    begin: Callable[[Path], None]
    work: Callable[[Path], Any]
    outputs: tuple[str, ...]
    needs: tuple[str, ...] = ()
    again: Callable[[Path], Any] | None = None
    in_place: bool = False
    sources: tuple[str, ...] = ("data",)

    def load(self) -> None:
        """Import what the work needs, so that no trial has to."""
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
        for name in _ONE_THREAD:
            os.environ.setdefault(name, "1")
        for name in ("numba", "rasterio", "filelock", *self.needs):
            importlib.import_module(name)
        if "tensorflow" in self.needs:
            # Of a network this small, making a graph of a step takes longer than all its steps.
            sys.modules["tensorflow"].config.run_functions_eagerly(True)


LISTENERS: list[Callable[[int, int, str], None]] = []
"""Who hears of the progress of the work, in the process that does it."""


def _run(kind: str, **request: Any) -> Any:
    return registry.run(kind, request, on_progress=LISTENERS[0] if LISTENERS else None)


def _data(place: Path) -> Path:
    """Two georeferenced images of three classes; the second has a corner without data."""
    rng = np.random.default_rng(0)
    ids = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    ids[:, 20:40], ids[30:, 40:] = 1, 2
    for k, name in enumerate(("a", "b")):
        colours = np.array([[60, 120, 60], [200, 80, 60], [40, 80, 200]])[np.roll(ids, 7 * k, 0)]
        image = np.clip(colours + rng.normal(0, 10, colours.shape), 1, 255).astype(np.uint8)
        if k:
            image[:9, :9] = 0
        profile = {"crs": "EPSG:32640", "transform": (1.0, 0, 500000 + 100 * k, 0, -1.0, 2700000), "nodata": 0}
        save(place / "data" / "images" / f"{name}.tif", image, **profile)
        save(place / "data" / "masks" / f"{name}.tif", np.roll(ids, 7 * k, 0), crs="EPSG:32640", transform=profile["transform"])
    return place / "data"


def _patches(place: Path, out: str = "patches", **request: Any) -> None:
    asked = {"patch_size": 32, "validation": 0.5, "test": 0.0, **request}
    _run("prepare", dataset=place / "data", out=place / out, **asked)


def _prepare_begin(place: Path) -> None:
    _data(place)
    _patches(place, stride=32)


def _training(place: Path, **settings: Any) -> None:
    _run("train", prepared=place / "patches", out=place / "model", settings={**SETTINGS, **settings})


def _train_begin(place: Path) -> None:
    _data(place)
    _patches(place)


def _model(place: Path) -> None:
    _train_begin(place)
    _training(place, epochs=1)


def _train_over_again(place: Path) -> None:
    """Killed before it began, there is only the older run, of other settings: it cannot be resumed, and is begun as the error says."""
    try:
        _run("train", prepared=place / "patches", out=place / "model", settings={**SETTINGS, "seed": 1}, resume=True)
    except SettingsError:
        _training(place, seed=1)


def _predict(place: Path, **request: Any) -> None:
    _run("predict", model=str(place / "model"), scene=place / "data" / "images" / "a.tif", out=place / "prediction", **request)


def _predict_begin(place: Path) -> None:
    _model(place)
    _predict(place, overlap=0.0)


def _vectorize_begin(place: Path) -> None:
    _data(place)
    _vectorize(place, source="b")


def _vectorize(place: Path, source: str = "a") -> None:
    names = ("out.gpkg", "out.geojson", "parts.shp", "out.csv", "out.kml", "map.html")
    _run("vectorize", prediction=place / "data" / "masks" / f"{source}.tif", files=[place / name for name in names])


def _import_begin(place: Path) -> None:
    _model(place)
    (place / "model" / "model.keras").rename(place / "foreign.keras")


def _import(place: Path) -> None:
    _run("import_model", file=place / "foreign.keras", out=place / "taken", classes=("A", "B", "C"), bands=(1, 2, 3), patch_size=32)


def _import_unless_there(place: Path) -> None:
    """A model that is there already is not written over."""
    if not (place / "taken").exists():
        _import(place)


def _evaluate_begin(place: Path) -> None:
    _model(place)
    _evaluate(place, overlap=0.0)


def _evaluate(place: Path, **request: Any) -> None:
    _run("evaluate", model=str(place / "model"), dataset=place / "data", out=place / "scores", **request)


def _compare_begin(place: Path) -> None:
    _evaluate_begin(place)
    _run("evaluate", model=str(place / "model"), dataset=place / "data", out=place / "others", overlap=0.5)
    _run("compare", first=place / "others", second=place / "scores", out=place / "differing")


def _compare(place: Path) -> None:
    _run("compare", first=place / "scores", second=place / "others", out=place / "differing")


def _batch_begin(place: Path) -> None:
    _model(place)
    _batch(place, overlap=0.0)


def _batch(place: Path, **request: Any) -> None:
    """A scene that cannot be predicted stops no other; its line says why."""
    answer = _run("predict_batch", model=str(place / "model"), scenes=place / "data" / "images", out=place / "batch", **request)
    if answer["failed"]:
        raise SceneError(f"{answer['failed']} scenes that are told of as failed", expected="none", do="Do it again")


def _export(place: Path, format: str = "openvino") -> None:
    _run("export_model", model=str(place / "model"), out=place / "exported", format=format)


def _export_unless_there(place: Path) -> None:
    """An export that is there already is not written over."""
    if not (place / "exported").exists():
        _export(place)


def _quantise(place: Path) -> None:
    _run("quantise", model=str(place / "model"), patches=place / "patches")


def _search(place: Path, **request: Any) -> None:
    asked = {"learning_rates": [0.01, 0.001], "batch_sizes": [2], "settings": {**SETTINGS, "epochs": 1}}
    _run("search", prepared=place / "patches", out=place / "search", **asked, **request)


_NETWORK = ("tensorflow", "keras", "openvino", "core.training.training", "core.prediction.predict", "core.evaluation.evaluate")
_VECTORS = ("geopandas", "core.vector.vectorize", "core.vector.formats.export", "core.vector.formats.products")
_PATCHES = ("core.patches.prepare", "core.datasets.datasets")

CASES = {
    case.name: case
    for case in (
        Case("prepare", _prepare_begin, lambda place: _patches(place, stride=16), ("patches",), _PATCHES),
        Case("vectorize", _vectorize_begin, _vectorize, ("out.gpkg", "out.geojson", "out.csv", "out.kml", "map.html"), _VECTORS),
        Case("predict", _predict_begin, _predict, ("prediction",), _NETWORK),
        Case("predict-batch", _batch_begin, _batch, ("batch/a", "batch/b"), _NETWORK),
        Case("evaluate", _evaluate_begin, _evaluate, ("scores",), _NETWORK),
        Case("compare", _compare_begin, _compare, ("differing",), _NETWORK, sources=("scores",)),
        Case(
            "train",
            _train_begin,
            _training,
            ("model",),
            _NETWORK,
            again=lambda place: _run("train", prepared=place / "patches", out=place / "model", settings=SETTINGS, resume=True),
            in_place=True,
            sources=("patches",),
        ),
        Case(
            "train-over",
            _model,
            lambda place: _training(place, seed=1),
            ("model",),
            _NETWORK,
            again=_train_over_again,
            in_place=True,
            sources=("patches",),
        ),
        Case(
            "search",
            _train_begin,
            _search,
            ("search",),
            _NETWORK,
            again=lambda place: _search(place, resume=True),
            in_place=True,
            sources=("patches",),
        ),
        Case("import-model", _import_begin, _import, ("taken",), _NETWORK, again=_import_unless_there, sources=("foreign.keras",)),
        Case("export-model", _model, _export, ("exported",), _NETWORK, again=_export_unless_there, sources=("model",)),
        Case("quantise", _model, _quantise, ("model",), (*_NETWORK, "nncf"), in_place=True, sources=("patches",)),
    )
}
