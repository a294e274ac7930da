"""Verb predict-batch: predict every scene of a folder, with one table of results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.cluster.where import ClusterSettings
from core.files import refuse_foreign_folder
from core.prediction.settings import PredictSettings
from core.progress import OnProgress, ShouldStop
from core.settings import PICTURE, REQUIRED, Settings, group, setting
from core.verbs.options import MODEL
from core.verbs.tables import known, spread, table
from core.verbs.verb import Answer, Verb, place_of


@dataclass(frozen=True)
class PredictBatchRequest(Settings):
    """What `predict-batch` can be told; a request may name several files instead of a folder."""

    model: str = setting(REQUIRED, MODEL, flag="MODEL")
    scenes: Path | tuple[Path, ...] = setting(
        REQUIRED,
        "folder of scenes, or a .txt that lists paths and addresses, one a line; those finished with these settings are kept",
        flag="FOLDER",
        address=PICTURE,
    )
    out: Path | None = setting(None, "folder for a prediction of each scene, and results.csv", flag="OUT")
    blending: PredictSettings = group(PredictSettings())
    crs: str | None = setting(None, "names the CRS of scenes that have a transform and none, for example EPSG:2154")
    spreading: ClusterSettings = group(ClusterSettings())


def run(asked: PredictBatchRequest, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, **_: Any) -> Answer:
    """Predict every scene of a folder, or of a list of files."""
    from core.geo import read_crs
    from core.prediction.batch import RESULTS_FILE, find_scenes, predict_batch

    out = place_of(asked.out)
    refuse_foreign_folder(out, RESULTS_FILE, "a new folder, or that of an older batch")
    return predict_batch(
        asked.model,
        find_scenes(asked.scenes) if isinstance(asked.scenes, Path) else asked.scenes,
        out,
        asked.blending,
        crs=None if asked.crs is None else read_crs(asked.crs),
        cluster=asked.spreading.where,
        on_progress=on_progress,
        should_stop=should_stop,
    ).summary()


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """One line for each scene."""
    yield from table(
        ("scene", "result", "seconds"),
        [(Path(row["scene"]).name, row["error"] or row["state"], known(row["seconds"], ".1f")) for row in answer["results"]],
    )
    yield from spread(answer)
    yield f"{answer['scenes'] - answer['failed']} of {answer['scenes']} scenes predicted, in {answer['folder']}"


VERB = Verb(
    "predict_batch",
    PredictBatchRequest,
    run,
    summary,
    place="predictions",
    heavy=True,
)
