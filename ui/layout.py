"""Places on a page that are as high as what will stand in them, before it is there."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def as_high(px: int, around_px: int | None) -> str:
    """A height for CSS: `px`, or what the window has besides `around_px` where this is more."""
    return f"{px}px" if around_px is None else f"max({px}px, calc(100vh - {around_px}px))"


def reserved(key: str, px: int, *, around_px: int | None = None) -> DeltaGenerator:
    """A container at least `px` high: what the browser draws late, as a map, pushes nothing aside. `key` names it on its page.

    With `around_px` it is as high as the window less that, where this is more.
    """
    st.html(f"<style>.st-key-{key} {{min-height: {as_high(px, around_px)}}}</style>")
    return st.container(key=key)
