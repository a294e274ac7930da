"""The frame around every page: menu, status bar, heading, empty states and the one way errors are shown."""

from __future__ import annotations

import gc
import logging
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from html import escape
from pathlib import PurePath
from typing import Literal

import streamlit as st

from core import projects
from core.classes import COLOURINGS, ClassScheme, from_hex
from core.digests import digest_of
from core.errors import Cancelled, GroundlineError
from core.plain import in_markdown
from core.words import sentence
from ui import jobs_view, library, project, state, theme, tour
from ui.allowed import READ_ONLY_WORDS, read_only

PAGES = {
    "home": ("app.py", "Home", ":material/home:"),
    "explore": ("pages/1_Explore.py", "Explore", ":material/travel_explore:"),
    "label": ("pages/2_Label.py", "Label", ":material/brush:"),
    "train": ("pages/3_Train.py", "Train", ":material/model_training:"),
    "predict": ("pages/4_Predict.py", "Predict", ":material/auto_awesome:"),
    "map": ("pages/5_Map.py", "Map", ":material/map:"),
}


def address(path: str) -> str:
    """What Streamlit serves a page under: "Explore" for `pages/1_Explore.py`, "" for `app.py`."""
    return PurePath(path).stem.partition("_")[2]


_ADDRESSES = tuple(address(path) for path, _, _ in PAGES.values())


# Contour lines over a ground line. Drawn here: a Material icon as page icon would be fetched from Google's servers.
_MARK = """<g fill="none" stroke="#15877C" stroke-width="2.6" stroke-linecap="round">
<path d="M3 26h26"/><path d="M5 20c4-1 5-9 9-9s4 5 7 5 4-5 8-6"/><path d="M8 13c3-1 4-7 8-7s4 3 6 3" opacity=".55"/></g>"""
_ICON = f'<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32" viewBox="0 0 32 32">{_MARK}</svg>'
_LOGO = f"""<svg xmlns="http://www.w3.org/2000/svg" width="176" height="32" viewBox="0 0 176 32">{_MARK}
<text x="38" y="23" font-family="'Source Sans','Source Sans 3',system-ui,sans-serif" font-size="21" font-weight="650"
 letter-spacing="-.2" fill="#15877C">Groundline</text></svg>"""

_NAME = "Groundline"

_STYLE = """<style>
.stMainBlockContainer {padding-top: 2.6rem; padding-bottom: 3rem; max-width: 1760px;}
[data-testid="stSidebarHeader"] {padding-bottom: .25rem;}
[data-testid="stSidebar"] hr {margin: .4rem 0 .6rem;}
[data-testid="stPageLink-NavLink"] {border-radius: .5rem;}
[data-testid="stCaptionContainer"] {color: inherit; opacity: .8;} /* Streamlit's own grey has 4.2:1 on white; AA asks for 4.5:1 */
dl.gl-now {margin: 0; padding: 0 .6rem; font-size: .87rem; line-height: 1.35; display: grid;
 grid-template-columns: 5.6rem 1fr; gap: .3rem .4rem;}
.gl-now dt {opacity: .72; margin: 0; font-weight: 400;} .gl-now dd {margin: 0; overflow-wrap: anywhere; font-weight: 550;}
.gl-now dd.none {opacity: .6; font-weight: 400;}
.st-key-card_continue button {justify-content: flex-start; text-align: left;}
/* White words on buttons and chips need a ground darker than the accent of the dark theme: 5.5:1 in both themes. */
button[data-testid^="stBaseButton-primary"]:not(:disabled) {background-color: #0F766E; border-color: #0F766E; color: #fff;}
button[data-testid^="stBaseButton-primary"]:not(:disabled):hover {background-color: #0B5F58; border-color: #0B5F58; color: #fff;}
@media (max-width: 1000px) { /* beside the menu, three columns leave no room for words */
 [data-testid="stHorizontalBlock"] {flex-wrap: wrap;} [data-testid="stColumn"] {min-width: min(100%, 210px);}
}
[data-testid="stMultiSelect"] [data-baseweb="tag"] {background-color: #0F766E; color: #fff;}
</style>"""

_WHOLE_WIDTH = "<style>.stMainBlockContainer {max-width: none;}</style>"

log = logging.getLogger("groundline")
_RECOLOURED = "gl_recoloured"
_COLOURS_HELP = "How classes look on all pages and in the map's downloads, now and the next time. Masks and data sets keep their own."
_MOST_OWN = 40  # classes with a colour to pick; more fill the window


def begin_page(title: str, icon: str, caption: str, *, whole_width: bool = False) -> None:
    """Draw what all pages share; the first Streamlit call of a page. `icon` is a Material icon beside the heading.

    A page whose work is a picture takes the `whole_width` of the window; lines of words stay short on the others.
    """
    st.set_page_config(
        page_title=title if title == _NAME else f"{title} · {_NAME}", page_icon=_ICON, layout="wide", initial_sidebar_state="auto"
    )
    st.html(_STYLE + (_WHOLE_WIDTH if whole_width else ""))
    theme.keep(_ADDRESSES)
    if project.follow():
        st.switch_page(PAGES["home"][0])
    jobs_view.collect()
    state.forget_missing()
    st.logo(_LOGO, size="large")
    with st.sidebar:
        for path, label, page_icon in PAGES.values():
            st.page_link(path, label=label, icon=page_icon, width="stretch")
        st.divider()
        _now()
        jobs_view.sidebar()
        _settings()
    st.title(f"{icon} {title}", anchor=False)
    st.markdown(caption)
    if read_only():
        st.caption(f":material/visibility: {READ_ONLY_WORDS}")
    tour.callout(next((page for page, (_, label, _) in PAGES.items() if label == title), "home"), PAGES)


def empty_state(
    title: str,
    text: str,
    *,
    icon: str = ":material/info:",
    sample: bool | str = True,
    links: Sequence[tuple[str, str, str]] = (),
) -> None:
    """Say why a page has nothing to show yet, and offer ways on: links are (path, label, icon).

    `sample` True offers the finished sample (a job, followed on Home), "data" only selects its data set for this page.
    """
    with st.container(border=True, key="empty_state"):
        st.subheader(f"{icon} {title}", anchor=False)
        st.markdown(text)
        with st.container(horizontal=True, vertical_alignment="center"):
            if sample == "data" and state.has_sample():
                if st.button("Use the sample data", icon=":material/location_city:", type="primary", key="use_sample"):
                    state.select(dataset=state.SAMPLE)
                    st.rerun()
            elif (
                sample
                and state.has_sample()
                and st.button(
                    "Try the sample",
                    icon=":material/play_circle:",
                    type="primary",
                    key="try_sample",
                    help="Predicts a town that ships with Groundline, traces its outlines and shows the map.",
                )
            ):
                state.want_sample()
                st.switch_page(PAGES["home"][0])
            for path, label, link_icon in links:
                st.page_link(path, label=label, icon=link_icon)


@contextmanager
def opening(words: str) -> Iterator[None]:
    """Show `words` and the seconds that pass while a page loads what it needs: the frame is on screen by then.

    What it loaded stays to the end: after each run Streamlit calls the collector, which went through all of it again (0.2 s).
    """
    known = len(sys.modules)
    with st.spinner(words, show_time=True):
        yield
    if len(sys.modules) > known:
        gc.freeze()


def next_step(text: str, page: str, label: str, icon: str) -> None:
    """Close a page with the one thing to do next."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"**Next step:** {text}", width="stretch")
        st.page_link(page, label=label, icon=icon)


@dataclass
class Outcome:
    """Whether the guarded call failed."""

    failed: bool = False


@contextmanager
def errors() -> Iterator[Outcome]:
    """Turn what goes wrong inside into one plain line on the page; the caller asks `.failed`."""
    outcome = Outcome()
    try:
        yield outcome
    except Cancelled:
        outcome.failed = True
    except GroundlineError as error:
        outcome.failed = True
        st.error(in_markdown(sentence(error)), icon=":material/error:")
    except Exception as error:  # the page must go on; the cause is logged and kept one click away
        outcome.failed = True
        unexpected(error)


def unexpected(error: Exception) -> bool:
    """Show an error nobody foresaw as a sentence with its details folded away; True tells Streamlit that it is shown."""
    log.error("the page met an unexpected error", exc_info=error)
    if isinstance(error, OSError) and error.filename:
        st.error(
            f"{in_markdown(error.filename)} could not be used ({error.strerror}). Check that it exists and may be read and written.",
            icon=":material/error:",
        )
        return True
    st.error("Something unexpected went wrong here. Your files are untouched; reload the page to go on.", icon=":material/error:")
    with st.expander("Details for a bug report"):
        st.code("".join(traceback.format_exception(error)), language=None)
    return True


def _now() -> None:
    """What all pages work on: the bar below the menu."""
    chosen = state.selection()
    run = jobs_view.chosen_run()
    named = {"Project": projects.name_of(state.workspace())} if projects.has_name(state.workspace()) else {}
    rows = named | {
        "Data set": chosen.dataset and library.dataset_title(chosen.dataset),
        "Scene": chosen.scene and chosen.scene.stem,
        "Run": run and run.title,
        "Model": chosen.model and library.model_title(chosen.model),
        "Prediction": chosen.prediction and library.prediction_title(chosen.prediction),
    }
    cells = "".join(
        f"<dt>{label}</dt><dd>{escape(value)}</dd>" if value else f'<dt>{label}</dt><dd class="none">none yet</dd>'
        for label, value in rows.items()
    )
    st.html(f'<dl class="gl-now" aria-label="Current selection">{cells}</dl>')


def _settings() -> None:
    """What holds for all pages: the project, colours, theme, the tour."""
    with st.popover("Settings", icon=":material/settings:", type="tertiary", key="settings", help="Project, colours, theme, tour."):
        project.panel()
        _colouring("settings_colours")
        theme.switch(_ADDRESSES)
        if st.button("Take the tour", icon=":material/flag:", key="settings_tour", width="stretch", help="Six short stops, one a page."):
            tour.begin()
            st.switch_page(PAGES["home"][0])


def class_colours(scheme: ClassScheme, *, key: str) -> None:
    """Below a legend: in which colours its classes are shown, on all pages and in the map's downloads, and colours of one's own.

    `key` begins the keys of its widgets.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"{key}_box"):
        st.markdown("Class colours", width="content", help=_COLOURS_HELP)
        _colouring(key, label="collapsed")
        own = state.colouring().own
        changed = sum(name in own for name in scheme.names)
        label = f"Own colours · {changed}" if changed else "Own colours"
        shown = state.shown(scheme)
        with st.popover(label, icon=":material/palette:", key=f"{key}_own", on_change="rerun", help="Another colour for a class.") as box:
            if box.open:
                _own_colours(shown, key)
    if st.session_state.pop(_RECOLOURED, False):
        st.rerun()  # all of the page, of which this may be a part: other legends and the settings say the same then


def _colouring(key: str, *, label: Literal["visible", "collapsed"] = "visible") -> None:
    """The choice between natural colours, those of the masks and safe ones."""
    st.session_state[key] = state.colouring().how
    st.segmented_control(
        "Class colours",
        list(COLOURINGS),
        required=True,
        format_func=COLOURINGS.get,
        key=key,
        on_change=_choose_colouring,
        args=(key,),
        label_visibility=label,
        help=_COLOURS_HELP,
    )


def _choose_colouring(key: str) -> None:
    state.set_colouring(replace(state.colouring(), how=st.session_state[key]))
    st.session_state[_RECOLOURED] = True


def _own_colours(shown: ClassScheme, key: str) -> None:
    """A colour to pick for each class, and the way back to those that were chosen for all."""
    own = state.colouring().own
    with st.container(horizontal=True):
        for number, name in enumerate(shown.names[:_MOST_OWN]):
            picker = f"{key}_own_{number}_{digest_of(name)}"
            st.session_state[picker] = shown.hex(number).lower()
            st.color_picker(in_markdown(name), key=picker, on_change=_pick_colour, args=(name, picker))
    if len(shown) > _MOST_OWN:
        st.caption(f"The first {_MOST_OWN} of {len(shown):,} classes.")
    st.button(
        "Take them back",
        key=f"{key}_own_back",
        icon=":material/undo:",
        disabled=not any(name in own for name in shown.names),
        on_click=_forget_own,
        args=(shown.names,),
    )


def _pick_colour(name: str, picker: str) -> None:
    state.set_colouring(state.colouring().with_own(name, from_hex(st.session_state[picker])))
    st.session_state[_RECOLOURED] = True


def _forget_own(names: Sequence[str]) -> None:
    state.set_colouring(state.colouring().without_own(names))
    st.session_state[_RECOLOURED] = True
