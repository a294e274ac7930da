"""Programs that follow a run hear its scores in order, one run each, and whatever they do, training goes on."""

from __future__ import annotations

import json
import sys
import threading
import types
from pathlib import Path

import pytest

from core.errors import SettingsError
from core.training.following import followers as threads
from core.training.following import programs
from core.training.following.followers import following
from core.training.following.programs import FAILED, STOPPED, Wanted, read_loggers
from core.training.settings import TrainSettings
from core.verbs.train import VERB
from tests.helpers import learning_fakes as fakes

LINE = {"epoch": 1, "loss": 0.5, "val_iou": {"Forêt (dense)": 0.25, "None": None}, "best": True, "learning_rate": 1e-3}


@pytest.fixture
def mlflow(monkeypatch):
    """A stand-in for MLflow that writes down what it is told; `refuses` makes it raise, `hangs` wait."""
    told = types.SimpleNamespace(runs={}, uris=[], ended=[], refuses=False, hangs=None)

    class MlflowClient:
        def __init__(self, tracking_uri=None):
            told.uris.append(tracking_uri)

        def get_experiment_by_name(self, name):
            if told.hangs:
                told.hangs.wait()
            if told.refuses:
                raise ConnectionError("HTTPConnectionPool(host='x', port=5000): https://me:s3cret@x refused\nthe connection.")
            return None

        def create_experiment(self, name, artifact_location=None):
            assert name == "groundline"
            return "7"

        def create_run(self, experiment, run_name, start_time):
            run = f"run{len(told.runs)}"
            told.runs[run] = {"name": run_name, "params": {}, "metrics": []}
            return types.SimpleNamespace(info=types.SimpleNamespace(run_id=run))

        def update_run(self, run, status):
            assert status == "RUNNING" and run in told.runs

        def log_batch(self, run, metrics=(), params=(), tags=()):
            if told.refuses:
                raise ConnectionError("gone")
            told.runs[run]["params"] |= dict(params)
            told.runs[run]["metrics"] += [(name, value, step) for name, value, _, step in metrics]

        def set_terminated(self, run, status):
            told.ended.append((run, status))

    module = types.ModuleType("mlflow")
    module.MlflowClient = MlflowClient
    module.entities = types.ModuleType("mlflow.entities")
    for name in ("Param", "RunTag", "Metric"):
        setattr(module.entities, name, lambda *parts: parts)
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.setitem(sys.modules, "mlflow.entities", module.entities)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:s3cret@x")
    return told


@pytest.fixture
def wandb(monkeypatch):
    """The same for Weights & Biases."""
    told = types.SimpleNamespace(begun=[], lines=[], ended=[], key=True)

    def init(**how):
        told.begun.append(how)
        return types.SimpleNamespace(
            define_metric=lambda *_, **__: None, log=told.lines.append, finish=lambda exit_code: told.ended.append(exit_code)
        )

    module = types.ModuleType("wandb")
    module.login, module.init, module.Settings = (lambda prompt: told.key), init, dict
    monkeypatch.setitem(sys.modules, "wandb", module)
    for name in ("WANDB_MODE", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    return told


def follow(folder, *asked, resume=False, lines=(LINE,)):
    with following(read_loggers(asked), folder, "roofs", {"epochs": 3, "augmentation": {"hue": 0.1}}, resume=resume) as followers:
        for line in lines:
            followers.add(line)
    return followers.warnings


def test_both_hear_settings_and_scores_and_a_resumed_run_goes_on_as_the_same(mlflow, wandb, tmp_path):
    assert follow(tmp_path, "mlflow", "wandb:me/city") == []
    second = {**LINE, "epoch": 2, "loss": 0.25, "val_iou": {}}
    assert follow(tmp_path, "mlflow", "wandb:me/city", resume=True, lines=[second]) == []
    run = mlflow.runs["run0"]
    assert run["name"] == "roofs" and run["params"] == {"epochs": "3", "augmentation.hue": "0.1"} and list(mlflow.runs) == ["run0"]
    rates = [("learning_rate", 1e-3, 1), ("learning_rate", 1e-3, 2)]
    assert run["metrics"] == [("loss", 0.5, 1), ("val_iou/Forêt _dense_", 0.25, 1), rates[0], ("loss", 0.25, 2), rates[1]]
    assert mlflow.ended == [("run0", "FINISHED")] * 2 and mlflow.uris == [None, None]
    one, two = wandb.begun
    assert one["id"] == two["id"] and one["resume"] == "allow" and (one["entity"], one["project"], one["mode"]) == ("me", "city", "online")
    assert one["config"] == {"epochs": 3, "augmentation.hue": 0.1} and one["dir"] == str(tmp_path)
    assert wandb.lines[0] == {"loss": 0.5, "val_iou/Forêt (dense)": 0.25, "learning_rate": 1e-3, "epoch": 1} and wandb.ended == [0, 0]
    # A new run in the folder is a new one there, too.
    follow(tmp_path, "mlflow")
    assert list(mlflow.runs) == ["run0", "run1"]


def test_offline_is_a_database_and_files_on_this_machine(mlflow, wandb, tmp_path):
    wandb.key = False
    assert follow(tmp_path, f"mlflow:{tmp_path / 'kept'}", "wandb:offline") == []
    assert mlflow.uris == [f"sqlite:///{tmp_path / 'kept' / 'mlflow.db'}"] and (tmp_path / "kept").is_dir()
    assert (wandb.begun[0]["mode"], wandb.begun[0]["project"], wandb.begun[0]["entity"]) == ("offline", "groundline", None)
    assert follow(tmp_path, "wandb") == [
        "wandb could not be told (RuntimeError: no key: run `wandb login`, set WANDB_API_KEY, or take wandb:offline). "
        "Training goes on without it.",
        "wandb never got the scores of 1 epoch.",
    ]


def test_what_was_missed_is_sent_later_and_passwords_are_told_to_nobody(mlflow, tmp_path):
    mlflow.refuses = True
    heard = threading.Event()
    with following((Wanted("mlflow"),), tmp_path, "roofs", {}, resume=False) as followers:
        followers.add(LINE)
        while not followers.warnings:
            heard.wait(0.01)
        assert followers.fresh() == followers.warnings and followers.fresh() == []
        mlflow.refuses = False
        followers.add({**LINE, "epoch": 2})
    first, then = followers.warnings
    assert first == (
        "mlflow could not be told (ConnectionError: HTTPConnectionPool(host='x', port=5000): https://me:***@x refused the connection). "
        "Training goes on without it."
    )
    assert then == "mlflow hears again, and was told what it had missed."
    assert [step for name, _, step in mlflow.runs["run0"]["metrics"] if name == "loss"] == [1, 2]


def test_a_program_that_hangs_keeps_nobody(mlflow, tmp_path, monkeypatch):
    monkeypatch.setattr(threads, "_LAST_WAIT_S", 0.05)
    mlflow.hangs = threading.Event()
    assert follow(tmp_path, "mlflow") == ["mlflow did not answer in time: it may lack the last epochs."]
    mlflow.hangs.set()


def test_how_a_run_ended_is_told(mlflow, tmp_path):
    for end, state in ((KeyboardInterrupt, STOPPED), (ValueError, FAILED)):
        with pytest.raises(end), following((Wanted("mlflow"),), tmp_path, "roofs", {}, resume=False) as followers:
            followers.add(LINE)
            raise end
        assert followers.state == state
    assert [status for _, status in mlflow.ended] == ["KILLED", "FAILED"]
    with following((Wanted("mlflow"),), tmp_path, "roofs", {}, resume=False):
        pass  # refused before its first epoch: there is nothing to tell of
    assert len(mlflow.ended) == 2


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("tensorboard",), "logger 'tensorboard'. Expected mlflow:URI, wandb, wandb:PROJECT or wandb:offline. Correct --loggers."),
        (("mlflow:http://a", "mlflow:http://b"), "logger 'mlflow' twice"),
        (("mlflow:http://me:secret@a",), "a user in the address of mlflow"),
        (("mlflow",), "mlflow without an address"),
        (("mlflow:http://a",), "no package mlflow here. Expected it installed. Run: pip install mlflow-skinny sqlalchemy alembic."),
        (("wandb",), "no package wandb here. Expected it installed. Run: pip install wandb."),
    ],
)
def test_what_cannot_follow_is_one_line_before_the_training(asked, words, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(programs, "find_spec", lambda name: None)
    with pytest.raises(SettingsError) as raised:
        read_loggers(asked)
    assert words in str(raised.value) and "secret" not in str(raised.value)


@fakes.untraced()
def test_training_itself_is_followed(mlflow, tmp_path, monkeypatch):
    import core.verbs.train as verb

    monkeypatch.setattr(verb, "_begin", lambda asked, on_progress: fakes.store(size=16))
    request = {"prepared": str(tmp_path), "out": str(tmp_path / "model"), "loggers": ["mlflow"]}
    settings = TrainSettings(epochs=2, batch_size=4, filters=(4, 8), patience=0).to_dict()
    answer = VERB.run(VERB.settings.from_request({**request, "settings": settings}))
    assert answer["warnings"] == []
    history = [json.loads(line) for line in (Path(answer["folder"]) / "history.jsonl").read_text().splitlines()]
    told = [(value, step) for name, value, step in mlflow.runs["run0"]["metrics"] if name == "val_mean_iou"]
    assert told == [(line["val_mean_iou"], line["epoch"]) for line in history] and len(told) == 2
    assert mlflow.runs["run0"]["params"]["loss"] == "dice_focal" and mlflow.runs["run0"]["name"] == "model"
    # Nobody follows who was not asked.
    assert VERB.settings.from_request({**request, "loggers": []}).loggers == ()
