"""Patches for a model whose values are stretched by the statistics of the image that they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import GroundlineError
from core.model_store.cards import ModelCard
from core.model_store.normalisation import normalise
from core.patches.class_view import Patches
from core.patches.statistics import image_limits, percentiles
from core.patches.store import PatchStore
from core.scenes.opening import open_scene

_ROWS_AT_ONCE = 16
_AS_IT_IS = {"kind": "none"}


def fed(store: Patches, card: ModelCard) -> tuple[Any, Callable[[np.ndarray], np.ndarray]]:
    """A patch store as a model is fed from it, and what makes network input float32 (n, h, w, B) of some of its images.

    For a model that stretches by image the store's images are stretched where they are read; else it is the store itself.
    """
    return (
        (StretchedView(store, card.normalisation), partial(normalise, normalisation=_AS_IT_IS))
        if card.by_image
        else (store, card.normalise)
    )


class StretchedView:
    """A patch store whose images are float32 from 0 to 1, each stretched by the limits of the image that it was cut from."""

    def __init__(self, store: Patches, normalisation: Mapping[str, Any]):
        self._store, self._normalisation = store, normalisation
        self.images = _Images(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @cached_property
    def _stores(self) -> tuple[PatchStore, ...]:
        """The prepared folders that it consists of, one behind the other."""
        inner: Any = self._store
        return getattr(inner, "stores", (inner,))

    @cached_property
    def image_numbers(self) -> np.ndarray:
        """Which image each patch comes from, int (N,): a place in `limits`."""
        starts = np.cumsum([0, *(len(store.record["pairs"]) for store in self._stores)])
        return np.concatenate([start + store.pair_numbers for start, store in zip(starts, self._stores, strict=False)])

    @cached_property
    def limits(self) -> np.ndarray:
        """What becomes 0 and 1 in each band of each image, float64 (images, 2, B): of the image, or of its patches where it is gone."""
        return np.stack([self._limits(store, pair) for store in self._stores for pair in range(len(store.record["pairs"]))])

    def _limits(self, store: PatchStore, pair: int) -> np.ndarray:
        record, low, high = store.record, self._normalisation["low"], self._normalisation["high"]
        images, shapes = record.get("images", ()), record.get("shapes", ())
        # A file that holds a stack of images is none of them.
        if images and shapes and images.count(images[pair]) == 1:
            try:
                scene = open_scene(Path(record["dataset"]) / images[pair])
                alike = (scene.height, scene.width) == tuple(shapes[pair]) and scene.dtype == store.dtype
                if alike and scene.bands >= max(store.bands):
                    return image_limits(scene, store.bands, low=low, high=high)
            except (GroundlineError, OSError):
                pass  # moved since
        rows = np.flatnonzero(store.pair_numbers == pair)

        def pieces() -> Iterator[np.ndarray]:
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                yield np.asarray(store.images[rows[start : start + _ROWS_AT_ONCE]]).reshape(-1, len(store.bands))

        return percentiles(pieces, len(store.bands), (low, high))

    def stretched(self, rows: Any) -> np.ndarray:
        """The images of some rows as `images` gives them."""
        limits = self.limits[self.image_numbers[rows]]
        # The two axes of a patch between those of its row and of the band.
        low, high = limits[..., 0, None, None, :], limits[..., 1, None, None, :]
        return normalise(self._store.images[rows], self._normalisation, (low, high))


class _Images:
    """Images float32 (N, h, w, B), made as they are read."""

    def __init__(self, view: StretchedView):
        self._view, self.shape, self.dtype = view, view._store.images.shape, np.dtype(np.float32)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self._view.stretched(rows)
