"""The kinds of work: a request of plain values in, the library's call, an answer of plain values out.

Jobs and the command line both come through here, so that they cannot differ.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import JobError, SettingsError
from core.jobs import model_tasks, predicting, random_split, tasks
from core.progress import OnProgress, ShouldStop

EXTRA_KINDS_VARIABLE = "GROUNDLINE_EXTRA_KINDS"
"""Names a module whose `KINDS` are offered beside the built-in ones; the tests bring their sleeping kinds that way."""

OnEvent = Callable[[dict[str, Any]], None]
"""Called with one event, a dict that has a "type"."""


@dataclass(frozen=True)
class Kind:
    """One kind of work: what runs it, what a request must and may hold, and what it needs of the machine.

    `place` is the workspace folder in which the output goes when the request names none; `paths` are the keys that
    hold paths; `heavy` work runs one at a time.
    """

    run: Callable[..., dict[str, Any]]
    required: tuple[str, ...]
    optional: Mapping[str, Any]
    paths: tuple[str, ...]
    place: str | None = None
    heavy: bool = False


KINDS: dict[str, Kind] = {
    "audit": Kind(tasks.audit, ("dataset",), {"classes": None}, ("dataset", "classes")),
    "prepare": Kind(
        tasks.prepare,
        ("dataset",),
        {
            "out": None,
            "classes": None,
            "patch_size": 256,
            "stride": None,
            "min_labelled": 0.05,
            "split": "group",
            "validation": None,
            "test": None,
            "seed": 0,
            "scale": 1.0,
            "bands": None,
            "hold_out": (),
        },
        ("dataset", "classes", "out"),
        place="prepared",
    ),
    "train": Kind(
        tasks.train,
        ("prepared",),
        {"out": None, "settings": {}, "resume": False},
        ("prepared", "out"),
        place="models",
        heavy=True,
    ),
    "probe": Kind(tasks.probe, ("prepared",), {"settings": {}, "memory_budget_mib": None}, ("prepared",), heavy=True),
    "rate_test": Kind(
        tasks.rate_test,
        ("prepared",),
        {"settings": {}, "lowest": 1e-6, "highest": 1.0, "steps": 100},
        ("prepared",),
        heavy=True,
    ),
    "search": Kind(
        tasks.search,
        ("prepared",),
        {
            "out": None,
            "settings": {},
            "learning_rates": (1e-4, 3e-4, 1e-3, 3e-3),
            "batch_sizes": (4, 8),
            "epochs": 2,
            "patches_per_epoch": None,
            "resume": False,
        },
        ("prepared", "out"),
        place="searches",
        heavy=True,
    ),
    "evaluate": Kind(
        tasks.evaluate,
        ("model", "dataset"),
        {
            "classes": None,
            "scenes": "all",
            "patches": None,
            "out": None,
            "report": None,
            "polygons": (),
            "store_temperature": False,
            **predicting.BLENDING,
        },
        ("dataset", "classes", "patches", "out", "report"),
        place="evaluations",
        heavy=True,
    ),
    "random_split": Kind(
        random_split.random_split,
        ("prepared", "dataset", "patches", "model"),
        {"settings": {}, "out": None},
        ("prepared", "dataset", "patches", "model", "out"),
        place="evaluations",
        heavy=True,
    ),
    "compare": Kind(
        tasks.compare, ("first", "second"), {"out": None, "optimistic": False}, ("first", "second", "out"), place="evaluations"
    ),
    "predict": Kind(
        predicting.predict,
        ("model", "scene"),
        {"out": None, **predicting.SETTINGS, "window": None, "cluster": "none"},
        ("scene", "out"),
        place="predictions",
        heavy=True,
    ),
    "predict_batch": Kind(
        predicting.predict_batch,
        ("model", "scenes"),
        {"out": None, **predicting.SETTINGS},
        ("scenes", "out"),
        place="predictions",
        heavy=True,
    ),
    "estimate": Kind(predicting.estimate, ("model", "scene"), {**predicting.SETTINGS, "window": None}, ("scene",)),
    "quantise": Kind(predicting.quantise, ("model", "patches"), {}, ("patches",), heavy=True),
    "vectorize": Kind(
        tasks.vectorize,
        ("prediction",),
        {
            "files": (),
            "threshold": 0.0,
            "min_area": "4px",
            "simplify": "1px",
            "smooth": 0,
            "classes_only": None,
            "pixel_size": None,
            "distance_to": None,
            "regularize": False,
            "centre_lines": False,
            "method": "visvalingam",
            "crs": None,
            "scene": None,
        },
        ("prediction", "files", "scene"),
        place="layers",
    ),
    "import_model": Kind(
        model_tasks.import_model,
        ("file",),
        {
            "out": None,
            "name": None,
            "classes": None,
            "bands": None,
            "normalisation": None,
            "patch_size": None,
            "dtype": "uint8",
            "scale": 1.0,
            "pixel_size_m": None,
            "trusted": False,
        },
        ("file", "out"),
        place="models",
        heavy=True,
    ),
    "export_model": Kind(model_tasks.export_model, ("model", "out"), {"format": None}, ("out",), heavy=True),
    "demo": Kind(
        tasks.demo,
        (),
        {"out": None, "scene": None, "model": "sample-town"},
        ("out", "scene"),
        place="layers",
        heavy=True,
    ),
}


def find(kind: str) -> Kind:
    """The kind of that name. Raises `JobError` when there is none."""
    known = {**KINDS, **_extra_kinds()}
    if kind not in known:
        raise JobError(f"unknown kind of job {kind!r}", expected=f"one of {', '.join(known)}", do="Choose one of these")
    return known[kind]


def complete(kind: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """`request` with every optional key filled in and every path absolute, ready to be written down.

    Raises `SettingsError` on a key that is missing or that the kind does not know.
    """
    spec = find(kind)
    unknown = sorted(set(request) - set(spec.required) - set(spec.optional))
    if unknown:
        raise SettingsError(
            f"unknown request key {unknown[0]!r} for {kind}",
            expected=f"keys among {', '.join((*spec.required, *spec.optional))}",
            do="Correct the key's name",
        )
    missing = [key for key in spec.required if request.get(key) is None]
    if missing:
        raise SettingsError(
            f"a request for {kind} without {missing[0]!r}",
            expected=f"the keys {', '.join(spec.required)}",
            do=f"Name the {missing[0]}",
        )
    full = {**spec.optional, **request}
    for key in spec.paths:
        full[key] = _absolute(full[key])
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
) -> dict[str, Any]:
    """Do the work in this process and return its answer, a dict of plain values (see `core.jobs.tasks`)."""
    return find(kind).run(complete(kind, request), on_progress=on_progress, should_stop=should_stop, on_event=on_event)


def _extra_kinds() -> dict[str, Kind]:
    module = os.environ.get(EXTRA_KINDS_VARIABLE)
    return dict(importlib.import_module(module).KINDS) if module else {}


def _absolute(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        return [_absolute(item) for item in value]
    return str(Path(value).expanduser().absolute())


def _model_name_or_path(model: Any) -> str:
    """A model is a path when something lies there; otherwise it is left as a name for the model library to find."""
    return str(Path(model).absolute()) if Path(model).exists() else str(model)
