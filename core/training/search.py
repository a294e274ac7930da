"""A small search over learning rate, batch size and filters: all train a little, the better half goes on, until one is left."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from core.errors import SettingsError
from core.files import read_json, write_json
from core.networks.architectures import architecture, resolve_encoder
from core.patches.class_view import Patches
from core.patches.joined import Prepared
from core.progress import OnProgress, ShouldStop, part
from core.training.one_vs_rest import one_network
from core.training.run import HISTORY_FILE, train_one
from core.training.settings import TrainSettings

SEARCH_FILE = "search.json"
TRIALS = "trials"
_SHOWN = ("epoch", "loss", "accuracy", "mean_iou", "val_loss", "val_accuracy", "val_mean_iou", "seconds")


def search(
    store: Prepared,
    folder: Path,
    settings: TrainSettings,
    *,
    learning_rates: Sequence[float] = (1e-4, 3e-4, 1e-3, 3e-3),
    batch_sizes: Sequence[int] = (4, 8),
    filters: Sequence[int] = (),
    epochs: int = 2,
    patches_per_epoch: int | None = None,
    resume: bool = False,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> dict[str, Any]:
    """Try each pair of learning rate and batch size with short runs of the same seed (successive halving, Jamieson and Talwalkar 2016).

    Every pair trains `epochs` epochs at a constant rate; the better half trains as many again, and so on until one is
    left. With `filters`, channels of the finest level of a network of its own, each pair is tried with each of them, and the deeper
    levels keep their proportion. `patches_per_epoch` makes epochs short (each patch once when None). `folder` gets `search.json`, rewritten
    after each round of a trial, and keeps the trials' networks only until the search is over. A stop keeps what the
    trials did; with `resume` the search goes on there.

    Returns what the file holds: "state" ("running", "stopped" or "finished"), "monitor", "higher_is_better", "settings",
    "epochs" (per round), "rounds" (pairs still in each), "best" ({"learning_rate", "batch_size", "filters", "score"} or None) and
    "trials": "learning_rate", "batch_size", "filters" (those of each level; None for the settings' own), "rounds" (those
    finished), "epochs", "score" (the best epoch's), "state"
    ("waiting", "out", "diverged" or "best") and "history" (lines with the scores of each epoch); besides "stopped" and
    "folder". Raises InputError for data or settings that cannot work.
    """
    patches, settings, _ = one_network(store, settings)
    settings = replace(settings, schedule="constant", warmup_epochs=0, patience=0)
    monitor = settings.monitor if len(patches.rows("validation")) else "loss"
    _check(learning_rates, batch_sizes, filters, epochs)
    widths: list[list[int] | None] = [_in_proportion(settings, finest) for finest in sorted(set(filters))]
    grid = list(product(sorted(set(learning_rates)), sorted(set(batch_sizes)), widths or [None]))
    asked = {
        "monitor": monitor,
        "higher_is_better": not monitor.endswith("loss"),
        "settings": settings.to_dict(),
        "epochs": epochs,
        "patches_per_epoch": patches_per_epoch,
        "rounds": _rounds(len(grid)),
    }
    found = _Search(folder, asked, [_new_trial(*point) for point in grid])
    if resume:
        found.read()
    else:
        shutil.rmtree(folder / TRIALS, ignore_errors=True)
    return found.go(patches, settings, on_progress, should_stop)


class _Search:
    """The trials and the file that tells of them."""

    def __init__(self, folder: Path, asked: dict[str, Any], trials: list[dict[str, Any]]):
        self.folder, self.asked, self.trials = folder, asked, trials
        self.sign = 1.0 if asked["higher_is_better"] else -1.0

    def read(self) -> None:
        path = self.folder / SEARCH_FILE
        if not path.is_file():
            return
        saved = read_json(path)
        same = all(saved.get(name) == json.loads(json.dumps(value)) for name, value in self.asked.items())
        if not same or [_key(trial) for trial in saved["trials"]] != [_key(trial) for trial in self.trials]:
            raise SettingsError("a search to be resumed with other settings", expected="those it was started with", do="Start a new search")
        # Searches of earlier versions had no filters.
        self.trials = [{"filters": None, **trial} | ({"state": "waiting"} if trial["state"] == "best" else {}) for trial in saved["trials"]]

    def go(self, store: Patches, settings: TrainSettings, on_progress: OnProgress | None, should_stop: ShouldStop | None) -> dict[str, Any]:
        work, done = sum(self.asked["rounds"]), 0
        for number, kept in enumerate(self.asked["rounds"], start=1):
            for trial in self._rank()[:kept]:
                if trial["rounds"] < number and trial["state"] == "waiting":
                    name = f"learning rate {trial['learning_rate']:g}, batches of {trial['batch_size']}"
                    name += f", {trial['filters'][0]} filters" if trial["filters"] else ""
                    heard = part(on_progress, done, done + 1, work, message=f"{name}: ".__add__)
                    if not self._train(store, settings, trial, number, heard, should_stop):
                        return self._answer("stopped")
                    self._answer("running")
                done += 1
            for trial in self._rank()[(self.asked["rounds"] + [1])[number] :]:
                if trial["state"] == "waiting":
                    trial["state"] = "out"
        best = self._rank()[0]
        if best["state"] == "waiting":
            best["state"] = "best"
        shutil.rmtree(self.folder / TRIALS, ignore_errors=True)
        return self._answer("finished")

    def _train(
        self,
        store: Patches,
        settings: TrainSettings,
        trial: dict[str, Any],
        number: int,
        on_progress: OnProgress | None,
        should_stop: ShouldStop | None,
    ) -> bool:
        """Bring one trial to the end of a round; False when it was stopped before."""
        patches = self.asked["patches_per_epoch"]
        own = replace(
            settings,
            learning_rate=trial["learning_rate"],
            batch_size=trial["batch_size"],
            filters=tuple(trial["filters"]) if trial["filters"] else settings.filters,
            epochs=number * self.asked["epochs"],
            steps_per_epoch=max(1, patches // trial["batch_size"]) if patches else settings.steps_per_epoch,
        )
        width = f"_filters_{trial['filters'][0]}" if trial["filters"] else ""
        folder = self.folder / TRIALS / f"rate_{trial['learning_rate']:g}_batch_{trial['batch_size']}{width}"
        try:
            result = train_one(
                store, folder, own, resume=True, on_progress=on_progress, should_stop=should_stop, should_pause=None, on_epoch=None
            )
        except SettingsError as error:
            if "loss became" not in str(error):
                raise
            trial |= {"state": "diverged", "note": str(error)}
            return True
        lines = [json.loads(line) for line in (folder / HISTORY_FILE).read_text(encoding="utf-8").splitlines()] if result.epochs else []
        trial["history"] = [{name: line[name] for name in _SHOWN if name in line} for line in lines]
        scores = [line[self.asked["monitor"]] for line in lines if line[self.asked["monitor"]] is not None]
        trial |= {"epochs": result.epochs, "score": max(scores, key=lambda score: self.sign * score, default=None)}
        if result.stopped:
            return False
        trial["rounds"] = number
        return True

    def _rank(self) -> list[dict[str, Any]]:
        """Trials still in the race first, by rounds and score; equal ones stay in the order of the grid."""

        def place(trial: dict[str, Any]) -> tuple[bool, int, float]:
            lost = trial["score"] is None
            return trial["state"] != "waiting", -trial["rounds"], 0.0 if lost else -self.sign * trial["score"]

        return sorted(self.trials, key=place)

    def _answer(self, state: str) -> dict[str, Any]:
        scored = [trial for trial in self.trials if trial["score"] is not None and trial["state"] != "diverged"]
        best = max(scored, key=lambda trial: (trial["state"] == "best", trial["rounds"], self.sign * trial["score"]), default=None)
        value = {
            "state": state,
            **self.asked,
            "best": best and {name: best[name] for name in ("learning_rate", "batch_size", "filters", "score")},
            "trials": self.trials,
        }
        write_json(self.folder / SEARCH_FILE, value)
        return {**value, "stopped": state == "stopped", "folder": str(self.folder)}


def _in_proportion(settings: TrainSettings, finest: int) -> list[int]:
    """Channels of each level where the finest has `finest`, as the network's own are to each other. Raises SettingsError."""
    usual = settings.filters or architecture(settings.architecture).filters
    if usual is None or resolve_encoder(settings.architecture, settings.encoder) is not None:
        raise SettingsError(
            f"a search over filters of {settings.architecture} with encoder {settings.encoder or 'of a library'}",
            expected="a network of its own, whose filters can be chosen",
            do="Leave the filters out, or choose another network",
        )
    return [max(1, round(finest * channels / usual[0])) for channels in usual]


def _new_trial(rate: float, size: int, filters: list[int] | None) -> dict[str, Any]:
    return {
        "learning_rate": float(rate),
        "batch_size": int(size),
        "filters": filters,
        "rounds": 0,
        "epochs": 0,
        "score": None,
        "state": "waiting",
        "history": [],
    }


def _key(trial: dict[str, Any]) -> tuple[float, int, list[int] | None]:
    return trial["learning_rate"], trial["batch_size"], trial.get("filters")


def _rounds(pairs: int) -> list[int]:
    """How many pairs train in each round: all, then half of them each time, rounded up, until one would be left alone."""
    rounds = [pairs]
    while rounds[-1] > 2:
        rounds.append(-(-rounds[-1] // 2))
    return rounds


def _check(rates: Sequence[float], sizes: Sequence[int], filters: Sequence[int], epochs: int) -> None:
    many = len(set(rates)) * len(set(sizes)) * max(1, len(set(filters)))
    if not rates or not sizes or many > 64 or epochs < 1 or min(filters, default=1) < 1:
        raise SettingsError(
            f"a search over {len(rates)} learning rates, {len(sizes)} batch sizes and {len(filters)} filters in rounds of {epochs} epochs",
            expected="at least one rate and one size, at most 64 trials, filters from 1, and one epoch or more",
            do="Change the lists",
        )
