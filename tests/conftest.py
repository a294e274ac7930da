"""What every test may use: where the sample and the real data lie, and the rule that CI skips nothing."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from core import progress_line
from core.networks.lean import keep_lean
from tests.helpers.datasets import make_tiles, write  # noqa: F401 (fixtures)
from tests.helpers.far import bucket, nginx, odd  # noqa: F401 (fixtures)
from tests.helpers.postgres import postgres  # noqa: F401 (a fixture)

ROOT = Path(__file__).resolve().parents[1]
DUBAI = ROOT.parent / "shared" / "data" / "dubai"
_NETWORKS = ("verbs", "training", "jobs", "networks", "model_store", "prediction", "evaluation")
_FIRST, _LATER = ("test_analyst_path.py", "test_regularize.py"), ("test_demo_path.py", "test_map.py", "test_old_links.py")
_MAY_SKIP = ("needs_qgis",)
_SLOW = ("browser", "pages", "jobs", "networks", "model_store", "training", "verbs")


def pytest_configure(config: pytest.Config) -> None:
    # Imports and networks make objects by the hundred thousand, for which the collector looked through all others again and again.
    gc.set_threshold(50_000, 20, 10)
    keep_lean()
    # What a command is refused with is one line; on a busy machine it comes after a second, which a line of progress would precede.
    progress_line._FIRST_LINE_S = 600.0
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    # Tests type paths of their own temporary folders; tests/ui/test_input.py has the folders that a user may open.
    os.environ.setdefault("GROUNDLINE_ROOTS", os.path.abspath(os.sep))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An order in which nothing is done twice and no process ends long after the others.

    The analyst's path comes first: it takes longest. Right angles come beside it: they compile the kernels of outlines, which it, the
    map and the command line then find. The other path through the whole program and the pages of the map come after the other pages,
    and tests that load networks last, since they leave much in memory.
    Rooms whose tests draw pages, start processes or load networks are slow as a whole, beside the tests that are marked one by one.
    """
    items.sort(key=lambda item: _turn(item.path))
    for item in items:
        if room(item.path) in _SLOW:
            item.add_marker(pytest.mark.slow)


def _turn(path: Path) -> tuple[int, int, bool]:
    """When a file's tests run: those of `_FIRST`, rooms that load no network, the others, those with long files before those with short."""
    first = _FIRST.index(path.name) if path.name in _FIRST else len(_FIRST)
    name = room(path)
    return first, _NETWORKS.index(name) + 1 if name in _NETWORKS else 0, path.name in _LATER


def pytest_collection_finish(session: pytest.Session) -> None:
    """What the tests' own imports made stays to the end: the collector need not go through a million objects again after each page."""
    gc.freeze()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The quick loop does not even read the slow rooms: some of their files import Keras, which takes seconds."""
    return True if config.option.markexpr == "not slow" and room(collection_path) in _SLOW else None


def room(path: Path) -> str:
    """The folder of tests/ in which a test lies, or its file; "" for what lies elsewhere."""
    return next(iter(path.relative_to(ROOT / "tests").parts), "") if path.is_relative_to(ROOT / "tests") else ""


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A skipped test proves nothing: where GROUNDLINE_REFUSE_SKIPS is set, a run that skipped has failed.

    The marks in `_MAY_SKIP` are the exceptions: they stand for programs that no CI installs for one test.
    """
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("GROUNDLINE_REFUSE_SKIPS") and reporter and refused(reporter.stats.get("skipped", ())) and exitstatus == 0:
        session.exitstatus = 1


def refused(skipped: Iterable[pytest.TestReport | pytest.CollectReport]) -> list[str]:
    """The tests that were skipped and must not be."""
    return [report.nodeid for report in skipped if not any(mark in report.keywords for mark in _MAY_SKIP)]


@pytest.fixture
def dubai() -> Path:
    """The real tiles; the test is skipped where they are not."""
    if not DUBAI.is_dir():
        pytest.skip("the Dubai tiles are not beside the project (shared/data/dubai)")
    return DUBAI


@pytest.fixture
def town() -> Path:
    """The sample town: a data set of images and masks."""
    return ROOT / "sample_data" / "town"
