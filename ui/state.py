"""What the user is working on: one selection, kept for the session and remembered on disk for the next one."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import streamlit as st

from core.claims import in_turn
from core.classes import COLOURINGS, NATURAL, SAFE_COLOURS, ClassScheme, from_hex, to_hex
from core.colours.space import Colour
from core.errors import ClassesError, JobBusy
from core.files import write_json
from core.model_store.cards import CARD_FILE
from core.reading.readable import read_record
from core.workspace import MODELS, PROJECT, Workspace, default_workspace
from ui import allowed

T = TypeVar("T")

SAMPLE = PROJECT / "sample_data" / "town"
SAMPLE_MODEL = "sample-town"

_KEY = "gl_selection"
_FORM = "gl_predict_open"
_LABEL, _TRAIN = "gl_label_scene", "gl_train_from"
_SAMPLE_WANTED = "gl_start_sample"
_COLOURS = "gl_class_colours"
_FOLLOWED, _RECALLED, _WRITTEN = "gl_links_followed", "gl_forms_recalled", "gl_forms_written"
EXPLORE_TAB, EXPLORE_SCENE = "explore_tab", "explore_scene"
"""Keys of the Explore page's tabs and of the scene that they show."""
ONE_SCENE = "One scene"
"""The tab of the Explore page that shows a scene in full."""
_REMEMBERED = 12  # entries kept for each field


@dataclass(frozen=True)
class Selection:
    """The data set, prepared patches, scene, model, prediction and vector layer that all pages show."""

    dataset: Path | None = None
    prepared: Path | None = None
    scene: Path | None = None
    model: str | None = None
    prediction: Path | None = None
    layer: Path | None = None


@dataclass(frozen=True)
class Colouring:
    """In which colours classes are shown: one of `COLOURINGS`, and colours of some class names that the user set by hand."""

    how: str = NATURAL
    own: Mapping[str, Colour] = field(default_factory=dict)

    def with_own(self, name: str, colour: Colour) -> Colouring:
        """The same with a colour of its own for the classes of this name."""
        return replace(self, own={**self.own, name: colour})

    def without_own(self, names: Collection[str]) -> Colouring:
        """The same without own colours for these names."""
        return replace(self, own={name: colour for name, colour in self.own.items() if name not in names})


class _StoredColours(TypedDict, total=False):
    """A colouring as it is remembered on disk: own colours as #RRGGBB."""

    how: str
    own: dict[str, str]


class _Stored(TypedDict, total=False):
    """What is remembered on disk."""

    current: dict[str, str] | None
    recent: dict[str, list[str]] | None
    seen_until: float | None
    colours: _StoredColours | None
    forms: dict[str, Any] | None


FIELDS = tuple(one.name for one in fields(Selection))


def workspace() -> Workspace:
    """The folder that holds this user's runs, models and predictions ($GROUNDLINE_WORKSPACE or the project's own)."""
    return default_workspace()


def selection() -> Selection:
    """The current selection; a new session starts with the last one, as far as its files still exist."""
    if _KEY not in st.session_state:
        stored = _remembered()["current"]
        st.session_state[_KEY] = Selection(**{name: _existing(name, stored.get(name)) for name in FIELDS})
    return st.session_state[_KEY]


def select(**chosen: Path | str | None) -> bool:
    """Change fields of the selection and remember them; a new prediction drops the layer of the old one.

    True when anything changed: a page that has drawn its frame already runs once more then, so that the bar says so too.
    """
    before = selection()
    clean = {name: _typed(name, value) for name, value in chosen.items()}
    if "prediction" in clean and clean["prediction"] != before.prediction:
        clean.setdefault("layer", None)
    after = replace(before, **clean)
    if after == before:
        return False
    st.session_state[_KEY] = after

    def remember(stored: dict) -> None:
        for name, value in clean.items():
            if value is not None:
                others = [entry for entry in stored["recent"].get(name, []) if entry != str(value)]
                stored["recent"][name] = [str(value), *others][:_REMEMBERED]
        stored["current"] = {name: str(value) for name, value in asdict(after).items() if value is not None}

    _remember(remember)
    return True


def forget_missing() -> None:
    """Drop from the selection what is no longer on disk, deleted here, in another session or by hand."""
    chosen = asdict(selection())
    gone = {name: None for name, value in chosen.items() if value is not None and _existing(name, str(value)) is None}
    if gone:
        select(**gone)


def linked(name: str, options: Mapping[str, T]) -> T | None:
    """What the page's address names among `options`, asked once for each session: afterwards the user's choice counts."""
    followed = st.session_state.setdefault(_FOLLOWED, set())
    if name in followed:
        return None
    followed.add(name)
    return options.get(st.query_params.get(name, ""))


def link(name: str, value: str) -> None:
    """Have the page's address name a choice, so that a link to it restores what is seen."""
    if st.query_params.get(name) != value:
        st.query_params[name] = value


def short(path: Path) -> str:
    """A path as an address names it: below the workspace or the project where it lies there."""
    for root in (workspace().root, PROJECT):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return path.as_posix()


def open_setup(path: str | Path | None = None) -> None:
    """Have the Predict page open its form at the next visit, with the scene `path` already named."""
    st.session_state[_FORM] = "" if path is None else str(path)


def wanted_open() -> str | None:
    """The scene that the Predict page's form is to open with, "" for none; None when nobody asked for the form. Asked once."""
    return st.session_state.pop(_FORM, None)


def label_scene(path: str | Path) -> None:
    """Have the Label page propose a scene at the next visit."""
    st.session_state[_LABEL] = str(path)


def wanted_label() -> str | None:
    """The scene that the Label page is to propose, None when nobody asked. Asked once."""
    return st.session_state.pop(_LABEL, None)


def train_from(weights: str, network: Mapping[str, str | None]) -> None:
    """Have the Train page's form start from a model of the library at the next visit; `network` are its architecture and encoder."""
    st.session_state[_TRAIN] = {**network, "weights": weights}


def wanted_training() -> dict[str, str | None] | None:
    """The settings that the Train page's form is to begin with, None when nobody asked. Asked once."""
    return st.session_state.pop(_TRAIN, None)


def want_sample() -> None:
    """Have Home start the sample at the next visit."""
    st.session_state[_SAMPLE_WANTED] = True


def wanted_sample() -> bool:
    """Whether somebody asked for the sample elsewhere. Asked once."""
    return st.session_state.pop(_SAMPLE_WANTED, False)


def explore(scene: str, *, tab: str | None = None) -> None:
    """Have the Explore page show a scene of its data set, in one of its tabs."""
    st.session_state[EXPLORE_SCENE] = scene
    if tab is not None:
        st.session_state[EXPLORE_TAB] = tab


def recent(field: str) -> list[Path | str]:
    """Entries once chosen for a field of the selection that still exist, newest first."""
    found = (_existing(field, entry) for entry in _remembered()["recent"].get(field, []))
    return [entry for entry in found if entry is not None]


def seen_until() -> float:
    """Unix time in s up to which finished jobs were taken over into the selection."""
    return float(_remembered()["seen_until"])


def set_seen_until(time_s: float) -> None:
    """Remember that everything that ended up to `time_s` was taken over."""
    _remember(lambda stored: stored.update(seen_until=max(time_s, stored["seen_until"])))


def colouring() -> Colouring:
    """In which colours the user wants to see classes; a new session starts with what was chosen last."""
    if _COLOURS not in st.session_state:
        stored = _remembered()["colours"]
        own: dict[str, Colour] = {}
        for name, colour in (stored.get("own") or {}).items():
            with suppress(ClassesError):
                own[name] = from_hex(colour)
        how = stored.get("how", NATURAL)
        st.session_state[_COLOURS] = Colouring(how if how in COLOURINGS else NATURAL, own)
    return st.session_state[_COLOURS]


def set_colouring(wanted: Colouring) -> None:
    """Show classes in other colours from now on, in this session and in those to come."""
    st.session_state[_COLOURS] = wanted
    own = {name: to_hex(colour) for name, colour in wanted.own.items()}
    _remember(lambda stored: stored.update(colours={"how": wanted.how, "own": own}))


def recall(form: Mapping[str, Callable[[Any], bool]]) -> None:
    """Put what was entered last time into a form before it is drawn, once for each session.

    `form`: for each key of a widget, whether a value is one that it can have; the widget's own default stands in for any other.
    """
    recalled = st.session_state.setdefault(_RECALLED, set())
    if recalled >= form.keys():
        return
    stored = _remembered()["forms"]
    for key, fits in form.items():
        value = stored.get(key)
        # What the address says counts more.
        known = key in recalled or key in st.session_state or key in st.query_params
        if not known and isinstance(value, (str, int, float, list)) and fits(value):
            st.session_state[key] = value
    recalled |= form.keys()


def remember_form(form: Iterable[str]) -> None:
    """Remember what a form holds, by the keys of its widgets, for `recall` in the next session; after it was drawn."""
    entered = {key: st.session_state[key] for key in form if key in st.session_state}
    written = st.session_state.setdefault(_WRITTEN, {})
    # What nobody touched is not kept: a better default of a later version counts then.
    changed = {key: value for key, value in entered.items() if key in written and written[key] != value}
    written |= entered
    if changed:
        _remember(lambda stored: stored["forms"].update(changed))


def safe_colours() -> bool:
    """Whether colours have to be safe for the colour-blind, those that stand for right and wrong too."""
    return colouring().how == SAFE_COLOURS


def shown(scheme: ClassScheme) -> ClassScheme:
    """The classes in the colours that the user chose to see. What reads and writes masks keeps to the scheme itself."""
    wanted = colouring()
    return scheme.coloured(wanted.how, wanted.own)


def has_sample() -> bool:
    """Whether the generated sample scenes are in this checkout."""
    return all(any((SAMPLE / part).glob("*.tif")) for part in ("images", "masks"))


def has_sample_model() -> bool:
    """Whether the model trained on the sample is in this checkout."""
    return (MODELS / SAMPLE_MODEL / CARD_FILE).is_file()


def _file() -> Path:
    return Path(workspace().root) / "recent.json"


def _remembered() -> dict:
    try:
        stored = read_record(_file(), _Stored)
    except (OSError, ValueError):  # none yet, cut off by a crash or of another form: start afresh, nothing of value is lost
        stored = {}
    return {
        "current": stored.get("current") or {},
        "recent": stored.get("recent") or {},
        "seen_until": stored.get("seen_until") or 0.0,
        "colours": stored.get("colours") or {},
        "forms": stored.get("forms") or {},
    }


def _remember(change: Callable[[dict], None]) -> None:
    """Change what is remembered; sessions and servers of one workspace take turns, so that nothing one of them wrote is lost."""
    if allowed.read_only():
        return
    # Where another process hangs on to the file, what was chosen counts for this session all the same.
    with suppress(JobBusy), in_turn(_file()):
        stored = _remembered()
        change(stored)
        write_json(_file(), stored)


def _typed(name: str, value: Path | str | None) -> Path | str | None:
    if value is None or name == "model":
        return None if value is None else str(value)
    return Path(os.path.abspath(value))


def _existing(name: str, value: str | None) -> Path | str | None:
    if value is None:
        return None
    if name == "model":
        return value if os.path.isdir(MODELS / value) or os.path.exists(value) else None
    return Path(value) if allowed.may_open(value) and os.path.exists(value) else None
