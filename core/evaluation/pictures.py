"""Small pictures of the worst patches and of likely label errors: image, mask, prediction and error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from core.classes import IGNORED_ID
from core.datasets.pairs import Pair
from core.evaluation.result import MAPS, PICTURES, VIEWS, Evaluation, LabelError, PatchResult
from core.progress import ShouldStop, check
from core.scenes.display import display_rgb
from core.scenes.opening import open_scene
from core.scenes.scene import Scene, Window

_LONGEST_PX = 320
_CONTEXT_FRACTION = 0.25
_LEAST_CONTEXT_PX = 16
_WRONG = np.array((214, 39, 40), np.float32)


def with_pictures(
    evaluation: Evaluation, pairs: Mapping[str, Pair], folder: Path, *, most: int, should_stop: ShouldStop | None = None
) -> Evaluation:
    """Write pictures of the `most` worst patches and of the first label errors to `folder`, and name them in the evaluation."""
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    maps = {one.name: one.map for one in evaluation.results}

    def drawn(item: PatchResult | LabelError, prefix: str, window: Window) -> PatchResult | LabelError:
        check(should_stop)
        scene = open_scene(folder / MAPS / maps[item.scene], expand_palette=False)
        for view, picture in views(pairs[item.scene].image, scene, window, evaluation).items():
            Image.fromarray(picture).save(folder / f"{prefix}_{view}.png", optimize=True)
        return replace(item, picture=prefix)

    patches = [
        drawn(patch, f"{PICTURES}/patch_{number:03d}", Window(patch.row, patch.col, patch.height, patch.width))
        for number, patch in enumerate(evaluation.patches[:most], 1)
    ]
    errors = [
        drawn(error, f"{PICTURES}/label_{number:03d}", context_window(error, pairs[error.scene].shape))
        for number, error in enumerate(evaluation.label_errors[:most], 1)
    ]
    return replace(
        evaluation,
        patches=(*patches, *evaluation.patches[len(patches) :]),
        label_errors=(*errors, *evaluation.label_errors[len(errors) :]),
    )


def views(image: Scene, measured: Scene, window: Window, evaluation: Evaluation) -> dict[str, np.ndarray]:
    """Pictures uint8 (h, w, 3) of a window by view, at most 320 px wide and high; `measured` is the scene's four-band map."""
    factor = min(1.0, _LONGEST_PX / max(window.height, window.width))
    shape = max(1, round(window.height * factor)), max(1, round(window.width * factor))
    picture = display_rgb(image, window, out_shape=shape)
    labels, truth = np.moveaxis(measured.read(window, [1, 2], out_shape=shape, categorical=True), 2, 0)
    grey = picture.mean(axis=2, keepdims=True).repeat(3, axis=2) * 0.6 + 80
    wrong = (truth != labels) & (truth != IGNORED_ID) & (labels != IGNORED_ID)
    error = np.where(wrong[..., None], 0.25 * grey + 0.75 * _WRONG, grey)
    error = np.where((truth == IGNORED_ID)[..., None], 0.5 * grey + 127, error)
    scheme = evaluation.scheme
    found = (picture, scheme.decode(truth), scheme.decode(labels), error.clip(0, 255).astype(np.uint8))
    return dict(zip(VIEWS, found, strict=True))


def context_window(error: LabelError, shape: tuple[int, int]) -> Window:
    """What the picture of a region shows: a square around it, cut at the rim of the scene of `shape` (height, width)."""
    longest = max(error.height, error.width)
    side = longest + 2 * max(_LEAST_CONTEXT_PX, round(_CONTEXT_FRACTION * longest))
    wide = Window(error.row - (side - error.height) // 2, error.col - (side - error.width) // 2, side, side)
    return wide.intersect(Window(0, 0, *shape))
