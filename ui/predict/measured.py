"""Maps of measured values: shown beside their scene in a ramp of colours, with their range, and taken home."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image

from core.errors import GroundlineError
from core.plain import in_markdown
from core.prediction.folder.measured import SHOWN_PERCENT, VALUES, MeasuredMap, measured_folders, openable, ramp
from core.prediction.folder.origin import pictured
from core.words import counted, file_stem
from ui import frame, state
from ui.predict.downloads import button_of_file
from ui.viewer import viewer

_RAMP_PX = (14, 512)


def shown() -> list[MeasuredMap]:
    """The maps of the workspace, newest first."""
    return openable(measured_folders(state.workspace()))


def show(maps: list[MeasuredMap]) -> None:
    """Which map is shown, and the map."""
    current = state.selection().prediction
    start = next((number for number, one in enumerate(maps) if one.folder == current), 0)
    chosen = st.selectbox(
        "Map of measured values", maps, index=start, format_func=_title, key=f"predict_measured_{len(maps)}_{start}", help="Newest first."
    )
    with frame.errors():
        _map(chosen)


def _title(found: MeasuredMap) -> str:
    scene = Path(found.made.get("scene") or found.folder).stem
    return f"{scene} · {found.name} · {found.card_name} · {datetime.fromtimestamp(found.folder.stat().st_mtime):%d %b %H:%M}"


def _map(found: MeasuredMap) -> None:
    about = found.statistics
    made = found.made
    st.caption(
        f"{found.width:,} × {found.height:,} px · {counted(int(made.get('windows', 0)), 'patch', 'patches')} · "
        f"computed in {float(made.get('seconds', 0)):.0f} s"
    )
    for concern in made.get("warnings", ()):
        st.warning(in_markdown(concern["sentence"]), icon=":material/warning:")
    if not about.pixels:
        st.warning("No pixel of this scene has a value.", icon=":material/warning:")
        return
    try:
        scene = pictured(found)
    except GroundlineError:
        scene = None
    viewer.measured_panes(found.folder, found.name, key="predict_measured_viewer", height=360, around_px=740, image=scene)
    if scene is None:
        st.caption("The scene is not where it was, or it has changed: the map is shown alone.")
    _legend(found)
    with st.container(horizontal=True):
        for label, value in (("Least", about.low), ("Mean", about.mean), ("Largest", about.high)):
            st.metric(label, _number(value), border=True, help=f"Of {about.pixels:,} pixels with a value.")
    name = f"{file_stem(Path(made.get('scene') or found.folder).stem, found.name)}.tif"
    words = "One value per pixel (float32); NaN where the scene holds nothing."
    button_of_file("Values (GeoTIFF)", found.folder / VALUES, name, "measured", words)


def _legend(found: MeasuredMap) -> None:
    """The ramp with the values at its ends; what lies beyond them has the colour of the nearer end."""
    low, high = found.statistics.shown_low, found.statistics.shown_high
    height, width = _RAMP_PX
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{in_markdown(found.name)}** {_number(low)}", width="content")
        st.image(Image.fromarray(np.repeat(ramp(np.linspace(0, 1, width))[None], height, axis=0)), width="stretch")
        st.markdown(_number(high), width="content")
    below, above = SHOWN_PERCENT[0], 100 - SHOWN_PERCENT[1]
    st.caption(f"The colours run between the values that {below} % of the pixels lie below and {above} % above.")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.4g}"
