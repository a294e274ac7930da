"""Map: a prediction as polygons on its own scene, with a linked table, corrections, comparison and every download."""

import streamlit as st

from ui import frame

frame.begin_page(
    "Map",
    ":material/map:",
    "Trace the outlines of a prediction, look at them on the scene, correct them, and take the layer home.",
    whole_width=True,
)

with frame.opening("Opening the map"):
    from ui.map import page, sources

with frame.errors() as opening:
    source, other = sources.choose()
if opening.failed:
    st.stop()
if source is None:
    frame.empty_state(
        "Nothing to map yet",
        "The map shows the polygons of a predicted scene. Try the sample, or predict a scene of your own first.",
        icon=":material/map:",
        links=(frame.PAGES["predict"],),
    )
    st.stop()

page.workspace(source, other)
