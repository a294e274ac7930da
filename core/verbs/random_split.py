"""The recipe of a model repeated on a random split of the same patches, to show what such a score is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.progress import OnProgress, ShouldStop, part

_PREPARED, _TRAINED = 0.1, 0.9  # of the whole


def random_split(
    request: Mapping[str, Any],
    *,
    on_progress: OnProgress | None,
    should_stop: ShouldStop | None,
    on_event: Callable[[dict[str, Any]], None] | None,
) -> dict[str, Any]:
    """Cut the patches of `prepared` again but split them at random, train with `settings`, and score the patches held back.

    The new patches go to `patches`, the model to `model`, the evaluation to `out`. The answer is that of "evaluate".
    """
    from core.jobs import kinds
    from core.patches.store import PatchStore

    record = PatchStore.open(Path(request["prepared"])).record
    common = {"should_stop": should_stop, "on_event": on_event}
    kinds.run(
        "prepare",
        {
            **{name: record[name] for name in ("patch_size", "stride", "scale", "bands")},
            "dataset": request["dataset"],
            "min_labelled": record["split"].get("min_labelled", 0.05),
            "seed": record["split"].get("seed", 0),
            "split": "random",
            "out": request["patches"],
        },
        on_progress=part(on_progress, 0, _PREPARED, 1),
        **common,
    )
    kinds.run(
        "train",
        {"prepared": request["patches"], "out": request["model"], "settings": request["settings"]},
        on_progress=part(on_progress, _PREPARED, _TRAINED, 1),
        **common,
    )
    return kinds.run(
        "evaluate",
        {
            **{name: request[name] for name in ("model", "dataset", "patches", "out")},
            "scenes": "validation",
        },
        on_progress=part(on_progress, _TRAINED, 1, 1),
        **common,
    )
