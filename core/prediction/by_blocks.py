"""One scene predicted by many processes: blocks of it, each from the same patches as the whole, so with the same labels bit for bit.

A block is a strip's columns times some rows of patches. A worker reads what it needs of the scene, blends the block, and leaves its bytes
in a folder of its own beside the prediction; this process puts them together as they come.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.cluster.driving import Driven, Task, drive
from core.cluster.where import Where
from core.digests import digest_of
from core.errors import Cancelled, SceneError
from core.files import Unfinished, delete, read_json, replacing_folder, write_json
from core.model_store.models import Model
from core.prediction.blend.blending import BlendResult, Tally
from core.prediction.blend.plans import BlendPlan, plan_blend
from core.prediction.engines.engine import Engine
from core.prediction.folder.writing import RAW_FILE, RawWriter, raw_rows
from core.prediction.kept import LOOK_S, given_up, kept_engine
from core.prediction.passes import run_passes
from core.prediction.running import BlendLayout
from core.prediction.settings import PatchSize
from core.progress import OnProgress, ShouldStop
from core.scenes.opening import open_scene
from core.scenes.scene import Scene, Window

BLOCKS, _TALLY_FILE, _SHARE = "blocks", "tally.json", ".share"
STEPS, FEWEST_STEPS = 16, 3
"""Rows of patches of a block, and the fewest where there would be less blocks than workers; those at its upper rim are done once more."""
_ROWS_AT_ONCE = 64


@dataclass(frozen=True)
class Assignment:
    """What all blocks of a prediction have in common, as a worker is told it; `limits` are those of `passes.limits_of`."""

    model: Model
    scene: Path
    scene_digest: str
    layouts: tuple[BlendLayout, ...]
    patch_size: PatchSize
    engine: str
    limits: np.ndarray | None
    folder: Path


def refuse_without_file(scene: Scene) -> None:
    """Raise SceneError for a scene that workers cannot open by its path."""
    try:
        same = open_scene(scene.path).digest == scene.digest
    except SceneError:
        same = False
    if not same:
        raise SceneError(
            f"{scene.name}, which is no file",
            expected="a scene that workers can open by its path",
            do="Save it, or predict it without a cluster",
        )


def blocks_of(plans: Sequence[BlendPlan], workers: int) -> list[Window]:
    """Blocks that cover the plans' region, windows of the scene: in the narrowest strips, cut between rows of the coarsest patches.

    There are as many for each of the `workers` as for the others, where the region is large enough.
    """
    strips = max(plans, key=lambda plan: len(plan.strips)).strips
    plan = max(plans, key=lambda plan: plan.row_step / plan.scale)
    region, ratio = plan.region, plan.height / plan.net_height
    starts = (math.ceil(start * ratio) for start in plan.row_starts)
    inner = [row for row in starts if region.row < row < region.row_stop]
    # Rows of patches that reach into a block from above it, each of which is done by two blocks.
    shared = max(1, math.ceil(plan.patch_height / plan.row_step) - 1)
    rows = len(inner) + 1
    rounds = math.ceil(max(workers, len(strips) * round(rows / (STEPS * shared))) / workers)
    count = max(1, min(math.ceil(rounds * workers / len(strips)), rows // (FEWEST_STEPS * shared)))
    cuts = [inner[round(rows * number / count) - 1] for number in range(1, count)]
    bounds = itertools.pairwise([region.row, *cuts, region.row_stop])
    return [Window(top, strip.col, below - top, strip.col_stop - strip.col) for top, below in bounds for strip in strips]


def predict_blocks(
    where: Where,
    assignment: Assignment,
    plans: Sequence[BlendPlan],
    window: Window,
    raw: RawWriter,
    unfinished: Unfinished,
    *,
    job: str,
    on_part: Callable[[Window, np.ndarray], None],
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[BlendResult, Driven]:
    """Predict the plans' region, `window`, on the cluster, into `raw`.

    `on_part` gets windows counted from the region's corner, with their bytes (h, K, w). What an interrupted run has left in
    `unfinished` is kept. Raises what `drive` and `predict` raise.
    """
    state = unfinished.state or {}
    bounds = [Window(*bound) for bound in state.get(BLOCKS, ())]
    merged: dict[str, dict[str, Any]] = dict(state.get("merged", {}))
    assignment.folder.mkdir(exist_ok=True)

    def remember() -> None:
        unfinished.remember(**{BLOCKS: [[b.row, b.col, b.height, b.width] for b in bounds]}, merged=merged)

    def tasks(workers: int) -> list[Task]:
        bounds[:] = bounds or blocks_of(plans, workers)
        remember()
        left = (block for block in bounds if _name(block) not in merged)
        return [Task(_name(block), (assignment, block), assignment.folder / _name(block), block.pixels / window.pixels) for block in left]

    def take(task: Task) -> None:
        block = task.arguments[1]
        for row in range(0, block.height, _ROWS_AT_ONCE):
            rows = min(_ROWS_AT_ONCE, block.height - row)
            part = Window(block.row - window.row + row, block.col - window.col, rows, block.width)
            data = raw_rows(task.result / RAW_FILE, raw.classes, block.width, row, rows)
            raw.take(part, data)
            on_part(part, data)
        raw.flush()
        merged[task.name] = read_json(task.result / _TALLY_FILE)
        remember()
        delete(task.result)

    def share_of(task: Task) -> float:
        try:
            return float((assignment.folder / f"{task.name}{_SHARE}").read_text())
        except (OSError, ValueError):
            return 0.0

    driven = drive(
        where,
        f"{job}-{digest_of(str(assignment.folder))}",
        predict_block,
        tasks,
        on_done=take,
        shared=assignment.folder,
        message="Predicting",
        share_of=share_of,
        on_progress=on_progress,
        should_stop=should_stop,
    )
    driven.seconds = [told["seconds"] for told in merged.values()]
    return _sum([[Tally(**tally) for tally in tallies] for tallies in (told["tallies"] for told in merged.values())]), driven


def _sum(tallies: Sequence[Sequence[Tally]]) -> BlendResult:
    """What the blocks have counted together; the worst seam score of the passes."""
    sums = []
    for of_pass in zip(*tallies, strict=True):
        total = Tally()
        for name in vars(total):
            setattr(total, name, sum(getattr(tally, name) for tally in of_pass))
        sums.append(total)
    scores = [tally.seam_score for tally in sums if not math.isnan(tally.seam_score)]
    windows, seconds = sum(tally.windows for tally in sums), sum(tally.model_seconds for tally in sums)
    return BlendResult(windows, seconds, max(scores, default=math.nan))


def _name(block: Window) -> str:
    return f"{block.row}-{block.col}-{block.height}-{block.width}"


def predict_block(assignment: Assignment, block: Window) -> None:
    """What a worker does: predict a block into a folder of its own, named as it."""
    begun = time.perf_counter()
    place = assignment.folder / _name(block)
    scene, engine = _opened(assignment)
    card = assignment.model.card
    plans = [
        plan_blend(scene.height, scene.width, patch_size=engine.patch_size, region=block, **vars(layout)) for layout in assignment.layouts
    ]
    tallies = [Tally() for _ in plans]
    with replacing_folder(place) as temporary:
        raw = RawWriter(temporary, block.height, block.width, engine.classes)

        def write(part: Window, probabilities: np.ndarray) -> None:
            valid = scene.valid(Window(part.row + block.row, part.col + block.col, part.height, part.width))
            raw.write(part, probabilities, valid)

        try:
            run_passes(
                plans,
                card,
                scene,
                block,
                engine,
                write,
                temporary,
                tallies=tallies,
                limits=assignment.limits,
                on_progress=_told_beside(assignment.folder / f"{place.name}{_SHARE}"),
                should_stop=given_up(assignment.folder),
            )
        finally:
            raw.close()
        write_json(temporary / _TALLY_FILE, {"tallies": [vars(tally) for tally in tallies], "seconds": time.perf_counter() - begun})
        if not assignment.folder.exists():
            raise Cancelled("the prediction was given up")


def _told_beside(file: Path) -> OnProgress:
    """A listener that writes how far a block is, 0 to 1, into a file, once in a while."""
    told = [time.monotonic()]

    def heard(done: int, total: int, message: str) -> None:
        if time.monotonic() - told[0] > LOOK_S and total:
            told[0] = time.monotonic()
            with suppress(OSError):  # the folder is gone: the block will notice
                file.write_text(f"{done / total:.3f}")

    return heard


def _opened(assignment: Assignment) -> tuple[Scene, Engine]:
    scene = open_scene(assignment.scene)
    if scene.digest != assignment.scene_digest:
        raise SceneError(
            f"another file than here at {assignment.scene} on a worker",
            expected="the same scene under the same path on every machine",
            do="Put the scene on a disk that all machines share",
        )
    return scene, kept_engine(assignment.model, assignment.engine, assignment.patch_size)
