"""Verb demo: run the whole pipeline on the sample with the shipped model.

That is: predict, vectorize, export to every format, and score against the mask if there is one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import DatasetError, SceneError
from core.progress import OnProgress, ShouldStop, check, part, report
from core.settings import Settings, setting
from core.vector.formats.products import PRODUCTS
from core.verbs.layers.vectorize import export_all
from core.verbs.options import MODEL
from core.verbs.tables import files_written, score, table
from core.verbs.verb import Answer, OnEvent, Verb, place_of
from core.workspace import PROJECT

SAMPLE_SCENE = PROJECT / "sample_data" / "town" / "images" / "town_whole.tif"
_WHOLE = 100
_SPANS = {"predict": (0, 65), "vectorize": (65, 75), "export": (75, 95), "evaluate": (95, _WHOLE)}
"""Where each step begins and ends in the progress of the whole, by the seconds that the sample takes."""
EXPORTS = (".gpkg", ".shp.zip", ".geojson", ".csv", ".kml", ".html")


@dataclass(frozen=True)
class DemoRequest(Settings):
    """What `demo` can be told."""

    out: Path | None = setting(None, "folder for everything", flag="OUT")
    scene: Path | None = setting(None, "another scene than the sample town", metavar="SCENE")
    model: str = setting("sample-town", MODEL, metavar="MODEL")


def run(
    asked: DemoRequest, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, on_event: OnEvent | None = None
) -> Answer:
    """Run the pipeline on a scene, the sample's whole town when None, and write all to `out`.

    The answer holds what each step answered, the seconds of each, and how many features each file holds.
    Raises SceneError when there is no such scene, and what the steps raise.
    """
    from core.model_store.models import find_model, refuse_measuring
    from core.prediction.predict import predict
    from core.scenes.opening import open_scene

    scene, out = asked.scene or SAMPLE_SCENE, place_of(asked.out)
    if not scene.exists():
        raise SceneError(f"nothing at {scene}", expected="the sample scene, or another raster", do="Name a scene that is there")
    model = find_model(asked.model)
    refuse_measuring(model.card)
    timings: dict[str, float] = {}

    @contextmanager
    def step(name: str) -> Iterator[dict[str, Any]]:
        """What the step's work listens to; its progress is told as that of the whole."""
        check(should_stop)
        if on_event is not None:
            on_event({"type": "step", "step": name})
        began = time.perf_counter()
        yield {"on_progress": part(on_progress, *_SPANS[name], _WHOLE), "should_stop": should_stop}
        timings[name] = time.perf_counter() - began

    with step("predict") as listeners:
        picture = open_scene(scene)
        predicted = predict(model, picture, out / "prediction", **listeners)
    with step("vectorize") as listeners:
        from core.vector.vectorize import vectorize

        drawn = vectorize(out / "prediction", **listeners)
    with step("export") as listeners:
        suffixes = [suffix for suffix in EXPORTS if PRODUCTS[suffix].holds(drawn.layer.geo)]
        files = export_all(drawn.layer, [out / f"{scene.stem}{suffix}" for suffix in suffixes], scene=picture, **listeners)
    with step("evaluate") as listeners:
        report(listeners["on_progress"], 0, 1, "Scoring against the mask")
        scores = _score(scene, out / "prediction", should_stop)
    return {
        "folder": str(out),
        "scene": scene.stem,
        "model": model.folder.name,
        "predict": predicted.summary(),
        "vectorize": drawn.summary(),
        "evaluate": scores,
        "files": files,
        "timings": timings,
        "seconds": sum(timings.values()),
    }


def _score(scene: Path, folder: Path, should_stop: ShouldStop | None) -> dict[str, Any] | None:
    """Scores of a prediction against the mask that belongs to the scene; None without a folder of images around it."""
    from core.datasets.datasets import open_dataset
    from core.datasets.file_names import role_of
    from core.evaluation.against_mask import count_against
    from core.prediction.folder.rasters import Prediction

    if role_of(scene.parent.name, folder=True)[0] != "image":
        return None  # the folder above may be a home folder or all of /tmp, which take minutes to look through
    try:
        dataset = open_dataset(scene.parent.parent)
    except DatasetError:
        return None
    pair = next((pair for pair in dataset.pairs if pair.image_path.resolve() == scene.resolve()), None)
    prediction = Prediction.open(folder)
    if pair is None or dataset.scheme.names != prediction.scheme.names:
        return None
    return count_against(prediction, pair, dataset.scheme, should_stop=should_stop).summary(prediction.scheme)


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """Seconds of each step, polygons, scores and files."""
    yield f"{answer['scene']} with {answer['model']}:"
    yield from table(("step", "seconds"), [(step, f"{seconds:.1f}") for step, seconds in answer["timings"].items()])
    yield f"{answer['vectorize']['polygons']} polygons"
    if answer["evaluate"]:
        scores = answer["evaluate"]
        yield f"Against the mask: accuracy {score(scores['accuracy'])}, mean IoU {score(scores['mean_iou'])}"
    yield from files_written(answer["files"])
    yield f"All in {answer['folder']}, {answer['seconds']:.1f} s"


VERB = Verb("demo", DemoRequest, run, summary, place="layers", heavy=True)
