"""What people answer at the points of a map, kept on disk as it is given: one folder for each map, and a table that opens anywhere.

Points are given out in batches: the first is spread by the model's confidence, each later one by the answers so far as well.
"""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.claims import in_turn
from core.classes import ClassScheme
from core.confusion import Confusion
from core.digests import digest_of
from core.errors import InputError, SettingsError
from core.evaluation.certify.points import DrawnPoints, draw_points
from core.evaluation.certify.strata import allocated, batch_end
from core.files import read_json, replacing, write_json
from core.plain import in_table, out_of_table
from core.prediction.folder.rasters import Prediction
from core.reading.readable import misfit, reason

POINTS_FILE, GIVEN_FILE, ANSWERS_FILE = "points.json", "given.json", "answers.csv"
NOT_SURE = -1
"""The answer of who cannot tell."""
MOST = 1000
"""Points that can be asked for."""
_NOT_SURE = "not sure"
_COLUMNS = ("point", "row", "col", "x", "y", "person", "answer", "time")


@dataclass(frozen=True)
class PointAnswer:
    """A class id, or `NOT_SURE`, that a person gave at a point (its number among the points), and when, in unix seconds."""

    point: int
    person: str
    class_id: int
    time_s: float = 0.0


@dataclass(frozen=True, eq=False)
class PointAnswers:
    """Points of a map with the answers so far, oldest first, and `given`, the numbers of the points that were given out, in their order."""

    folder: Path
    prediction: Prediction
    points: DrawnPoints
    given: tuple[int, ...] = ()
    answers: tuple[PointAnswer, ...] = ()

    # ---- on disk ----

    @classmethod
    def open(cls, prediction: Prediction, place: Path, **how) -> PointAnswers:
        """The answers for a prediction, in a folder of their own in `place`; points are drawn at the first time, `how` as in `draw_points`.

        Raises InputError where nothing is mapped, and for files that cannot be read.
        """
        folder = folder_of(prediction, place)
        file = folder / POINTS_FILE
        with in_turn(file):
            if not file.is_file():
                draw_points(prediction, **how).save(file)
        points = DrawnPoints.load(file, classes=len(prediction.scheme), height=prediction.height, width=prediction.width)
        return cls(folder, prediction, points).read()

    @property
    def scheme(self) -> ClassScheme:
        """The classes of the map."""
        return self.prediction.scheme

    def read(self) -> PointAnswers:
        """The same with what is on disk now. Raises InputError where it cannot be read."""
        try:
            given = read_json(self.folder / GIVEN_FILE) if (self.folder / GIVEN_FILE).exists() else []
            wrong = misfit(given, list[int])
            if wrong or len(set(given)) < len(given) or not all(0 <= point < len(self.points.row) for point in given):
                raise ValueError(wrong or f"{GIVEN_FILE} names points that were not drawn")
            return replace(self, given=tuple(given), answers=tuple(self._logged()))
        except (OSError, ValueError, csv.Error) as error:
            raise InputError(
                f"answers in {self.folder.name} that cannot be read ({reason(error)})",
                expected=f"the {GIVEN_FILE} and {ANSWERS_FILE} that were written",
                do=f"Mend or delete them in {self.folder}",
            ) from error

    def _logged(self) -> list[PointAnswer]:
        file = self.folder / ANSWERS_FILE
        if not file.exists():
            return []
        ids = {name: number for number, name in enumerate(self.scheme.names)} | {_NOT_SURE: NOT_SURE}
        found = []
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                point, name = int(row.get("point") or -1), out_of_table(row.get("answer"))
                if not 0 <= point < len(self.points.row) or name not in ids or not row.get("person"):
                    raise ValueError(f"{ANSWERS_FILE} has a line {', '.join(map(str, row.values()))}")
                found.append(PointAnswer(point, out_of_table(row["person"]), ids[name], float(row.get("time") or 0)))
        return found

    def _changed(self, change: Callable[[PointAnswers], PointAnswers]) -> PointAnswers:
        """What `change` makes of what is on disk now, written; others who answer wait meanwhile."""
        with in_turn(self.folder / POINTS_FILE):
            before = self.read()
            after = change(before)
            if after.given != before.given:
                write_json(self.folder / GIVEN_FILE, list(after.given))
            if after.answers != before.answers:
                with replacing(self.folder / ANSWERS_FILE) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
                    table = csv.writer(file)
                    table.writerow(_COLUMNS)
                    table.writerows(map(after._row, after.answers))
            return after

    def _row(self, one: PointAnswer) -> list[object]:
        x, y = self.xy(one.point)
        name = self.name_of(one.class_id)
        row, col = int(self.points.row[one.point]), int(self.points.col[one.point])
        return [one.point, row, col, x, y, in_table(one.person), in_table(name), f"{one.time_s:.0f}"]

    # ---- asking ----

    def give(self, total: int, person: str) -> PointAnswers:
        """With the next batch of points given out, where `person` has answered all that there are and fewer than `total` are out.

        Raises SettingsError for a total that cannot be asked for.
        """
        if not 1 <= total <= MOST:
            raise SettingsError(f"{total} points", expected=f"1 to {MOST}", do="Ask for another number")
        return self._changed(lambda now: now if now.next_point(person, total) is not None else now._with_batch(total, person))

    def _with_batch(self, total: int, person: str) -> PointAnswers:
        strata, stratum = self.points.strata, self.points.stratum
        counts, _ = self.counts(person)
        planned = np.bincount(stratum[list(self.given)], minlength=len(strata.pixels))
        drawn = counts.sum(1)
        wrong = drawn - counts[np.arange(len(drawn)), strata.predicted]
        due = batch_end(strata, len(self.given), total)
        wanted = allocated(strata, due, wrong=wrong, drawn=drawn, planned=planned, room=np.bincount(stratum))
        first = np.searchsorted(stratum, np.arange(len(planned)))  # points stand stratum by stratum, each in random order
        new = np.concatenate([begin + np.arange(have, want) for begin, have, want in zip(first, planned, wanted, strict=True)])
        np.random.default_rng(len(self.given)).shuffle(new)  # or neighbours in the list would tell the class
        return replace(self, given=(*self.given, *new.tolist()))

    def next_point(self, person: str, total: int) -> int | None:
        """The point to ask a person about, among the first `total` given out; None where all are answered."""
        answered = {one.point for one in self.answers if one.person == person}
        return next((point for point in self.given[:total] if point not in answered), None)

    def answer(self, point: int, class_id: int, person: str) -> PointAnswers:
        """With an answer more, on disk already; it takes the place of an older one of the same person at the same point.

        Raises SettingsError for a point that was not given out, an unknown class, and a person without a name.
        """
        person = " ".join(person.split())[:60]
        if not person or point not in self.given or not (class_id == NOT_SURE or 0 <= class_id < len(self.scheme)):
            raise SettingsError(
                f"the answer {class_id} of {person or 'nobody'} at point {point}",
                expected="a class of the map, a point that was given out and the name of who answers",
                do="Give your name and answer again",
            )
        new = PointAnswer(point, person, class_id, float(round(time.time())))

        def with_new(now: PointAnswers) -> PointAnswers:
            kept = (one for one in now.answers if (one.point, one.person) != (point, person))
            return replace(now, answers=(*kept, new))

        return self._changed(with_new)

    def undo(self, person: str) -> PointAnswers:
        """Without the last answer of a person; the same where there is none."""

        def without_last(now: PointAnswers) -> PointAnswers:
            last = next((number for number in reversed(range(len(now.answers))) if now.answers[number].person == person), None)
            return now if last is None else replace(now, answers=now.answers[:last] + now.answers[last + 1 :])

        return self._changed(without_last)

    # ---- what was answered ----

    @property
    def persons(self) -> tuple[str, ...]:
        """Who answered, most answers first."""
        return tuple(name for name, _ in Counter(one.person for one in self.answers).most_common())

    def of(self, person: str) -> dict[int, int]:
        """The answers of a person by point: class ids, or `NOT_SURE`."""
        return {one.point: one.class_id for one in self.answers if one.person == person}

    def counting(self, first: str) -> dict[int, int]:
        """The answer that counts at each answered point: that of `first`, else of who answered most. Class ids, or `NOT_SURE`."""
        found: dict[int, int] = {}
        for person in (first, *self.persons):
            found = {**self.of(person), **found}
        return found

    def counts(self, first: str) -> tuple[np.ndarray, int]:
        """Answered points int (H, K) by stratum and true class, where the answer of `first` counts most, and how many were "not sure"."""
        counts = np.zeros((len(self.points.strata.pixels), len(self.scheme)), np.int64)
        counting = self.counting(first)
        sure = {point: name for point, name in counting.items() if name != NOT_SURE}
        np.add.at(counts, (self.points.stratum[list(sure)], np.array(list(sure.values()), np.int64)), 1)
        return counts, len(counting) - len(sure)

    def agreement(self, one: str, other: str) -> Confusion:
        """The answers of two people at the points where both were sure: rows `one`, columns `other`. Its accuracy is how often they
        agree, its kappa how far beyond chance."""
        mine, theirs = self.of(one), self.of(other)
        both = [(mine[point], theirs[point]) for point in mine.keys() & theirs.keys()]
        return Confusion.empty(len(self.scheme)).add(*np.array(both, np.int64).reshape(-1, 2).T)  # NOT_SURE is no class

    def differing(self, one: str, other: str) -> list[int]:
        """Points at which two people answered differently, "not sure" too."""
        mine, theirs = self.of(one), self.of(other)
        return sorted(point for point in mine.keys() & theirs.keys() if mine[point] != theirs[point])

    def name_of(self, class_id: int) -> str:
        """The name of an answer."""
        return _NOT_SURE if class_id == NOT_SURE else self.scheme.names[class_id]

    def xy(self, point: int) -> tuple[float, float]:
        """The middle of a point's pixel in the scene's coordinates."""
        return self.prediction.geo.xy(int(self.points.row[point]) + 0.5, int(self.points.col[point]) + 0.5)


def folder_of(prediction: Prediction, place: Path) -> Path:
    """The folder in `place` that belongs to a prediction as it was made: predicted anew, it is another map with points of its own."""
    return place / f"{prediction.folder.name[:80]}-{digest_of(prediction.made)[:8]}"
