"""Which model of several is made for a scene: by its bands, its classes, its kind of pixels and their size."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from core.model_store.cards import ModelCard
from core.prediction.checks import PIXEL_SIZE_FACTOR, resampling_factor
from core.scenes.scene import Scene
from core.words import counted, listed


def best_fitting(cards: Mapping[str, ModelCard], scene: Scene, classes: Collection[str] = (), *, now: str | None = None) -> str | None:
    """The key of the card that fits a scene best; `now` where no other fits better, and None where there is no card.

    Bands count first, then `classes` (names; none where they are not known), then the data type, then the size of the pixels.
    """
    ranks = {key: _misfit(card, scene, classes) for key, card in cards.items()}
    best = min(ranks, key=ranks.__getitem__, default=None)
    return now if now in ranks and best is not None and ranks[now] <= ranks[best] else best


def why_fitting(card: ModelCard, scene: Scene, classes: Collection[str] = ()) -> str:
    """In what a card fits a scene, as `3 bands, pixels of 0.3 m and 6 classes of the data set`; empty where it fits in nothing."""
    parts = []
    if scene.bands == len(card.bands):
        parts.append(counted(scene.bands, "band"))
    if scene.ground_sample_distance_m and card.pixel_size_m and _apart(card, scene) <= math.log(PIXEL_SIZE_FACTOR):
        parts.append(f"pixels of {scene.ground_sample_distance_m:.2g} m")
    if shared := len(_names(classes) & _names(card.scheme.names)):
        whole = len(_names(classes))
        told = counted(whole, "class of the data set", "classes of the data set")
        parts.append(told if shared == whole else f"{shared} of {told}")
    return listed(parts)


def _misfit(card: ModelCard, scene: Scene, classes: Collection[str]) -> tuple[float, ...]:
    """How little a card fits, the weightiest first: 0 is a perfect fit."""
    lacking = scene.bands < max(card.bands)
    asked, known = _names(classes), _names(card.scheme.names)
    other = 1 - len(asked & known) / len(asked | known) if asked else 0.0
    return 2.0 if lacking else float(scene.bands != len(card.bands)), other, float(scene.dtype != card.dtype), _apart(card, scene)


def _apart(card: ModelCard, scene: Scene) -> float:
    """How far the sizes of the pixels are apart, as a logarithm: none for small differences, and hardly any where one is not known."""
    least = math.log(PIXEL_SIZE_FACTOR)
    if not scene.ground_sample_distance_m or not card.pixel_size_m:
        return least
    apart = abs(math.log(resampling_factor(card, scene)))
    return apart if apart > least else 0.0


def _names(classes: Collection[str]) -> set[str]:
    return {" ".join(name.casefold().split()) for name in classes}
