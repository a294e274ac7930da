"""Pictures of the same few patches after each epoch: image, truth, prediction."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from core.classes import IGNORED_ID, ClassScheme
from core.files import replacing
from core.patches.class_view import Patches
from core.scenes.display import stretch, stretch_limits, three_bands
from core.training.augmentation import Augmentation

GAP_PX = 4


def choose_rows(store: Patches, rows: np.ndarray, *, count: int = 4) -> np.ndarray:
    """Up to `count` of the rows, spread evenly over them, but those with the most classes in each stretch."""
    chosen = []
    for run in np.array_split(rows, min(count, len(rows))):
        looked_at = run[:: max(1, len(run) // 8)]
        variety = [len(np.setdiff1d(np.unique(store.masks[row]), IGNORED_ID)) for row in looked_at]
        chosen.append(int(looked_at[int(np.argmax(variety))]))
    return np.array(chosen, np.int64)


def display(image: np.ndarray, *, like: np.ndarray | None = None) -> np.ndarray:
    """A patch (h, w, B) of any dtype as colours uint8 (h, w, 3): 8-bit as it is, others stretched from 2 to 98 percent.

    `like`: another patch of the same bands whose stretch is taken, so that the two can be compared by eye.
    """
    values = three_bands(image)
    model = values if like is None else three_bands(like)
    if model.dtype == np.uint8:
        return np.ascontiguousarray(values if values.dtype == np.uint8 else np.rint(np.nan_to_num(values)).clip(0, 255).astype(np.uint8))
    return stretch(values, stretch_limits(model, np.isfinite(model).all(axis=2), (2, 98)))


def augmented(
    image: np.ndarray, mask: np.ndarray, augmentation: Augmentation, *, count: int = 8, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """What training makes of one patch: pictures uint8 (count, h, w, 3) and their ids uint8 (count, h, w).

    `image` (h, w, B) of any dtype with its ids `mask` (h, w). All are shown in the stretch of the patch itself, so that
    a change of brightness is seen. Equal seeds give equal pictures.
    """
    pairs = [augmentation.apply(image, mask, seed=(seed, number)) for number in range(count)]
    return np.stack([display(changed, like=image) for changed, _ in pairs]), np.stack([ids for _, ids in pairs])


def save_preview(path: str | os.PathLike, images: np.ndarray, truth: np.ndarray, predicted: np.ndarray, scheme: ClassScheme) -> Path:
    """Write a PNG with one line per patch: image, truth, prediction (ids (n, h, w) uint8), with white gaps."""
    lines = []
    for image, true_ids, ids in zip(images, truth, predicted, strict=True):
        panels = [display(image), scheme.decode(true_ids), scheme.decode(ids)]
        gap = np.full((image.shape[0], GAP_PX, 3), 255, np.uint8)
        lines.append(np.concatenate([panels[0], gap, panels[1], gap, panels[2]], axis=1))
    gap = np.full((GAP_PX, lines[0].shape[1], 3), 255, np.uint8)
    sheet = np.concatenate([part for line in lines for part in (line, gap)][:-1], axis=0)
    path = Path(path)
    with replacing(path) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")
    return path


def recoloured(sheet: np.ndarray, scheme: ClassScheme, shown: ClassScheme) -> np.ndarray:
    """A picture of `save_preview` (h, w, 3) with truth and prediction in the colours of `shown` instead of those of `scheme`.

    The patches themselves, the gaps and colours that are no class stay as they are.
    """
    side = (sheet.shape[1] - 2 * GAP_PX) // 3
    fresh = sheet.copy()
    lines = (sheet != 255).any(axis=(1, 2))  # the gaps between them are white from side to side
    for left in (side + GAP_PX, 2 * (side + GAP_PX)):
        part = np.s_[lines, left : left + side]
        ids, _ = scheme.encode(sheet[part])
        known = ids != scheme.ignored_id
        fresh[part] = np.where(known[..., None], shown.decode(ids), sheet[part])
    return fresh
