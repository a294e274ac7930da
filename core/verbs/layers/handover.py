"""Verb handover: make the folder that goes to whoever asked for the map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.classes import COLOURINGS, NATURAL
from core.progress import OnProgress, ShouldStop, part
from core.reading.readable import refuse_no_scene
from core.settings import REQUIRED, Settings, group, setting
from core.vector.settings import VectorSettings
from core.verbs.verb import Answer, Verb, place_of
from core.words import size_words

_TRACED = 0.4
"""Share of the progress after which the polygons are there and the files are written."""


@dataclass(frozen=True)
class HandoverRequest(Settings):
    """What `handover` can be told."""

    prediction: Path = setting(REQUIRED, "prediction folder, or any single-band class raster", flag="PREDICTION")
    out: Path | None = setting(None, "folder to write", flag="OUT")
    heading: str | None = setting(None, "what the map is called; as the scene when left away", key="title")
    attribution: str | None = setting(
        None, "whom the picture belongs to, as it stands on maps: © Somebody; as its file says when left away"
    )
    licence: str = setting("other", "of the result, by its SPDX name: CC-BY-4.0, say")
    acquired: str | None = setting(None, "when the picture was taken: 2026-05-30", metavar="DAY")
    with_scene: bool = setting(False, "the picture itself goes into the folder")
    zip: bool = setting(False, "a zip of the folder is written beside it")
    overwrite: bool = setting(False, "an older folder of that name, made by this verb, is replaced, and its zip")
    layer: Path | None = setting(None, "a layer that the map page kept, taken as it is instead of traced", metavar="FILE")
    drawing: VectorSettings = group(VectorSettings())
    colours: str = setting(
        NATURAL,
        "colours of the classes: natural by their names, those of the masks, or safe for the colour-blind; a layer has its own",
        choices=tuple(COLOURINGS),
    )


def run(asked: HandoverRequest, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, **_: Any) -> Answer:
    """Trace a prediction, or take the layer given, and make the folder."""
    refuse_no_scene(asked.prediction)

    from core.handover.folder import hand_over, refuse_taken
    from core.handover.kept import read_kept
    from core.prediction.folder.origin import ATTRIBUTION
    from core.prediction.folder.rasters import Prediction, is_prediction
    from core.verbs.layers.vectorize import card_of

    out = place_of(asked.out)
    refuse_taken(out, asked.overwrite, pack=asked.zip)  # which tracing is minutes away from
    prediction = Prediction.open(asked.prediction) if is_prediction(asked.prediction) else None
    if asked.layer is not None:
        layer, lines = read_kept(asked.layer)
        begun = 0.0
    else:
        from core.vector.vectorize import vectorize

        begun = _TRACED
        result = vectorize(asked.prediction, asked.drawing, on_progress=part(on_progress, 0, begun, 1), should_stop=should_stop)
        scheme = result.layer.scheme.coloured(asked.colours)
        layer = replace(result.layer, scheme=scheme)
        lines = None if result.lines is None else replace(result.lines, scheme=scheme)
    from core.handover.catalogue import Caption

    title = asked.heading or str(layer.made.get("source") or asked.prediction.stem)
    description = f"Polygons from {layer.made.get('source')}" + (f", found by {layer.made['model']}" if layer.made.get("model") else "")
    answer = hand_over(
        out,
        layer,
        asked.prediction,
        told=Caption(
            title, f"{description}.", asked.attribution or str(layer.made.get(ATTRIBUTION) or ""), asked.licence, asked.acquired or ""
        ),
        lines=lines,
        with_scene=asked.with_scene,
        overwrite=asked.overwrite,
        pack=asked.zip,
        card=card_of(prediction),
        prediction=prediction,
        on_progress=part(on_progress, begun, 1, 1),
        should_stop=should_stop,
    )
    return {"polygons": len(layer.frame), **answer}


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """The files with their sizes, what is not among them, and where to begin."""
    for file in answer["files"]:
        yield f"{file['path']}: {size_words(file['bytes'])}"
    for note in answer["notes"]:
        yield f"Note: {note}"
    yield f"Written to {answer['folder']}; begin with its README.md"
    if answer["zip"]:
        yield f"All of it in {answer['zip']}"


VERB = Verb(
    "handover",
    HandoverRequest,
    run,
    summary,
    place="exports",
)
