"""The dashboard's server, killed while jobs run and started again, and two servers at one workspace: is a job lost, or worked on twice?

    python -m tests.torture.serving                5 rounds
    python -m tests.torture.serving --rounds 20

Real servers (`streamlit run app.py`), spoken to as browsers do, over the web socket; jobs are begun by pressing the page's buttons.
Each round, in a workspace of its own:

- A person at the first server begins the sample, a prediction that waits behind it, and patches. The system kills the server with all
  that belongs to its terminal, at a random moment. The jobs go on.
- Two servers show the same jobs. The worker of one is killed; both servers show it, and two processes resume it at the same time: one
  worker goes on, and the other process hears that there is one.
- In the end every job has finished, once, with the result that is right, and no page has shown an error.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from core.jobs.jobs import Job, list_jobs
from core.jobs.records import ACTIVE_STATES
from core.workspace import PROJECT, WORKSPACE_VARIABLE, Workspace
from tests.torture.stopping import snapshot

_PATIENCE_S = 300
_BEGUN = (("", "Try the sample"), ("Predict", "Predict the scene"), ("Train", "Prepare patches"))
"""Pages and the buttons on them that begin a job."""

_RESUME = """
import sys
from core.errors import JobBusy
from core.jobs.jobs import Job
try:
    Job.open(sys.argv[1]).resume()
except JobBusy:
    sys.exit(1)
"""


class Server:
    """One dashboard in a session of its own, as a terminal has, on a free port."""

    def __init__(self, workspace: Workspace):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.address=127.0.0.1", f"--server.port={self.port}"]
        self.process = subprocess.Popen(
            command,
            cwd=PROJECT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, WORKSPACE_VARIABLE: str(workspace.root)},
            start_new_session=True,
        )
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                if urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_stcore/health", timeout=5).status == 200:
                    return
            time.sleep(0.1)
        raise RuntimeError("the server does not start")

    def kill(self) -> None:
        """End it and all of its session, at once, as closing a terminal by force does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Visitor:
    """A browser's side of one page: what it shows, and its buttons."""

    def __init__(self, connection: Any):
        self.connection = connection
        self.words: list[str] = []
        self.errors: list[str] = []
        self.buttons: dict[str, str] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def at(cls, server: Server, page: str = "") -> Any:
        """Come to a page, and wait until it is drawn."""
        address = f"ws://127.0.0.1:{server.port}/_stcore/stream"
        origin = f"http://127.0.0.1:{server.port}"
        async with websockets.connect(address, subprotocols=["streamlit"], max_size=None, origin=origin) as one:
            visitor = cls(one)
            await visitor.run(page)
            yield visitor

    async def run(self, page: str = "", pressed: str | None = None) -> None:
        """Let the page be drawn, with a button pressed, and hear it to its end."""
        asked = BackMsg()
        asked.rerun_script.query_string = ""
        asked.rerun_script.page_name = page
        if pressed is not None:
            state = asked.rerun_script.widget_states.widgets.add()
            state.id, state.trigger_value = self.buttons[pressed], True
        self.words, self.buttons = [], {}
        await self.connection.send(asked.SerializeToString())
        ended = False
        while not ended:
            message = ForwardMsg.FromString(await asyncio.wait_for(self.connection.recv(), _PATIENCE_S))
            kind = message.WhichOneof("type")
            if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                self._see(message.delta.new_element)
            ended = kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY

    def _see(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        if kind == "button":
            self.buttons[element.button.label] = element.button.id if not element.button.disabled else ""
        elif kind == "exception":
            self.errors.append(element.exception.message)
        elif kind == "markdown":
            self.words.append(element.markdown.body)
        elif kind == "text":
            self.words.append(element.text.body)


class Round:
    """One workspace, its servers and what went wrong."""

    def __init__(self, folder: Path, dice: random.Random):
        self.workspace, self.dice = Workspace(folder), dice
        self.servers: list[Server] = []
        self.faults: list[str] = []
        self.counts: Counter = Counter()

    def serve(self) -> Server:
        """One more server at the workspace."""
        self.servers.append(Server(self.workspace))
        return self.servers[-1]

    async def go(self) -> None:
        """The whole round."""
        first = self.serve()
        async with Visitor.at(first) as person:
            for page, button in _BEGUN:
                await person.run(page)
                await person.run(page, pressed=button)
                self._errors(person)
        jobs = list_jobs(self.workspace)
        self._expect(len(jobs) == len(_BEGUN), f"{len(jobs)} jobs were begun instead of {len(_BEGUN)}")
        await asyncio.sleep(self.dice.uniform(0, 5))
        standing = {job.name: job.status()["state"] for job in jobs}
        first.kill()
        self.counts["servers killed"] += 1
        for job in jobs:
            now = job.status()["state"]
            self._expect(now != "died", f"{job.name} was {standing[job.name]} and has died with the server")
            self.counts[f"jobs {standing[job.name]} when it was killed"] += 1
        await self._two_servers(jobs)
        self._ends(jobs)

    async def _two_servers(self, jobs: list[Job]) -> None:
        one, other = self.serve(), self.serve()
        async with Visitor.at(one) as here, Visitor.at(other) as there:
            victim = next((job for job in jobs if job.active), None)
            if victim is not None:
                victim.kill()
                self.counts["workers killed"] += 1
                self._expect(victim.status()["state"] == "died", f"{victim.name} is not shown as what it is")
            for page, _ in _BEGUN:
                await asyncio.gather(here.run(page), there.run(page))
                for person in (here, there):
                    self._errors(person)
            if victim is not None:
                command = [sys.executable, "-c", _RESUME, str(victim.folder)]
                both = [subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.DEVNULL) for _ in range(2)]
                codes = sorted(process.wait() for process in both)
                self._expect(codes == [0, 1], f"resumed twice at once, the two processes end with {codes}")
                self._expect(_workers(victim) <= 1, f"{_workers(victim)} workers on one job")
                self.counts["resumed by two at once"] += 1
            self._expect(len(list_jobs(self.workspace)) == len(jobs), "the list of jobs has grown or shrunk")

    def _ends(self, jobs: list[Job]) -> None:
        end = time.monotonic() + _PATIENCE_S
        while any(job.active for job in jobs) and time.monotonic() < end:
            for job in jobs:
                self._expect(_workers(job) <= 1, f"{_workers(job)} workers on {job.name}")
            time.sleep(0.5)
        for job in jobs:
            state = job.status()["state"]
            self.counts[f"jobs {state} in the end"] += 1
            self._expect(state == "finished" and job.result() is not None, f"{job.name} is {state} in the end: {job.log_tail(3)}")
            self._expect(job.broken is None, f"{job.name}: {job.broken}")

    def _errors(self, person: Visitor) -> None:
        for error in person.errors:
            self._expect(False, f"a page shows {error[:200]}")
        person.errors.clear()

    def _expect(self, met: bool, fault: str) -> None:
        if not met and fault not in self.faults:
            self.faults.append(fault)

    def results(self) -> dict[tuple[str, str], Any]:
        """What the jobs made, without times and names of folders."""
        made = {job.kind: Path(job.request["out"]) for job in list_jobs(self.workspace)}
        return {
            (kind, path.name): snapshot(path)
            for kind, place in made.items()
            for path in sorted(place.rglob("*"))
            if path.suffix in (".tif", ".npy")
        }

    def close(self) -> None:
        """Leave no process behind."""
        for server in self.servers:
            server.kill()
        for job in list_jobs(self.workspace):
            if job.status()["state"] in ACTIVE_STATES:
                job.kill()


def _workers(job: Job) -> int:
    """Processes that work on a job."""
    found = 0
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        found += "core.jobs.worker" in words and str(job.folder.resolve()) in words
    return found


@contextlib.contextmanager
def round_of(dice: random.Random) -> Iterator[Round]:
    """A round in a temporary folder, of which nothing is left."""
    with tempfile.TemporaryDirectory(prefix="groundline-torture-") as folder:
        one = Round(Path(folder), dice)
        try:
            yield one
        finally:
            one.close()


def main() -> int:
    """Play the rounds, and print what became of them."""
    parser = argparse.ArgumentParser(description="Servers killed while jobs run, and two at one workspace.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="for the moments of the kills")
    asked = parser.parse_args()
    counts: Counter = Counter()
    faults, right = 0, None
    for number in range(asked.rounds):
        with round_of(random.Random(f"{asked.seed} {number}")) as one:
            asyncio.run(one.go())
            made = one.results()
            right = right or made
            if made != right:
                one.faults.append("the results are others than in the first round")
        counts += one.counts
        faults += len(one.faults)
        for fault in one.faults:
            print(f"round {number + 1}: {fault}", flush=True)
        print(f"round {number + 1} of {asked.rounds}: {len(one.faults)} lost or wrong", flush=True)
    print("; ".join(f"{words} {count}" for words, count in sorted(counts.items())))
    print(f"{faults} lost or wrong")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
