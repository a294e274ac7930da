"""The verbs: a request of plain values in, the library's call, an answer of plain values out.

Jobs and the command line both come through here, so that they cannot differ.
"""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from core.claims import claimed
from core.errors import JobError, SettingsError
from core.progress import OnProgress, ShouldStop
from core.reading.addresses import is_address, masked
from core.scenes.remote.links import is_link, link_of
from core.verbs.options import build_parser, word_of
from core.verbs.verb import Answer, OnEvent, Verb

EXTRA_VERBS_VARIABLE = "GROUNDLINE_EXTRA_KINDS"
"""Names a module whose `VERBS` are offered beside the built-in ones; the tests bring their sleeping kinds that way."""

_ROWS = {
    "audit": ("audit", "look over a data set and list what is wrong with it"),
    "prepare": ("prepare", "cut a data set into patches and split them"),
    "train": ("train", "train a network on prepared patches"),
    "probe": ("train", ""),
    "rate_test": ("train", ""),
    "search": ("train", ""),
    "evaluate": ("evaluate", "score a model on the scenes of a data set"),
    "random_split": ("random_split", ""),
    "compare": ("compare", "compare two evaluations, scene by scene"),
    "fetch": ("pictures.fetch", "put the tiles of a map server together to one picture"),
    "predict": ("predict", "predict a whole scene"),
    "predict_batch": ("predict_batch", "predict every scene of a folder, with one table of results"),
    "estimate": ("estimate", "say what a prediction will cost, from a few of its patches"),
    "quantise": ("quantise", "make the int8 form of a model, which the engine fast runs"),
    "vectorize": ("layers.vectorize", "turn a prediction into polygons and write them"),
    "handover": ("layers.handover", "make the folder that goes to whoever asked for the map: for QGIS, the web and a catalogue"),
    "serve": ("serve", "give the layers and rasters of a workspace an address for QGIS, GDAL and browsers"),
    "refine": ("labelling.refine", "make a prediction better by painted strokes"),
    "labels": ("labelling.labels", "painted strokes as a data set to train on"),
    "accept": ("labelling.accept", ""),
    "models": ("models", "list the models that can be named"),
    "import_model": ("import_model", "take in a model of another origin"),
    "export_model": ("export_model", "write a model for other programs"),
    "demo": ("demo", "run the whole pipeline on the sample with the shipped model"),
}
"""Each verb's file, and what it does in words: "" for what cannot be typed as a verb. What is not asked for is not loaded."""


class _Verbs(Mapping[str, Verb]):
    """The verbs by their names, each loaded when it is asked for."""

    def __getitem__(self, name: str) -> Verb:
        file, _help = _ROWS[name]
        home = importlib.import_module(f"core.verbs.{file}")
        return next(verb for verb in (home.VERB, *getattr(home, "INSTEAD", ())) if verb.name == name)

    def __contains__(self, name: object) -> bool:
        return name in _ROWS  # which a Mapping would load the verb to know

    def __iter__(self) -> Iterator[str]:
        return iter(_ROWS)

    def __len__(self) -> int:
        return len(_ROWS)


VERBS = _Verbs()
TYPED: dict[str, str] = {name: words for name, (_file, words) in _ROWS.items() if words}
"""The verbs of the command line, with what each does."""


def command_line(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """What reads `arguments`: it knows the flags of the verb among them, and of the others what they do."""
    word = next((given for given in arguments if not given.startswith("-")), "")
    return build_parser(TYPED, [VERBS[name] for name in TYPED if word_of(name) == word])


def known(kind: str) -> bool:
    """Whether there is a verb of that name."""
    return kind in VERBS or kind in _extra_verbs()


def find(kind: str) -> Verb:
    """The verb of that name. Raises `JobError` when there is none."""
    if kind in VERBS:
        return VERBS[kind]
    extra = _extra_verbs()
    if kind not in extra:
        raise JobError(f"unknown kind of job {kind!r}", expected=f"one of {', '.join((*VERBS, *extra))}", do="Choose one of these")
    return extra[kind]


def complete(kind: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """`request` with every optional key filled in and every path absolute, ready to be written down.

    Raises `SettingsError` on a key that is missing or that the verb does not know.
    """
    verb = find(kind)
    required, optional = verb.required, verb.optional
    unknown = sorted(set(request) - set(required) - set(optional))
    if unknown:
        raise SettingsError(
            f"unknown request key {unknown[0]!r} for {kind}",
            expected=f"keys among {', '.join((*required, *optional))}",
            do="Correct the key's name",
        )
    missing = [key for key in required if request.get(key) is None]
    if missing:
        raise SettingsError(
            f"a request for {kind} without {missing[0]!r}",
            expected=f"the keys {', '.join(required)}",
            do=f"Name the {missing[0]}",
        )
    full = {**optional, **request}
    for key in verb.paths:
        full[key] = _absolute(full[key], key, address=key in verb.addresses)
    if full.get("model") is not None:
        full["model"] = _model_name_or_path(full["model"])
    return full


def run(
    kind: str,
    request: Mapping[str, Any],
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    on_event: OnEvent | None = None,
) -> Answer:
    """Do the work in this process and return its answer, a dict of plain values. Raises what `complete` raises, and the work."""
    verb = find(kind)
    full = complete(kind, request)
    asked = verb.settings.from_request(full)
    with ExitStack() as held:
        for place in _outputs(verb, full):
            held.enter_context(claimed(place))
        for path in _links(verb, full):
            from core.scenes.remote.whole import arrive

            arrive(path, on_progress=on_progress, should_stop=should_stop)
        return verb.run(asked, on_progress=on_progress, should_stop=should_stop, on_event=on_event)


def _outputs(verb: Verb, request: Mapping[str, Any]) -> list[str]:
    """Files and folders that the work writes, each once."""
    found: dict[str, None] = {}
    for key in verb.writes:
        value = request.get(key)
        for place in value if isinstance(value, (list, tuple)) else [value]:
            if place is not None and Path(place).is_absolute():
                found[str(place)] = None
    return list(found)


def _links(verb: Verb, request: Mapping[str, Any]) -> list[Path]:
    """The pictures of other machines that the work cannot do without; of a list each is seen to when its turn comes."""
    given = [request.get(key) for key in verb.pictures]
    return [Path(value) for value in given if isinstance(value, str) and is_link(value)]


def _extra_verbs() -> dict[str, Verb]:
    module = os.environ.get(EXTRA_VERBS_VARIABLE)
    return dict(importlib.import_module(module).VERBS) if module else {}


def _absolute(value: Any, key: str, *, address: bool) -> Any:
    """A path that holds from any folder; the address of a picture becomes the link to it. Raises SettingsError for one elsewhere."""
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        return [_absolute(item, key, address=address) for item in value]
    if is_address(value):
        if not address:
            raise SettingsError(f"the address {masked(value)[:200]} as {key}", expected="a path on this machine", do=f"Change {key}")
        return str(link_of(value))
    return str(Path(value).expanduser().absolute())


def _model_name_or_path(model: Any) -> str:
    """A model is a path when something lies there; otherwise it is left as a name for the model library to find."""
    return str(Path(model).absolute()) if Path(model).exists() else str(model)
