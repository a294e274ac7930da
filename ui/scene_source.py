"""Where a scene comes from: a data set, a path on this machine, or a file that the browser sends; one choice for Label and Predict."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.plain import in_markdown
from core.reading.addresses import host_of
from core.scenes.opening import open_scene
from core.scenes.remote.links import is_link, read_link, shown_address
from core.scenes.scene import Scene
from ui import library, state, uploads
from ui.allowed import changing, refuse_if_read_only
from ui.input import KEEP, typed_path

DATA, PATH, UPLOAD = "data", "path", "upload"
_WORDS = {DATA: "Data set", PATH: "File or folder", UPLOAD: "Upload"}


def choose(page: str, *, help: str, placeholder: str, path_help: str) -> tuple[str, Path | None]:
    """Which of the three, and the path that was typed or sent; None while there is none, and for a data set. Keys begin with `page`.

    Raises InputError for a path outside the folders that the dashboard may open.
    """
    source = st.segmented_control(
        "Scene",
        list(_WORDS),
        default=DATA,
        required=True,
        format_func=_WORDS.get,
        key=f"{page}_source",
        help=help,
        **KEEP,
    )
    if source == PATH:
        path_key = f"{page}_path"
        words = f"{path_help} Or the address of a GeoTIFF: https://… or s3://…"
        typed = st.text_input("Path", key=path_key, placeholder=placeholder, help=words, **KEEP)
        path = typed_path(typed, addresses=True)
        return PATH, path if path is None or not is_link(path) else _arrived(path, page)
    if source == UPLOAD:
        words = "Large scenes are better opened by their path."
        sent = st.file_uploader("Image", type=uploads.IMAGE_TYPES, key=f"{page}_upload", **changing(words))
        return UPLOAD, None if sent is None else uploads.once(sent, state.workspace().uploads)
    return DATA, None


def _arrived(path: Path, page: str) -> Path | None:
    """The link to a picture that can be read; None while it waits to be fetched whole, which is offered. Raises SceneError."""
    from core.scenes.remote.parts import why_whole
    from core.scenes.remote.whole import arrive

    link = read_link(path)
    if link.whole is not None or link.parts:
        return path
    with st.spinner(f"Asking {host_of(link.address)}"):
        why = why_whole(link)
    if not why:
        link.known(parts=True)
        return path
    st.caption(f"{in_markdown(path.stem)} cannot be read in parts: {in_markdown(why)}. It can be fetched once as a whole.")
    if not st.button("Fetch it", icon=":material/download:", key=f"{page}_fetch", **changing()):
        return None
    refuse_if_read_only()
    bar = st.progress(0.0, "Fetching")
    arrive(path, on_progress=lambda done, total, words: bar.progress(min(1.0, done / total) if total else 0.0, in_markdown(words)))
    bar.empty()
    return path


def fill(page: str, path: str) -> None:
    """Name a scene in the form as if its path had been typed; before the form is drawn."""
    st.session_state[f"{page}_source"], st.session_state[f"{page}_path"] = PATH, path


def data_set(page: str, on: st.delta_generator.DeltaGenerator, *, none_open: str) -> Path | None:
    """Which of the known data sets; None, and the words `none_open`, where there is none."""
    known = library.datasets()
    if not known:
        st.markdown(none_open)
        return None
    current = state.selection().dataset
    return on.selectbox(
        "Data set",
        known,
        index=known.index(current) if current in known else 0,
        format_func=library.dataset_title,
        key=f"{page}_dataset",
        help="The sample, and those that you opened on Home.",
    )


def describe(path: Path, *, unplaced: str) -> Scene:
    """One line on the scene: size, bands, ground sample distance, or what is `unplaced` without one. Raises SceneError."""
    scene = open_scene(path)
    pixel_m = scene.ground_sample_distance_m
    ground = f"{pixel_m:.2g} m per pixel" if pixel_m else f"no georeference: {unplaced} in pixels"
    st.caption(f"{library.pixels_text((scene.width, scene.height))} px, {scene.bands} bands of {scene.dtype}, {ground}")
    whose = [text for text in (shown_address(path) and f"From {shown_address(path)}", scene.attribution) if text]
    if whose:
        st.caption(in_markdown(" · ".join(whose)))
    return scene
