"""A model as an item of a STAC catalogue, by the Machine Learning Model extension: what it takes and gives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from core.model_store.cards import ModelCard
from core.model_store.normalisation import normalisation_sentence

ITEM_SUFFIX = ".stac.json"
_EXTENSIONS = (
    "https://stac-extensions.github.io/mlm/v1.6.0/schema.json",
    "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
)


def mlm_item(card: ModelCard, *, file: str, card_file: str, size_bytes: int, parameters: int) -> dict[str, Any]:
    """The item of an ONNX file, float32 (n, B, h, w) -> (n, K, h, w), that lies beside it with its card.

    A model belongs to no place: the item has no geometry, and the time of the export for its date.
    """
    bands = [{"name": f"band {number}"} for number in card.bands]
    height, width = card.patch_shape
    properties: dict[str, Any] = {
        "title": card.name,
        "description": f"Classes of land for each pixel: {', '.join(card.scheme.names)}.",
        "datetime": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "license": card.licence or "other",
        "bands": bands,
        "mlm:name": card.name,
        "mlm:architecture": card.architecture if card.encoder is None else f"{card.architecture} on {card.encoder}",
        "mlm:tasks": ["semantic-segmentation"],
        "mlm:framework": "ONNX",
        "mlm:total_parameters": parameters,
        "mlm:pretrained": True,
        "mlm:accelerator": None,
        "mlm:accelerator_constrained": False,
        "mlm:input": [_input(card, [band["name"] for band in bands])],
        "mlm:output": [_output(card)],
    }
    if _plain(card.training):
        properties["mlm:hyperparameters"] = _plain(card.training)
    if card.pixel_size_m:
        properties["gsd"] = card.pixel_size_m
    assets = {
        "model": {
            "href": f"./{file}",
            "title": f"{card.name}, patches of {height} x {width} pixels, bands first",
            "type": "application/octet-stream; framework=onnx",
            "roles": ["mlm:model", "mlm:weights", "data"],
            "mlm:artifact_type": "onnx",
            "file:size": size_bytes,
            "bands": bands,
        },
        "card": {"href": f"./{card_file}", "title": "What Groundline knows about it", "type": "application/json", "roles": ["metadata"]},
    }
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": list(_EXTENSIONS),
        "id": _word(card.name) or "model",
        "geometry": None,
        "properties": properties,
        "links": [],
        "assets": assets,
    }


def _input(card: ModelCard, bands: list[str]) -> dict[str, Any]:
    rule = card.normalisation
    found: dict[str, Any] = {}
    if rule["kind"] == "standard":
        scaling = [{"type": "z-score", "mean": mean, "stddev": std} for mean, std in zip(rule["mean"], rule["std"], strict=True)]
        found = {"value_scaling": scaling}
    elif rule["kind"] == "divide":
        scaling = [{"type": "min-max", "minimum": 0, "maximum": float(value)} for value in np.broadcast_to(rule["divisor"], len(bands))]
        found = {"value_scaling": scaling}
    elif rule["kind"] != "none":
        found = {"pre_processing_function": {"format": "text", "expression": normalisation_sentence(rule)}}
    structure = {"shape": [-1, len(bands), *card.patch_shape], "dim_order": ["batch", "bands", "height", "width"], "data_type": "float32"}
    return {"name": f"patches of {card.dtype} images", "bands": bands, "input": structure, "resize_type": None, **found}


def _output(card: ModelCard) -> dict[str, Any]:
    scheme = card.scheme
    classes = [
        {"value": number, "name": _word(name) or f"class-{number}", "description": name, "color_hint": scheme.hex(number)[1:].upper()}
        for number, name in enumerate(scheme.names)
    ]
    result = {"shape": [-1, len(scheme), *card.patch_shape], "dim_order": ["batch", "classes", "height", "width"], "data_type": "float32"}
    return {
        "name": "probabilities of the classes",
        "tasks": ["semantic-segmentation"],
        "result": result,
        "classification:classes": classes,
        "post_processing_function": {"format": "python", "expression": "numpy.argmax(probabilities, axis=1)"},
    }


def _word(name: str) -> str:
    """A name of letters, digits, dots and lines only, as the extensions want it."""
    return re.sub(r"[^0-9A-Za-z_.-]+", "-", name).strip("-")


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers and words among how it was trained."""
    return {_word(key): value for key, value in values.items() if isinstance(value, (int, float, str)) and _word(key)}
