"""Verb import-model: take in a model of another origin."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.model_store.normalisation import SEAMS, WAYS, seams_warning
from core.progress import OnProgress, ShouldStop
from core.settings import REQUIRED, Settings, setting
from core.verbs.verb import Answer, Verb, place_of


def _normalisation(text: str) -> dict[str, Any]:
    """The rule for values that were divided by a number; 1 is none."""
    try:
        divisor = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid float value: {text!r}") from None
    return {"kind": "none"} if divisor == 1 else {"kind": "divide", "divisor": divisor}


@dataclass(frozen=True)
class ImportModelRequest(Settings):
    """What `import-model` can be told; a request may hold what is in a class file instead of its path."""

    file: Path = setting(REQUIRED, "an .h5, .hdf5, .keras or .onnx file, weights alone, or a SavedModel folder", flag="FILE")
    out: Path | None = setting(None, "folder for the model", flag="OUT")
    classes: str | tuple[str, ...] | dict[str, Any] | None = setting(
        None, "a class file, or the names in order", metavar="FILE|NAME,NAME,..."
    )
    bands: tuple[int, ...] | None = setting(None, "which bands of a scene it takes, in its order; from 1", metavar="N,N,...")
    normalisation: dict[str, Any] | None = setting(
        None, "what its training divided the values by; 1: nothing", flag="--divide-by", metavar="X", read=_normalisation
    )
    scaling: str | None = setting(
        None,
        "how its training scaled the values, where it was not only divided: "
        + ", ".join(way.word for way in WAYS if way.word != "auto")
        + "; numbers follow, as in divide=MAX,MAX,..., standard=MEAN,...,SPREAD,... or image=1,99. caffe turns the bands round. "
        "patch shows seams: " + SEAMS,
        flag="--normalisation",
        metavar="WAY",
    )
    patch_size: int | None = setting(None, "for a network that takes any size", metavar="PX")
    dtype: str = setting("uint8", "of the values that it was trained on", metavar="TYPE")
    scale: float = setting(1.0, "resize scenes by this factor first", metavar="FACTOR")
    pixel_size_m: float | None = setting(None, "metres per pixel that it was trained on", flag="--pixel-size", metavar="M")
    name: str | None = setting(None, "the model's name; the file's when left away")
    output: str | None = setting(
        None, "which output is the answer, by name or number from 1; of outputs of one shape the last when left away", metavar="NAME"
    )
    architecture_file: Path | None = setting(
        None, "for weights alone: the JSON of model.to_json(); one that lies beside them is found", metavar="JSON"
    )
    architecture: str | None = setting(None, "for weights alone: which network of ours they belong to", metavar="NAME")
    encoder: str | None = setting(None, "for weights alone: the network's encoder", metavar="NAME")
    filters: tuple[int, ...] | None = setting(None, "for weights alone: the network's filters, finest level first", metavar="N,N,...")
    trusted: bool = setting(False, "run the Python code that a Lambda layer in the file holds")


def run(asked: ImportModelRequest, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, **_: Any) -> Answer:
    """Write a model folder of a file and the answers about it."""
    from core.model_store.examining import OfWeights, examine, told_by_word
    from core.model_store.importing import Answers, import_model, scheme_of

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    of_weights = OfWeights(asked.architecture_file, asked.architecture, asked.encoder, asked.filters)
    bands, normalisation = asked.bands, asked.normalisation
    if asked.scaling is not None:
        told = told_by_word(asked.scaling, examine(asked.file, of_weights), bands)
        bands, normalisation = told.bands or bands, told.normalisation
    answers = Answers(
        scheme=scheme_of(asked.classes),
        bands=bands,
        normalisation=normalisation,
        patch_size=asked.patch_size,
        dtype=asked.dtype,
        scale=asked.scale,
        pixel_size_m=asked.pixel_size_m,
        name=asked.name,
        output=asked.output,
    )
    model = import_model(
        asked.file,
        place_of(asked.out),
        answers,
        of_weights=of_weights,
        trusted=asked.trusted,
        on_progress=on_progress,
        should_stop=should_stop,
    )
    seams = seams_warning(model.card.normalisation)
    return {
        "model": str(model.folder),
        "folder": str(model.folder),
        "notes": list(model.card.notes),
        "assumed": list(model.card.assumed),
        "warnings": [seams] if seams else [],
    }


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """What was taken and left out, what was assumed, and where the model is."""
    from core.model_store.serving import graph, onnx_file

    yield from answer.get("notes", ())
    yield from (f"Assumed, since nobody said otherwise: {sentence}" for sentence in answer["assumed"])
    yield from answer.get("warnings", ())
    kept = {graph.KEPT, onnx_file.KEPT, onnx_file.KEPT_TO_MEASURE}.intersection(answer.get("notes", ()))
    told = "read again, the network gives what it gave" if kept else "the new file gives what the old one gave"
    yield f"Model in {answer['folder']}; {told}"


VERB = Verb("import_model", ImportModelRequest, run, summary, place="models", heavy=True)
