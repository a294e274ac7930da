"""The folder to hand over: made by a job of the layer as the map shows it, and taken home as a zip."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.jobs.jobs import Job
from core.plain import in_markdown
from core.prediction.folder.origin import ATTRIBUTION
from core.words import file_stem, size_words
from ui import frame, jobs_view, state
from ui.allowed import changing, refuse_if_read_only
from ui.map.sources import MapSource
from ui.viewer import tiles

if TYPE_CHECKING:
    from core.vector.layer import LineLayer, PolygonLayer


def offer(source: MapSource, layer: PolygonLayer, lines: LineLayer | None, part: str) -> None:
    """The button, what goes into the folder, and the job that makes it. `layer` is what goes into files, `part` its word in names."""
    st.markdown("**Folder for a client**")
    st.caption(
        "A project for QGIS, GeoPackage, GeoParquet and tiles, a web map that needs no network, GeoTIFFs, a report, a catalogue entry and "
        "a README, as one zip. It holds the polygons chosen above, in the colours that the map shows now."
    )
    a, b = st.columns([3, 2], vertical_alignment="bottom", gap="medium")
    owner = a.text_input(
        "The picture belongs to",
        key="map_handover_owner",
        placeholder=str(layer.made.get(ATTRIBUTION) or "© Survey Office"),
        persist_state="session",
        help="Stands on the printed map, on the web map and in the catalogue entry.",
    )
    picture = b.toggle(
        "With the picture",
        key="map_handover_picture",
        persist_state="session",
        disabled=source.scene is None,
        help="The scene itself goes into the folder, and below the polygons of the project." if source.scene else "Its file is gone.",
    )
    job = jobs_view.newest("handover", keep=lambda job: job.request.get("prediction") == str(source.path))
    pressed = st.button(
        "Make the folder",
        key="map_handover_make",
        icon=":material/folder_zip:",
        **changing("Takes some seconds, and minutes for 100,000 polygons.", disabled=layer.frame.empty or (job is not None and job.active)),
    )
    if pressed:
        with frame.errors() as outcome, st.spinner("Keeping what the map shows"):
            _start(source, layer, lines, part, owner=owner.strip(), picture=picture and source.scene is not None)
        if not outcome.failed:
            st.rerun()
    if job is not None:
        jobs_view.progress(job.folder, "map_handover", body=_made)


def _start(source: MapSource, layer: PolygonLayer, lines: LineLayer | None, part: str, *, owner: str, picture: bool) -> Job:
    from core.handover.kept import keep_layer

    refuse_if_read_only()
    stem = file_stem(source.title, part)
    folder = state.workspace().exports / f"{time.strftime('%Y%m%d-%H%M%S')}-{stem}"
    kept = keep_layer(layer, folder / "shown.gpkg", lines=lines)
    asked = {"prediction": source.path, "out": folder / stem, "layer": kept, "attribution": owner, "with_scene": picture, "zip": True}
    return jobs_view.start("handover", asked | {"title": source.title}, title=source.title)


def _made(job: Job, status: dict) -> None:
    """The zip of a finished job, and what is not in it."""
    result = job.result()
    if status["state"] != "finished" or not result or not result.get("zip"):
        return
    path = Path(result["zip"])
    if not path.is_file():
        st.caption("Its file is no longer there; make the folder again.")
        return
    words = f"Download the folder (zip, {size_words(path.stat().st_size)})"
    st.link_button(
        words, tiles.file_url(path, path.name), icon=":material/download:", help=f"{len(result['files'])} files and a list of them."
    )
    ended = time.strftime("%d %b %H:%M", time.localtime(status["started"] or 0))
    st.caption(f"It holds what the map showed when it was made, {ended}.")
    for note in result.get("notes", ()):
        st.caption(f":material/info: {in_markdown(note)}")
