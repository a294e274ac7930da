"""Where the server's own files and pictures are, besides Streamlit's pages."""

from __future__ import annotations

import streamlit as st

from core.digests import digest_of
from core.workspace import STATIC

PREFIX = "/groundline"


def base_path() -> str:
    """The path that Streamlit is served under, "" or "/seg"."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""


def static_url() -> str:
    """Where the files of `static/` are, for the page itself; ends with a slash.

    It holds their version, so that modules which import each other by relative paths are never of two versions in a browser's memory.
    """
    version = digest_of(*((path.relative_to(STATIC).as_posix(), path.stat().st_mtime_ns) for path in sorted(STATIC.rglob("*.*"))))
    return f"{base_path()}{PREFIX}/static/{version}/"
