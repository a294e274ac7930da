"""The verbs: a request of plain values in, the library's call, an answer of plain values out.

Jobs and the command line both come through here, so that they cannot differ.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from core.claims import claimed
from core.errors import JobError, SettingsError
from core.progress import OnProgress, ShouldStop
from core.reading.addresses import is_address, masked
from core.scenes.remote.links import is_link, link_of
from core.verbs import (
    audit,
    compare,
    demo,
    estimate,
    evaluate,
    export_model,
    import_model,
    models,
    predict,
    predict_batch,
    prepare,
    quantise,
    random_split,
    serve,
    train,
)
from core.verbs.labelling import accept, labels, refine
from core.verbs.layers import handover, vectorize
from core.verbs.pictures import fetch
from core.verbs.verb import Answer, OnEvent, Verb

EXTRA_VERBS_VARIABLE = "GROUNDLINE_EXTRA_KINDS"
"""Names a module whose `VERBS` are offered beside the built-in ones; the tests bring their sleeping kinds that way."""

VERBS: dict[str, Verb] = {
    verb.name: verb
    for verb in (
        audit.VERB,
        prepare.VERB,
        train.VERB,
        *train.INSTEAD,
        evaluate.VERB,
        random_split.VERB,
        compare.VERB,
        fetch.VERB,
        predict.VERB,
        predict_batch.VERB,
        estimate.VERB,
        quantise.VERB,
        vectorize.VERB,
        handover.VERB,
        serve.VERB,
        refine.VERB,
        labels.VERB,
        accept.VERB,
        models.VERB,
        import_model.VERB,
        export_model.VERB,
        demo.VERB,
    )
}


def known(kind: str) -> bool:
    """Whether there is a verb of that name."""
    return kind in VERBS or kind in _extra_verbs()


def find(kind: str) -> Verb:
    """The verb of that name. Raises `JobError` when there is none."""
    every = {**VERBS, **_extra_verbs()}
    if kind not in every:
        raise JobError(f"unknown kind of job {kind!r}", expected=f"one of {', '.join(every)}", do="Choose one of these")
    return every[kind]


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
