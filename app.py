"""Groundline's home page, and the web application that `streamlit run app.py` serves with its tile routes.

The page is drawn only inside a script run; the server itself imports this file once for `app`.
"""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ui import frame
from ui.home import cards as home_view
from ui.label import routes as label_routes
from ui.server import ahead, doors, first_paint, memory
from ui.viewer import routes

memory.few_heaps()
app = st.App(
    __file__,
    lifespan=ahead.lifespan,
    routes=[*routes.routes(), *label_routes.routes()],
    middleware=[doors.middleware(), first_paint.middleware()],
    on_script_error=frame.unexpected,
)


def home() -> None:
    """Draw the home page: what this is, three ways in, and the next step."""
    home_view.follow_link()
    frame.begin_page(
        "Groundline",
        ":material/landscape:",
        "Turn aerial and satellite images into GIS layers: explore a data set, train a network, predict whole scenes, "
        "and take the polygons home as GeoPackage, Shapefile or GeoJSON. Everything runs on this machine.",
    )
    cards = st.grid(3, min_column_width=260, gap="medium")
    with cards.container(border=True, height="stretch", key="card_sample"), frame.errors():
        home_view.sample_card()
    with cards.container(border=True, height="stretch", key="card_open"):
        home_view.open_card()
    with cards.container(border=True, height="stretch", key="card_continue"), frame.errors():
        home_view.continue_card()
    home_view.next_step()
    home_view.more()


if get_script_run_ctx(suppress_warning=True) is not None:
    home()
