"""One scene of any size through a model, into a prediction folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from core.classes import IGNORED_ID
from core.cluster.driving import Driven
from core.cluster.where import Where, read_where
from core.digests import refuse_changed
from core.errors import Cancelled, ExportError, InputError, SettingsError
from core.files import delete, dump_json, put_in_place, unfinished, unfinished_place, write_json
from core.model_store.models import Model
from core.prediction.blend.blending import BlendResult, Tally
from core.prediction.blend.plans import BlendPlan, plan_blend
from core.prediction.budget import PeakMemory
from core.prediction.by_blocks import BLOCKS, Assignment, predict_blocks, refuse_without_file
from core.prediction.checks import Concern
from core.prediction.engines.engine import Engine
from core.prediction.estimate import disk_bytes, kept_bytes
from core.prediction.folder.origin import credit_tags, credits_of
from core.prediction.folder.previews import LivePreview
from core.prediction.folder.rasters import geo_to_dict, preview_file, read_made, record_of
from core.prediction.folder.values import finish_values
from core.prediction.folder.writing import RawWriter, ValueWriter, finish, placement, writer_in
from core.prediction.passes import limits_of, run_passes
from core.prediction.running import Setup, plan_within, set_up
from core.prediction.settings import PredictSettings
from core.progress import OnProgress, ShouldStop, check, part, report
from core.scenes.scene import Scene, Window
from core.words import MIB, size_words

_FILES = ".files"
"""Where finished rasters lie until all are there: hidden, since it looks like a prediction."""


@dataclass(frozen=True)
class PredictResult:
    """A finished prediction: where it is, how long it took, and what was doubtful about the scene.

    `seconds` is the whole call, `model_seconds` the network alone; `windows` counts the patches that went through it.
    `seam_score` near 1.0 means that patch borders cannot be seen, NaN that there were none. `driven` tells of a cluster's part in it;
    `model_seconds` is then the sum over its workers, and memory that of this process.
    """

    folder: Path
    seconds: float
    model_seconds: float
    peak_memory_mib: float
    windows: int
    engine: str
    seam_score: float
    warnings: tuple[Concern, ...] = field(default=())
    driven: Driven | None = None

    def summary(self) -> dict[str, Any]:
        """The result as plain values."""
        return {
            "folder": str(self.folder),
            "seconds": round(self.seconds, 3),
            "model_seconds": round(self.model_seconds, 3),
            "peak_memory_mib": round(self.peak_memory_mib, 1),
            "windows": self.windows,
            "engine": self.engine,
            "seam_score": round(self.seam_score, 3),
            "warnings": [{"code": concern.code, "sentence": concern.sentence} for concern in self.warnings],
            **({"cluster": self.driven.summary()} if self.driven else {}),
        }


def predict(
    model: Model | str | os.PathLike,
    scene: Scene | str | os.PathLike,
    folder: str | os.PathLike,
    settings: PredictSettings | None = None,
    *,
    engine: Engine | str | None = None,
    window: Window | None = None,
    cluster: str | Where | None = None,
    keep_finished: bool = False,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **told: Any,
) -> PredictResult:
    """Predict a scene, or a `window` of it, into the prediction folder `folder`.

    Each of the settings can also be told by its name. `engine` takes the place of the settings' one and may be open
    already. `cluster` is what `read_where` reads: the scene is then predicted by blocks on its workers, which gives the same labels.
    `folder` appears when it is complete; a run that was killed goes on where it was when it is started again
    with the same settings, and a cancelled one leaves nothing. `keep_finished` takes a prediction that is already in
    `folder`, made with the same settings of the same files, as the result. Raises SceneError, ModelError, SettingsError,
    ExportError, Cancelled.
    """
    begun = time.perf_counter()
    settings = replace(settings or PredictSettings(), **told)
    where = read_where(cluster)
    setup = set_up(model, scene, settings, window=window)
    if where is not None:
        refuse_without_file(setup.scene)
        _refuse_spread(setup.model)
    check(should_stop)
    with PeakMemory() as memory_used:
        report(on_progress, 0, 0, "Opening the model")
        work = _Work(setup, Path(folder), setup.open_engine(engine or settings.engine), where)
        finished = work.finished() if keep_finished else None
        if finished:
            delete(unfinished_place(work.folder))  # of a run that was killed when it had put this in place
            return finished
        result = work.run(on_progress, should_stop, begun, memory_used)
    return replace(result, seconds=time.perf_counter() - begun, peak_memory_mib=memory_used.peak_bytes / MIB)


def _refuse_spread(model: Model) -> None:
    if model.card.measured is not None:
        raise SettingsError(
            f"a cluster for {model.card.name}, which measures {model.card.measured}",
            expected="a model that gives classes",
            do="Predict it in one process",
        )


class _Work:
    """The unfinished run beside the folder that it will become."""

    def __init__(self, setup: Setup, folder: Path, engine: Engine, where: Where | None):
        self.model, self.scene, self.window, self.layouts = setup.model, setup.scene, setup.window, setup.layouts
        self.folder, self.engine, self.memory, self.concerns = folder, engine, setup.memory, setup.concerns
        self.where, self.driven = where, cast(Driven | None, None)
        # Taken once, before anything is read: what is written tells of that file and no other.
        self.digest = self.scene.digest
        self.key = hashlib.sha256(dump_json(self._settings()).encode()).hexdigest()

    def finished(self) -> PredictResult | None:
        """What is already in the folder, where it was made with the same settings of the same files."""
        try:
            made = read_made(self.folder, record_of(self.model.card))
            told = {name: made[name] for name in ("seconds", "model_seconds", "peak_memory_mib", "windows", "engine")}
        except (OSError, ValueError, KeyError):
            return None
        if made.get("key") != self.key or made["geo"].get("crs") != geo_to_dict(self.scene.geo)["crs"]:
            return None
        warnings = tuple(Concern(entry.get("code", ""), entry["sentence"]) for entry in made.get("warnings", ()))
        seam_score = float("nan") if made.get("seam_score") is None else made["seam_score"]
        return PredictResult(folder=self.folder, **told, seam_score=seam_score, warnings=warnings)

    def run(self, on_progress: OnProgress | None, should_stop: ShouldStop | None, begun: float, memory: PeakMemory) -> PredictResult:
        card, scene, window = self.model.card, self.scene, self.window
        within = [plan_within(card, scene, window, self.engine, layout, memory=self.memory) for layout in self.layouts]
        if not all(fits for _, fits in within):
            limit = f"{self.memory / MIB:.0f} MiB"
            sentence = f"The memory limit of {limit} is too low for this model; the run takes the least it can. Raise the limit."
            self.concerns += (Concern("memory", sentence),)
        if self.engine.doubt:
            self.concerns += (Concern("int8", self.engine.doubt),)
        self._check_disk()
        plans, done = self._begin([plan for plan, _ in within])
        measured = self.model.card.measured is not None
        raw = writer_in(self.unfinished.place, self.window.height, self.window.width, self.engine.classes, measured=measured)
        try:
            # A step for each window, and a twentieth more for writing the files.
            windows = sum(plan.windows for plan in plans)
            whole = windows + max(5, windows // 20)
            blending = part(on_progress, 0, windows, whole)
            if self.where is None or not isinstance(raw, RawWriter):  # measured values are made in one process: `_refuse_spread`
                blended = self._blend(plans, raw, done, blending, should_stop)
            else:
                blended = self._spread(self.where, plans, raw, blending, should_stop)
            self._refuse_changed()
            result = PredictResult(
                folder=self.folder,
                seconds=time.perf_counter() - begun,
                model_seconds=blended.model_seconds,
                peak_memory_mib=memory.peak_bytes / MIB,
                windows=blended.windows,
                engine=self.engine.name,
                seam_score=blended.seam_score,
                warnings=self.concerns,
                driven=self.driven,
            )
            self._finish(raw, result, part(on_progress, windows, whole, whole), should_stop)
        except Cancelled:
            raw.close()
            self.unfinished.drop()
            raise
        finally:
            raw.close()
        self.unfinished.drop()
        return result

    def _refuse_changed(self) -> None:
        """What was read of two states of a file is no start for another run."""
        try:
            refuse_changed(self.scene.name, self.digest, lambda: self.scene.digest)
        except InputError:
            self.unfinished.drop()
            raise

    def _begin(self, plans: list[BlendPlan]) -> tuple[list[BlendPlan], tuple[int, int, int]]:
        """Take up an interrupted run with the same settings, in the strips of its pass; start anew otherwise."""
        self.unfinished, self.tallies = unfinished(self.folder, self.key), [Tally() for _ in plans]
        state = self.unfinished.state
        if state is not None and (BLOCKS in state) != (self.where is not None):
            # It was begun the other way, which keeps other things.
            self.unfinished.drop()
            self.unfinished = unfinished(self.folder, self.key)
            state = None
        if state is None or self.where is not None:
            return plans, (0, 0, 0)
        if "tallies" in state:  # runs of earlier versions kept none
            self.tallies = [Tally(**tally) for tally in state["tallies"]]
        number = state.get("pass", 0)
        settings = dict(patch_size=self.engine.patch_size, **vars(self.layouts[number]))
        plans[number] = plan_blend(self.scene.height, self.scene.width, strip_width=state["strip_width"], region=self.window, **settings)
        return plans, (number, *state["done"])

    def _blend(self, plans: list[BlendPlan], raw: RawWriter | ValueWriter, done, on_progress, should_stop) -> BlendResult:
        preview = LivePreview(preview_file(self.folder), self.window, self.model.card.scheme)

        def kept(number: int, part: Window, labels: np.ndarray | None) -> None:
            """A part of a pass is on the disk: it is shown, and a run that is taken up goes on behind it."""
            plan = plans[number]
            strip = next(index for index, strip in enumerate(plan.strips) if strip.col == part.col + self.window.col)
            row = part.row + part.height + self.window.row
            if labels is not None:
                preview.add(part, labels)
            counted = [vars(tally).copy() for tally in self.tallies]
            self.unfinished.remember(**{"pass": number}, strip_width=plan.strip_width, done=(strip, row), tallies=counted)

        def write(part: Window, probabilities: np.ndarray) -> None:
            place = Window(part.row + self.window.row, part.col + self.window.col, part.height, part.width)
            labels = raw.write(part, probabilities, self.scene.valid(place))
            raw.flush()
            kept(len(plans) - 1, part, labels)

        return run_passes(
            plans,
            self.model.card,
            self.scene,
            self.window,
            self.engine,
            write,
            self.unfinished.place,
            done=done,
            tallies=self.tallies,
            on_part=kept,
            on_progress=on_progress,
            should_stop=should_stop,
        )

    def _spread(self, where: Where, plans: list[BlendPlan], raw: RawWriter, on_progress, should_stop) -> BlendResult:
        preview = LivePreview(preview_file(self.folder), self.window, self.model.card.scheme)

        def shown(part: Window, data: np.ndarray) -> None:
            known = np.where(data.any(axis=1), data.argmax(axis=1), IGNORED_ID)
            preview.add(part, known.astype(np.uint8))

        assignment = Assignment(
            model=self.model.by_whole_path,
            scene=self.scene.path.resolve(),
            scene_digest=self.digest,
            layouts=self.layouts,
            patch_size=self.engine.patch_size,
            engine=self.engine.name,
            limits=limits_of(self.model.card, self.scene, should_stop=should_stop),
            folder=self.unfinished.place.resolve() / BLOCKS,
        )
        callables = dict(on_part=shown, on_progress=on_progress, should_stop=should_stop)
        blended, self.driven = predict_blocks(where, assignment, plans, self.window, raw, self.unfinished, job=self.key[:16], **callables)
        return blended

    def _finish(
        self, raw: RawWriter | ValueWriter, result: PredictResult, on_progress: OnProgress | None, should_stop: ShouldStop | None
    ) -> None:
        def on_step(step: int, steps: int, message: str) -> None:
            check(should_stop)
            report(on_progress, step, steps, message)

        place = placement(self.scene, self.window)
        tags = {
            "GROUNDLINE_MODEL": self.model.card.name,
            "GROUNDLINE_SCENE": self.scene.name,
            "GROUNDLINE_SCENE_DIGEST": self.digest,
            **credit_tags(self.scene),
        }
        # Within the unfinished work, so that a run that is killed now goes on behind the last file that it had finished.
        files = self.unfinished.place / _FILES
        files.mkdir(exist_ok=True)
        card = self.model.card
        if isinstance(raw, ValueWriter):
            found = finish_values(raw, files, card.scheme.names[0], place, tags=tags, on_step=on_step)
            given: dict[str, Any] = {"measured": card.measured, "statistics": vars(found)}
        else:
            finish(raw, files, card.scheme, place, tags=tags, on_step=on_step)
            given = {"scheme": card.scheme.to_dict()}
        write_json(
            files / record_of(self.model.card),
            {
                "model": card.name,
                **given,
                "height": self.window.height,
                "width": self.window.width,
                "geo": geo_to_dict(place.geo),
                "scene": str(self.scene.path),
                **credits_of(self.scene),
                "scene_digest": self.digest,
                "window": vars(self.window),
                "settings": {"patch_size": self.engine.patch_size, **self._layout()},
                "engine": result.engine,
                "key": self.key,
                "windows": result.windows,
                "seconds": result.seconds,
                "peak_memory_mib": result.peak_memory_mib,
                "model_seconds": result.model_seconds,
                "seam_score": result.seam_score,
                "warnings": result.summary()["warnings"],
                **({"workers": self.driven.workers} if self.driven else {}),
            },
        )
        put_in_place(files, self.folder)

    def _settings(self) -> Mapping[str, Any]:
        state = self.model.file.stat()
        return {
            "model": [str(self.model.file.resolve()), state.st_size, state.st_mtime_ns],
            "card": self.model.card.to_dict(),
            "scene": self.digest,
            "window": vars(self.window),
            "layout": self._layout(),
            "patch_size": self.engine.patch_size,
            "engine": self.engine.name,
        }

    def _layout(self) -> dict[str, Any]:
        """How patches lie, and the scales where there are several; predictions of one scale are told as they always were."""
        first, scales = vars(self.layouts[0]), [layout.scale for layout in self.layouts]
        return {**first, "scales": scales} if len(scales) > 1 else first

    def _check_disk(self) -> None:
        needed = disk_bytes(self.window.pixels, kept_bytes(self.model.card), passes=len(self.layouts))[0]
        partial = unfinished_place(self.folder)
        kept = sum(file.stat().st_blocks * 512 for file in partial.rglob("*")) if partial.is_dir() else 0
        parent = next(place for place in self.folder.resolve().parents if place.exists())
        free = shutil.disk_usage(parent).free + kept
        if free < needed:
            raise ExportError(
                f"{size_words(free)} free beside {self.folder}",
                expected=f"about {size_words(needed)} for the prediction while it is made",
                do="Free some space, choose another folder, or predict a part of the scene",
            )
