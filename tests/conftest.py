"""What every test may use: where the sample and the real data lie, and the rule that CI skips nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.helpers.datasets import make_tiles, write  # noqa: F401 (fixtures)

ROOT = Path(__file__).resolve().parents[1]
DUBAI = ROOT.parent / "shared" / "data" / "dubai"
_NETWORKS = ("jobs", "networks", "model_store", "training", "prediction", "evaluation", "verbs")
_SLOW = ("browser", "pages", "jobs", "networks", "model_store", "training", "verbs")


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that load networks come last: what they leave in memory makes every page that is drawn after them slower.

    Rooms whose tests draw pages, start processes or load networks are slow as a whole, beside the tests that are marked one by one.
    """
    items.sort(key=lambda item: room(item.path) in _NETWORKS)
    for item in items:
        if room(item.path) in _SLOW:
            item.add_marker(pytest.mark.slow)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The quick loop does not even read the slow rooms: some of their files import Keras, which takes seconds."""
    return True if config.option.markexpr == "not slow" and room(collection_path) in _SLOW else None


def room(path: Path) -> str:
    """The folder of tests/ in which a test lies, or its file; "" for what lies elsewhere."""
    return next(iter(path.relative_to(ROOT / "tests").parts), "") if path.is_relative_to(ROOT / "tests") else ""


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A skipped test proves nothing: where GROUNDLINE_REFUSE_SKIPS is set, a run that skipped has failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("GROUNDLINE_REFUSE_SKIPS") and reporter and reporter.stats.get("skipped") and exitstatus == 0:
        session.exitstatus = 1


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
