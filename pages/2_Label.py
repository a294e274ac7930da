"""Label: paint a scene that has no mask, see what the strokes teach, and take the answer along as a prediction and as data to train on."""

import streamlit as st

from ui import frame, state
from ui.label import accept, begin, canvas, certify
from ui.label import open as opened

frame.begin_page(
    "Label",
    ":material/brush:",
    "Paint a few strokes of each class and see the whole scene answered; correct it, accept it, and train on it. No mask is needed.",
    whole_width=True,
)


def paint(folder) -> None:
    """The canvas of a project, and what becomes of it."""
    with frame.errors() as opening:
        token, session = opened.session_of(folder)
        if begin.adopt(session.project):
            opened.close(folder)
            token, session = opened.session_of(folder)
    if opening.failed:
        return
    begin.watch(session.project)
    canvas.canvas(token, session)
    accept.panel(session)


folders = begin.projects()
linked = state.linked("label", {folder.name: folder for folder in folders})
asked = begin.asked_scene()
if not folders:
    frame.empty_state(
        "Nothing labelled yet",
        "Choose a scene below: an orthophoto without any mask will do."
        + (" To try it, begin with the sample town, which is among the data sets." if state.has_sample() else ""),
        icon=":material/brush:",
        sample=False,  # the form proposes it
    )


def another() -> None:
    """The form for another scene; the page goes on with it once it was begun."""
    with st.expander(
        "Label another scene" if folders else "Label a scene",
        icon=":material/add:",
        expanded=not folders or asked,
        key=f"label_setup_{bool(folders)}",
    ):
        made = begin.form()
    if made is not None:
        begin.open_next(made)
        st.rerun()


if not folders or asked:
    another()
if folders:
    chosen = begin.choose(folders, linked)
    painting, certifying = st.tabs(["Paint", certify.TITLE], key="label_tab", on_change="rerun")
    if painting.open:
        with painting:
            paint(chosen)
    if certifying.open:
        with certifying, frame.errors():
            accept.certify(chosen)
    if not asked:
        another()
    frame.next_step("train a network on what you painted, or on other data.", *frame.PAGES["train"])
