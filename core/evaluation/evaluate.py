"""How good a model is on whole scenes, predicted as a user would."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.claims import scratch
from core.classes import ClassScheme
from core.cluster.where import Where, read_where
from core.datasets.datasets import Dataset, open_dataset
from core.digests import steady_files
from core.errors import ModelError, SettingsError
from core.evaluation.boundary import boundary_distance_px
from core.evaluation.calibration import after_temperature, fit_temperature, reliability
from core.evaluation.label_errors import find_label_errors
from core.evaluation.measure import Measures, Predicting, Totals, measure_scene
from core.evaluation.pictures import with_pictures
from core.evaluation.result import EVALUATION_FILE, MAPS, Calibration, Evaluation, SceneResult
from core.evaluation.scenes import SceneTruth, chosen_pairs, class_table, part_windows
from core.evaluation.spreading import Measuring, map_file, measure_scenes
from core.evaluation.writing import write_all
from core.files import refuse_foreign_folder, replacing_folder
from core.model_store.cards import CARD_FILE
from core.model_store.models import Model, find_model, refuse_measuring
from core.patches.store import PatchStore
from core.prediction.checks import check_scene
from core.prediction.engines.engine import Engine, open_engine
from core.prediction.running import layouts_of
from core.prediction.settings import BlendSettings
from core.progress import OnProgress, ShouldStop, check, part, report

_SAMPLE_PIXELS = 200_000
_GRID_PX = 32
_PICTURES = 24


def evaluate(
    model: Model | str | os.PathLike,
    dataset: Dataset | str | os.PathLike,
    settings: BlendSettings | None = None,
    *,
    scenes: str = "all",
    patches: PatchStore | str | os.PathLike | None = None,
    folder: str | os.PathLike | None = None,
    polygons: Sequence[str] = (),
    patch_px: int = 256,
    boundary_px: int | None = None,
    engine: Engine | str | None = None,
    pictures: int = _PICTURES,
    seed: int = 0,
    cluster: str | Where | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **told: Any,
) -> Evaluation:
    """Predict the scenes of a data set that have masks, blended as `predict` does, and measure the result.

    `scenes`: "all", or those that were the "train", "validation" or "test" part when the model was trained. With
    `patches`, the folder that the model was trained on, only pixels inside patches of that part count: so a random split
    is scored on what it held back. `polygons` names classes whose objects are matched at IoU 0.5. `patch_px` is about the
    side of the patches that are ranked, `boundary_px` the width of the strip along outlines (2 % of a patch's diagonal).
    `cluster` is what `read_where` reads; its workers then measure a scene each. Classes of data set and model are matched by
    name. `folder` appears when all is written; nothing is kept without it.
    Raises InputError when nothing can be compared, SettingsError, SceneError, ModelError, Cancelled.
    """
    settings = replace(settings or BlendSettings(), **told)
    where = read_where(cluster)
    model = model if isinstance(model, Model) else find_model(model)
    refuse_measuring(model.card)
    dataset = dataset if isinstance(dataset, Dataset) else open_dataset(dataset if where is None else Path(dataset).resolve())
    if where is not None and not dataset.root.is_absolute():
        raise SettingsError(
            f"a data set in {dataset.root}, told from the current folder",
            expected="a whole path, which workers know too",
            do="Open it by that",
        )
    pairs, notes = chosen_pairs(model, dataset, scenes)
    table, more = class_table(dataset.scheme, model.card.scheme)
    windows = None
    if patches is not None:
        store = patches if isinstance(patches, PatchStore) else PatchStore.open(patches)
        windows = part_windows(store, scenes, pairs)
        pairs = [pair for pair in pairs if pair.name in windows]
        notes = [*notes, f"Only pixels inside {scenes} patches of {store.folder.name} are scored."]
    wanted = _polygon_classes(polygons, model.card.scheme)
    if patch_px < 8:
        raise SettingsError(f"patches of {patch_px} px", expected="at least 8 px", do="Choose a larger patch")
    if folder is not None:
        refuse_foreign_folder(Path(folder), EVALUATION_FILE)
    for pair in pairs:
        check_scene(model.card, pair.image)
    ready = engine if isinstance(engine, Engine) else open_engine(model, engine=engine or settings.engine)
    measures = Measures(
        patch_px=patch_px,
        boundary_px=boundary_px or boundary_distance_px(patch_px),
        grid_px=_GRID_PX,
        polygons=wanted,
        sample_fraction=min(1.0, _SAMPLE_PIXELS / sum(pair.shape[0] * pair.shape[1] for pair in pairs)),
        seed=seed,
    )
    layouts = layouts_of(settings, model.card.scale)
    totals = Totals.empty(len(model.card.scheme))
    truths = [SceneTruth(pair, dataset.scheme, table, None if windows is None else windows[pair.name]) for pair in pairs]
    refuse_changed = steady_files(dataset.only([pair.name for pair in pairs]).files)
    with _work_folder(folder) as work:
        steps = len(pairs) + 1
        if where is not None:
            measuring = Measuring(model.by_whole_path, ready.name, layouts, settings.memory_bytes, measures, work.resolve())
            spread = part(on_progress, 0, len(pairs), steps)
            results, _ = measure_scenes(where, measuring, truths, totals, on_progress=spread, should_stop=should_stop)
        else:
            prediction = Predicting(model.card, ready, layouts, settings.memory_bytes)
            results = _measured_here(truths, prediction, measures, totals, work, on_progress, should_stop)
        refuse_changed()
        report(on_progress, len(pairs) * 1000, steps * 1000, "Ranking patches and labels")
        evaluation = Evaluation(
            scheme=model.card.scheme,
            results=tuple(results),
            scenes=scenes,
            histogram=totals.histogram,
            confidences=totals.confidences,
            model=model.card.name,
            dataset=dataset.name,
            split=str(model.card.split.get("how", "")),
            notes=tuple(notes + more),
            patches=tuple(sorted(totals.patches, key=_badness)),
            label_errors=find_label_errors(
                [(one.name, work / MAPS / one.map) for one in results], model.card.scheme, totals.histogram, should_stop=should_stop
            ),
            calibration=_calibration(totals, model.card.temperature),
            settings={
                "patch_px": patch_px,
                "boundary_px": measures.boundary_px,
                "grid_px": _GRID_PX,
                "polygon_iou": 0.5,
                "overlap": settings.overlap,
                "symmetries": settings.symmetries,
                "scales": list(settings.scales),
                "engine": ready.name,
                "seed": seed,
                "random_patches_only": windows is not None,
            },
        )
        if folder is None:
            evaluation = replace(evaluation, results=tuple(replace(one, map=None) for one in results))
        else:
            evaluation = with_pictures(evaluation, {pair.name: pair for pair in pairs}, work, most=pictures, should_stop=should_stop)
            write_all(evaluation.placed(work), work)
    report(on_progress, steps * 1000, steps * 1000, "Evaluated")
    return evaluation if folder is None else evaluation.placed(Path(folder))


def _measured_here(
    truths: Sequence[SceneTruth],
    prediction: Predicting,
    measures: Measures,
    totals: Totals,
    work: Path,
    on_progress: OnProgress | None,
    should_stop: ShouldStop | None,
) -> list[SceneResult]:
    """The scenes one after the other, in this process."""
    results = []
    for number, truth in enumerate(truths):
        check(should_stop)
        named = _named(truth.pair.name)
        results.append(
            measure_scene(
                truth,
                prediction,
                measures,
                totals,
                work,
                number=number,
                map_file=map_file(work, number),
                on_progress=part(on_progress, number, number + 1, len(truths) + 1, message=named),
                should_stop=should_stop,
            )
        )
    return results


def _named(scene: str) -> Callable[[str], str]:
    return lambda _: f"Predicting {scene}"


def store_temperature(model: Model, evaluation: Evaluation) -> Model:
    """The model with the temperature that suits the evaluation, written to its card; the winner of no pixel changes.

    Fit it on validation scenes: on the test part it would make the test part's calibration look better than it is.
    Raises ModelError for a model without a card of its own, or one that the evaluation is not of.
    """
    if evaluation.calibration is None or evaluation.model != model.card.name or evaluation.calibration.applied != model.card.temperature:
        raise ModelError(
            f"an evaluation of {evaluation.model or 'another model'} for {model.card.name}",
            expected="an evaluation of this model as it is now",
            do="Evaluate it on its validation scenes again",
        )
    if not (model.folder / CARD_FILE).is_file():
        raise ModelError(f"no card beside {model.file.name}", expected="a model folder", do="Make a model folder of the file first")
    card = replace(model.card, temperature=round(evaluation.calibration.temperature, 4))
    card.save(model.folder)
    return Model(card, model.folder, model.file)


def _calibration(totals: Totals, applied: float) -> Calibration | None:
    probabilities, truth = np.concatenate(totals.sample), np.concatenate(totals.sample_truth)
    some = probabilities.max(axis=1, initial=0) > 0
    probabilities, truth = probabilities[some], truth[some].astype(np.int64)
    if len(truth) == 0:
        return None
    fitted = fit_temperature(probabilities, truth)
    before = reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth)
    return Calibration(applied, fitted, len(truth), before, after_temperature(probabilities, truth, fitted))


def _badness(patch) -> tuple:
    """Worst first: patches that are hardly labelled come last, whatever their error."""
    hardly = patch.pixels < 0.1 * patch.height * patch.width
    return hardly, -patch.error_fraction, -patch.loss, patch.scene, patch.row, patch.col


def _polygon_classes(names: Sequence[str], scheme: ClassScheme) -> tuple[str, ...]:
    known = {name.lower(): name for name in scheme.names}
    unknown = [name for name in names if name.strip().lower() not in known]
    if unknown:
        raise SettingsError(f"polygons of {unknown[0]!r}", expected=f"classes among {', '.join(scheme.names)}", do="Correct the name")
    return tuple(dict.fromkeys(known[name.strip().lower()] for name in names))


@contextmanager
def _work_folder(folder: str | os.PathLike | None) -> Iterator[Path]:
    """The folder that becomes `folder`, or a temporary one where nothing is to be kept."""
    if folder is not None:
        with replacing_folder(folder) as work:
            yield work
        return
    with scratch() as work:
        yield work
