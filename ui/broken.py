"""What of the workspace cannot be opened, below the list that it would be in: its reason, and the way to the trash."""

from __future__ import annotations

import streamlit as st

from core.errors import GroundlineError
from core.plain import in_markdown
from core.words import sentence
from ui import library, state
from ui.allowed import changing, refuse_if_read_only

KINDS = ("models", "prepared", "predictions", "evaluations", "runs")


def show(kind: str, *, key: str = "broken") -> None:
    """A line with its reason for each entry of a kind that cannot be opened; those of the workspace can be moved to the trash."""
    for number, one in enumerate(library.broken(kind)):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.text(f"{one.path.name} cannot be read: {one.reason}", width="stretch")
            if state.workspace().holds(one.path) and st.button(
                "Move to the trash", icon=":material/delete:", key=f"{key}_{kind}_{number}", **changing(str(one.path))
            ):
                try:
                    refuse_if_read_only()
                    state.workspace().discard([one.path], label=one.path.name)
                except GroundlineError as error:
                    st.toast(in_markdown(sentence(error)), icon=":material/error:")
                st.rerun()
