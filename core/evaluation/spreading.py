"""Scenes measured on the workers of a cluster, each on one, with the figures that one process finds."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.cluster.driving import Driven, Task, drive
from core.cluster.where import Where
from core.digests import digest_of
from core.evaluation.measure import Measures, Predicting, Totals, measure_scene
from core.evaluation.result import MAPS, SceneResult
from core.evaluation.scenes import SceneTruth
from core.files import delete, replacing
from core.model_store.models import Model
from core.prediction.kept import given_up, kept_engine
from core.prediction.running import BlendLayout
from core.progress import OnProgress, ShouldStop


@dataclass(frozen=True)
class Measuring:
    """What all scenes of an evaluation have in common, as a worker is told it; `work` is a folder that all machines see."""

    model: Model
    engine: str
    layouts: tuple[BlendLayout, ...]
    memory: int
    measures: Measures
    work: Path


def map_file(work: Path, number: int) -> Path:
    """Where the map of the scene with a number, from 0, is put together."""
    return work / MAPS / f"{number + 1:04d}.tif"


def measure_scenes(
    where: Where,
    measuring: Measuring,
    truths: Sequence[SceneTruth],
    totals: Totals,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[list[SceneResult], Driven]:
    """Measure scenes on the cluster; `totals` grows by them in their order, as it does in one process. Raises what `drive` raises."""
    folder = measuring.work / "measured"
    folder.mkdir()
    found: dict[str, tuple[SceneResult, Totals]] = {}

    def tasks(_workers: int) -> list[Task]:
        made = [
            Task(f"{number:06d}", (measuring, truth, number, folder / f"{number:06d}"), folder / f"{number:06d}", _weight(truth))
            for number, truth in enumerate(truths)
        ]
        # The largest come first, so that none of them is left alone at the end.
        return sorted(made, key=lambda task: -task.weight)

    def take(task: Task) -> None:
        # Our own workers wrote it, into a folder that this run has made.
        found[task.name] = pickle.loads(task.result.read_bytes())

    driven = drive(
        where,
        digest_of(str(folder)),
        measure_on_worker,
        tasks,
        on_done=take,
        shared=folder,
        message="Predicting",
        twice=False,
        on_progress=on_progress,
        should_stop=should_stop,
    )
    delete(folder)
    for _, of_scene in (found[name] for name in sorted(found)):
        totals.add(of_scene)
    return [found[name][0] for name in sorted(found)], driven


def measure_on_worker(measuring: Measuring, truth: SceneTruth, number: int, file: Path) -> None:
    """What a worker does: measure the scene with this number, and leave its result and totals in `file`."""
    model = measuring.model
    prediction = Predicting(model.card, kept_engine(model, measuring.engine, None), measuring.layouts, measuring.memory)
    totals = Totals.empty(len(model.card.scheme))
    result = measure_scene(
        truth,
        prediction,
        measuring.measures,
        totals,
        measuring.work,
        number=number,
        map_file=map_file(measuring.work, number),
        should_stop=given_up(file.parent),
    )
    with replacing(file) as temporary:
        temporary.write_bytes(pickle.dumps((result, totals)))


def _weight(truth: SceneTruth) -> float:
    return truth.pair.shape[0] * truth.pair.shape[1] / 1e6
