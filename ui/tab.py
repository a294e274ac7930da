"""The browser's tab tells what a job does while another tab is in front: its share in title and icon, and its end until it is looked at."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from ui import served


def at_work(share: float) -> None:
    """Show the share, 0 to 1, of the work that is going on."""
    _call("atWork", round(share, 2))


def ended(words: str, *, good: bool) -> None:
    """Say in the title of a tab that nobody looks at that a job has ended, until somebody does."""
    _call("ended", words, good)


def _call(function: str, *told: Any) -> None:
    # A name of the user's that holds </script> must not end the script.
    words = ", ".join(json.dumps(one).replace("<", "\\u003c") for one in told)
    st.html(
        f"<script>import('{served.static_url()}shared/tab.js').then(tab => tab.{function}({words}));</script>", unsafe_allow_javascript=True
    )
