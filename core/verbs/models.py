"""Verb models: list the models that can be named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.settings import Settings
from core.verbs.tables import score, table
from core.verbs.verb import Answer, Verb


@dataclass(frozen=True)
class ModelsRequest(Settings):
    """What `models` can be told: nothing."""


def run(asked: ModelsRequest, **_: Any) -> Answer:
    """List the models of the project and of the workspace."""
    from core.model_store.models import sort_models
    from core.workspace import default_workspace

    del asked
    found = []
    models, unreadable = sort_models([default_workspace().models])
    for model in models:
        card = model.card
        found.append(
            {
                "name": model.folder.name,
                "title": card.name,
                "folder": str(model.folder),
                "architecture": card.architecture,
                "encoder": card.encoder,
                "classes": card.scheme.names,
                "bands": card.bands,
                "dtype": card.dtype,
                "patch_size": card.patch_size,
                "patch_width": card.patch_shape[1],
                "scale": card.scale,
                "pixel_size_m": card.pixel_size_m,
                "licence": card.licence,
                "mean_iou": _validation(card.metrics).get("mean_iou"),
                "metrics": card.metrics,
            }
        )
    return {"models": found, "unreadable": [{"folder": str(one.path), "reason": one.reason} for one in unreadable]}


def _validation(metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    nested = metrics.get("validation")
    return nested if isinstance(nested, dict) else metrics


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """One line for each model, and one for each folder that cannot be opened as one."""
    yield from (f"{one['folder']} cannot be used: {one['reason']}" for one in answer.get("unreadable", ()))
    if not answer["models"]:
        yield "No models yet. Train one: python -m core train --help"
        return
    rows = [
        (model["name"], model["architecture"], len(model["classes"]), len(model["bands"]), score(model["mean_iou"]), model["folder"])
        for model in answer["models"]
    ]
    yield from table(("model", "network", "classes", "bands", "mean IoU", "folder"), rows)


VERB = Verb("models", ModelsRequest, run, summary)
