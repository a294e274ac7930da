"""The int8 form of a network, kept beside its model: eight-bit sums are several times faster, for nearly the same answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypedDict

from core.digests import content_digest
from core.errors import ModelError
from core.model_store.models import Model
from core.prediction.settings import PatchSize
from core.reading.readable import read_record

NETWORK_FILE = "network.xml"
RECORD_FILE = "int8.json"
GOOD_AGREEMENT, LEAST_AGREEMENT = 0.995, 0.98


class _Written(TypedDict):
    """What the record's file holds."""

    weights: str
    digests: dict[str, str]
    patch_size: int | list[int]
    calibrated: int
    measured: int
    agreement: float
    mean_iou: float | None
    mean_iou_float: float | None


@dataclass(frozen=True)
class Int8Record:
    """What an int8 network was made of and how well it agrees with the network in 32 bits.

    `agreement` is the fraction of pixels with the same label, over `measured` patches that it was not made with
    (`calibrated` others); `mean_iou` and `mean_iou_float` are scores on those patches, None where they have no masks.
    `digests` are SHA-256 of its files by name, `weights` that of the model's file.
    """

    weights: str
    digests: Mapping[str, str]
    patch_size: PatchSize
    calibrated: int
    measured: int
    agreement: float
    mean_iou: float | None
    mean_iou_float: float | None

    def scores(self) -> dict[str, Any]:
        """What the card tells of it."""
        return {key: value for key, value in asdict(self).items() if key not in ("weights", "digests")}


def int8_folder(model: Model) -> Path:
    """Where the int8 network of a model lies: beside its file."""
    return model.file.with_name(f"{model.file.stem}-int8")


def read_int8(model: Model) -> Int8Record:
    """The record of a model's int8 network, after a look at its files. Raises ModelError when there is none that belongs to it."""
    folder, do = int8_folder(model), "Make it with `python -m core quantise MODEL PATCHES`, or choose the engine auto"
    try:
        value = read_record(folder / RECORD_FILE, _Written)
        record = Int8Record(**{field.name: value[field.name] for field in fields(Int8Record)})
        inside = all(Path(name).name == name for name in record.digests)
        whole = inside and all(content_digest(folder / name) == digest for name, digest in record.digests.items())
    except FileNotFoundError as error:
        raise ModelError(f"no int8 network of {model.card.name}", expected=f"one in {folder}", do=do) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"an int8 network that cannot be read ({error})", expected=f"the files of {folder} as written", do=do) from error
    if not whole:
        raise ModelError(f"changed files in {folder}", expected="the files that quantise wrote", do=do)
    if record.weights != content_digest(model.file):
        raise ModelError(f"an int8 network made from other weights than those of {model.card.name}", expected="the same weights", do=do)
    return record
