"""Pages are tested as a user meets them: entered through app.py, in a workspace of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner import script_runner
from streamlit.testing.v1 import AppTest

from core.jobs import jobs, records
from core.verbs import registry
from core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
SLOW_S = 300  # a busy machine is slow, not broken


@pytest.fixture(scope="session", autouse=True)
def quickly_drawn() -> Iterator[None]:
    """Most of the time of a page's run went into what has nothing to do with the page.

    Each run of an AppTest read the metadata of all installed packages, in search of components, for the same answer. And where Keras is
    loaded, as in a process of tests but never in the dashboard's, Streamlit cleared its session after each run: half a second or more.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        patch.setattr(script_runner, "_clean_problem_modules", lambda: None)
        yield


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """An empty workspace, which the pages take for the user's."""
    monkeypatch.setenv("GROUNDLINE_WORKSPACE", str(tmp_path / "workspace"))
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def opened(workspace: Workspace) -> Callable[[str | None], AppTest]:
    """`opened("pages/3_Train.py")`: the page after its first run, in a new session; Home without a name."""

    def go(page: str | None = None) -> AppTest:
        at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=SLOW_S).run()
        if page is not None:
            at = at.switch_page(page).run()
        return sound(at)

    return go


@pytest.fixture
def finished(workspace: Workspace) -> Callable[..., Path]:
    """`finished(kind, request, result)`: the folder of a job that has ended, without any process."""

    def write(
        kind: str, request: dict, result: dict | None = None, *, state: str = "finished", events: list[dict] = (), **status: Any
    ) -> Path:
        folder = workspace.runs / f"{time.strftime('%Y%m%d-%H%M%S')}-{kind}-{len(list(workspace.runs.iterdir()))}"
        folder.mkdir()
        full = jobs._with_output(registry.find(kind), registry.complete(kind, request), folder.name, workspace)
        records.write_patiently(folder / records.REQUEST, {"kind": kind, "title": f"{kind} of a test", "request": full})
        now = time.time()
        times = {"started": now - 60, "finished": None if state in records.ACTIVE_STATES else now}
        records.write_patiently(folder / records.STATUS, {**records.blank_status(state), **times, **status})
        for event in events:
            records.append_event(folder, event)
        if result is not None:
            records.write_patiently(folder / records.RESULT, result)
        return folder

    return write


def sound(at: AppTest) -> AppTest:
    """The page as it is, after checking that it raised nothing and shows no unexpected error."""
    assert not at.exception, at.exception[0].message
    unforeseen = [error.value for error in at.error if "unexpected" in error.value]
    assert not unforeseen, (unforeseen, [code.value for code in at.code])
    return at


def text_of(at: AppTest) -> str:
    """All words of the page's body and sidebar."""
    shown = [*at.markdown, *at.caption, *at.title, *at.subheader, *at.error, *at.warning, *at.info, *at.sidebar.markdown]
    return "\n".join(str(element.value) for element in shown)


def keys_of(at: AppTest) -> set[str]:
    """Keys of the buttons on the page."""
    return {button.key for button in at.button if button.key}
