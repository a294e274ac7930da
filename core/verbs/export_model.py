"""Verb export-model: write a model for other programs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.progress import OnProgress, ShouldStop
from core.settings import REQUIRED, Settings, setting
from core.verbs.options import MODEL
from core.verbs.verb import Answer, Verb

_FORMATS = ("onnx", "savedmodel", "openvino")


@dataclass(frozen=True)
class ExportModelRequest(Settings):
    """What `export-model` can be told."""

    model: str = setting(REQUIRED, MODEL, flag="MODEL")
    out: Path = setting(REQUIRED, "a file that ends in .onnx, or a folder", flag="OUT")
    format: str | None = setting(None, "onnx for a file that ends so, savedmodel otherwise, when left away", choices=_FORMATS)


def run(asked: ExportModelRequest, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, **_: Any) -> Answer:
    """Write a model for other programs."""
    from core.model_store.models import find_model
    from core.prediction.engines.exporting import export_model

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    model = find_model(asked.model)
    exported = export_model(model, asked.out, format=asked.format, on_progress=on_progress, should_stop=should_stop)
    return {**asdict(exported), "path": str(exported.path)}


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """Format, size, how well the written model agrees, and what others cannot do with it."""
    yield f"{answer['format']}, {answer['size_bytes'] / 1e6:.1f} MB; read again, probabilities differ by at most {answer['difference']:.1g}"
    yield from answer.get("warnings", ())
    beside = "its card, and its item for a STAC catalogue; QGIS Deepness runs it as it is" if answer["format"] == "onnx" else "its card"
    yield f"Written to {answer['path']}, with {beside}"


VERB = Verb("export_model", ExportModelRequest, run, summary, heavy=True)
