"""One network per class, each against the rest, trained in turn and merged by probability into one model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.confusion import Confusion
from core.files import dump_json, replacing
from core.model_store.cards import WEIGHTS_FILE, ModelCard
from core.patches.class_view import ClassView, Patches
from core.patches.joined import Prepared
from core.patches.stretched_view import fed
from core.progress import OnProgress, part
from core.training.checkpoints import HISTORY_FILE, PARTS, PREVIEWS, Place
from core.training.previews import choose_rows, save_preview
from core.training.run import TrainResult, train_one
from core.training.settings import TrainSettings


def one_network(store: Prepared, settings: TrainSettings) -> tuple[Patches, TrainSettings, int]:
    """What to measure of a run: store, settings and number of networks; with one per class, that of the most frequent one."""
    if not settings.per_class:
        return store, settings, 1
    most = int(np.argmax(store.counts["train"]))
    return ClassView(store, most), replace(settings, per_class=False), len(store.scheme)


def train_each_class(
    store: Prepared,
    folder: Path,
    settings: TrainSettings,
    *,
    resume: bool,
    on_progress: OnProgress | None,
    on_epoch: Callable[[dict[str, Any]], None] | None,
    on_steps: Callable[[dict[str, Any]], None] | None,
    **callables: Any,
) -> TrainResult:
    """Train a network of two classes for each class in `classes/<name>` below `folder`, and merge them into one model there.

    What `on_epoch` and `on_steps` hear has the key "class". A run that is stopped before each class has a network leaves no
    merged model, and goes on where it was with `resume`.
    """
    names, results, home = store.scheme.names, [], folder
    place = Place(folder, resume=resume)
    if not resume:
        place.begin()
    folder = place.now
    for index, name in enumerate(names):
        at = f"{name} ({index + 1} of {len(names)})"
        results.append(
            train_one(
                ClassView(store, index),
                folder / PARTS / _part_name(index, name),
                replace(settings, per_class=False),
                resume=resume,
                on_progress=part(on_progress, index, index + 1, len(names), message=f"{at}: ".__add__),
                on_epoch=_of_class(on_epoch, name),
                on_steps=_of_class(on_steps, name),
                **callables,
            )
        )
        if results[-1].stopped:
            break
    stopped, epochs = results[-1].stopped, sum(result.epochs for result in results)
    if len(results) < len(names) or (stopped and not results[-1].best_epoch):
        return TrainResult(home, results[-1].card, epochs, 0, {}, True)
    card = _merge(store, folder, settings, results, home.name)
    place.settle()
    scores = card.metrics.get("validation", {})
    best = max(result.best_epoch for result in results)
    return TrainResult(
        home, card, epochs, best, {name: scores.get(name) for name in ("mean_iou", "accuracy", "micro_iou", "classes")}, stopped
    )


def _merge(store: Prepared, folder: Path, settings: TrainSettings, results: list[TrainResult], name: str) -> ModelCard:
    from core.model_store.loading import load_network
    from core.networks.merged import merge
    from core.training.validation import predict_rows, validate

    network = merge([load_network(result.folder / WEIGHTS_FILE, result.card) for result in results])
    with replacing(folder / WEIGHTS_FILE, suffix=".keras") as temporary:
        network.save(temporary)
    first, names = results[0].card, store.scheme.names
    seen, normalise = fed(store, first)
    rows = np.asarray(store.rows("validation"))
    metrics: dict[str, Any] = {}
    if len(rows):
        confusion: Confusion = validate(network, seen, rows, normalise, batch_size=settings.batch_size)[0]
        metrics = {"validation": confusion.summary(store.scheme)}
    shown = choose_rows(store, rows if len(rows) else np.asarray(store.rows("train")))
    ids = predict_rows(network, seen, shown, normalise)
    save_preview(folder / PREVIEWS / "epoch_0001.png", store.images[shown], store.masks[shown], ids, store.scheme)
    lines = [line for name, result in zip(names, results, strict=True) for line in _history(name, result.folder)]
    with replacing(folder / HISTORY_FILE) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")
    each = {name: f"best epoch {r.best_epoch} of {r.epochs}" for name, r in zip(names, results, strict=True)}
    card = replace(
        first,
        name=settings.name or name,
        scheme=store.scheme,
        network={**first.network, "per_class": True},
        metrics=metrics,
        training={
            **first.training,
            "state": "stopped" if results[-1].stopped else "finished",
            "epochs": sum(r.epochs for r in results),
            "best_epoch": max(r.best_epoch for r in results),
            "seconds": round(sum(r.card.training["seconds"] for r in results), 1),
            "settings": settings.to_dict(),
            "networks": each,
        },
        notes=(
            *first.notes,
            f"{len(names)} networks, one for each class against the rest; a class's probability is its network's, divided by their sum.",
        ),
    )
    card.save(folder)
    return card


def _history(name: str, folder: Path) -> list[str]:
    path = folder / HISTORY_FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [dump_json({**json.loads(line), "class": name}) + "\n" for line in lines]


def _part_name(index: int, name: str) -> str:
    return f"{index:02d}-" + (re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "class")


def _of_class(listener: Callable[[dict[str, Any]], None] | None, name: str) -> Callable[[dict[str, Any]], None] | None:
    """A listener to one class's network, that tells `listener` of which class it hears."""
    return None if listener is None else (lambda line: listener({**line, "class": name}))
