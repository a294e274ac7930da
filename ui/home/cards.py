"""The three cards of the home page."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import numpy as np
import streamlit as st

from core.classes import ClassScheme
from core.errors import DatasetError, SceneError
from core.jobs import jobs
from core.jobs.jobs import Job
from core.plain import in_markdown
from core.scenes.display import display_rgb
from core.scenes.opening import open_scene
from core.scenes.scene import Window
from core.words import duration_words
from ui import frame, jobs_view, library, state, tour, uploads
from ui.allowed import changing
from ui.home import disk
from ui.input import typed_path

_FOLLOWED = "home_followed"  # session key: the sample's job that was begun here, whose map opens by itself
_SHOWN = 3  # entries of each kind in "continue"
_PICTURE_PX = (420, 1000)  # height and width of the sample's preview


def follow_link() -> None:
    """Choose the sample data set when the address asks for it (`?start=sample`, as the start command does) and nothing else is chosen."""
    if st.query_params.pop("start", None) == "sample" and state.has_sample() and state.selection().dataset is None:
        state.select(dataset=state.SAMPLE)


def sample_card() -> None:
    """One click from nothing to a map of the sample town."""
    st.subheader(":material/play_circle: Try the sample", anchor=False)
    if not state.has_sample():
        st.markdown("The sample scenes are not in this copy. Make them with `python sample_data/make_sample_data.py`.")
        return
    colours = state.shown(library.dataset(state.SAMPLE).scheme)
    picture = _preview(state.SAMPLE, colours, repr(colours))
    st.image(picture, width="stretch", alt="A part of the sample town, its right half painted by class")
    st.markdown(
        "A small town that ships with Groundline: the trained model predicts the whole scene, its outlines are traced, "
        "and the map opens. It takes about a minute right after the first start, half of that later, and needs no network."
    )
    job = jobs_view.newest("demo")
    wanted = state.wanted_sample()
    runs = jobs.list_jobs(state.workspace(), kinds=("demo",))
    whole = next((one for one in runs if not one.active and jobs_view.made(one).prediction is not None), None)
    finished = whole is not None and job is not None and whole.name == job.name
    if finished and st.session_state.get(_FOLLOWED) == job.name:
        del st.session_state[_FOLLOWED]
        _open_map(job)
    label = "Run it again" if whole is not None else "Try the sample"
    with st.container(horizontal=True, vertical_alignment="center"):
        clicked = st.button(
            label,
            type="secondary" if finished else "primary",
            icon=":material/play_arrow:",
            key="sample_start",
            **changing(
                "Predicts the sample's whole scene and traces its polygons, as a job of its own.",
                disabled=(job is not None and job.active) or not state.has_sample_model(),
            ),
        )
        # While it runs again, or where that failed, the map of the run before is still there.
        if whole is not None and st.button(
            "Open the map", type="primary" if finished else "secondary", icon=":material/map:", key="sample_map"
        ):
            _open_map(whole)
    if finished:
        st.caption(_summary(job.result()))
    if not state.has_sample_model():
        st.info("The sample's trained model is not in this copy yet. Train one on the sample data first.", icon=":material/info:")
        if st.button("Use the sample data", key="sample_data", icon=":material/folder_open:"):
            state.select(dataset=state.SAMPLE)
            st.switch_page(frame.PAGES["train"][0])
        return
    if (clicked or wanted) and not (job is not None and job.active):
        with frame.errors():
            st.session_state[_FOLLOWED] = jobs_view.start("demo", {"model": state.SAMPLE_MODEL}, title="Sample town").name
            state.select(dataset=state.SAMPLE, model=state.SAMPLE_MODEL)
            st.rerun()
    if job is not None and not finished:
        jobs_view.progress(job.folder, "sample")


def open_card() -> None:
    """Open a folder or image by its path, or a zip that the browser sends."""
    st.subheader(":material/folder_open: Open my data", anchor=False)
    st.markdown("A folder of images and masks, a GeoTIFF, or a folder of neighbouring tiles on this machine.")
    with st.form("open_form", border=False):
        path = st.text_input(
            "Folder or image",
            key="home_path",
            placeholder="~/city or ~/data/scene.tif",
            help="The path on the machine that runs Groundline. Nothing is copied.",
        )
        sent = st.file_uploader(
            "Or send a zip or images",
            type=["zip", *uploads.IMAGE_TYPES],
            accept_multiple_files=True,
            key="home_upload",
            **changing(
                "A zip keeps its folders, for example images/ and masks/. Several files open as one data set: call the masks like "
                "their images with _mask at the end. Use the path for large files."
            ),
        )
        clicked = st.form_submit_button("Open", icon=":material/arrow_forward:", key="home_open")
    if not clicked:
        return
    with frame.errors() as outcome:
        if sent:
            path = str(uploads.keep(sent, state.workspace().uploads))
        wanted = typed_path(path)
        target = _open(str(wanted)) if wanted is not None else None
    if outcome.failed:
        return
    if target is None:
        st.warning("Type a folder or image path, or choose a file to send.", icon=":material/edit:")
        return
    st.switch_page(target)


def continue_card() -> None:
    """What was used last, one click away."""
    st.subheader(":material/history: Continue where I was", anchor=False)
    with st.container(gap="xsmall"):
        drawn = _data_sets() + _runs() + _predictions()
    if not drawn:
        st.markdown("Nothing yet. Data sets you open, networks you train and scenes you predict appear here.")


def next_step() -> None:
    """The one thing to do next, from what is there."""
    chosen = state.selection()
    sample = jobs_view.newest("demo")
    if sample is not None and sample.active:
        frame.next_step("the map opens when the sample has finished; meanwhile look at its scenes.", *frame.PAGES["explore"])
    elif chosen.prediction is not None:
        frame.next_step("look at the polygons of the last prediction, filter them and download them.", *frame.PAGES["map"])
    elif chosen.model is not None and (chosen.dataset or chosen.scene) is not None:
        frame.next_step("predict a whole scene with the chosen model.", *frame.PAGES["predict"])
    elif chosen.dataset is not None:
        frame.next_step("look at the data set before you train on it.", *frame.PAGES["explore"])
    else:
        frame.next_step("try the sample, or open your own data above. Explore shows what a data set holds.", *frame.PAGES["explore"])


def more() -> None:
    """The tour and the disk use, for those who look for them."""
    with st.container(horizontal=True):
        st.button(
            "Take the tour",
            icon=":material/flag:",
            key="home_tour",
            type="tertiary",
            on_click=tour.begin,
            help="Six short stops, one on each page. Leave it when you like.",
        )
        if st.button("Disk use", icon=":material/hard_drive:", key="home_disk", type="tertiary", help="What is kept, and clean-up."):
            disk.dialog()


def _open_map(job: Job) -> NoReturn:
    """Go to the map of a finished sample."""
    made = jobs_view.made(job)
    state.select(prediction=made.prediction, layer=made.layer, model=state.SAMPLE_MODEL, dataset=state.SAMPLE)
    st.switch_page(frame.PAGES["map"][0])


def _summary(result: dict) -> str:
    """What the sample run made, in one line."""
    scores = result.get("evaluate")
    scored = f", mean IoU {scores['mean_iou']:.2f} against its mask" if scores else ""
    return f"{result['vectorize']['polygons']:,} polygons in {duration_words(result['seconds'])}{scored}."


@st.cache_data(max_entries=2, show_spinner=False)
def _preview(folder: Path, _colours: ClassScheme, colours: str) -> np.ndarray:
    """A cutting of the largest scene, its right half painted in the classes' colours, which `colours` names; uint8 (h, w, 3)."""
    scenes = library.scenes_of(folder)
    pair = scenes[library.largest(scenes)].pair
    height, width = min(_PICTURE_PX[0], pair.shape[0]), min(_PICTURE_PX[1], pair.shape[1])
    window = Window((pair.shape[0] - height) // 3, (pair.shape[1] - width) // 2, height, width)
    picture = display_rgb(pair.image, window).astype(np.float32)
    scheme = library.dataset(folder).scheme
    half = width // 2
    picture[:, half:] = 0.35 * picture[:, half:] + 0.65 * _colours.decode(pair.labels(scheme, window))[:, half:]
    picture[:, half - 1 : half + 2] = 255
    return picture.round().astype(np.uint8)


def _open(path: str) -> str:
    """Select what the path holds and return the page that shows it."""
    try:
        library.dataset(path)
    except DatasetError as error:
        try:
            open_scene(path)  # a single image, or a folder of chips that continue each other
        except SceneError as other:
            raise (other if Path(path).is_file() else error) from None
        state.select(scene=path)
        state.open_setup(path)
        return frame.PAGES["predict"][0]
    state.select(dataset=path)
    return frame.PAGES["explore"][0]


def _data_sets() -> int:
    entries = [Path(path) for path in state.recent("dataset")][:_SHOWN]
    if entries:
        st.caption("Data sets")
    for number, path in enumerate(entries):
        if _row(library.dataset_title(path), ":material/folder:", f"recent_dataset_{number}", str(path)):
            state.select(dataset=path)
            st.switch_page(frame.PAGES["explore"][0])
    return len(entries)


def _runs() -> int:
    entries = jobs.list_jobs(state.workspace(), kinds=("train",))[:_SHOWN]
    if entries:
        st.caption("Training runs")
    for number, job in enumerate(entries):
        status = job.status()
        words = f"{job.title} · {jobs_view.label(status['state']).lower()}"
        if _row(words, ":material/model_training:", f"recent_run_{number}", str(job.folder)):
            jobs_view.choose_run(job.name)
            st.switch_page(frame.PAGES["train"][0])
    return len(entries)


def _predictions() -> int:
    entries = library.predictions()[:_SHOWN]
    if entries:
        st.caption("Predictions")
    for number, (folder, label) in enumerate(library.prediction_labels(entries).items()):
        if _row(label, ":material/auto_awesome:", f"recent_prediction_{number}", str(folder)):
            state.select(prediction=folder)
            st.switch_page(frame.PAGES["predict"][0])
    return len(entries)


def _row(label: str, icon: str, key: str, where: str) -> bool:
    return st.button(in_markdown(label), icon=icon, key=key, type="tertiary", help=in_markdown(where))
