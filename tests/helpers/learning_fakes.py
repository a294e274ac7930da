"""A patch store in memory, with the attributes that training uses: coloured blobs that a tiny network can learn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np

from core.classes import ClassScheme

SCHEME = ClassScheme(("Ground", "Roof", "Water"), ((90, 120, 60), (200, 60, 50), (40, 90, 220)))
COLOURS = np.array([[90, 130, 60], [190, 70, 60], [40, 80, 210]], np.float64)


def blobs(seed: int, size: int, bands: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """An image uint8 (size, size, bands) of a roof and a pond on ground, and its ids with an unlabelled corner."""
    rng = np.random.default_rng(seed)
    ids = np.zeros((size, size), np.uint8)
    row, column = rng.integers(0, size // 2, 2)
    ids[row : row + size // 3, column : column + size // 3] = 1
    row, column = rng.integers(size // 3, size // 2, 2)
    ids[row : row + size // 4, column : column + size // 2] = 2
    colours = np.resize(COLOURS, (3, 3))[:, np.arange(bands) % 3]
    image = np.clip(colours[ids] + rng.normal(0, 12, (size, size, bands)), 0, 255).astype(np.uint8)
    ids[:2, :2] = 255
    return image, ids


@contextmanager
def untraced() -> Iterator[None]:
    """Within it, and in a function that is decorated with it, networks are run operation by operation.

    TensorFlow takes 2 s of processor time to trace the step of a tiny network, of which most tests take four. What traced steps give
    is tested in test_training.py, and by all runs that are jobs or processes.
    """
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


def store(*, train: int = 8, validation: int = 4, size: int = 32, bands: int = 3, dtype: str = "uint8") -> SimpleNamespace:
    """A fake PatchStore."""
    count = train + validation
    pairs = [blobs(seed, size, bands) for seed in range(count)]
    images = np.stack([image for image, _ in pairs])
    if dtype != "uint8":
        images = (images.astype(np.float64) * 40 + 300).astype(dtype)
    masks = np.stack([mask for _, mask in pairs])
    parts = np.array(["train"] * train + ["validation"] * validation)
    values = images[:train].reshape(-1, bands).astype(np.float64)
    counts = {part: np.bincount(masks[parts == part].ravel(), minlength=256)[:3] for part in ("train", "validation", "test")}
    return SimpleNamespace(
        images=images,
        masks=masks,
        parts=parts,
        scheme=SCHEME,
        patch_size=size,
        bands=tuple(range(1, bands + 1)),
        dtype=np.dtype(dtype),
        scale=1.0,
        counts=counts,
        statistics={"mean": values.mean(0), "std": values.std(0), "min": values.min(0), "max": values.max(0)},
        split_info={"how": "group", "validation": ["b"]},
        rows=lambda part: np.flatnonzero(parts == part),
    )
