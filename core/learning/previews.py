"""Pictures of the same few patches after each epoch: image, truth, prediction."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from core.classes import IGNORED_ID, ClassScheme
from core.files import replacing

GAP_PX = 4


def choose_rows(store, rows: np.ndarray, *, count: int = 4) -> np.ndarray:
    """Up to `count` of the rows, spread evenly over them, but those with the most classes in each stretch."""
    chosen = []
    for stretch in np.array_split(rows, min(count, len(rows))):
        looked_at = stretch[:: max(1, len(stretch) // 8)]
        variety = [len(np.setdiff1d(np.unique(store.masks[row]), IGNORED_ID)) for row in looked_at]
        chosen.append(int(looked_at[int(np.argmax(variety))]))
    return np.array(chosen, np.int64)


def display(image: np.ndarray) -> np.ndarray:
    """A patch (h, w, B) of any dtype as colours uint8 (h, w, 3): 8-bit as it is, others stretched from 2 to 98 percent."""
    shown = image[..., :3] if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, axis=2)
    if shown.dtype == np.uint8:
        return np.ascontiguousarray(shown)
    values = np.asarray(shown, np.float32)
    good = np.isfinite(values).all(2)
    if not good.any():
        return np.zeros(values.shape, np.uint8)
    low, high = np.percentile(values[good], (2, 98), axis=0)
    scaled = (np.nan_to_num(values, posinf=0.0, neginf=0.0) - low) / np.maximum(high - low, 1e-9)
    return (scaled.clip(0, 1) * 255).astype(np.uint8)


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
