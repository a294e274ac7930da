"""Other programs that follow a run, only where they are asked for: MLflow and Weights & Biases. TensorBoard has files of its own.

They hear settings and scores, no picture and no weights. Each has a thread, so that training never waits for a server: what could not be
sent is sent with the next epoch, and what cannot be sent at all is told in a sentence.
"""

from __future__ import annotations

import os
import queue
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from core.errors import Cancelled, SettingsError
from core.files import read_json, write_json
from core.training.event_files import numbers
from core.words import counted

MLFLOW, WANDB = "mlflow", "wandb"
FORM = "mlflow:URI, wandb, wandb:PROJECT or wandb:offline"
LOGGERS_FILE = "loggers.json"
"""Which run of each program a folder's run is: one that is resumed goes on there."""
OFFLINE = "offline"
_INSTALLED_BY = {MLFLOW: "mlflow-skinny sqlalchemy alembic", WANDB: "wandb"}
_PROJECT = "groundline"
"""What the runs lie in where nobody names it."""
_DATABASE_VARIABLE = "MLFLOW_TRACKING_URI"
_LAST_WAIT_S = 30.0
"""How long the end of a run waits for what is still to be sent."""
_LONGEST = 500
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
_NOTHING_ELSE = ("silent", "disable_git", "x_disable_stats", "x_disable_meta")
FINISHED, STOPPED, FAILED = "finished", "stopped", "failed"


@dataclass(frozen=True)
class Wanted:
    """A program that is to follow a run, and where: a URI or folder for MLflow, "offline", PROJECT or ENTITY/PROJECT for W&B."""

    kind: str
    where: str = ""


@dataclass(frozen=True)
class About:
    """What is told of a run at its beginning. known: what the program called the run that is resumed, None for a new one."""

    name: str
    folder: Path
    settings: Mapping[str, Any]
    known: str | None = None
    began: float = field(default_factory=time.time)


class _Logger(Protocol):
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
        if kind not in _OPENED or kind in found:
            raise SettingsError(f"logger {kind!r}" + (" twice" if kind in found else ""), expected=FORM, do="Correct --loggers")
        if "@" in urlsplit(where).netloc:
            raise SettingsError(
                f"a user in the address of {kind}",
                expected="none, because what is asked for is written down",
                do="Put it into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
            )
        if kind == MLFLOW and not (where or os.environ.get(_DATABASE_VARIABLE)):
            raise SettingsError(
                "mlflow without an address", expected="mlflow:URI or mlflow:FOLDER", do=f"Add it, or set {_DATABASE_VARIABLE}"
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


class Followers:
    """The programs that follow one run. state: how it ended, told by who runs it."""

    def __init__(self, wanted: Sequence[Wanted], folder: Path, name: str, settings: Mapping[str, Any], *, resume: bool):
        self.state = FINISHED
        self._lock, self._told = threading.Lock(), [0]
        self._warnings: list[str] = []
        self._runs = _known_runs(folder) if resume else {}
        self._file = folder / LOGGERS_FILE
        plain = dict(_flat(settings))
        self._followers = [
            _Follower(one, About(name, folder, plain, self._runs.get(one.kind)), self._warn, self._remember) for one in wanted
        ]

    @property
    def warnings(self) -> list[str]:
        """All that could not be sent, in sentences."""
        with self._lock:
            return list(self._warnings)

    def fresh(self) -> list[str]:
        """The warnings since this was last asked."""
        found = self.warnings[self._told[0] :]
        self._told[0] += len(found)
        return found

    def add(self, line: Mapping[str, Any]) -> None:
        """One line of the history; returns at once."""
        for follower in self._followers:
            follower.put(line)

    def close(self) -> None:
        """Tell the end, and wait for what is still to be sent, though not for ever."""
        end = time.monotonic() + _LAST_WAIT_S
        for follower in self._followers:
            follower.end(self.state)
        for follower in self._followers:
            follower.wait(max(0.0, end - time.monotonic()))

    def _warn(self, sentence: str) -> None:
        with self._lock:
            self._warnings.append(sentence)

    def _remember(self, kind: str, run: str) -> None:
        with self._lock:
            self._runs[kind] = run
            write_json(self._file, self._runs)


@contextmanager
def following(wanted: Sequence[Wanted], folder: Path, name: str, settings: Mapping[str, Any], *, resume: bool) -> Iterator[Followers]:
    """Programs that follow the run in the block; what ends the block ends their runs."""
    followers = Followers(wanted, folder, name, settings, resume=resume)
    try:
        yield followers
    except BaseException as error:
        followers.state = STOPPED if isinstance(error, (Cancelled, KeyboardInterrupt)) else FAILED
        raise
    finally:
        followers.close()


class _Follower:
    """One program and its thread."""

    def __init__(self, wanted: Wanted, about: About, warn: Callable[[str], None], remember: Callable[[str, str], None]):
        self._wanted, self._about, self._warn, self._remember = wanted, about, warn, remember
        self._queue: queue.SimpleQueue[Mapping[str, Any] | str] = queue.SimpleQueue()
        self._waiting: list[Mapping[str, Any]] = []
        self._logger: _Logger | None = None
        self._failing = False
        self._thread = threading.Thread(target=self._work, name=f"groundline-{wanted.kind}", daemon=True)

    def put(self, line: Mapping[str, Any]) -> None:
        # The first line comes when the run's folder is there and TensorFlow is loaded, which has to be before pandas is.
        if not self._thread.is_alive():
            self._thread.start()
        self._queue.put(line)

    def end(self, state: str) -> None:
        self._queue.put(state)

    def wait(self, seconds: float) -> None:
        if self._thread.ident is None:
            return
        self._thread.join(seconds)
        if self._thread.is_alive() and not self._failing:
            self._warn(f"{self._wanted.kind} did not answer in time: it may lack the last epochs.")

    def _work(self) -> None:
        while True:
            item = self._queue.get()
            if not isinstance(item, str):
                self._waiting.append(item)
            sent = self._send()
            if isinstance(item, str):
                if sent and self._logger is not None:
                    self._try(partial(self._logger.close, item))
                elif self._waiting:
                    self._warn(f"{self._wanted.kind} never got the scores of {counted(len(self._waiting), 'epoch')}.")
                return

    def _send(self) -> bool:
        """Send what waits, oldest first; whether nothing waits any more."""

        def send() -> None:
            if self._logger is None:
                self._logger = _OPENED[self._wanted.kind](self._wanted.where, self._about)
                self._remember(self._wanted.kind, self._logger.run)
            while self._waiting:
                line = self._waiting[0]
                before = f"{line['class']}/" if line.get("class") else ""
                scores = {before + tag: number for name, value in line.items() for tag, number in numbers(name, value)}
                self._logger.add(scores, line["epoch"])
                self._waiting.pop(0)

        return self._try(send)

    def _try(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except Exception as error:  # whatever another program raises, training goes on
            if not self._failing:
                self._warn(f"{self._wanted.kind} could not be told ({type(error).__name__}: {_plain(error)}). Training goes on without it.")
            self._failing = True
            return False
        if self._failing:
            self._warn(f"{self._wanted.kind} hears again, and was told what it had missed.")
        self._failing = False
        return True


class _MLflow:
    """A run on an MLflow server or in a database. `where`: a URI, or a folder for a database of its own; MLFLOW_TRACKING_URI without."""

    def __init__(self, where: str, about: About):
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
            params=[Param(name, str(value)[:_LONGEST]) for name, value in about.settings.items()],
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

    def __init__(self, where: str, about: About):
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


_OPENED: dict[str, Callable[[str, About], _Logger]] = {MLFLOW: _MLflow, WANDB: _Wandb}


def _known_runs(folder: Path) -> dict[str, str]:
    try:
        found = read_json(folder / LOGGERS_FILE)
    except (OSError, ValueError):  # nothing followed it so far
        return {}
    return {str(kind): str(run) for kind, run in found.items()} if isinstance(found, dict) else {}


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def _plain(error: Exception) -> str:
    """What another program says, in one line, without the password that its address may hold."""
    secret = urlsplit(os.environ.get(_DATABASE_VARIABLE, "")).password
    told = " ".join(str(error).split())
    return (told.replace(secret, "***") if secret else told)[:_LONGEST].rstrip(". ")
