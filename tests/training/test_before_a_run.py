"""Probe, rate test and search: what they tell, and that they leave everything else alone."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from core.errors import Cancelled, SettingsError
from core.training.probe import probe, propose
from core.training.rate_search import rate_test, smooth, suggest
from core.training.search import search
from core.training.settings import TrainSettings
from core.training.training import train
from core.verbs.registry import find
from tests.helpers import learning_fakes as fakes

TINY = TrainSettings(epochs=3, batch_size=4, filters=(4, 8), patience=0)
GRID = {"learning_rates": [1e-9, 1e-2, 3e-3], "batch_sizes": [4], "epochs": 1}


def test_a_probe_tells_time_memory_disk_and_a_batch_size(tmp_path):
    store = fakes.store(train=16, size=16)
    answer = json.loads(json.dumps(probe(store, TINY)))
    sizes = [each["batch_size"] for each in answer["sizes"]]
    assert sizes == sorted(sizes) and set(sizes) <= {1, 2, 4, 8, 16} and 4 in sizes
    assert answer["proposed_batch_size"] in sizes and answer["steps_per_epoch"] == 4
    assert answer["epoch_s"] == pytest.approx(answer["train_s"] + answer["validation_s"] + answer["finish_s"])
    assert answer["total_s"] == pytest.approx(3 * answer["epoch_s"])
    assert 100 < answer["peak_memory_mib"] < answer["memory_budget_mib"]
    # What it says of the disk is what a run takes; pictures of a trained network are larger, which counts in a tiny run.
    with fakes.untraced():
        train(store, tmp_path / "run", TINY)
    taken = sum(path.stat().st_size for path in (tmp_path / "run").rglob("*") if path.is_file()) / 2**20
    assert answer["disk_mib"] == pytest.approx(taken, rel=0.4)


def test_no_batch_larger_than_asked_for_is_tried_without_the_memory():
    answer = probe(fakes.store(train=16, size=16), replace(TINY, per_class=True), memory_budget_mib=1.0)
    assert max(each["batch_size"] for each in answer["sizes"]) == 4
    assert answer["networks"] == 3 and answer["total_s"] == pytest.approx(3 * answer["epoch_s"])


def test_the_smallest_batch_that_is_nearly_as_fast_is_proposed():
    def size(batch, speed, peak, fits=True):
        return {"batch_size": batch, "patches_per_s": speed, "peak_memory_mib": peak, "fits": fits}

    sizes = [size(2, 10.0, 100), size(4, 19.6, 150), size(8, 20.0, 250), size(16, 40.0, 900), size(32, None, 9e9, False)]
    assert propose(sizes, 500) == 4  # 19.6 is within 5 % of 20; the 40 of 16 does not fit into 500 MiB
    assert propose(sizes, 1000) == 16
    assert propose(sizes, 10) == 2  # nothing fits: the least


def test_smoothing_by_hand():
    # 0.1 * 4 / (1 - 0.9) = 4; (0.9 * 0.4 + 0.1 * 2) / (1 - 0.81) = 0.56 / 0.19
    assert smooth([4.0, 2.0]) == pytest.approx([4.0, 0.56 / 0.19])


def test_the_suggestion_is_where_the_loss_falls_most():
    logs = np.linspace(-6, 0, 121)
    falling = 1 / (1 + np.exp(6 * (logs + 3)))  # steepest at 10 to the -3
    curve = falling + np.where(logs > -1.5, (logs + 1.5) ** 2, 0)
    assert suggest(10**logs, curve) == pytest.approx(1e-3, rel=0.15)
    assert suggest(10**logs, 1 + logs) is None  # it rises from the start


def test_a_rate_test_rises_and_leaves_the_start_alone(tmp_path):
    store = fakes.store(size=16)
    with fakes.untraced():
        train(store, tmp_path / "start", replace(TINY, epochs=1))
    before = {path: path.read_bytes() for path in (tmp_path / "start").rglob("*") if path.is_file()}
    settings = replace(TINY, weights=str(tmp_path / "start"), augment=False)
    answer = rate_test(store, settings, lowest=1e-5, highest=1.0, steps=40)
    assert {path: path.read_bytes() for path in (tmp_path / "start").rglob("*") if path.is_file()} == before
    rates = answer["rates"]
    assert rates[0] == pytest.approx(1e-5) and rates[1] / rates[0] == pytest.approx(10 ** (5 / 39))
    assert len(rates) == len(answer["losses"]) == len(answer["smoothed"]) and (len(rates) == 40 or answer["diverged"])
    assert rates[0] < answer["suggested"] <= answer["lowest_loss_rate"] <= rates[-1]
    again = rate_test(store, settings, lowest=1e-5, highest=1.0, steps=40)
    assert again == answer
    # Before the rate matters, the loss is that of the start: a run with next to no rate has the same one.
    with fakes.untraced():
        train(store, tmp_path / "still", replace(settings, epochs=1, learning_rate=1e-9))
    line = json.loads((tmp_path / "still" / "history.jsonl").read_text())
    assert np.mean(answer["losses"][:2]) == pytest.approx(line["loss"], rel=0.1)
    with pytest.raises(Cancelled):
        rate_test(store, settings, should_stop=lambda: True)
    with pytest.raises(SettingsError, match="rate test"):
        rate_test(store, settings, lowest=1.0, highest=0.1)


def test_a_search_takes_filters_too(tmp_path, monkeypatch):
    """Each width is tried with each pair; deeper levels keep the proportion of the settings' own, 4 to 8."""

    def trained(store, folder, settings, **_):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "history.jsonl").write_text(json.dumps({"epoch": 1, "val_mean_iou": settings.filters[0] / 10}) + "\n")
        return SimpleNamespace(epochs=1, stopped=False)

    monkeypatch.setattr("core.training.search.train_one", trained)
    answer = search(fakes.store(), tmp_path / "a", TINY, learning_rates=[1e-2], batch_sizes=[4], filters=[2, 3, 2], epochs=1)
    assert [trial["filters"] for trial in answer["trials"]] == [[2, 4], [3, 6]] and answer["rounds"] == [2]
    assert answer["best"] == {"learning_rate": 1e-2, "batch_size": 4, "filters": [3, 6], "score": 0.3}
    said = find("search").said(answer)
    assert "2,4" in said and "batch size 4, filters 3,6" in said
    with pytest.raises(SettingsError, match="a search over filters of unet with encoder resnet18"):
        search(fakes.store(), tmp_path / "b", replace(TINY, encoder="resnet18"), filters=[8])
    with pytest.raises(SettingsError, match="at most 64 trials, filters from 1"):
        search(fakes.store(), tmp_path / "b", TINY, filters=[0])


@fakes.untraced()
def test_a_search_that_is_stopped_goes_on_and_ends_as_an_unbroken_one(tmp_path):
    store, heard = fakes.store(size=16), []
    stopped = search(store, tmp_path / "a", TINY, **GRID, on_progress=lambda *what: heard.append(what), should_stop=lambda: len(heard) >= 3)
    assert stopped["stopped"] and stopped["state"] == "stopped"
    assert [trial["rounds"] for trial in stopped["trials"]] == [1, 0, 0]  # two steps each: the second trial was cut in its first
    assert json.loads((tmp_path / "a" / "search.json").read_text())["trials"] == stopped["trials"]
    answer = search(store, tmp_path / "a", TINY, **GRID, resume=True)
    whole = search(store, tmp_path / "b", TINY, **GRID)
    assert not answer["stopped"] and answer["state"] == "finished" and answer["rounds"] == [3, 2]

    def told(result):
        return [{**trial, "history": [{**line, "seconds": 0} for line in trial["history"]]} for trial in result["trials"]]

    assert told(answer) == told(whole)
    by_rate = {trial["learning_rate"]: trial for trial in answer["trials"]}
    assert sorted(trial["epochs"] for trial in answer["trials"]) == [1, 2, 2]
    assert sorted(trial["state"] for trial in answer["trials"]) == ["best", "out", "out"]
    best = by_rate[answer["best"]["learning_rate"]]
    assert best["state"] == "best" and best["score"] == max(line["val_mean_iou"] for line in best["history"]) == answer["best"]["score"]
    assert not (tmp_path / "a" / "trials").exists()
    with pytest.raises(SettingsError, match="other settings"):
        search(store, tmp_path / "a", replace(TINY, seed=3), **GRID, resume=True)
