"""Batches for the network, read from the memory-mapped patches while the last step computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from core.patches.class_view import Patches
from core.training.augmentation import Augmentation

READERS = 2
"""Threads that read and change patches; they mostly run inside NumPy, beside the step."""


def epoch_rows(
    rows: np.ndarray, *, batch_size: int, seed: int, epoch: int, steps: int | None = None, weights: np.ndarray | None = None
) -> np.ndarray:
    """Order of one epoch: int64 (steps, batch) of `rows`, shuffled by (seed, epoch).

    Without `steps` each row comes once, and the first ones again where the last batch must be filled up, so that all
    batches are of one size. `weights` (sum 1, one per row): rows are drawn by them, with repeats.
    """
    rng = np.random.default_rng((seed, epoch, 1))
    batch = min(batch_size, len(rows))
    wanted = batch * (steps if steps else -(-len(rows) // batch))
    if weights is not None:
        return rng.choice(rows, wanted, p=weights).reshape(-1, batch)
    rounds = -(-wanted // len(rows))
    order = np.concatenate([rng.permutation(rows) for _ in range(rounds)])
    if rounds == 2 and not steps:
        order = np.concatenate([order[: len(rows)], order[: wanted - len(rows)]])
    return order[:wanted].reshape(-1, batch)


def load_batch(
    store: Patches,
    rows: np.ndarray,
    normalise: Callable[[np.ndarray], np.ndarray],
    *,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    epoch: int = 0,
    first: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Normalised images float32 (n, h, w, B) and ids uint8 (n, h, w) of some rows of a patch store.

    Each patch is changed by a seed of its own, (seed, epoch, position, row), so the result does not depend on threads.
    `first`: position of the first row in its batch, when these rows are a part of one.
    """
    if augmentation is None:
        return normalise(store.images[rows]), np.asarray(store.masks[rows])
    pairs = [
        augmentation.apply(store.images[row], store.masks[row], seed=(seed, epoch, position, int(row)))
        for position, row in enumerate(rows, start=int(first))
    ]
    return normalise(np.stack([image for image, _ in pairs])), np.stack([mask for _, mask in pairs])


def training_batches(
    store: Patches,
    order: np.ndarray,
    normalise: Callable[[np.ndarray], np.ndarray],
    *,
    augmentation: Augmentation | None,
    seed: int,
    epoch: int,
    strategy: Any = None,
) -> Any:
    """One epoch as a `tf.data.Dataset` of (images float32, ids uint8), in the given order, read ahead by two batches.

    With a TensorFlow strategy each device gets its part of every batch, and each machine reads only what it computes.
    """
    import tensorflow as tf

    def load(rows, first):
        return load_batch(store, rows, normalise, augmentation=augmentation, seed=seed, epoch=epoch, first=first)

    def shaped(rows, first):
        images, masks = tf.numpy_function(load, [rows, first], [tf.float32, tf.uint8])
        return tf.ensure_shape(images, (None, *store.images.shape[1:])), tf.ensure_shape(masks, (None, *store.masks.shape[1:]))

    def dataset(rows, first):
        pairs = tf.data.Dataset.from_tensor_slices((rows.astype(np.int64), first.astype(np.int64)))
        options = tf.data.Options()
        options.deterministic = True
        # Nothing is left to tune, and the end of an epoch waited up to a minute for the thread that would do it.
        options.autotune.enabled = False
        return pairs.map(shaped, num_parallel_calls=READERS).prefetch(2).with_options(options)

    if strategy is None:
        return dataset(order, np.zeros(len(order)))

    def mine(context):
        parts = context.num_replicas_in_sync
        return dataset(*device_rows(order, parts, machine=context.input_pipeline_id, machines=context.num_input_pipelines))

    return strategy.distribute_datasets_from_function(mine)


def device_rows(order: np.ndarray, parts: int, *, machine: int = 0, machines: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The parts of each batch that one machine computes: rows (steps * parts / machines, batch / parts), and their first positions.

    A batch that does not divide evenly is filled up with its own first rows.
    """
    steps, batch = order.shape
    size = -(-batch // parts)
    filled = order[:, np.arange(size * parts) % batch].reshape(steps, machines, parts // machines, size)[:, machine]
    first = np.arange(parts).reshape(machines, -1)[machine] * size
    return filled.reshape(-1, size), np.tile(first, steps)


def plain_batches(
    store: Patches, rows: np.ndarray, normalise: Callable[[np.ndarray], np.ndarray], *, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The given rows in order, unchanged but normalised; the last batch may be smaller."""
    for start in range(0, len(rows), batch_size):
        yield load_batch(store, rows[start : start + batch_size], normalise)
