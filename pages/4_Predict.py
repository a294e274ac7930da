"""Predict: a whole scene through a model, then image, mask and prediction side by side."""

import streamlit as st

from core.prediction.folder.origin import pictured
from ui import broken, frame, jobs_view, library, state
from ui.evaluate import tab
from ui.predict import batch, downloads, measured, run, scenes, setup
from ui.predict import results as predict_view
from ui.viewer import viewer

frame.begin_page(
    "Predict",
    ":material/auto_awesome:",
    "Send a whole scene through a model and judge the result. Any size works: memory does not grow with the scene.",
    whole_width=True,
)


def results(folder) -> None:
    """Viewer, class shares, scores and downloads of a prediction."""
    prediction = library.prediction(folder)
    predict_view.how_made(prediction)
    scene = pictured(prediction)
    truth = predict_view.truth_of(prediction) if scene is not None else None
    seen = viewer.prediction_panes(folder, key="predict_viewer", height=360, around_px=740, image=scene, pair=truth)
    frame.class_colours(prediction.scheme, key="predict_colours")
    if scene is None:
        st.caption("The scene is not where it was, or it has changed: the result is shown alone.")
    tabs = ["Classes", *(["Scores"] if truth is not None else []), tab.TITLE, "Downloads"]
    drawn = dict(zip(tabs, st.tabs(tabs, key=f"predict_tab_{truth is not None}", on_change="rerun"), strict=True))
    with drawn["Classes"], frame.errors():
        st.caption(
            f"At a confidence of {seen.threshold:.2f} and more; move the threshold in the viewer."
            if seen.threshold
            else "All pixels; raise the threshold in the viewer to see what is unsure."
        )
        predict_view.shares(prediction, seen.threshold)
    if truth is not None and drawn["Scores"].open:  # it reads the whole mask, which nobody has asked for yet
        with drawn["Scores"], frame.errors():
            predict_view.scores(prediction, truth)
    if drawn[tab.TITLE].open:
        with drawn[tab.TITLE], frame.errors():
            tab.tab()
    with drawn["Downloads"], frame.errors():
        downloads.downloads(prediction, seen)


def choose(folders) -> None:
    """Which prediction is shown, and the way on to the map."""
    current = state.linked("prediction", {state.short(folder): folder for folder in folders}) or state.selection().prediction
    start = folders.index(current) if current in folders else 0
    first, second = st.columns([5, 1], vertical_alignment="bottom")
    labels = library.prediction_labels(folders)
    shown = first.selectbox("Prediction", folders, index=start, format_func=labels.get, help="Newest first.")
    state.select(prediction=shown)
    state.link("prediction", state.short(shown))
    path, _, icon = frame.PAGES["map"]
    if second.button("To the map", icon=icon, key="predict_to_map", width="stretch", help="Traces outlines and lays them over the scene."):
        st.switch_page(path)
    with frame.errors():
        results(shown)


folders, maps = library.predictions(), measured.shown()
job = jobs_view.newest("predict")
watched = job is not None and job.status()["state"] not in ("finished", "stopped")
if not folders and not maps and not watched and state.selection().dataset is None and state.selection().scene is None:
    frame.empty_state(
        "Nothing predicted yet",
        "Try the sample for a finished map in about a minute, or choose a scene and a model below.",
        icon=":material/auto_awesome:",
    )
if watched:
    with st.container(border=True, key="predict_job"):
        run.watch(job)
wanted = state.wanted_open()
if wanted:
    scenes.fill(wanted)
with st.expander(
    "Predict another scene" if folders or maps else "Predict a scene",
    icon=":material/add:",
    expanded=wanted is not None or (not folders and not maps and not watched),
    key=f"predict_setup_{bool(folders or maps)}_{watched}",
):
    setup.form(own_model=wanted == "")
with frame.errors():
    batch.show()
broken.show("predictions")
if maps:
    with st.container(border=bool(folders), key="predict_measured_maps"), frame.errors():
        measured.show(maps)
if folders:
    choose(folders)
    frame.next_step("trace the outlines and look at them on the map.", *frame.PAGES["map"])
