"""Patches for one class against the rest: a patch store seen as one of two classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.classes import IGNORED_ID, ClassScheme
from core.patches.joined import JoinedStore, Rows
from core.patches.store import PatchStore

_REST_COLOUR = (90, 90, 90)


class ClassView:
    """A patch store in which one class is 1 and every other labelled pixel 0."""

    def __init__(self, store: PatchStore | JoinedStore, index: int):
        self._store, scheme = store, store.scheme
        self.scheme = ClassScheme((f"Not {scheme.names[index]}", scheme.names[index]), (_REST_COLOUR, scheme.colours[index]))
        self.masks = _Masks(store.masks, index)
        self.counts = {part: np.array([np.sum(counts) - counts[index], counts[index]]) for part, counts in store.counts.items()}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class _Masks:
    """Masks uint8 (N, h, w) of ids 0, 1 and ignored, made as they are read."""

    def __init__(self, masks: np.ndarray | Rows, index: int):
        self._masks, self._index, self.shape = masks, index, masks.shape

    def __getitem__(self, rows: Any) -> np.ndarray:
        ids = np.asarray(self._masks[rows])
        return np.where(ids == IGNORED_ID, IGNORED_ID, ids == self._index).astype(np.uint8)


Patches = PatchStore | JoinedStore | ClassView
"""What a network is trained on."""
