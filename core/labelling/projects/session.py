"""A project with its answer kept up to date by a thread: learnt at each pause of the hand, made first for what is on the screen."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.features import shapes
from shapely.geometry import shape

from core.claims import scratch
from core.classes import IGNORED_ID
from core.errors import GroundlineError, InputError
from core.labelling.answer import Answer, learn
from core.labelling.doubtful import next_place, survey
from core.labelling.features import SceneFeatures
from core.labelling.projects.live_raster import LiveRaster
from core.labelling.projects.painting import Painting
from core.labelling.projects.places import Places
from core.labelling.projects.project import STROKES_FILE, LabelProject
from core.labelling.projects.superpixels import Superpixels
from core.labelling.samples import Samples, take
from core.labelling.stroke_files import write_strokes
from core.prediction.folder.origin import window_of
from core.prediction.folder.rasters import Prediction
from core.scenes.scene import Window
from core.words import counted, share_words

PAUSE_S = 0.15
"""How long a hand has to rest before its strokes are learnt."""
UNWATCHED_S = 30.0
"""When nobody has asked how far it is for so long, the page is closed, and the answer waits for somebody to come back."""
COARSE = (2, 4)
"""What is on the screen is answered first by each second pixel, from far away by each fourth; then by all."""
GUIDE_PX, GUIDE_STEP_PX, PLACE_PX = 1536, 8, (300, 400)
"""How far around the screen doubtful places are looked for, by each how manieth pixel, and how large (height, width) a place is."""
_MOST_AT_ONCE = 1 << 20
_MOST_OUTLINED = 4 << 20
log = logging.getLogger("groundline")


@dataclass(frozen=True)
class Status:
    """How far a session is: `stamp` grows with the answer, `revision` with the steps; `painted` counts pixels by class id."""

    revision: int
    stamp: int
    busy: bool
    painted: Mapping[int, int]
    words: str
    error: str | None = None

    def told(self) -> dict[str, Any]:
        """As values fit for JSON."""
        return dict(vars(self))


class Session:
    """An open project. `do`, `look`, `status`, `codes` and the rest may be called from any thread; `close` ends its own."""

    def __init__(self, project: LabelProject, *, cache: Path):
        self.project, self.scene = project, project.scene()
        self.shape = self.scene.shape
        self.superpixels = Superpixels(self.scene)
        self.prediction = None if project.prediction is None else Prediction.open(project.prediction)
        self.features = SceneFeatures(self.scene, prediction=self.prediction, cache=cache)
        self._view, self._every = self.scene.window, COARSE[-1]
        self._wake, self._closed = threading.Event(), False
        self._learnt: tuple | None = None
        self._answer: tuple[Answer, Places, Samples] | None = None
        self._scratch = ExitStack()
        self._raster = LiveRaster(self._scratch.enter_context(scratch()) / "answer.bytes", *self.shape)
        self._generation, self._stamp, self._last_step = 0, 0, 0.0
        self._shown: list[Window] = []
        self._asked = time.monotonic()
        self._painted: dict[int, int] = {}
        self._busy = True
        self._error: str | None = None
        self._thread = threading.Thread(target=self._run, name="groundline-label", daemon=True)
        self._thread.start()

    # ---- what the page asks ----

    def do(self, step: Mapping[str, Any]) -> Painting:
        """Keep a step of the hand; the answer follows. Raises InputError, ClassesError."""
        labels = self.project.do(step)
        self._last_step = time.monotonic()
        self._wake.set()
        return labels

    def look(self, view: Window, *, every: int = 1) -> None:
        """What is on the screen now, and that it shows each `every`-th pixel: this is answered first."""
        inside = view.intersect(self.scene.window)
        if inside.pixels and (inside, every) != (self._view, self._every):
            self._view, self._every = inside, max(1, every)
            self._wake.set()

    def status(self) -> Status:
        """How far the answer is; asking for it is what keeps the work going."""
        if time.monotonic() - self._asked > UNWATCHED_S:
            self._wake.set()
        self._asked = time.monotonic()
        labels = self.project.labels
        words = [f"{counted(len(labels.painted), 'stroke')}, {counted(sum(self._painted.values()), 'pixel')} painted"]
        if self._answer is None:
            words.append("paint two classes and the answer comes" + (": until then the model's is shown" if self.prediction else ""))
        else:
            words.append(f"{share_words(self._raster.share(self._work_window(labels), generation=self._generation))} of the area answered")
            expected = self._answer[0].expected_accuracy
            if expected is not None:
                words.append(f"expected accuracy {expected:.2f}, by strokes that were left out in turn")
        if labels.agreed:
            words.append(f"{counted(len(labels.agreed), 'place')} agreed to")
        busy = self._busy or (self._wanted(labels) != self._learnt and self._thread.is_alive())
        return Status(self.project.revision, self._stamp, busy, dict(self._painted), " · ".join(words), self._error)

    def codes(self, window: Window, every: int = 1) -> np.ndarray | None:
        """Class id and confidence uint8 (h, w, 2) of each `every`-th pixel, the model's where ours is not made yet; None for nothing."""
        found, known = self._raster.read(window, every=every)
        if self.prediction is not None and not known.all():
            found[~known] = self._said(window, every)[~known]
        return found if known.any() or self.prediction is not None else None

    def outlines(self, window: Window) -> list[tuple[int, dict[str, Any]]]:
        """The answer in a window as polygons in pixels: (class id, GeoJSON). Raises InputError for a window that is too large."""
        window = window.intersect(self.scene.window)
        if window.pixels > _MOST_OUTLINED:
            raise InputError(f"a box of {window.pixels:,} pixels", expected=f"at most {_MOST_OUTLINED:,}", do="Draw a smaller one")
        if not window.pixels:
            return []
        answer = self._answer
        ids = self._said(window, 1)[..., 0] if answer is None else answer[1].codes(answer[0].probabilities(window))[..., 0]
        parts: dict[int, list] = {}
        for found, class_id in shapes(ids, mask=ids != IGNORED_ID):
            rings = [[[x + window.col, y + window.row] for x, y in ring] for ring in found["coordinates"]]
            parts.setdefault(int(class_id), []).append(rings)
        return [(class_id, {"type": "MultiPolygon", "coordinates": polygons}) for class_id, polygons in sorted(parts.items())]

    def next_place(self) -> dict[str, Any]:
        """Where to look next, as {"window": [row, col, height, width] or None, "words"}; a place is not shown twice."""
        answer = self._answer
        if answer is None:
            return {"window": None, "words": "Paint strokes of two classes first: then there is an answer to doubt."}
        labels = self.project.labels
        middle = self._view.row + self._view.height // 2, self._view.col + self._view.width // 2
        corner = middle[0] - GUIDE_PX // 2, middle[1] - GUIDE_PX // 2
        around = Window(*corner, GUIDE_PX, GUIDE_PX).intersect(self._work_window(labels))
        painted = [_bounds(one.geometry) for one in labels.painted]
        found = survey(answer[0], answer[2], around, step_px=GUIDE_STEP_PX) if around.pixels else None
        place = None if found is None else next_place(found, [*painted, *labels.agreed, *self._shown], view_px=PLACE_PX)
        if place is None:
            return {"window": None, "words": "No doubtful place is left around here: move on, and ask again there."}
        self._shown.append(place)
        words = "Least sure here. Paint what is wrong, or press Looks right (Y) and see the next place."
        return {"window": [place.row, place.col, place.height, place.width], "words": words}

    def close(self) -> None:
        """End the thread; what was painted is on the disk."""
        self._closed = True
        self._wake.set()

    # ---- the thread ----

    def _run(self) -> None:
        try:
            while not self._closed:
                if not self._step():
                    self._busy = False
                    self._wake.wait()
                self._wake.clear()
            self._scratch.close()
        except Exception:  # the page says so; the strokes are on the disk
            log.exception("the answer of %s stopped", self.project.name)
            self._error, self._busy = (
                "The answer has stopped for a reason that is in the log. What you paint is kept; open the project again.",
                False,
            )

    def _step(self) -> bool:
        """One piece of work; False where there is none."""
        rest = self._last_step + PAUSE_S - time.monotonic()
        if rest > 0:
            time.sleep(rest)
            return True
        if time.monotonic() - self._asked > UNWATCHED_S:
            return False
        labels = self.project.labels
        wanted = self._wanted(labels)
        try:
            if wanted != self._learnt:
                self._busy = True
                self._learn(labels)
                self._learnt, self._error = wanted, None
                return True
            piece = next(self._pieces(labels), None)
            if piece is None:
                return False
            self._busy = True
            self._paint(*piece)
        except GroundlineError as error:
            self._learnt, self._error = wanted, str(error)
            return False
        return True

    @staticmethod
    def _wanted(labels: Painting) -> tuple:
        """What the answer depends on: names, colours and order are not of it."""
        return labels.painted, labels.area, labels.into, frozenset(one.id for one in labels.classes)

    def _learn(self, labels: Painting) -> None:
        places = Places.of(labels, self.project.of_model)
        strokes = places.strokes(labels)
        samples = take(self.features, strokes, places.scheme.names)
        self._painted = {one: int(samples.painted[places.ids.index(one)]) for one in places.present}
        if len(np.unique(samples.ids)) < 2:
            self._answer = None
            self._raster.clear()
        else:
            learnt = learn(self.features, strokes, places.scheme, area=labels.area_shape(), samples=samples)
            self._answer = learnt, places, samples
            self._raster.clear(but=self._work_window(labels))
            self._generation += 1
        self._stamp += 1
        write_strokes(self.project.folder / STROKES_FILE, labels.strokes(), self.scene)

    def _pieces(self, labels: Painting) -> Iterator[tuple[Window, int]]:
        """What is to be answered next, (window of whole cells, every how manieth pixel): the view as it is seen, then all of it."""
        if self._answer is None:
            return
        work, every = self._work_window(labels), int(np.clip(self._every, *COARSE))
        view = self._view.intersect(work)
        if view.pixels:
            yield from self._cut(self._raster.behind(view, generation=self._generation, every=every), every)
            yield from self._cut(self._raster.behind(view, generation=self._generation, every=1), 1)
        middle = self._view.row + self._view.height / 2, self._view.col + self._view.width / 2
        rest = [part for run in self._raster.behind(work, generation=self._generation, every=1) for part, _ in self._cut([run], 1)]
        yield from sorted(((part, 1) for part in rest), key=lambda piece: _away(piece[0], middle))

    def _cut(self, runs: Iterable[Window], every: int) -> Iterator[tuple[Window, int]]:
        """Runs of cells, none of more pixels than are well kept in memory at once."""
        for run in runs:
            width = max(1, _MOST_AT_ONCE * every**2 // (run.height * 256)) * 256
            for col in range(run.col, run.col_stop, width):
                yield Window(run.row, col, run.height, min(width, run.col_stop - col)), every

    def _paint(self, window: Window, every: int) -> None:
        if self._answer is None:
            return
        answer, places, _ = self._answer
        codes = places.codes(answer.probabilities(window, every=every))
        self._raster.put(window, codes, generation=self._generation, every=every)
        self._stamp += 1

    def _work_window(self, labels: Painting) -> Window:
        """The part of the scene in which strokes teach; all of it without an area of work."""
        area = labels.area_shape()
        if area is None:
            return self.scene.window
        left, top, right, bottom = area.bounds
        row, col = math.floor(top), math.floor(left)
        found = Window(row, col, math.ceil(bottom) - row, math.ceil(right) - col).intersect(self.scene.window)
        return found if found.pixels else self.scene.window

    def _said(self, window: Window, every: int) -> np.ndarray:
        """The model's own answer as codes (h, w, 2); 255 where there is none."""
        rows, cols = range(window.row, window.row_stop, every), range(window.col, window.col_stop, every)
        found = np.full((len(rows), len(cols), 2), IGNORED_ID, np.uint8)
        if self.prediction is None:
            return found
        place = window_of(self.prediction)
        common = window.intersect(place)
        if not common.pixels:
            return found
        inside = Window(common.row - place.row, common.col - place.col, common.height, common.width)
        shape_out = -(-common.height // every), -(-common.width // every)
        said = self.prediction.probabilities(inside, out_shape=shape_out).astype(np.float32)
        codes = Places.of(self.project.labels, self.project.of_model).codes(said)
        row, col = (common.row - window.row) // every, (common.col - window.col) // every
        found[row : row + shape_out[0], col : col + shape_out[1]] = codes[: len(rows) - row, : len(cols) - col]
        return found


def _bounds(geometry: Mapping[str, Any]) -> Window:
    """The pixels that a painted shape reaches over."""
    left, top, right, bottom = (math.floor(edge) for edge in shape(geometry).bounds)
    return Window(top, left, bottom - top + 1, right - left + 1)


def _away(window: Window, middle: tuple[float, float]) -> float:
    return math.hypot(window.row + window.height / 2 - middle[0], window.col + window.width / 2 - middle[1])
