"""The choice of class colours in the map's own legend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from core.classes import COLOURINGS, from_hex
from core.errors import ClassesError
from ui import state
from ui.map import drawing

_TAKEN = "gl_map_colours_taken"


def offered() -> dict[str, Any]:
    """What the legend offers: ways to colour all classes, the one that is chosen, and the names of classes with a colour of one's own."""
    now = state.colouring()
    return {"choices": COLOURINGS, "how": now.how, "own": list(now.own)}


def take(key: str) -> None:
    """Do what was chosen in the legend of the map with this key, once, and run the whole page again: other legends say the same then."""
    wanted = drawing.chosen(key)
    if wanted is None or wanted.get("n") == st.session_state.get(_TAKEN):
        return
    st.session_state[_TAKEN] = wanted.get("n")
    now = _coloured(wanted)
    if now != state.colouring():
        state.set_colouring(now)
        st.rerun()


def _coloured(wanted: Mapping[str, Any]) -> state.Colouring:
    """The colours of now with what the legend asks for; as they are where that cannot be read."""
    now = state.colouring()
    name, how = wanted.get("name"), wanted.get("how")
    if how in COLOURINGS:
        return replace(now, how=how)
    if isinstance(wanted.get("uncoloured"), list):
        return now.without_own([str(one) for one in wanted["uncoloured"]])
    if not isinstance(name, str) or "colour" not in wanted:
        return now
    try:
        return now.with_own(name, from_hex(str(wanted["colour"])))
    except ClassesError:
        return now
