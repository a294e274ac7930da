"""Verb labels: painted strokes as a data set to train on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.files import refuse_foreign_folder
from core.progress import OnProgress, ShouldStop
from core.reading.readable import refuse_no_scene
from core.settings import PICTURE, REQUIRED, Settings, setting
from core.verbs.options import SCENE
from core.verbs.tables import table
from core.verbs.verb import Answer, Verb

STROKES = "GeoJSON or GeoPackage of lines or polygons with a class, in the scene's CRS or, where it has none, in pixels (y = -row)"


@dataclass(frozen=True)
class LabelsRequest(Settings):
    """What `labels` can be told."""

    strokes: Path = setting(REQUIRED, STROKES, flag="STROKES")
    scene: Path = setting(REQUIRED, SCENE, flag="SCENE", address=PICTURE)
    out: Path = setting(REQUIRED, "folder for the data set", flag="DATASET")


def run(asked: LabelsRequest, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, **_: Any) -> Answer:
    """Write a data set of what was painted."""
    refuse_no_scene(asked.scene)

    from core.datasets.scene_set import MADE_FILE
    from core.labelling.class_names import scheme_with
    from core.labelling.label_set import write_label_set
    from core.labelling.stroke_files import read_strokes
    from core.scenes.opening import open_scene

    refuse_foreign_folder(asked.out, MADE_FILE, "a new folder, or an older data set of strokes")
    scene = open_scene(asked.scene)
    found = read_strokes(asked.strokes, scene)
    strokes, scheme = scheme_with(None, found.strokes)
    written = write_label_set(asked.out, scene, strokes, scheme, on_progress=on_progress, should_stop=should_stop)
    nodata = [f"{written.nodata:,} painted pixels where the scene holds nothing: left out"] if written.nodata else []
    return {
        "folder": str(written.folder),
        "strokes": len(strokes),
        "classes": {name: {"pixels": written.painted.get(name, 0)} for name in scheme.names},
        "pixels": scene.window.pixels,
        "notes": [*found.notes, *nodata],
    }


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """Painted pixels by class, and what is to be said of the strokes."""
    yield from table(("class", "painted pixels"), [(name, f"{one['pixels']:,}") for name, one in answer["classes"].items()])
    for note in answer["notes"]:
        yield f"Note: {note}"
    yield f"Written to {answer['folder']}"


VERB = Verb("labels", LabelsRequest, run, summary)
