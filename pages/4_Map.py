"""Map: a prediction as polygons on its own scene, with tooltips, a table of classes and every download."""

import streamlit as st

from ui import frame

frame.begin_page(
    "Map",
    ":material/map:",
    "Trace the outlines of a prediction, look at them on the scene, and take the layer home.",
)

with frame.opening("Opening the map"):
    from ui import map_view

with frame.errors() as opening:
    source = map_view.choose_source()
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

settings, pressed = map_view.settings_form(source)
digest = map_view.digest_of(source, settings)
if not (pressed or map_view.is_traced(digest) or source.pixels <= map_view.TRACE_AT_ONCE_PX):
    st.info(
        f"This scene has {source.pixels / 1e6:,.0f} megapixels. Open **How outlines are drawn** and press **Trace polygons**.",
        icon=":material/polyline:",
    )
    st.stop()

with frame.errors() as tracing:
    result = map_view.traced(source, settings, digest)
if tracing.failed:
    st.stop()
if result.layer.frame.empty:
    st.warning("No polygon is left with these settings. Lower the confidence or choose more classes.", icon=":material/filter_alt_off:")
    st.stop()

with frame.errors(), frame.opening("Drawing the map"):
    map_view.map_of(source, result.layer, digest)
map_view.summary(result)
st.subheader("Classes", anchor=False)
map_view.show_table(result.layer)
st.subheader("Downloads", anchor=False)
with frame.errors():
    map_view.downloads(source, result.layer, digest)
