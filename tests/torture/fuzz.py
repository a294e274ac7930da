"""Damages small files of every kind that is read, thousands of times, and counts what the readers make of it.

    python -m tests.torture.fuzz                      5,000 damaged files, some minutes on two cores
    python -m tests.torture.fuzz --count 200 --kinds card,job
    python -m tests.torture.fuzz --one card:17        one of them again, in this process, with its traceback

Each reader runs in a process of its own under a limit of 10 s and 1 GiB. A file is either read ("fine") or refused in one line by an
error of ours ("refused"). "traceback", "hang" and "memory" are faults; their files are kept in `corpus/`, which the suite replays.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import io
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import textwrap
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import Cancelled, GroundlineError

CORPUS = Path(__file__).parent / "corpus"
LIMIT_S, LIMIT_BYTES = 10.0, 2**30
FAULTS = ("traceback", "hang", "memory")
_MOST_KEPT_BYTES, _MOST_SAID = 25_000, 3_000
_SIDE = 24


@dataclass(frozen=True)
class Kind:
    """Files of one kind: how a whole one is written into a folder, which of its files are damaged, and who reads the folder.

    `weight` is its share of the mutations; `heavy`: its reader starts TensorFlow; `alone`: nothing lies beside the damaged file.
    """

    write: Callable[[Path], object]
    damaged: tuple[str, ...]
    read: Callable[[Path], object]
    weight: int = 2
    heavy: bool = False
    alone: bool = False


# ---- whole files ----


def _picture(bands: int = 3, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(1).integers(0, 200, (bands, _SIDE, _SIDE)).astype(dtype)


def _raster(path: Path, values: np.ndarray, driver: str, **options) -> None:
    import rasterio
    from rasterio.transform import from_origin

    place = {} if driver in ("PNG", "JPEG") else {"crs": "EPSG:32640", "transform": from_origin(500000, 2700000, 0.5, 0.5)}
    profile = {"driver": driver, "height": values.shape[1], "width": values.shape[2], "count": len(values), "dtype": values.dtype}
    with rasterio.open(path, "w", **profile, **place, **options) as out:
        out.write(values)


def _hdf5(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("image", data=_picture().transpose(1, 2, 0), chunks=(8, 8, 3), compression="gzip")
        file.create_dataset("mask", data=(_picture(1)[0] > 100).astype(np.uint8))


def _scheme():
    from core.classes import ClassScheme

    return ClassScheme(("Land", "Water"), ((200, 100, 0), (0, 0, 255)))


def _labels(folder: Path, name: str, driver: str) -> None:
    import geopandas
    from shapely.geometry import box

    _raster(folder / "scene.tif", _picture(), "GTiff")
    squares = [box(500001, 2699990, 500005, 2699998), box(500006, 2699989, 500010, 2699996)]
    frame = geopandas.GeoDataFrame({"class": ["Land", "Water"], "geometry": squares}, crs="EPSG:32640")
    if driver in ("KML", "GeoJSON"):
        frame = frame.to_crs("EPSG:4326")
    frame.to_file(folder / name, driver=driver, engine="pyogrio")


def _card(folder: Path) -> None:
    from core.model_store.cards import ModelCard

    metrics = {"validation": {"mean_iou": 0.5, "classes": {"Land": {"iou": 0.5}}}}
    split = {"how": "group", "groups": {"train": ["a"]}, "pairs": {"train": ["a"]}, "patches": {"train": 3}}
    (folder / "models" / "one").mkdir(parents=True)
    for name in ("one", "two"):
        (folder / "models" / name).mkdir(exist_ok=True)
        ModelCard(name, "unet", _scheme(), (1, 2, 3), metrics=metrics, split=split).save(folder / "models" / name)
        (folder / "models" / name / "model.keras").write_bytes(b"weights")


def _job(folder: Path) -> None:
    from core.jobs import records
    from core.verbs import registry

    for name in ("20260101-000000-one", "20260101-000001-two"):
        job = folder / "runs" / name
        job.mkdir(parents=True)
        asked = registry.complete("train", {"prepared": str(folder / "p"), "out": str(folder / "m"), "settings": {"epochs": 2}})
        records.write_patiently(job / records.REQUEST, {"kind": "train", "title": "A run", "request": asked})
        records.write_patiently(job / records.STATUS, records.blank_status("finished") | {"started": 1.0, "finished": 2.0})
        records.write_patiently(job / records.RESULT, {"folder": str(folder / "m"), "validation": {"mean_iou": 0.5}})
        records.write_patiently(job / records.ABOUT, {"title": "Mine", "note": ""})
        records.append_event(job, {"type": "epoch", "epoch": 1, "loss": 1.0, "val_mean_iou": 0.4, "val_iou": {"Land": 0.4}, "seconds": 2.0})
        records.append_event(job, {"type": "state", "state": "finished"})


def _dataset(folder: Path) -> None:
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for name in ("a", "b"):
        _raster(folder / "images" / f"{name}.tif", _picture(), "GTiff")
        _raster(folder / "masks" / f"{name}.tif", (_picture(1) > 100).astype(np.uint8), "GTiff")
    (folder / "groundline.json").write_text(
        json.dumps({"classes": _scheme().to_dict(), "exclude": ["c"], "shifts_px": {"a": [0, 1]}, "groups": {"a": "g"}, "snap": False})
    )


def _store(folder: Path) -> None:
    from core.datasets.datasets import open_dataset
    from core.patches.prepare import prepare

    _dataset(folder / "set")
    (folder / "set" / "groundline.json").unlink()
    prepare(open_dataset(folder / "set"), folder / "store", patch_size=8, stride=8, split="group", validation=0.5, test=0.0)


def _prediction(folder: Path) -> None:
    import rasterio

    from core.files import write_json
    from core.prediction.folder.rasters import geo_to_dict
    from core.scenes.opening import open_scene

    for name in ("labels.tif", "confidence.tif"):
        _raster(folder / name, (_picture(1) > 100).astype(np.uint8), "GTiff")
    _raster(folder / "probabilities.tif", _picture(2), "GTiff")
    with rasterio.open(folder / "labels.tif") as raster:
        height, width = raster.shape
    made = {"model": "m", "scheme": _scheme().to_dict(), "height": height, "width": width, "scene": "s.tif", "warnings": []}
    write_json(folder / "prediction.json", {**made, "geo": geo_to_dict(open_scene(folder / "labels.tif").geo), "windows": 3})


def _evaluation(folder: Path) -> None:
    from core.confusion import Confusion
    from core.evaluation.result import Evaluation, SceneResult
    from core.files import write_json

    ones = np.ones(2, np.int64)
    scene = SceneResult("a", "a", 8, 8, Confusion(np.full((2, 2), 16)), ones, np.ones((2, 2), np.int64), np.ones((2, 2), np.int64), ones)
    kept = Evaluation(_scheme(), (scene,), "test", np.ones((2, 2, 256), np.int64), np.ones((2, 256), np.int64), "m", "d", "group")
    write_json(folder / "evaluation.json", kept.to_dict())


def _trash(folder: Path) -> None:
    from core.workspace import Workspace

    workspace = Workspace(folder)
    (workspace.models / "m").mkdir()
    workspace.discard([workspace.models / "m"], label="A model")
    kept = next(workspace.trash.iterdir())
    kept.rename(workspace.trash / "kept")


def _keras(path: Path) -> None:
    import keras
    from keras import layers

    image = layers.Input((16, 16, 3))
    keras.Model(image, layers.Conv2D(2, 1, activation="softmax")(layers.Conv2D(4, 3, padding="same")(image))).save(path)


def _onnx(path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    image, out = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, k, 16, 16]) for name, k in (("image", 3), ("out", 2)))
    kernel = helper.make_tensor("kernel", TensorProto.FLOAT, [2, 3, 1, 1], [0.5, -1, 2, 1, 0, -2])
    graph = helper.make_graph([helper.make_node("Conv", ["image", "kernel"], ["out"])], "net", [image], [out], [kernel])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    said = {
        "model_type": "Segmentor",
        "class_names": {"0": "a", "1": "b"},
        "standardization_mean": [0.5] * 3,
        "standardization_std": [1] * 3,
    }
    for key, value in said.items():
        model.metadata_props.add(key=key, value=json.dumps(value))
    onnx.save(model, path)


def _saved_model(folder: Path) -> None:
    import tensorflow as tf

    module = tf.Module()
    module.weights = tf.Variable(np.ones((3, 3, 3, 2), np.float32))
    signature = [tf.TensorSpec((None, 16, 16, 3), tf.float32)]
    module.call = tf.function(lambda image: {"given": tf.nn.conv2d(image, module.weights, 1, "SAME")}, input_signature=signature)
    tf.saved_model.save(module, str(folder / "saved"), signatures=module.call)


_COCO = {
    "images": [{"id": 1, "file_name": "scene.tif", "width": _SIDE, "height": _SIDE}],
    "categories": [{"id": 1, "name": "Land"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[2, 2, 9, 2, 9, 9]], "iscrowd": 0}],
}
_LABELME = {
    "imagePath": "scene.tif",
    "imageHeight": _SIDE,
    "imageWidth": _SIDE,
    "shapes": [{"label": "Land", "shape_type": "polygon", "points": [[2, 2], [9, 2], [9, 9]]}],
}


def _drawn(folder: Path, value: dict, name: str) -> None:
    _raster(folder / "scene.tif", _picture(), "GTiff")
    (folder / name).write_text(json.dumps(value))


def _zip(folder: Path) -> None:
    _dataset(folder / "set")
    shutil.make_archive(str(folder / "set"), "zip", folder / "set")
    shutil.rmtree(folder / "set")


# ---- readers ----


def _read_scene(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> None:
        from core.scenes.opening import open_scene
        from core.scenes.scene import Window

        scene = open_scene(folder / name)
        window = scene.window.intersect(Window(0, 0, 64, 64))
        scene.read(window)
        scene.valid(window)

    return read


def _read_dataset(folder: Path) -> None:
    from core.datasets.datasets import open_dataset

    opened = open_dataset(folder)
    for pair in opened.pairs:
        pair.labels(opened.scheme)


def _read_classes(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> None:
        from core.classes import ClassScheme

        scheme = ClassScheme.load(folder / name)
        scheme.table()
        scheme.colour_blind_safe()

    return read


def _read_models(folder: Path) -> None:
    """Both models are told of: the whole one as it is, the other as it is or with its reason."""
    from core.model_store.cards import ModelCard, describe
    from core.model_store.models import sort_models

    found, bad = sort_models([folder / "models"])
    names = [model.folder.name for model in found if model.folder.is_relative_to(folder)]
    assert "two" in names, "the damaged card hides the whole one"
    assert "one" in names or [one.path.name for one in bad if one.reason], "the damaged card is not told of"
    for model in found:
        describe(model.card)
        model.card.held_out()
        model.card.of_like_networks()
        model.card.groups_of("train")
        model.card.normalise(np.zeros((1, 4, 4, len(model.card.bands))), np.array([[0.0], [1.0]]))
    ModelCard.load(folder / "models" / "one")


def _read_jobs(folder: Path) -> None:
    from core.jobs import jobs, runs
    from core.workspace import Workspace

    found = jobs.list_jobs(Workspace(folder))
    assert "20260101-000001-two" in [job.name for job in found], "the damaged job hides the whole one"
    for job in found:
        told = job.title, job.note, job.kind, job.request, job.active, job.events(), job.log_tail(), job.result()
        assert job.broken or told[2] == "train"
        status, records = job.status(), runs.lines(job)
        assert status["state"] != "failed" or status["error"]
        runs.seconds(records, status)
        runs.best(records)
        runs.class_lines(records)
        if job.kind:
            runs.settings_of(job)
            runs.score(job, records)


def _read_store(folder: Path) -> None:
    from core.patches.store import PatchStore

    store = PatchStore.open(folder / "store")
    store.summary()
    np.asarray(store.images[0]), np.asarray(store.masks[0])
    store.index, store.band_names, store.counts, store.rows("train")


def _read_prediction(folder: Path) -> None:
    from core.prediction.folder.origin import pictured
    from core.prediction.folder.rasters import Prediction

    prediction = Prediction.open(folder)
    prediction.labels()
    prediction.labels(threshold=0.5)
    prediction.confidence_counts()
    pictured(prediction)


def _read_evaluation(folder: Path) -> None:
    from core.evaluation.result import Evaluation

    found = Evaluation.load(folder)
    found.confusion, found.boundary_iou, found.reliability, found.intervals  # noqa: B018


def _read_trash(folder: Path) -> None:
    from core.workspace import Workspace

    workspace = Workspace(folder)
    assert len(workspace.trashed()) == 1
    workspace.restore("kept")


def _examine(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> None:
        from core.model_store.examining import examine

        examine(folder / name)

    return read


def _import(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> None:
        from core.model_store.importing import Answers, import_model

        import_model(folder / name, folder / "taken", Answers())

    return read


def _read_corrections(folder: Path) -> None:
    from core.vector.editing.log import Corrections

    Corrections.load(folder / "corrections.json")


def _corrections(folder: Path) -> None:
    step = {"ids": [1, 2], "class_name": "Land", "fill": "merge"}
    (folder / "corrections.json").write_text(json.dumps({"corrections": [step], "undone": []}))


def _unzip(folder: Path) -> None:
    from core.datasets.archives import unpack

    _read_dataset(unpack(folder / "set.zip", folder / "unpacked"))


def _scene_kind(name: str, driver: str, values: np.ndarray, **options) -> Kind:
    return Kind(lambda folder: _raster(folder / name, values, driver, **options), (name,), _read_scene(name), 3)


def _vector_kind(name: str, driver: str, *others: str) -> Kind:
    return Kind(lambda folder: _labels(folder, name, driver), (name, *others), _read_dataset, 2)


KINDS: dict[str, Kind] = {
    "png": _scene_kind("a.png", "PNG", _picture()),
    "tiff": _scene_kind("a.tif", "GTiff", _picture(4, "uint16"), compress="deflate", tiled=True, blockxsize=16, blockysize=16),
    "jpeg": _scene_kind("a.jpg", "JPEG", _picture()),
    "hdf5": Kind(lambda folder: _hdf5(folder / "a.h5"), ("a.h5",), _read_scene("a.h5"), 3),
    "npy": Kind(lambda folder: np.save(folder / "a.npy", _picture().transpose(1, 2, 0)), ("a.npy",), _read_scene("a.npy")),
    "geojson": _vector_kind("scene.geojson", "GeoJSON"),
    "gpkg": _vector_kind("scene.gpkg", "GPKG"),
    "shp": _vector_kind("scene.shp", "ESRI Shapefile", "scene.dbf", "scene.shx", "scene.prj", "scene.cpg"),
    "kml": _vector_kind("scene.kml", "KML"),
    "coco": Kind(lambda folder: _drawn(folder, _COCO, "labels.json"), ("labels.json",), _read_dataset),
    "labelme": Kind(lambda folder: _drawn(folder, _LABELME, "scene.json"), ("scene.json",), _read_dataset),
    "table": Kind(
        lambda folder: (folder / "class_dict.csv").write_text("name,r,g,b\nLand,200,100,0\nWater,0,0,255\n"),
        ("class_dict.csv",),
        _read_classes("class_dict.csv"),
    ),
    "classes": Kind(
        lambda folder: (folder / "classes.json").write_text(json.dumps(_scheme().to_dict())),
        ("classes.json",),
        _read_classes("classes.json"),
    ),
    "remedies": Kind(_dataset, ("groundline.json", "masks/a.tif", "images/a.tif"), _read_dataset),
    "zip": Kind(_zip, ("set.zip",), _unzip),
    "card": Kind(_card, ("models/one/card.json",), _read_models, 4),
    "job": Kind(
        _job,
        tuple(f"runs/20260101-000000-one/{name}" for name in ("request.json", "status.json", "events.jsonl", "result.json", "about.json")),
        _read_jobs,
        6,
    ),
    "store": Kind(_store, ("store/store.json", "store/images.npy", "store/masks.npy", "store/index.npz"), _read_store, 4),
    "prediction": Kind(_prediction, ("prediction.json", "labels.tif"), _read_prediction, 3),
    "evaluation": Kind(_evaluation, ("evaluation.json",), _read_evaluation),
    "trash": Kind(_trash, ("trash/kept/trash.json",), _read_trash),
    "corrections": Kind(_corrections, ("corrections.json",), _read_corrections),
    "h5-model": Kind(lambda folder: _keras(folder / "m.h5"), ("m.h5",), _examine("m.h5"), 3, alone=True),
    "keras-model": Kind(lambda folder: _keras(folder / "m.keras"), ("m.keras",), _examine("m.keras"), 3, alone=True),
    "saved-model": Kind(_saved_model, ("saved/saved_model.pb",), _examine("saved"), 2),
    "onnx-model": Kind(lambda folder: _onnx(folder / "m.onnx"), ("m.onnx",), _examine("m.onnx"), 2, alone=True),
    "onnx-import": Kind(lambda folder: _onnx(folder / "m.onnx"), ("m.onnx",), _import("m.onnx"), 1, heavy=True),
    "h5-import": Kind(lambda folder: _keras(folder / "m.h5"), ("m.h5",), _import("m.h5"), 1, heavy=True),
    "keras-import": Kind(lambda folder: _keras(folder / "m.keras"), ("m.keras",), _import("m.keras"), 1, heavy=True),
    "saved-import": Kind(
        _saved_model,
        ("saved/saved_model.pb", "saved/variables/variables.index", "saved/variables/variables.data-00000-of-00001"),
        _import("saved"),
        1,
        heavy=True,
    ),
}
LIGHT = tuple(name for name, kind in KINDS.items() if not kind.heavy and "model" not in name)


# ---- damage ----

_STRANGE = (
    *(None, True, [], {}, "", "x", -1, 0, 1, 2**31, 2**63, 10**30, 0.5, -1e308, float("nan"), float("inf"), "1", "null"),
    *(
        "\ud800",
        [[]],
        [None],
        {"a": None},
        ["x"],
        [1, 2, 3],
        [[1, 2], [3]],
        "../../x",
        "/etc/passwd",
        "a\0b",
        "x" * 5000,
        "=1+1",
        "<b>x</b>",
        "5e400",
    ),
)
_LENGTHS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


def damaged(content: bytes, rng: np.random.Generator) -> bytes | None:
    """The bytes with one to three mutations; None for a folder in the file's place."""
    draw = rng.random()
    if draw < 0.01:
        return None
    if draw < 0.05:
        return (b"", b"\0" * 64, b"\xff\xfe\x00", b"{}", b"[]", b"null", b"[" * 100_000, b'{"a":' * 50_000)[rng.integers(8)]
    if content[:1] in (b"{", b"[") and rng.random() < 0.75:
        return _damaged_json(content, rng)
    for _ in range(rng.integers(1, 4)):
        content = _damaged_bytes(content, rng)
    return content


def _damaged_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    if not content:
        return content
    data, at = bytearray(content), int(rng.integers(len(content)))
    at = at if rng.random() < 0.5 else min(at, int(rng.integers(1, 200)))  # what counts lies mostly at the beginning
    at = min(at, len(data) - 1)
    way, length = rng.integers(7), int(rng.integers(1, 40))
    if way == 0:
        for place in rng.integers(0, len(data), rng.integers(1, 9)):
            data[place] ^= 1 << int(rng.integers(8))
    elif way == 1:
        data[at] = int(rng.integers(256))
    elif way == 2:
        del data[at:]
    elif way == 3:
        del data[at : at + length]
    elif way == 4:
        other = int(rng.integers(len(data)))
        data[at:at] = data[other : other + length]
    elif way == 5:
        other = int(rng.integers(len(data)))
        data[at : at + length] = data[other : other + length]
    else:
        width, order = int(rng.choice([1, 2, 4, 8])), str(rng.choice(["little", "big"]))
        data[at : at + width] = (int(rng.choice(_LENGTHS)) % 2 ** (8 * width)).to_bytes(width, order)  # type: ignore[arg-type]
    return bytes(data)


def _damaged_json(content: bytes, rng: np.random.Generator) -> bytes:
    """Of lines of JSON one is damaged, of one text a place in it."""
    lines = content.splitlines() if b"\n{" in content else [content]
    line = int(rng.integers(len(lines)))
    try:
        value = json.loads(lines[line])
    except ValueError:
        line, lines = 0, [content]
        value = json.loads(content)
    places = list(_places(value))
    path = places[rng.integers(len(places))]
    inner, key = value, None
    for key in path[:-1]:
        inner = inner[key]
    strange = _STRANGE[rng.integers(len(_STRANGE))]
    if not path:
        value = strange
    elif rng.random() < 0.2 and isinstance(inner, dict):
        del inner[path[-1]]
    elif rng.random() < 0.1:
        inner[path[-1]] = [inner[path[-1]]]
    elif rng.random() < 0.1:
        inner[path[-1]] = str(inner[path[-1]])
    else:
        inner[path[-1]] = strange
    lines[line] = json.dumps(value).encode()
    return b"\n".join(lines) + (b"\n" if len(lines) > 1 else b"")


def _places(value: object, path: tuple = ()) -> Iterator[tuple]:
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in parts:
        yield from _places(item, (*path, key))


class Seeds:
    """A whole folder of each kind, written once and copied for each mutation."""

    def __init__(self, folder: Path):
        self.folder = folder

    def put(self, kind: str, into: Path) -> None:
        """A fresh copy of the whole folder at `into`."""
        whole = self.folder / kind
        if not whole.exists():
            place = self.folder / f".{kind}"
            place.mkdir(parents=True)
            KINDS[kind].write(place)
            place.rename(whole)
        shutil.copytree(whole, into)

    def mutate(self, kind: str, number: int, into: Path, *, seed: int = 0) -> Path:
        """Put a folder of which one file is damaged; the path of that file."""
        self.put(kind, into)
        rng = np.random.default_rng([seed, *kind.encode(), number])
        names = KINDS[kind].damaged
        file = into / names[rng.integers(len(names))]
        replace(file, damaged(file.read_bytes(), rng))
        return file


def replace(file: Path, content: bytes | None) -> None:
    """Write a damaged file, or a folder where there is no content."""
    file.unlink()
    file.mkdir() if content is None else file.write_bytes(content)


def outcome(kind: str, folder: Path) -> tuple[str, str]:
    """What the reader makes of a folder: "fine", "refused" or "traceback", and the error with its place, then the way there."""
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            KINDS[kind].read(folder)
        return "fine", ""
    except (GroundlineError, Cancelled) as error:
        return ("traceback", f"an error of several lines: {error}") if "\n" in str(error) else ("refused", str(error))
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/core/" in frame.filename]
        last = frames[-1] if frames else traceback.extract_tb(error.__traceback__)[-1]
        told = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}: {' '.join(str(error).split())[:160]}"
        return "traceback", f"{told}\n{traceback.format_exc()}"


# ---- processes ----


def _worker(pipe, said: Path) -> None:
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", PYTHONWARNINGS="ignore")
    os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    faulthandler.enable()
    while (asked := pipe.recv()) is not None:
        told = outcome(*asked)
        pipe.send((*told, _peak_bytes()))


def _peak_bytes() -> int:
    """The most memory that this process has held; getrusage would tell that of its parent where that is more."""
    try:
        told = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        return int(told.split()[1]) * 1024
    except (OSError, StopIteration):
        import psutil

        return psutil.Process().memory_info().rss


class Worker:
    """A process that reads one folder after the other, and is replaced when it hangs, dies or grows; what it says goes to `said`."""

    def __init__(self, said: Path):
        self.process, self.peak, self.base = None, 0, 0
        self.said = said

    def read(self, kind: str, folder: Path) -> tuple[str, str]:
        """The outcome of a folder within the limits."""
        import psutil

        if self.process is None:
            self.pipe, theirs = _SPAWN.Pipe()
            self.process = _SPAWN.Process(target=_worker, args=(theirs, self.said), daemon=True)
            self.process.start()
            theirs.close()
            self.base = 0
        # Processor time, or on a machine that is busy with other things six times as much on the clock; the first call imports much.
        limit, started = (LIMIT_S if self.base else 10 * LIMIT_S), time.monotonic()
        try:
            watched = psutil.Process(self.process.pid)
            before = watched.cpu_times().user
            self.pipe.send((kind, folder))
            while not self.pipe.poll(0.05):
                memory = watched.memory_info().rss
                if memory > LIMIT_BYTES:
                    return self._end("memory", f"{memory / 2**20:.0f} MiB")
                if watched.cpu_times().user - before > limit or time.monotonic() - started > 6 * limit:
                    return self._end("hang", f"more than {limit:.0f} s")
            found, told, peak = self.pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError, psutil.NoSuchProcess):
            last_words = self.said.read_text(encoding="utf-8", errors="replace")[-_MOST_SAID:] if self.said.exists() else ""
            return self._end("traceback", f"the process died\n{last_words}")
        self.base, self.peak = self.base or peak, max(self.peak, peak)
        if peak > LIMIT_BYTES:
            return self._end("memory", f"{peak / 2**20:.0f} MiB")
        return found, told

    def _end(self, found: str, told: str) -> tuple[str, str]:
        self.close()
        return found, told

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None


_SPAWN = multiprocessing.get_context("spawn")


def keep(kind: str, file: str, damaged_file: Path, root: str) -> Path | None:
    """Keep a file that failed in the corpus, as KIND__PATH__DIGEST; None where it is too large.

    The folder `root` of this run, which records name, becomes one of as many letters that is on no machine.
    """
    if damaged_file.is_dir():
        content, digest = b"", "folder"
    else:
        content = damaged_file.read_bytes().replace(os.fsencode(root), b"/".ljust(len(os.fsencode(root)), b"x"))
        digest = hashlib.sha256(content).hexdigest()[:8]
    if len(content) > _MOST_KEPT_BYTES:
        return None
    CORPUS.mkdir(exist_ok=True)
    path = CORPUS / f"{kind}__{file.replace('/', '+')}__{digest}"
    path.write_bytes(content)
    return path


def replayed(path: Path, seeds: Seeds, into: Path) -> str:
    """Put a kept file into a whole folder of its kind, whose name is given."""
    kind, name, digest = path.name.split("__")
    if KINDS[kind].alone:
        into.mkdir()
        (into / name).touch()
    else:
        seeds.put(kind, into)
    replace(into / name.replace("+", "/"), None if digest == "folder" else path.read_bytes())
    return kind


def fuzz(count: int, kinds: list[str], *, seed: int, kept: bool) -> Counter:
    """Damage `count` files of some kinds, and print what became of them."""
    total = sum(KINDS[name].weight for name in kinds)
    counts: Counter = Counter()
    print(f"{'kind':14} {'fine':>6} {'refused':>8} {'traceback':>10} {'hang':>5} {'memory':>7} {'peak, MiB':>10}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        seeds = Seeds(Path(name) / "seeds")
        for kind in kinds:
            worker, own = Worker(Path(name) / "said"), Counter()
            shutil.rmtree(Path(name) / "whole", ignore_errors=True)
            seeds.put(kind, Path(name) / "whole")
            found, told = worker.read(kind, Path(name) / "whole")
            assert found == "fine", f"the undamaged {kind}: {told}"
            for number in range(max(1, round(count * KINDS[kind].weight / total))):
                into = Path(name) / "damaged"
                shutil.rmtree(into, ignore_errors=True)
                file = seeds.mutate(kind, number, into, seed=seed)
                found, told = worker.read(kind, into)
                own[found] += 1
                if found in FAULTS:
                    fresh = into.with_name("fresh")
                    shutil.rmtree(fresh, ignore_errors=True)
                    fresh_file = seeds.mutate(kind, number, fresh, seed=seed)
                    place = keep(kind, file.relative_to(into).as_posix(), fresh_file, name) if kept else None
                    line, _, way = told.partition("\n")
                    print(f"  {found} {kind}:{number} --seed {seed} {line} {'' if place is None else place.name}", flush=True)
                    print(textwrap.indent(way, "    "), end="", flush=True)
            worker.close()
            counts += own
            columns = [own[key] for key in ("fine", "refused", *FAULTS)]
            print(
                f"{kind:14} {columns[0]:6} {columns[1]:8} {columns[2]:10} {columns[3]:5} {columns[4]:7} {worker.peak / 2**20:10.0f}",
                flush=True,
            )
    print(", ".join(f"{counts[key]:,} {key}" for key in ("fine", "refused", *FAULTS)), f"of {counts.total():,}", flush=True)
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--kinds", default=",".join(KINDS), metavar="KIND,KIND,...")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one", metavar="KIND:NUMBER", help="read one again in this process")
    parser.add_argument("--no-corpus", action="store_true", help="keep no file that failed")
    asked = parser.parse_args()
    if asked.one:
        kind, _, number = asked.one.partition(":")
        with tempfile.TemporaryDirectory() as name:
            file = Seeds(Path(name) / "seeds").mutate(kind, int(number), Path(name) / "damaged", seed=asked.seed)
            print(file.relative_to(name), file.read_bytes()[:2000] if file.is_file() else "a folder")
            KINDS[kind].read(Path(name) / "damaged")
        return 0
    counts = fuzz(asked.count, asked.kinds.split(","), seed=asked.seed, kept=not asked.no_corpus)
    return int(any(counts[key] for key in FAULTS))


if __name__ == "__main__":
    sys.exit(main())
