"""Predict: a whole scene through a model, then image, mask and prediction side by side."""

import streamlit as st

from core.learning.model_store import find_model
from ui import evaluation_view, frame, jobs_view, library, predict_view, state, viewer

frame.begin_page(
    "Predict",
    ":material/auto_awesome:",
    "Send a whole scene through a model and judge the result. Any size works: memory does not grow with the scene.",
)


def setup() -> None:
    """Scene and model beside each other, settings below, one button."""
    with frame.errors():
        first, second = st.columns([3, 2], gap="large")
        with first:
            scene = predict_view.choose_scene()
            if scene is not None:
                predict_view.describe_scene(scene)
        with second:
            model = predict_view.choose_model()
        if model is None:
            st.page_link(*frame.PAGES["train"][:1], label="Train a model", icon=frame.PAGES["train"][2])
            return
        with second:
            chosen = predict_view.advanced()
        chosen |= predict_view.settings(find_model(model).card)
        if st.button("Predict the scene", type="primary", icon=":material/auto_awesome:", key="predict_start", disabled=scene is None,
                     help="Runs in a process of its own: you may leave this page or close the browser."):  # fmt: skip
            jobs_view.start("predict", {"model": model, "scene": scene, **chosen}, title=f"{scene.stem} with {find_model(model).card.name}")
            state.select(scene=scene, model=model)
            st.rerun()


def results(folder) -> None:
    """Viewer, class shares, scores and downloads of a prediction."""
    prediction = library.prediction(folder)
    predict_view.how_made(prediction)
    scene = predict_view.source_scene(prediction)
    truth = predict_view.truth_of(scene)
    seen = viewer.prediction_panes(folder, key="predict_viewer", height=360, image=scene, pair=truth)
    if scene is None:
        st.caption("The scene is not where it was, or only a part of it was predicted: the result is shown alone.")
    tabs = ["Classes", *(["Scores"] if truth is not None else []), evaluation_view.TITLE, "Downloads"]
    drawn = dict(zip(tabs, st.tabs(tabs, key=f"predict_tab_{truth is not None}", on_change="rerun"), strict=True))
    with drawn["Classes"], frame.errors():
        st.caption(
            f"At a confidence of {seen.threshold:.2f} and more; move the threshold in the viewer."
            if seen.threshold
            else "All pixels; raise the threshold in the viewer to see what is unsure."
        )
        predict_view.shares(prediction, seen.threshold)
    if truth is not None:
        with drawn["Scores"], frame.errors():
            predict_view.scores(prediction, truth)
    if drawn[evaluation_view.TITLE].open:
        with drawn[evaluation_view.TITLE], frame.errors():
            evaluation_view.tab()
    with drawn["Downloads"], frame.errors():
        predict_view.downloads(prediction)


folders = library.predictions()
job = jobs_view.newest("predict")
watched = job is not None and job.status()["state"] not in ("finished", "stopped")
if not folders and not watched and state.selection().dataset is None and state.selection().scene is None:
    frame.empty_state(
        "Nothing predicted yet",
        "Try the sample for a finished map in about a minute, or choose a scene and a model below.",
        icon=":material/auto_awesome:",
    )
if watched:
    with st.container(border=True, key="predict_job"):
        jobs_view.progress(job.folder, "predict")
with st.expander(
    "Predict another scene" if folders else "Predict a scene",
    icon=":material/add:",
    expanded=predict_view.wanted_open() or (not folders and not watched),
    key=f"predict_setup_{bool(folders)}_{watched}",
):
    setup()
if folders:
    current = state.selection().prediction
    start = folders.index(current) if current in folders else 0
    shown = st.selectbox("Prediction", folders, index=start, format_func=library.prediction_label, help="Newest first.")
    state.select(prediction=shown)
    with frame.errors():
        results(shown)
    frame.next_step("trace the outlines and look at them on the map.", *frame.PAGES["map"])
