"""What each kind of work does: plain request in, one or two calls of the library, plain answer out.

The library is imported inside the functions: with pandas imported before TensorFlow, training hangs on some machines
(keras#23083), so neither may come in by accident, and `--help` should answer at once. Every function takes a completed
request (`core.jobs.kinds.complete`) and the keyword-only callables `on_progress`, `should_stop` and `on_event`, and
returns values fit for JSON.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.errors import SettingsError
from core.files import write_json
from core.jobs.predicting import BLENDING, chosen
from core.progress import OnProgress, ShouldStop, check, report

Answer = dict[str, Any]
Request = Mapping[str, Any]


def audit(request: Request, *, on_progress: OnProgress | None, should_stop: ShouldStop | None, **_: Any) -> Answer:
    """Look over a data set."""
    from core.audit.audit import audit as look_over

    return look_over(_dataset(request), on_progress=on_progress, should_stop=should_stop).summary()


def prepare(request: Request, *, on_progress: OnProgress | None, should_stop: ShouldStop | None, **_: Any) -> Answer:
    """Cut a data set into patches and divide them."""
    from core.patches.prepare import prepare as cut

    store = cut(
        _dataset(request),
        Path(request["out"]),
        patch_size=request["patch_size"],
        stride=request["stride"] or request["patch_size"],
        min_labelled=request["min_labelled"],
        split=request["split"],
        validation=request["validation"],
        test=request["test"],
        seed=request["seed"],
        scale=request["scale"],
        bands=request["bands"],
        hold_out=tuple(request["hold_out"]),
        on_progress=on_progress,
        should_stop=should_stop,
    )
    return {**store.summary(), "folder": request["out"]}


def train(
    request: Request,
    *,
    on_progress: OnProgress | None,
    should_stop: ShouldStop | None,
    on_event: Callable[[dict[str, Any]], None] | None,
) -> Answer:
    """Train a network on prepared patches; each epoch becomes an event of type "epoch"."""
    store, settings = _training_data(request, on_progress)
    from core.training.training import train as learn

    def on_epoch(record: dict[str, Any]) -> None:
        if on_event is not None:
            on_event({**record, "type": "epoch"})

    result = learn(
        store,
        Path(request["out"]),
        settings,
        on_progress=on_progress,
        should_stop=should_stop,
        on_epoch=on_epoch,
        resume=request["resume"],
    )
    return {**result.summary(), "folder": request["out"]}


def probe(request: Request, *, on_progress: OnProgress | None, should_stop: ShouldStop | None, **_: Any) -> Answer:
    """Try a few steps of a training: time, memory, disk and batch size."""
    store, settings = _training_data(request, on_progress)
    from core.training.probe import probe as measure

    return measure(store, settings, memory_budget_mib=request["memory_budget_mib"], on_progress=on_progress, should_stop=should_stop)


def rate_test(request: Request, *, on_progress: OnProgress | None, should_stop: ShouldStop | None, **_: Any) -> Answer:
    """Find a learning rate by raising it from step to step."""
    store, settings = _training_data(request, on_progress)
    from core.training.rate_search import rate_test as rise

    span = {name: request[name] for name in ("lowest", "highest", "steps")}
    return rise(store, settings, **span, on_progress=on_progress, should_stop=should_stop)


def search(request: Request, *, on_progress: OnProgress | None, should_stop: ShouldStop | None, **_: Any) -> Answer:
    """Try pairs of learning rate and batch size in short runs."""
    store, settings = _training_data(request, on_progress)
    from core.training.search import search as try_all

    grid = {name: request[name] for name in ("learning_rates", "batch_sizes", "epochs", "patches_per_epoch", "resume")}
    return try_all(store, Path(request["out"]), settings, **grid, on_progress=on_progress, should_stop=should_stop)


def evaluate(request: Request, *, on_progress: OnProgress | None, should_stop: ShouldStop | None, **_: Any) -> Answer:
    """Measure a model on the scenes of a data set; `out` keeps it all, `report` is the page for people."""
    from core.evaluation.evaluate import evaluate as measure
    from core.evaluation.evaluate import store_temperature
    from core.evaluation.writing import write_report
    from core.model_store.models import find_model

    model = find_model(request["model"])
    if request["store_temperature"] and request["scenes"] != "validation":
        raise SettingsError(
            f"a temperature from {request['scenes']} scenes",
            expected="validation scenes, so that held-out ones stay honest",
            do="Choose the validation scenes",
        )
    evaluation = measure(
        model,
        _dataset(request),
        scenes=request["scenes"],
        patches=request["patches"],
        folder=request["out"],
        polygons=tuple(request["polygons"] or ()),
        **chosen(request, BLENDING),
        on_progress=on_progress,
        should_stop=should_stop,
    )
    if request["report"] is not None:
        write_report(evaluation, request["report"])
    answer = {**evaluation.summary(), "folder": request["out"], "report": request["report"], "stored_temperature": None}
    if request["store_temperature"]:
        answer["stored_temperature"] = store_temperature(model, evaluation).card.temperature
    return answer


def compare(request: Request, *, on_progress: OnProgress | None, should_stop: ShouldStop | None, **_: Any) -> Answer:
    """Compare two evaluation folders; `out` takes the result, and maps of where they disagree unless they score other scenes."""
    from core.evaluation.comparing import compare as set_side_by_side
    from core.evaluation.comparing import optimistic_against_honest, write_disagreement
    from core.evaluation.result import Evaluation

    first, second = Evaluation.load(request["first"]), Evaluation.load(request["second"])
    found = optimistic_against_honest(first, second) if request["optimistic"] else set_side_by_side(first, second)
    answer = {**found.summary(), "folder": request["out"], "disagreement": {}}
    if request["out"] is not None:
        if not request["optimistic"]:
            answer["disagreement"] = write_disagreement(first, second, request["out"], on_progress=on_progress, should_stop=should_stop)
        Path(request["out"]).mkdir(parents=True, exist_ok=True)
        write_json(Path(request["out"]) / "comparison.json", answer)
    return answer


def vectorize(request: Request, *, on_progress: OnProgress | None, should_stop: ShouldStop | None, **_: Any) -> Answer:
    """Turn a prediction or class raster into polygons and write them to each of the files asked for."""
    from core.vector.formats.products import product_of
    from core.vector.vectorize import vectorize as draw

    for file in request["files"]:
        product_of(file)
    result = draw(
        Path(request["prediction"]),
        threshold=request["threshold"],
        min_area=request["min_area"],
        simplify=request["simplify"],
        smooth=request["smooth"],
        classes=request["classes_only"],
        pixel_size_m=request["pixel_size"],
        distance_to=request["distance_to"],
        regularize=request["regularize"],
        centre_lines=request["centre_lines"],
        method=request["method"],
        on_progress=on_progress,
        should_stop=should_stop,
    )
    files = export_all(
        result.layer, request["files"], crs=request["crs"], scene=_pictured(request), prediction=_predicted(request), lines=result.lines,
        on_progress=on_progress, should_stop=should_stop,
    )  # fmt: skip
    return {**result.summary(), "files": files}


def demo(request: Request, **callables: Any) -> Answer:
    """Run the whole pipeline on a sample scene with a shipped model."""
    from core.jobs.demo import run_demo

    return run_demo(request, export_all=export_all, **callables)


def export_all(
    layer: Any,
    files: Sequence[str],
    *,
    crs: str | None = None,
    scene: Any = None,
    prediction: Any = None,
    lines: Any = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> list[dict[str, Any]]:
    """Write a layer to each file and say how many features each of them holds when it is read again (None for what is no layer).

    `scene` is the picture below the polygons of a map, `prediction` what a report says more about, `lines` the centre
    lines that go with the polygons; None for none.
    """
    from core.vector.formats.export import write_product

    written, card = [], _card_of(prediction)
    for number, file in enumerate(files):
        check(should_stop)
        report(on_progress, number, len(files), f"Writing {Path(file).name}")
        features = write_product(layer, Path(file), crs=crs, scene=scene, card=card, prediction=prediction, lines=lines)
        written.append({"path": str(file), "features": features})
    report(on_progress, len(files), len(files), "Written")
    return written


def _training_data(request: Request, on_progress: OnProgress | None) -> tuple[Any, Any]:
    """Patches and settings of a training, checked before the seconds that TensorFlow takes to start, and TensorFlow started."""
    from core.networks.architectures import resolve_encoder
    from core.patches.store import PatchStore
    from core.training.settings import TrainSettings

    store = PatchStore.open(Path(request["prepared"]))
    settings = TrainSettings.from_dict(request["settings"])
    resolve_encoder(settings.architecture, settings.encoder)
    _start_tensorflow(on_progress)
    return store, settings


def _start_tensorflow(on_progress: OnProgress | None) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("SM_FRAMEWORK", "tf.keras")
    if os.environ.get("TF_NUM_INTEROP_THREADS") == "1":
        # A training with one thread stood still; whether for want of a second one, or by the tuning that is off now, was not found out.
        os.environ["TF_NUM_INTEROP_THREADS"] = "2"
    report(on_progress, 0, 0, "Starting TensorFlow")
    importlib.import_module("tensorflow")


def _dataset(request: Request) -> Any:
    from core.datasets.datasets import open_dataset

    return open_dataset(request["dataset"], classes=request["classes"])


def _predicted(request: Request) -> Any:
    """The prediction to trace, None for a plain class raster."""
    from core.prediction.folder.rasters import PREDICTION_FILE, Prediction

    folder = Path(request["prediction"])
    return Prediction.open(folder) if (folder / PREDICTION_FILE).is_file() else None


def _card_of(prediction: Any) -> Any:
    """The card of the model behind a prediction; None for no prediction, and for a model that is no longer there."""
    from core.errors import ModelError
    from core.model_store.models import find_model

    if prediction is None:
        return None
    try:
        return find_model(prediction.card_name).card
    except ModelError:
        return None


def _pictured(request: Request) -> Any:
    """The scene to show in a map: the one named, or the one that the prediction was made of while it is still there."""
    from core.scenes.opening import open_scene

    if request["scene"] is not None:
        return open_scene(request["scene"])
    prediction = _predicted(request)
    if prediction is None:
        return None
    path = Path(prediction.made.get("scene") or "")
    return open_scene(path) if path.is_absolute() and path.exists() else None
