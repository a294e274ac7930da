"""Which scenes are scored, and what their masks say in the model's classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.classes import IGNORED_ID, ClassScheme
from core.datasets.datasets import Dataset
from core.datasets.pairs import Pair
from core.errors import InputError, SettingsError
from core.model_store.models import Model
from core.patches.store import PatchStore
from core.scenes.scene import Window

PARTS = ("train", "validation", "test")
OUTSIDE_ID = 254
"""Pixels that are none of the evaluation's business: outside the patches of its part."""


@dataclass(frozen=True, eq=False)
class SceneTruth:
    """The mask of one pair in the model's class ids; with `patches`, only inside these windows."""

    pair: Pair
    scheme: ClassScheme
    table: np.ndarray
    patches: tuple[Window, ...] | None = None

    def read(self, window: Window) -> np.ndarray:
        """Class ids uint8 (h, w): 255 where nothing is labelled or the image holds nothing, 254 outside the patches."""
        truth = self.table[self.pair.labels(self.scheme, window)]
        truth[~self.pair.image.valid(window)] = IGNORED_ID
        if self.patches is None:
            return truth
        inside = np.zeros(truth.shape, bool)
        for patch in self.patches:
            common = window.intersect(patch)
            if common.pixels:
                inside[Window(common.row - window.row, common.col - window.col, common.height, common.width).slices] = True
        truth[~inside] = OUTSIDE_ID
        return truth


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


def part_windows(store: PatchStore, part: str, pairs: Sequence[Pair]) -> dict[str, tuple[Window, ...]]:
    """The patches of a part by the name of their scene, in pixels of the scene.

    Raises InputError when no patch of the part lies in these scenes.
    """
    if part not in PARTS:
        raise SettingsError(f"the patches of {part!r}", expected="train, validation or test", do="Name the part with --scenes")
    size = store.patch_size
    found: dict[str, list[Window]] = {pair.name: [] for pair in pairs}
    index = store.index
    for place in store.rows(part):
        patch = index[place]
        if patch["pair"] in found:
            row, col, stop, right = (
                round(px / store.scale) for px in (patch["row"], patch["col"], patch["row"] + size, patch["col"] + size)
            )
            found[patch["pair"]].append(Window(row, col, stop - row, right - col))
    chosen = {name: tuple(windows) for name, windows in found.items() if windows}
    if not chosen:
        raise InputError(
            f"no {part} patch of {store.folder.name} in these scenes",
            expected="the patches that the model was trained on",
            do="Name their folder",
        )
    return chosen


def class_table(dataset: ClassScheme, model: ClassScheme) -> tuple[np.ndarray, list[str]]:
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


def _members(model: Model, part: str, pairs: list[Pair]) -> set[str]:
    split = model.card.split
    names = set(split.get("pairs", {}).get(part, ()))
    groups = set(split.get("groups", {}).get(part, ()))
    by_name = {pair.name for pair in pairs if pair.name in names}
    return by_name or {pair.name for pair in pairs if pair.group in groups}
