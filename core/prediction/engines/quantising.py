"""Making the int8 network of a model: post-training quantisation by NNCF, measured on patches that it was not made with."""

from __future__ import annotations

import importlib.util
import io
import logging
import os
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.confusion import Confusion
from core.digests import content_digest
from core.errors import InputError, ModelError, SettingsError
from core.files import replacing_folder, write_json
from core.model_store.cards import CARD_FILE, ModelCard
from core.model_store.models import Model, find_model, refuse_measuring
from core.model_store.serving.graph import quiet_openvino
from core.patches.statistics import image_limits
from core.patches.store import STORE_FILE, PatchStore
from core.patches.stretched_view import fed
from core.prediction.blend.blending import blend
from core.prediction.blend.plans import plan_blend
from core.prediction.engines.engine import compiled, network_file, writing
from core.prediction.engines.int8 import LEAST_AGREEMENT, NETWORK_FILE, RECORD_FILE, Int8Record, int8_folder
from core.prediction.settings import plain_size, told_size
from core.progress import OnProgress, ShouldStop, check, report
from core.scenes.opening import open_scene
from core.scenes.scene import Scene, Window
from core.words import share_words

MOST_PATCHES = 200
_FEWEST_PATCHES = 2
_ALONG_SCENE = 8


def quantise(
    model: Model | str | os.PathLike,
    patches: str | os.PathLike,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> dict[str, Any]:
    """Make the int8 network of a model, which the engine "fast" runs, and write it beside the model's file.

    `patches` is a prepared folder, of which the patches that the model was validated on are taken (the folder's own
    validation part where the model's card names none of its scenes), or a scene without masks. Every second patch
    sets the ranges; on the others labels and mean IoU are compared with the network in 32 bits. The figures go into
    the card. Returns them with "folder", "megabytes" and "warnings". Raises ModelError when fewer than 98 % of labels
    are the same, InputError for patches that do not fit, SettingsError without NNCF, Cancelled.
    """
    model = model if isinstance(model, Model) else find_model(model)
    refuse_measuring(model.card)
    if importlib.util.find_spec("nncf") is None or importlib.util.find_spec("openvino") is None:
        raise SettingsError(
            "no NNCF on this machine", expected="the packages openvino and nncf", do="Install them: pip install openvino nncf"
        )
    report(on_progress, 0, 0, "Reading patches")
    images, masks = _patches(model, Path(patches))
    report(on_progress, 0, 0, "Opening the model")
    size = plain_size(*model.card.patch_shape)
    exact = network_file(model, size)
    total = 2 + len(images[1::2])
    report(on_progress, 1, total, "Quantising")
    with replacing_folder(int8_folder(model)) as temporary:
        network = _quantised(exact, images[::2], should_stop)
        with writing(int8_folder(model)):
            quiet_openvino().save_model(network, temporary / NETWORK_FILE)

        def on_patch(done: int) -> None:
            check(should_stop)
            report(on_progress, 2 + done, total, "Comparing")

        scores = _compared(exact, temporary / NETWORK_FILE, images[1::2], None if masks is None else masks[1::2], on_patch)
        if scores["agreement"] < LEAST_AGREEMENT:
            raise ModelError(
                f"an int8 network that gives only {share_words(scores['agreement'], 1)} of pixels the label of {model.card.name}",
                expected=f"at least {share_words(LEAST_AGREEMENT)}",
                do="Stay with the engine auto, or quantise with more patches",
            )
        digests = {file.name: content_digest(file) for file in sorted(temporary.iterdir())}
        record = Int8Record(content_digest(model.file), digests, size, len(images[::2]), **scores)
        write_json(temporary / RECORD_FILE, asdict(record))
    _tell_card(model, record)
    folder = int8_folder(model)
    megabytes = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    return {"model": model.card.name, "folder": str(folder), "megabytes": round(megabytes, 2), **record.scores()}


def _quantised(exact: Path, images: np.ndarray, should_stop: ShouldStop | None):
    openvino = quiet_openvino()
    import nncf

    nncf.set_log_level(logging.ERROR)

    def one(number: int) -> np.ndarray:
        check(should_stop)
        return images[number : number + 1]

    network = openvino.Core().read_model(exact)
    with redirect_stdout(io.StringIO()):  # NNCF draws bars
        # Processors without VNNI add pairs of products in 16 bits: full-range weights overflow there and give wrong labels.
        advanced = nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.ENABLE)
        data = nncf.Dataset(range(len(images)), one)
        return nncf.quantize(network, data, subset_size=len(images), advanced_parameters=advanced)


def _compared(exact: Path, quick: Path, images: np.ndarray, masks: np.ndarray | None, on_patch) -> dict[str, Any]:
    exact_run, quick_run = compiled(exact, 1), compiled(quick, 1)
    same, exact_counts, quick_counts = 0, None, None
    for number, image in enumerate(images[:, None]):
        exact_labels, probabilities = exact_run(image).argmax(axis=-1), quick_run(image)
        quick_labels = probabilities.argmax(axis=-1)
        same += np.count_nonzero(exact_labels == quick_labels)
        if masks is not None:
            empty = Confusion.empty(probabilities.shape[-1])
            exact_counts = (exact_counts or empty).add(masks[number][None], exact_labels)
            quick_counts = (quick_counts or empty).add(masks[number][None], quick_labels)
        on_patch(number + 1)
    return {
        "measured": len(images),
        "agreement": same / (len(images) * images.shape[1] * images.shape[2]),
        "mean_iou": None if masks is None else quick_counts.mean_iou,
        "mean_iou_float": None if masks is None else exact_counts.mean_iou,
    }


def _patches(model: Model, path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Network input (n, height, width, B) and its masks, spread evenly over what there is."""
    if (path / STORE_FILE).is_file():
        images, masks = _stored(model.card, PatchStore.open(path))
    else:
        images, masks = _cut(model.card, open_scene(path)), None
    if len(images) < _FEWEST_PATCHES:
        raise InputError(
            f"{len(images)} {'patch' if len(images) == 1 else 'patches'} in {path}",
            expected=f"at least {_FEWEST_PATCHES}, better 50",
            do="Prepare more scenes, or name a larger scene",
        )
    return images, masks


def _stored(card: ModelCard, store: PatchStore) -> tuple[np.ndarray, np.ndarray]:
    if card.patch_width is not None:
        raise InputError(
            f"square patches of {store.patch_size} px",
            expected=f"{told_size(card.patch_shape)} px for {card.name}",
            do="Name a scene instead; its windows are cut as the network takes them",
        )
    ours = (card.patch_size, card.bands, card.dtype, card.scale)
    theirs = (store.patch_size, store.bands, store.dtype, store.scale)
    if ours != theirs:
        raise InputError(
            "patches of {} px, bands {}, {}, scale {:g}".format(*theirs),
            expected="{} px, bands {}, {}, scale {:g} for {}".format(*ours, card.name),
            do="Prepare the scenes with these settings",
        )
    validated = set(card.split.get("pairs", {}).get("validation", ()))
    rows = np.array([number for number, entry in enumerate(store.index) if entry["pair"] in validated], np.int64)
    if len(rows) < _FEWEST_PATCHES:
        rows = store.rows("validation")
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_PATCHES)).astype(int))] if len(rows) else rows
    seen, normalise = fed(store, card)
    return normalise(seen.images[rows]), np.asarray(store.masks[rows])


def _cut(card: ModelCard, scene: Scene) -> np.ndarray:
    """Network input made of a scene as a prediction would feed them to the network, from a grid of up to 8 x 8 places."""
    found: list[np.ndarray] = []
    patch = card.patch_shape

    def keep(patches: np.ndarray) -> np.ndarray:
        found.extend(patches)
        return np.zeros((len(patches), *patch, len(card.scheme)), np.float32)

    height, width = (min(length, max(1, round(side / card.scale))) for length, side in zip((scene.height, scene.width), patch, strict=True))
    plan = plan_blend(height, width, patch_size=patch, overlap=0.0, scale=card.scale)
    for row in _places(scene.height, height):
        for col in _places(scene.width, width):

            def at(part: Window, row: int = row, col: int = col) -> Window:
                return Window(part.row + row, part.col + col, part.height, part.width)

            def valid(part: Window, at: Callable[[Window], Window] = at) -> np.ndarray:
                return scene.valid(at(part))

            blend(plan, lambda part, at=at: scene.read(at(part), card.bands), keep, lambda *_: None, classes=len(card.scheme), valid=valid)
    if not found:
        return np.empty((0, *patch, len(card.bands)))
    rule = card.normalisation
    limits = image_limits(scene, card.bands, low=rule["low"], high=rule["high"]) if card.by_image else None
    return card.normalise(np.stack(found), limits)


def _places(length: int, part: int) -> list[int]:
    count = min(_ALONG_SCENE, max(1, length // part))
    return [int(place) for place in np.linspace(0, length - part, count)]


def _tell_card(model: Model, record: Int8Record) -> None:
    """Add the figures to the card beside the model's file; a lone Keras file has none, and the record is enough."""
    if (model.folder / CARD_FILE).is_file():
        card = ModelCard.load(model.folder)
        replace(card, metrics={**card.metrics, "int8": record.scores()}).save(model.folder)
