"""The evaluations of the workspace: which there are, what asked for them, and the model and data set they are of."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from core.datasets.datasets import Dataset
from core.datasets.pairs import Pair
from core.errors import GroundlineError
from core.evaluation.result import EVALUATION_FILE, Evaluation
from core.jobs import jobs
from core.model_store.cards import CARD_FILE
from core.model_store.models import Model, find_model
from ui import library, state

PART_WORDS = {"test": "held-out scenes", "validation": "validation scenes", "train": "training scenes", "all": "all scenes"}


@dataclass(frozen=True)
class EvaluationRun:
    """An evaluation's folder and the request of the job that wrote it; empty when another program did."""

    folder: Path
    request: dict[str, Any] = field(default_factory=dict)

    @property
    def evaluation(self) -> Evaluation:
        """What was found; read again only when it was written again. Raises InputError."""
        return library.evaluation(self.folder)

    @property
    def model(self) -> Model | None:
        """The model it is of, while that exists."""
        try:
            return find_model(self.request["model"]) if self.request else None
        except GroundlineError:
            return None

    @property
    def dataset(self) -> Dataset | None:
        """The data set it was measured on, while that is where it was."""
        folder = self.request.get("dataset")
        try:
            return library.dataset(folder) if folder else None
        except (GroundlineError, OSError):
            return None

    @property
    def standing(self) -> str:
        """What its scenes were to the model: "unseen", "chose" (its epoch), "seen" or, where nobody says, "unknown"."""
        one = self.evaluation
        if one.scenes == "train" or (one.scenes != "all" and one.split != "group"):
            return "seen"
        if one.scenes != "all":
            return "unseen" if one.scenes == "test" else "chose"
        split = {} if self.model is None else self.model.card.split
        if not split.get("pairs"):
            return "unknown"
        used = {name for part in ("train", "validation") for name in split["pairs"].get(part, ())}
        return "seen" if used & set(one.per_scene) else "unseen"

    def pair(self, scene: str) -> Pair | None:
        """The scene of that name with its mask."""
        dataset = self.dataset
        return None if dataset is None else next((pair for pair in dataset.pairs if pair.name == scene), None)

    @property
    def label(self) -> str:
        """Model, data set, part and time, to tell evaluations apart."""
        when = datetime.fromtimestamp((self.folder / EVALUATION_FILE).stat().st_mtime)
        return f"{self.title} · {when:%d %b %H:%M}"

    @property
    def title(self) -> str:
        """Model, data set and part."""
        one = self.evaluation
        part = PART_WORDS[one.scenes]
        if one.settings.get("random_patches_only"):
            part = f"{one.scenes} patches of a {one.split} split"
        return f"{one.model} · {one.dataset} · {part}"


def runs() -> list[EvaluationRun]:
    """All evaluations of the workspace that can be read, newest first."""
    asked = {job.request.get("out"): job.request for job in jobs.list_jobs(state.workspace(), kinds=("evaluate", "random_split"))}
    return [EvaluationRun(folder, asked.get(str(folder), {})) for folder in library.sort_evaluations()[0]]


def last_trained() -> str | None:
    """The folder of the model that was trained last, once it has finished an epoch."""
    folders = (Path(job.request["out"]) for job in jobs.list_jobs(state.workspace(), kinds=("train",)))
    return next((str(folder) for folder in folders if (folder / CARD_FILE).is_file()), None)


def training_of(model: Model) -> dict[str, Any] | None:
    """The request of the training that made a model, while its prepared patches are still there."""
    for job in jobs.list_jobs(state.workspace(), kinds=("train",)):
        if Path(job.request["out"]) == Path(model.folder) and Path(job.request["prepared"]).is_dir():
            return job.request
    return None
