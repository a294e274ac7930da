"""Places on a page that are as high as what will stand in them, before it is there."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def reserved(key: str, px: int) -> DeltaGenerator:
    """A container at least `px` high: what the browser draws late, as a map, pushes nothing aside. `key` names it on its page."""
    st.html(f"<style>.st-key-{key} {{min-height: {px}px}}</style>")
    return st.container(key=key)
