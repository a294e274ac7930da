"""What a network gives for the one batch that it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

_SMALL_PX = 2 * 256 * 256
"""Up to here, the maps of all layers at once (half a gigabyte for the deepest) cost less than the seconds that a graph takes to make."""


def answer(network: keras.Model, batch: np.ndarray) -> np.ndarray:
    """The values (n, h, w, K) of a network with one output for a batch (n, h, w, B), float32.

    A small batch goes through layer by layer: the graph that Keras makes for many batches takes three to five seconds for a deep network
    and is of no use for one. A large one goes through that graph, which forgets each map once it was used.
    """
    if np.prod(batch.shape[:-1]) > _SMALL_PX:
        return np.asarray(network.predict_on_batch(batch))
    return np.asarray(network(batch, training=False))
