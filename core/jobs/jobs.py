"""Jobs: start work in a process of its own, watch it from anywhere, steer it, and delete it with a way back."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

from core.errors import GroundlineError, JobBusy, JobError
from core.files import dump_json
from core.jobs import records
from core.reading.postgis import refuse_password
from core.reading.readable import misfit, reason
from core.settings import options
from core.verbs import registry
from core.verbs.verb import Verb
from core.workspace import PROJECT, WORKSPACE_VARIABLE, Workspace

EXIT_BUSY = 75
"""A worker's exit code when another one holds its lock (EX_TEMPFAIL)."""

_CONFIRMATION_S = 60.0
_POLL_S = 0.02
_DIED = "The worker ended without a word: it was killed, ran out of memory, or the machine was switched off. Resume to go on."


@dataclass(frozen=True)
class Job:
    """A folder that holds a request and all that became of it; every question is answered from its files."""

    folder: Path

    @classmethod
    def open(cls, folder: str | os.PathLike) -> Job:
        """The job in `folder`. Raises `JobError` when the folder holds none."""
        folder = Path(folder)
        if not (folder / records.REQUEST).is_file():
            raise JobError(f"no job in {folder}", expected=f"a folder with a {records.REQUEST}", do="Choose a job of the list")
        return cls(folder)

    @property
    def name(self) -> str:
        """The folder's name: `<yyyymmdd-hhmmss>-<slug>`."""
        return self.folder.name

    @property
    def workspace(self) -> Workspace:
        """The workspace that the job belongs to."""
        return Workspace(self.folder.resolve().parent.parent)

    @property
    def kind(self) -> str:
        """What sort of work it is, as in `core.verbs.registry`; "" where its request cannot be read."""
        return self._asked()["kind"]

    @property
    def request(self) -> dict[str, Any]:
        """What was asked, with every default filled in; empty where it cannot be read."""
        return self._asked()["request"]

    @property
    def broken(self) -> str | None:
        """Why its files cannot be read, in one line; None where they can."""
        _, wrong = self._read_asked()
        wrong = wrong or self._read_standing()[1]
        if wrong is None and (count := records.wrong_events(self.folder)):
            return f"{count} lines of {records.EVENTS} are no events and left out"
        return wrong

    @property
    def title(self) -> str:
        """What people call it; its name unless somebody gave it a better one."""
        return self._about().get("title") or str(self._asked().get("title") or "") or self.name

    @property
    def note(self) -> str:
        """A remark that somebody left, or an empty string."""
        return self._about().get("note") or ""

    @property
    def tags(self) -> tuple[str, ...]:
        """Free words that somebody gave it, to find it by."""
        return tuple(self._about().get("tags") or ())

    @property
    def active(self) -> bool:
        """Whether a worker is on it or about to be."""
        return self.status()["state"] in records.ACTIVE_STATES

    def status(self) -> dict[str, Any]:
        """Where it stands: state, done, total, message, eta_s, created, started, finished, heartbeat, pid, error, waits_for.

        Times are unix seconds. A job whose worker holds no lock any more is "died", at once and whatever its files say.
        """
        status = self._read_status()
        if status["state"] not in records.ACTIVE_STATES:
            return status
        if not records.is_locked(self.folder / records.LOCK):
            # The worker may have finished between the first reading and the look at its lock.
            status = self._read_status()
            fresh = abs(time.time() - status["heartbeat"]) < records.STARTING_GRACE_S  # the clock may have been set back
            if status["state"] in records.ACTIVE_STATES and not (status["state"] == "starting" and fresh):
                return {**status, "state": "died", "eta_s": None, "error": _DIED}
            return status
        if records.read_control(self.folder) == "stop":
            return {**status, "state": "stopping"}
        return status

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """What happened, in order: dicts with "time", "type" and what belongs to the type."""
        return records.read_events(self.folder, kind=kind)

    def steps(self) -> dict[str, Any] | None:
        """The loss of the running or last epoch's steps, as `records.Steps`; None while there is none, or none that can be read."""
        return _read(self.folder / records.STEPS, records.Steps)[0] or None

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that the worker printed."""
        path = self.folder / records.LOG
        if not path.exists():
            return ""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 400 * lines))
            text = file.read().decode("utf-8", errors="replace")
        # A progress bar returns to the line's start again and again; only what it showed last matters.
        shown = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
        return "\n".join(shown[-lines - 1 :]).strip("\n")

    def result(self) -> dict[str, Any] | None:
        """The answer, or None while there is none, or none that can be read."""
        answer = _read(self.folder / records.RESULT, dict[str, Any])[0]
        return answer or None

    def stop(self) -> None:
        """Ask the worker to end within one batch; a job that is over stays as it is."""
        if self.active:
            records.write_control(self.folder, "stop")

    def pause(self) -> None:
        """Ask the worker to wait, its memory kept, within one batch; a stop that was asked for before goes on."""
        if self.active and records.read_control(self.folder) != "stop":
            records.write_control(self.folder, "pause")

    def resume(self) -> None:
        """Let a paused job go on, or give a stopped, died or failed one a new worker that continues where it can.

        Raises `JobBusy` when it runs already and `JobError` when it is finished.
        """
        state = self.status()["state"]
        if state == "finished":
            raise JobError(f"{self.name} is finished", expected="a job with work left", do="Start a new job")
        if state not in records.ACTIVE_STATES:
            _launch(self.folder, resume=True)
        elif records.read_control(self.folder) == "pause":
            records.write_control(self.folder, "")
        else:
            raise _busy(self.name)

    def kill(self) -> None:
        """End a worker that does not answer to `stop`, its children included; the job is then "died"."""
        status = self.status()
        if status["state"] not in records.ACTIVE_STATES or status["pid"] is None:
            return
        try:
            worker = psutil.Process(status["pid"])
            family = [*worker.children(recursive=True), worker]
        except psutil.NoSuchProcess:
            return
        for process in family:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(family, timeout=5)

    def annotate(self, *, title: str | None = None, note: str | None = None, tags: Iterable[str] | None = None) -> None:
        """Give it a better title, a remark or tags; None leaves what is there."""
        words = None if tags is None else list(dict.fromkeys(tag for tag in (" ".join(tag.split()) for tag in tags) if tag))
        changed = {key: value for key, value in {"title": title, "note": note, "tags": words}.items() if value is not None}
        records.write_patiently(self.folder / records.ABOUT, {**self._about(), **changed})

    def delete(self, *, outputs: bool = False) -> str:
        """Move the job to the workspace's trash, with what it made when `outputs`, and return the trash id for the undo.

        Outputs outside the workspace are the user's own and stay. Raises `JobBusy` while a worker is on it.
        """
        if self.active:
            raise _busy(self.name, do="Stop it first")
        made = self._outputs() if outputs else []
        mine = [path for path in made if self.workspace.holds(path)]
        return self.workspace.discard([self.folder, *mine], label=self.title)

    def _outputs(self) -> list[Path]:
        request = self.request
        return [Path(path) for path in (request.get("out"), *(request.get("files") or ())) if path]

    def _asked(self) -> dict[str, Any]:
        return self._read_asked()[0]

    def _read_asked(self) -> tuple[dict[str, Any], str | None]:
        """The request file, or an empty one and why it cannot be read."""
        asked, wrong = _read(self.folder / records.REQUEST, records.Asked)
        if wrong is None and asked:
            wrong = _misfit(asked["kind"], dump_json(asked["request"]))
        if wrong is None and asked and not registry.known(asked["kind"]):
            return asked, f"{asked['kind']!r} is no kind of job of this version"
        if wrong or not asked:
            return {"kind": "", "request": {}}, f"{records.REQUEST} cannot be read: {wrong or 'it is gone'}"
        return asked, None

    def _about(self) -> dict[str, Any]:
        return _read(self.folder / records.ABOUT, records.About)[0]

    def _read_status(self) -> dict[str, Any]:
        return self._read_standing()[0]

    def _read_standing(self) -> tuple[dict[str, Any], str | None]:
        """The status file with all its keys; where it cannot be read, one that says so, and why."""
        found, wrong = _read(self.folder / records.STATUS, records.Stands)
        wrong = wrong and f"{records.STATUS} cannot be read: {wrong}"
        if wrong is None and not found:
            return records.blank_status("starting"), None
        unknown = dict.fromkeys(records.blank_status("starting")) | {"created": 0.0, "heartbeat": 0.0, "message": ""}
        if wrong is None:
            return unknown | found, None
        # Whoever works on it holds its lock, and writes the file anew with its next step.
        working = records.is_locked(self.folder / records.LOCK)
        return unknown | {"state": "running" if working else "failed", "error": None if working else wrong}, wrong


def _read(path: Path, form: Any) -> tuple[dict[str, Any], str | None]:
    """A record of a job folder, empty where there is none, or none of this form; then with what is wrong."""
    try:
        value = records.read_patiently(path)
    except (OSError, ValueError) as error:
        return {}, reason(error)
    wrong = None if value is None and not path.exists() else misfit(value, form)
    return ({}, wrong) if wrong or value is None else (value, None)


@lru_cache(maxsize=1024)
def _misfit(kind: str, request: str) -> str | None:
    """What in a request of this kind cannot be; None where it could be asked today, and for a kind that is not known here."""
    if not registry.known(kind):
        return None
    verb, asked = registry.find(kind), json.loads(request)
    missing = [key for key in verb.required if asked.get(key) is None]
    if verb.place is not None and "out" in verb.optional and not isinstance(asked.get("out"), str):
        missing.append("out")
    missing += [one.key for one in options(verb.settings) if one.group and one.key and not isinstance(asked.get(one.key), dict)]
    if missing:
        return f"the request lacks {missing[0]!r}"
    try:
        verb.settings.from_request(asked)
    except (GroundlineError, TypeError, ValueError, AttributeError, OverflowError) as error:
        return reason(error)
    return None


def start(kind: str, request: Mapping[str, Any], *, workspace: Workspace, title: str | None = None) -> Job:
    """Start work in a process of its own, which outlives this one, and return when its worker is there.

    Raises `JobError` or `SettingsError` on a request that makes no sense, `JobBusy` when an active job already writes
    to the same place, and `JobError` when the worker does not come up.
    """
    full = registry.complete(kind, request)
    refuse_password(full)
    with FileLock(workspace.runs / ".start.lock", timeout=_CONFIRMATION_S):
        _refuse_shared_output(full, workspace)
        folder = _new_folder(workspace, title or _subject(kind, full))
        full = _with_output(registry.find(kind), full, folder.name, workspace)
        records.write_patiently(folder / records.REQUEST, {"kind": kind, "title": title, "request": full})
        records.write_patiently(folder / records.STATUS, records.blank_status("starting"))
    _launch(folder, resume=False)
    return Job(folder)


def list_jobs(workspace: Workspace, *, kinds: Iterable[str] | None = None) -> list[Job]:
    """The workspace's jobs, newest first, of some kinds or all."""
    folders = [path.parent for path in workspace.runs.glob(f"[!.]*/{records.REQUEST}")]
    jobs = [Job(folder) for folder in sorted(folders, key=lambda folder: folder.name, reverse=True)]
    wanted = None if kinds is None else set(kinds)
    return [job for job in jobs if wanted is None or job.kind in wanted]


def _launch(folder: Path, *, resume: bool) -> None:
    """Start a detached worker on `folder` and wait until it holds the lock, so that the caller knows who won."""
    token = uuid.uuid4().hex
    command = [sys.executable, "-u", "-m", "core.jobs.worker", str(folder.resolve()), "--token", token]
    with (folder / records.LOG).open("ab") as log:
        worker = subprocess.Popen(
            command + (["--resume"] if resume else []),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=PROJECT,
            # Models are found by name in the workspace, which the worker has to know to be this one.
            env={**os.environ, WORKSPACE_VARIABLE: str(folder.resolve().parent.parent)},
            **_detached(),
        )
    # Somebody has to wait for a child, or it stays behind as a zombie when it ends.
    threading.Thread(target=worker.wait, daemon=True).start()
    give_up = time.monotonic() + _CONFIRMATION_S
    while time.monotonic() < give_up:
        code = worker.poll()
        status = records.read_patiently(folder / records.STATUS)
        # The token, not the process id: a virtual environment's python on Windows starts the real one as its child.
        if status is not None and status.get("worker") == token:
            return
        if code == EXIT_BUSY:
            raise _busy(folder.name)
        if code is not None:
            raise JobError(
                f"the worker of {folder.name} ended at once with code {code}",
                expected="a worker that starts",
                do=f"Read {folder / records.LOG}",
            )
        time.sleep(_POLL_S)
    raise JobError(
        f"no sign of the worker of {folder.name} within {_CONFIRMATION_S:.0f} s",
        expected="a worker that starts",
        do=f"Read {folder / records.LOG}",
    )


def _detached() -> dict[str, Any]:
    """Options that keep a child alive when the terminal, the server or the user's Ctrl-C end its parent."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS}
    return {"start_new_session": True}


def _busy(name: str, *, do: str = "Wait for it, or stop it first") -> GroundlineError:
    return JobBusy(f"{name} is running", expected="a job without a worker", do=do)


def _refuse_shared_output(request: Mapping[str, Any], workspace: Workspace) -> None:
    places = {request.get("out"), *(request.get("files") or ())} - {None}
    for job in list_jobs(workspace) if places else []:
        theirs = job.request
        if places & {theirs.get("out"), *(theirs.get("files") or ())} and job.active:
            raise _busy(job.name, do="Wait for it, or write to another place")


def _with_output(verb: Verb, request: dict[str, Any], name: str, workspace: Workspace) -> dict[str, Any]:
    """The request with a place in the workspace, named like the job, where it names no place for its output."""
    if verb.place is None:
        return request
    place = getattr(workspace, verb.place) / name
    if "out" in request and request["out"] is None:
        return {**request, "out": str(place)}
    if "files" in request and not request["files"]:
        return {**request, "files": [str(place / f"{_slug(_bare(request['prediction']))}.gpkg")]}
    return request


def _new_folder(workspace: Workspace, subject: str) -> Path:
    base = f"{time.strftime('%Y%m%d-%H%M%S')}-{_slug(subject)}"
    for number in range(1, 1000):
        folder = workspace.runs / (base if number == 1 else f"{base}-{number}")
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            continue
    raise JobError(f"999 jobs named {base}", expected="fewer jobs at once", do="Wait a second")


def _subject(kind: str, request: Mapping[str, Any]) -> str:
    named = [request[key] for key in ("dataset", "prepared", "scene", "prediction") if request.get(key)]
    return f"{kind} {_bare(named[0])}" if named else kind


def _bare(path: str) -> str:
    """A file's or folder's name without its ending and without the time that a job put in front of it."""
    return re.sub(r"^\d{8}-\d{6}-", "", Path(path).stem)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-") or "job"
