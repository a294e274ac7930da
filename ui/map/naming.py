"""What classes are called on the map of one raster, and in which order its legend lists them; data sets and models keep their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import streamlit as st

from core.claims import in_turn
from core.classes import ClassScheme
from core.errors import GroundlineError
from core.files import write_json
from core.reading.readable import read_again
from core.vector.layer import LEGEND
from ui import state
from ui.allowed import READ_ONLY_WORDS, read_only, refuse_if_read_only
from ui.map import drawing
from ui.map.sources import MapSource

if TYPE_CHECKING:
    from core.vector.change import ChangeResult
    from core.vector.layer import LineLayer, PolygonLayer

    Layer = TypeVar("Layer", PolygonLayer, LineLayer)

_ANSWER = "gl_map_named"  # what was said to the legend's last wish


class _Named(TypedDict, total=False):
    """What is kept of a raster: other names by those of its model, and the order of the model's names."""

    names: dict[str, str]
    order: list[str]


def called(source: MapSource) -> dict[str, str]:
    """What the classes of a raster are called where that is something else than its model says, by the model's names."""
    return _fitting(source.scheme, _kept().get(source.raster, {}).get("names", {}))


def called_beside(source: MapSource, other: MapSource) -> dict[str, str]:
    """The same for the second of two rasters that are compared: classes of one name in both are called as in the first."""
    first = called(source)
    own = {name: words for name, words in called(other).items() if name not in source.scheme.names}
    return _fitting(other.scheme, own | first)


def offered(source: MapSource) -> dict[str, Any]:
    """What the legend offers: whether it may rename, whether anything is renamed or ordered, and what was said to its last wish."""
    return {
        "mayChange": not read_only(),
        "readOnly": READ_ONLY_WORDS,
        "changed": bool(called(source)) or _order(source) != list(source.scheme.names),
        "answer": st.session_state.get(_ANSWER),
    }


def ordered(classes: Iterable[Mapping[str, Any]], source: MapSource) -> list[Mapping[str, Any]]:
    """Entries of a legend in the order of a raster's classes."""
    places = {name: place for place, name in enumerate(_order(source))}
    return sorted(classes, key=lambda item: places.get(item["key"], len(places)))


def take(key: str, source: MapSource) -> None:
    """Do what was wished for in the legend of the map with this key, once; a name that does not go is told in the legend."""
    wanted = drawing.chosen(key)
    if wanted is None or wanted.get("n") == st.session_state.get(_ANSWER, {}).get("n"):
        return
    refused = ""
    try:
        if {"called", "order", "unnamed"} & wanted.keys():
            refuse_if_read_only()
            with in_turn(_file()):
                kept = _kept()
                kept[source.raster] = _changed(kept.get(source.raster, {}), wanted, source.scheme)
                write_json(_file(), {raster: named for raster, named in kept.items() if named})
    except GroundlineError as error:
        refused = str(error)
    st.session_state[_ANSWER] = {"n": wanted.get("n"), "refused": refused}


def named(layer: Layer, names: Mapping[str, str]) -> Layer:
    """A layer whose classes are called otherwise, in its columns too."""
    if not names:
        return layer
    columns = {column: layer.frame[column].replace(names) for column in ("class_name", "second_class") if column in layer.frame}
    return replace(layer, scheme=layer.scheme.renamed(names), frame=layer.frame.assign(**columns))


def in_order(layer: Layer, source: MapSource) -> Layer:
    """A layer that says in which order the legend lists its classes, where its user has chosen one: files follow it."""
    order = _order(source)
    if order == list(source.scheme.names):
        return layer
    names = called(source)
    return replace(layer, made={**layer.made, LEGEND: [names.get(name, name) for name in order]})


def named_change(changed: ChangeResult, first: Mapping[str, str], second: Mapping[str, str]) -> ChangeResult:
    """What changed, with the names of both rasters' classes."""
    if not first and not second:
        return changed
    rows, columns = changed.matrix.index, changed.matrix.columns
    pairs = {f"{a} → {b}": f"{first.get(a, a)} → {second.get(b, b)}" for a in rows for b in columns}
    layer = named(changed.layer, {name: pairs[name] for name in changed.layer.scheme.names if pairs.get(name, name) != name})
    frame = layer.frame.assign(from_class=layer.frame["from_class"].replace(first), to_class=layer.frame["to_class"].replace(second))
    return replace(changed, layer=replace(layer, frame=frame), matrix=changed.matrix.rename(index=first, columns=second))


def _changed(kept: _Named, wanted: Mapping[str, Any], scheme: ClassScheme) -> _Named:
    """What is kept after a wish. Raises ClassesError for a name that does not go."""
    names, order = dict(kept.get("names", {})), list(kept.get("order", []))
    if "unnamed" in wanted:
        return {}
    if "called" in wanted:
        name, words = str(wanted.get("name")), " ".join(str(wanted["called"]).split())
        names = {own: other for own, other in (names | {name: words}).items() if own != other}
        scheme.renamed(names)
    if isinstance(wanted.get("order"), Sequence):
        listed = [str(name) for name in wanted["order"] if name in scheme.names]
        order = [*listed, *(name for name in order or scheme.names if name not in listed)]
    return {"names": names, "order": order}


def _fitting(scheme: ClassScheme, names: Mapping[str, str]) -> dict[str, str]:
    """Names that fit a scheme; none where they do not go together, as after a change of the file by hand."""
    fits = {name: words for name, words in names.items() if name in scheme.names}
    try:
        scheme.renamed(fits)
    except GroundlineError:
        return {}
    return fits


def _order(source: MapSource) -> list[str]:
    order = [name for name in _kept().get(source.raster, {}).get("order", []) if name in source.scheme.names]
    return [*order, *(name for name in source.scheme.names if name not in order)]


def _file() -> Path:
    return Path(state.workspace().root) / "class_names.json"


def _kept() -> dict[str, _Named]:
    try:
        return dict(read_again(_file(), dict[str, _Named]))
    except (OSError, ValueError):  # none yet, or cut off by a crash: the user types them again
        return {}
