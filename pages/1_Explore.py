"""Explore: what a data set holds, and what is wrong with it, before a minute is spent on training."""

import streamlit as st

from core.errors import DatasetError
from ui import frame, library, state
from ui.explore import findings, naming, one_scene, overview, patches, thumbnails

frame.begin_page(
    "Explore",
    ":material/travel_explore:",
    "See what a data set holds, and what is wrong with it, before you train on it.",
)

TABS = {
    "Overview": overview.overview,
    "Scenes": thumbnails.thumbnails,
    state.ONE_SCENE: one_scene.one_scene,
    "Patches": patches.patches,
    "Findings": findings.findings,
    "Mosaics": findings.mosaics,
}

chosen = overview.choose_dataset()
if (unnamed := naming.asked()) is not None:
    naming.name_files(*unnamed)
    st.stop()
if chosen is None:
    frame.empty_state(
        "No data set yet",
        "Take the sample town, or open a folder of your own with images and masks: **Open a folder** above takes its path.",
        icon=":material/folder_open:",
        sample="data",
        links=(frame.PAGES["home"],),
    )
    overview.offer_samples()
    st.stop()

with frame.errors() as opening:
    try:
        dataset = library.dataset(chosen)
    except DatasetError as error:
        if not naming.can_name(chosen):
            raise
        naming.name_files(chosen, error.found)
        st.stop()
if opening.failed:
    st.stop()

frame.class_colours(dataset.scheme, key="explore_colours")
# Only the open tab is drawn, so that a page change costs one section and not six.
for tab, draw in zip(st.tabs(list(TABS), key=state.EXPLORE_TAB, bind="query-params"), TABS.values(), strict=True):
    if tab.open:
        with tab, frame.errors():
            draw(dataset)

frame.next_step("cut the data set into patches and train a network on them.", *frame.PAGES["train"])
