"""The same ground in two images, side by side with their labels, for the findings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.audit.ground_checks import Laid, labels_of_place
from core.classes import IGNORED_ID, ClassScheme
from core.datasets.datasets import Dataset
from core.datasets.same_ground.overlaps import Overlap
from core.errors import GroundlineError
from core.plain import in_markdown
from core.scenes.display import display_rgb
from core.words import sentence
from ui import state

_SHOWN, _SIDE_PX = 4, 360
_TITLES = ("{first}", "{second}", "Labels in the first", "Labels in the second")


def places(dataset: Dataset, found: Sequence[Overlap]) -> None:
    """The first few places: both images brought onto each other, and their labels where both have some."""
    with st.expander(f"See {'the place' if len(found) == 1 else 'the places'} in both images"):
        for one in found[:_SHOWN]:
            st.markdown(f"**{in_markdown(one.first)}** and **{in_markdown(one.second)}** · {one.pixels:,} pixels of the first")
            try:
                pictures = _pictures(dataset, one, (dataset.digest, repr(one), repr(state.shown(dataset.scheme))))
            except GroundlineError as error:
                st.caption(in_markdown(sentence(error)))
                continue
            for column, picture, title in zip(st.columns(len(_TITLES)), pictures, _TITLES, strict=False):
                words = title.format(first=one.first, second=one.second)
                column.image(picture, caption=in_markdown(words), width="stretch", output_format="PNG", alt=words)
        if len(found) > _SHOWN:
            st.caption(f"The {_SHOWN} that come first of {len(found)}.")


@st.cache_data(max_entries=64, show_spinner=False)
def _pictures(_dataset: Dataset, _one: Overlap, key: tuple[str, ...]) -> list[np.ndarray]:
    """The place uint8 (h, w, 3) in both images, the second brought onto the first, then as both label it."""
    laid = Laid.of(_one, side_px=_SIDE_PX)
    first = display_rgb(_dataset.pair(_one.first).image, _one.place, out_shape=laid.shape)
    second = display_rgb(_dataset.pair(_one.second).image, _one.second_place, out_shape=laid.second_shape)
    pictures = [first, laid.onto(second, 255)]
    try:
        labels = labels_of_place(_dataset, _one, side_px=_SIDE_PX)
    except GroundlineError:  # other findings say so
        return pictures
    scheme: ClassScheme = state.shown(_dataset.scheme)
    return [*pictures, *(scheme.decode(np.where(ids < len(scheme), ids, IGNORED_ID).astype(np.uint8)) for ids in labels)]
