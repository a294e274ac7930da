"""Places on a page that are as high as what will stand in them, before it is there."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def reserved(key: str, px: int, *, around_px: int | None = None) -> DeltaGenerator:
    """A container at least `px` high: what the browser draws late, as a map, pushes nothing aside. `key` names it on its page.

    With `around_px` it is as high as the window less that, where this is more.
    """
    least = f"{px}px" if around_px is None else f"max({px}px, calc(100vh - {around_px}px))"
    st.html(f"<style>.st-key-{key} {{min-height: {least}}}</style>")
    return st.container(key=key)
