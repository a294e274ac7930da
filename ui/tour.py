"""A short guided tour through the pages: a callout at the top of each, which can be left at any step and taken again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

_ON = "gl_tour"


@dataclass(frozen=True)
class Step:
    """One stop of the tour: the page it stands on, a heading and what to see there."""

    page: str
    title: str
    text: str


STEPS = (
    Step(
        "home",
        "Three ways in",
        "**Try the sample** goes from an image to a map in about a minute. **Open my data** takes a folder or an image of yours; "
        "nothing is copied, nothing leaves this machine. **Continue where I was** lists what you used last.",
    ),
    Step(
        "explore",
        "Know your data first",
        "The overview counts the classes. **One scene** shows image and mask side by side, **Patches** what a patch size gives, and "
        "**Findings** what is wrong with the data and how to mend it, without changing a file.",
    ),
    Step(
        "label",
        "No masks? Paint",
        "A few strokes of each class answer the whole scene in seconds. **Next doubtful place** leads to where it is least sure; "
        "**Accept the answer** makes a prediction of it and data to train on.",
    ),
    Step(
        "train",
        "Watch a network learn",
        "Cut patches, choose a network, press start. Training runs in a process of its own: leave the page, close the browser, come back. "
        "Whole tiles are held out, so the score says how well new places will be seen.",
    ),
    Step(
        "predict",
        "Predict a whole scene",
        "A scene of any size goes through the model. Compare image, prediction and confidence in panes that move together, and raise "
        "**Confidence from** to see where the model is unsure.",
    ),
    Step(
        "map",
        "Take the polygons home",
        "The outlines lie on your own image. Click one to see or correct it, filter and measure, then download a GeoPackage, a report or a "
        "printed map. The bar on the left always says what you are working on and which jobs run.",
    ),
)


def begin() -> None:
    """Start the tour; the caller goes to Home, its first stop."""
    st.session_state[_ON] = True


def callout(here: str, pages: Mapping[str, tuple[str, str, str]]) -> None:
    """Draw the step of the tour that belongs to the page `here`, if the tour is on; `pages` are the frame's (path, label, icon).

    Who goes to another page by the menu meets the tour there again.
    """
    number = next((number for number, step in enumerate(STEPS) if step.page == here), None)
    if number is None or _ON not in st.session_state:
        return
    step = STEPS[number]
    with st.container(border=True, key="tour"):
        st.markdown(f":material/flag: **Tour, {number + 1} of {len(STEPS)} · {step.title}**")
        st.markdown(step.text)
        with st.container(horizontal=True, vertical_alignment="center"):
            if number and st.button("Back", icon=":material/arrow_back:", key="tour_back", help=f"To {pages[STEPS[number - 1].page][1]}."):
                st.switch_page(pages[STEPS[number - 1].page][0])
            if number + 1 < len(STEPS):
                after = pages[STEPS[number + 1].page]
                if st.button(f"Next: {after[1]}", type="primary", icon=":material/arrow_forward:", key="tour_next", help="The next page."):
                    st.switch_page(after[0])
            last = number + 1 == len(STEPS)
            st.button(
                "Finish" if last else "Leave the tour",
                icon=":material/check:" if last else ":material/close:",
                key="tour_end",
                type="primary" if last else "tertiary",
                on_click=_end,
                help="Settings, below the menu, starts it again.",
            )


def _end() -> None:
    st.session_state.pop(_ON, None)
