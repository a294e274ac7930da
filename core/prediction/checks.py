"""Whether a scene is what a model was made for: refusals and named warnings, each with its remedy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from core.errors import SceneError
from core.model_store.cards import ModelCard
from core.scenes.scene import Scene, Window
from core.words import counted, share_words

_SAMPLE_PX = 512
PIXEL_SIZE_FACTOR = 1.33
"""Pixels this many times as large as those of the training are no longer like them."""
_FAR_STDS = 2.0
_STD_FACTOR = 3.0
_OF_VALUES = ("value-range", "unlike-training")


@dataclass(frozen=True)
class Concern:
    """Something about a scene that makes a prediction doubtful: a short code, and a sentence that ends in the remedy."""

    code: str
    sentence: str


def check_scene(card: ModelCard, scene: Scene, *, window: Window | None = None, resampled: bool = False) -> list[Concern]:
    """Compare a scene with what the model was trained on.

    Codes: "output", "bands", "dtype", "value-range", "pixel-size", "unlike-training", "no-pixels". `resampled` says that the
    scene will be resized to the model's pixel size. Raises SceneError when the scene lacks bands that the model needs.
    """
    needed = max(card.bands)
    if scene.bands < needed:
        raise SceneError(
            f"{counted(scene.bands, 'band')} in {scene.name}",
            expected=f"at least {needed}, since {card.name} reads {_bands(card)}",
            do=f"Choose a scene with {counted(needed, 'band')}, or a model for {counted(scene.bands, 'band')}",
        )
    concerns = []
    if card.architecture == "file" and "output" in card.network:
        taken = f"{card.name} has several outputs, of which number {card.network['output'] + 1} is taken as the map of classes"
        concerns.append(Concern("output", f"{taken}; import the file with --output to choose another."))
    if scene.bands > len(card.bands):
        names = f" ({', '.join(scene.band_names[band - 1] or '?' for band in card.bands)})" if scene.band_names else ""
        read = f"{card.name} reads {_bands(card)}{names}"
        concerns.append(Concern("bands", f"The scene has {scene.bands} bands and {read}; reorder the file if these are the wrong ones."))
    values = _values(card, scene, window)
    if scene.dtype != card.dtype:
        # Other values are what another data type means: one sentence says it, not one for the type and one for each measure.
        unlike = any(concern.code in _OF_VALUES for concern in values)
        values = [concern for concern in values if concern.code not in _OF_VALUES]
        told = ", with values unlike those of its training" if unlike else ""
        remedy = f"rescale the file to {card.dtype}." if unlike else f"rescale the file to {card.dtype} if the values differ."
        sentence = f"{card.name} was trained on images of {card.dtype}, and this scene is of {scene.dtype}{told}; {remedy}"
        concerns.append(Concern("dtype", sentence))
    if not resampled:
        concerns += _pixel_size(card, scene)
    return concerns + values


def check_symmetries(patch: tuple[int, int], symmetries: int) -> list[Concern]:
    """Code "symmetries": a patch (height, width) that is not square keeps its form by four of the eight."""
    height, width = patch
    if symmetries == 1 or height == width:
        return []
    sentence = f"Patches of {height} x {width} pixels cannot be turned by quarters; the mean is over four flips and half turns, not eight."
    return [Concern("symmetries", sentence)]


def check_patch(patch: tuple[int, int], scene: Scene, scale: float = 1.0) -> list[Concern]:
    """Code "patch-size": a patch (height, width) that is larger than the scene, which is resized by `scale`."""
    sides = [(side, max(1, round(whole * scale))) for side, whole in zip(patch, (scene.height, scene.width), strict=True)]
    if all(side <= whole for side, whole in sides):
        return []
    own = math.prod(min(1.0, whole / side) for side, whole in sides)
    (height, rows), (width, columns) = sides
    seen = "" if scale == 1 else ", as it is resized for the model"
    sentence = (
        f"Patches of {width} × {height} px are larger than the scene of {columns} × {rows} px{seen}: {share_words(1 - own)} of what the "
        "network sees is filled with the scene mirrored at its rim; a smaller patch shows it more of what is real."
    )
    return [Concern("patch-size", sentence)]


def resampling_factor(card: ModelCard, scene: Scene) -> float:
    """Factor that brings the scene to the pixel size that the model was trained on; 1.0 where either is not known."""
    size = scene.ground_sample_distance_m
    return 1.0 if not size or not card.pixel_size_m else size / card.pixel_size_m


def _pixel_size(card: ModelCard, scene: Scene) -> list[Concern]:
    factor = resampling_factor(card, scene)
    if 1 / PIXEL_SIZE_FACTOR <= factor <= PIXEL_SIZE_FACTOR:
        return []
    return [
        Concern(
            "pixel-size",
            f"The scene's pixels measure {scene.ground_sample_distance_m:.3g} m and {card.name} was trained on {card.pixel_size_m:.3g} m; "
            "predict with resampling to the model's pixel size.",
        )
    ]


def _values(card: ModelCard, scene: Scene, window: Window | None) -> list[Concern]:
    sample = _sample(card, scene, window)
    if len(sample) == 0:
        return [Concern("no-pixels", "No valid pixel was found in a sample of the scene; check its nodata value or transparency.")]
    concerns = []
    kind = card.normalisation["kind"]
    # By patch or by image everything comes to lie between 0 and 1, wherever it was before.
    inputs = sample if kind in ("patch", "image") else card.normalise(sample)
    low, high = (float(value) for value in np.percentile(inputs, (1, 99)))
    if (kind == "divide" and (high > 2 or high < 0.06)) or (kind == "standard" and max(abs(low), abs(high)) > 12):
        concerns.append(
            Concern(
                "value-range",
                f"The scene's values run from {sample.min():.4g} to {sample.max():.4g}, which the model's normalisation turns into "
                f"{low:.3g} to {high:.3g}; rescale the scene to the range of the training images.",
            )
        )
    far = _unlike(card, sample)
    if far:
        concerns.append(Concern("unlike-training", far))
    return concerns


def _unlike(card: ModelCard, sample: np.ndarray) -> str | None:
    """A sentence when mean or spread of a band lie far from those of the training images."""
    statistics = card.training.get("statistics")
    if not statistics:
        return None
    mean, std = np.asarray(statistics["mean"], float), np.maximum(np.asarray(statistics["std"], float), 1e-9)
    shift = np.abs(sample.mean(axis=0) - mean) / std
    spread = np.maximum(sample.std(axis=0), 1e-9) / std
    far = np.flatnonzero((shift > _FAR_STDS) | (spread > _STD_FACTOR) | (spread < 1 / _STD_FACTOR))
    if len(far) == 0:
        return None
    worst = int(far[np.argmax(shift[far])])
    values = sample[:, worst]
    return (
        f"The scene is unlike the images that {card.name} was trained on: band {card.bands[worst]} has a mean of {values.mean():.4g} "
        f"(training {mean[worst]:.4g}) and a spread of {values.std():.4g} (training {std[worst]:.4g}); "
        "check a part of the result before you trust it."
    )


def _sample(card: ModelCard, scene: Scene, window: Window | None) -> np.ndarray:
    """Valid pixels (n, bands) of a decimated view of the scene."""
    window = window or scene.window
    shape = (min(window.height, _SAMPLE_PX), min(window.width, _SAMPLE_PX))
    pixels = scene.read(window, card.bands, out_shape=shape, categorical=True)
    valid = scene.valid(window, out_shape=shape)
    if np.issubdtype(pixels.dtype, np.floating):
        valid &= np.isfinite(pixels).all(axis=2)
    return pixels[valid]


def _bands(card: ModelCard) -> str:
    return f"{'band' if len(card.bands) == 1 else 'bands'} {', '.join(map(str, card.bands))}"
