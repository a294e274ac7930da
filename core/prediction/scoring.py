"""How good a model is on whole scenes, predicted as a user would."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.classes import IGNORED_ID, ClassScheme
from core.data.datasets import Dataset, Pair, open_dataset
from core.errors import InputError, SettingsError
from core.learning.confusion import Confusion
from core.learning.model_store import Model, find_model
from core.prediction.budget import parse_memory
from core.prediction.checks import check_scene
from core.prediction.engine import Engine, open_engine
from core.prediction.running import Layout, plan_within, run_blend
from core.progress import OnProgress, ShouldStop, check
from core.scene import Window

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model on scenes with masks: one confusion per scene; `notes` say what limits their meaning."""

    scheme: ClassScheme
    per_scene: Mapping[str, Confusion]
    scenes: str
    notes: tuple[str, ...] = ()

    @property
    def confusion(self) -> Confusion:
        """All scenes together."""
        return sum(self.per_scene.values(), Confusion.empty(len(self.scheme)))

    def summary(self) -> dict[str, Any]:
        """Scores as plain values: of all pixels, and accuracy and mean IoU of each scene."""
        scenes = {name: {"accuracy": one.accuracy, "mean_iou": one.mean_iou, "pixels": one.pixels} for name, one in self.per_scene.items()}
        return {**self.confusion.summary(self.scheme), "scenes": scenes, "part": self.scenes, "notes": list(self.notes)}


def evaluate(
    model: Model | str | os.PathLike,
    dataset: Dataset | str | os.PathLike,
    *,
    scenes: str = "all",
    overlap: float = 0.5,
    symmetries: int = 1,
    memory: str | int = "1GiB",
    engine: str | Engine = "auto",
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Evaluation:
    """Predict the scenes of a data set that have masks, blended as `predict` does, and count hits and misses.

    `scenes`: "all", or those that were the "train", "validation" or "test" part when the model was trained. Nothing is
    written. Classes of data set and model are matched by name. Raises InputError when nothing can be compared,
    SettingsError, SceneError, ModelError, Cancelled.
    """
    limit = parse_memory(memory)
    model = model if isinstance(model, Model) else find_model(model)
    dataset = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
    pairs, notes = chosen_pairs(model, dataset, scenes)
    table, more = _class_table(dataset.scheme, model.card.scheme)
    for pair in pairs:
        check_scene(model.card, pair.image)
    ready = engine if isinstance(engine, Engine) else open_engine(model, engine=engine)
    layout = Layout(overlap, symmetries, model.card.scale)
    per_scene = {}
    for number, pair in enumerate(pairs):
        check(should_stop)
        listener = _step(on_progress, number, len(pairs), pair.name)
        per_scene[pair.name] = _score(model, pair, dataset.scheme, table, ready, layout, limit, listener, should_stop)
    return Evaluation(model.card.scheme, per_scene, scenes, tuple(notes + more))


def chosen_pairs(model: Model, dataset: Dataset, scenes: str) -> tuple[list[Pair], list[str]]:
    """The pairs with masks of one part of the model's split, and what is to be said about them.

    Raises SettingsError for an unknown part, InputError when the model does not know these scenes.
    """
    if scenes not in ("all", *PARTS):
        raise SettingsError(f"scenes {scenes!r}", expected="all, train, validation or test", do="Choose one of them")
    labelled = [pair for pair in dataset.pairs if pair.mask_path is not None or pair.mask_opener is not None]
    known = {part: _members(model, part, labelled) for part in PARTS}
    if scenes == "all":
        if not labelled:
            raise InputError(
                f"no masks in {dataset.name}", expected="at least one image with its mask", do="Add masks or choose another data set"
            )
        seen = sum(pair.name in known["train"] or pair.name in known["validation"] for pair in labelled)
        return labelled, [f"{seen} of the {len(labelled)} scenes were used in training, so the scores are too high."] if seen else []
    chosen = [pair for pair in labelled if pair.name in known[scenes]]
    if not chosen:
        parts = ", ".join(f"{part} {len(names)}" for part, names in known.items())
        raise InputError(
            f"no scene of {dataset.name} was in the {scenes} part of {model.card.name} (scenes it knows: {parts})",
            expected=f"a data set that holds scenes of its {scenes} part",
            do="Evaluate all scenes, or name the data set that the model was trained on",
        )
    seen = [pair.name for pair in chosen if scenes != "train" and pair.name in known["train"]]
    if not seen:
        return chosen, []
    how = {"block": "by blocks", "random": "by random patches"}.get(model.card.split.get("how"), "within scenes")
    return chosen, [f"The split was {how}: parts of {len(seen)} of these {len(chosen)} scenes were trained on, so the scores are too high."]


def _members(model: Model, part: str, pairs: list[Pair]) -> set[str]:
    split = model.card.split
    names = set(split.get("pairs", {}).get(part, ()))
    groups = set(split.get("groups", {}).get(part, ()))
    by_name = {pair.name for pair in pairs if pair.name in names}
    return by_name or {pair.name for pair in pairs if pair.group in groups}


def _class_table(dataset: ClassScheme, model: ClassScheme) -> tuple[np.ndarray, list[str]]:
    """The model's id of each of the data set's ids, uint8 (256,); classes that the model does not know are ignored."""
    ids = {name.strip().lower(): number for number, name in enumerate(model.names)}
    table = np.full(256, IGNORED_ID, np.uint8)
    unknown = []
    for number, name in enumerate(dataset.names):
        if name.strip().lower() in ids:
            table[number] = ids[name.strip().lower()]
        else:
            unknown.append(name)
    if len(unknown) == len(dataset.names):
        raise InputError(
            f"classes {', '.join(dataset.names)} in the masks and {', '.join(model.names)} in the model",
            expected="classes of the same names",
            do="Give the data set a class file with the model's names",
        )
    return table, [f"Masks of {', '.join(unknown)} were left out: the model does not know them."] if unknown else []


def _score(model, pair: Pair, scheme, table, engine, layout, limit, on_progress, should_stop) -> Confusion:
    window = Window(0, 0, *pair.shape)
    plan, _ = plan_within(model.card, pair.image, window, engine, layout, memory=limit)
    found = [Confusion.empty(engine.classes)]

    def count(part: Window, probabilities: np.ndarray) -> None:
        truth = table[pair.labels(scheme, part)]
        truth[~pair.image.valid(part)] = IGNORED_ID
        found[0] = found[0].add(truth, probabilities.argmax(axis=-1))

    run_blend(plan, model.card, pair.image, window, engine, count, on_progress=on_progress, should_stop=should_stop)
    return found[0]


def _step(on_progress: OnProgress | None, number: int, total: int, name: str) -> OnProgress | None:
    """A listener that turns the progress of one scene into that of all: 1000 steps each."""
    if on_progress is None:
        return None
    return lambda done, of, _: on_progress(number * 1000 + (done * 1000 // of if of else 0), total * 1000, f"Predicting {name}")
