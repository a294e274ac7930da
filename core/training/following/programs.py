"""A run in MLflow, or in Weights & Biases: begun, told of an epoch, ended. They hear settings and scores, no picture and no weights."""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from core.errors import SettingsError

MLFLOW, WANDB = "mlflow", "wandb"
FORM = "mlflow:URI, wandb, wandb:PROJECT or wandb:offline"
OFFLINE = "offline"
_INSTALLED_BY = {MLFLOW: "mlflow-skinny sqlalchemy alembic", WANDB: "wandb"}
_PROJECT = "groundline"
"""What the runs lie in where nobody names it."""
DATABASE_VARIABLE = "MLFLOW_TRACKING_URI"
LONGEST = 500
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
_NOTHING_ELSE = ("silent", "disable_git", "x_disable_stats", "x_disable_meta")
FINISHED, STOPPED, FAILED = "finished", "stopped", "failed"


@dataclass(frozen=True)
class Wanted:
    """A program that is to follow a run, and where: a URI or folder for MLflow, "offline", PROJECT or ENTITY/PROJECT for W&B."""

    kind: str
    where: str = ""


@dataclass(frozen=True)
class Begun:
    """What is told of a run at its beginning. known: what the program called the run that is resumed, None for a new one."""

    name: str
    folder: Path
    settings: Mapping[str, Any]
    known: str | None = None
    began: float = field(default_factory=time.time)


class Logger(Protocol):
    """One run in another program."""

    run: str

    def add(self, line: Mapping[str, float], epoch: int) -> None:
        """The scores of an epoch."""

    def close(self, state: str) -> None:
        """The end."""


def read_loggers(texts: Sequence[str]) -> tuple[Wanted, ...]:
    """The programs that were asked for: "mlflow:URI", "wandb". Raises SettingsError for others, and for those that are not installed."""
    found: dict[str, Wanted] = {}
    for text in texts:
        kind, _, where = text.strip().partition(":")
        if kind not in OPENED or kind in found:
            raise SettingsError(f"logger {kind!r}" + (" twice" if kind in found else ""), expected=FORM, do="Correct --loggers")
        if "@" in urlsplit(where).netloc:
            raise SettingsError(
                f"a user in the address of {kind}",
                expected="none, because what is asked for is written down",
                do="Put it into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
            )
        if kind == MLFLOW and not (where or os.environ.get(DATABASE_VARIABLE)):
            raise SettingsError(
                "mlflow without an address", expected="mlflow:URI or mlflow:FOLDER", do=f"Add it, or set {DATABASE_VARIABLE}"
            )
        found[kind] = Wanted(kind, where)
    for kind in found:
        if not _installed(kind):
            raise SettingsError(f"no package {kind} here", expected="it installed", do=f"Run: pip install {_INSTALLED_BY[kind]}")
    return tuple(found.values())


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # it is loaded, and does not say from where
        return True


class _MLflow:
    """A run on an MLflow server or in a database. `where`: a URI, or a folder for a database of its own; MLFLOW_TRACKING_URI without."""

    def __init__(self, where: str, about: Begun):
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient
        from mlflow.entities import Param, RunTag

        place: dict[str, str] = {}
        if where and "://" not in where and where != "databricks":
            folder = Path(where).expanduser().absolute()
            folder.mkdir(parents=True, exist_ok=True)
            where, place = f"sqlite:///{folder / 'mlflow.db'}", {"artifact_location": (folder / "artifacts").as_uri()}
        self._client = MlflowClient(tracking_uri=where or None)
        if about.known is not None:
            self.run = about.known
            self._client.update_run(self.run, status="RUNNING")
            return
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or _PROJECT
        known = self._client.get_experiment_by_name(name)
        experiment = self._client.create_experiment(name, **place) if known is None else known.experiment_id
        self.run = self._client.create_run(experiment, run_name=about.name, start_time=int(1000 * about.began)).info.run_id
        self._client.log_batch(
            self.run,
            params=[Param(name, str(value)[:LONGEST]) for name, value in about.settings.items()],
            tags=[RunTag("groundline.folder", about.folder.name)],
        )

    def add(self, line: Mapping[str, float], epoch: int) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        # Names of classes may hold what MLflow takes in no name.
        self._client.log_batch(
            self.run, metrics=[Metric(re.sub(r"[^/\w.\- ]", "_", name), value, now, epoch) for name, value in line.items()]
        )

    def close(self, state: str) -> None:
        self._client.set_terminated(self.run, {FINISHED: "FINISHED", STOPPED: "KILLED"}.get(state, "FAILED"))


class _Wandb:
    """A run of Weights & Biases. `where`: PROJECT, ENTITY/PROJECT, or "offline" for files in the run's folder that `wandb sync` sends."""

    def __init__(self, where: str, about: Begun):
        import wandb

        offline = where == OFFLINE or os.environ.get("WANDB_MODE") == OFFLINE
        entity, _, project = ("" if where == OFFLINE else where).rpartition("/")
        if not offline and not wandb.login(prompt=False):
            raise RuntimeError("no key: run `wandb login`, set WANDB_API_KEY, or take wandb:offline")
        self.run = about.known or uuid.uuid4().hex[:8]
        self._run = wandb.init(
            project=project or os.environ.get("WANDB_PROJECT") or _PROJECT,
            entity=entity or None,
            name=about.name,
            id=self.run,
            resume="allow",
            mode=OFFLINE if offline else "online",
            dir=str(about.folder),
            config=dict(about.settings),
            settings=wandb.Settings(
                silent=True, console="off", disable_git=True, save_code=False, x_disable_stats=True, x_disable_meta=True
            ),
        )
        # Epochs begin anew with each class of a run that has a network for each: what W&B itself counts must only rise.
        self._run.define_metric("*", step_metric="epoch")

    def add(self, line: Mapping[str, float], epoch: int) -> None:
        self._run.log({**line, "epoch": epoch})

    def close(self, state: str) -> None:
        self._run.finish(exit_code=0 if state in (FINISHED, STOPPED) else 1)


OPENED: dict[str, Callable[[str, Begun], Logger]] = {MLFLOW: _MLflow, WANDB: _Wandb}
"""What begins a run in each program, by its kind."""
