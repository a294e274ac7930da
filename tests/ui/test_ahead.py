"""What is loaded while the first page is read is what the pages import."""

import importlib.util

from core.workspace import PROJECT
from ui.server import ahead


def test_the_modules_of_the_pages_are_known(tmp_path):
    page = tmp_path / "page.py"
    page.write_text("import os\nfrom ui import frame, state\nfrom ui.frame import PAGES\n\ndef late():\n    from ui.map import sources\n")
    found = list(ahead.modules([page]))
    assert found[:4] == ["ui.frame", "ui.state", "ui.map.sources", ahead._LATER[0]]
    real = list(ahead.modules(sorted((PROJECT / "pages").glob("*.py"))))
    assert {"ui.map.page", "ui.viewer.viewer", "ui.explore.overview"} <= set(real)
    assert all(importlib.util.find_spec(name) for name in real)
    assert "streamlit_folium" not in real  # its component would be declared to no server, and the map not come


def test_what_cannot_be_loaded_stops_nothing(caplog):
    ahead._import("ui.nothing_of_the_kind")
    assert "could not be loaded ahead" in caplog.text
