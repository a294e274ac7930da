"""What is done while the first page is read, so that nobody waits for it later: compiling, and loading what the other pages import."""

from __future__ import annotations

import ast
import asyncio
import importlib
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from core.workspace import PROJECT

_PATIENCE_S = 4.0
"""The first page is drawn by then, which nothing may slow down."""
_LATER = ("plotly.graph_objects", "folium.plugins", "core.vector.vectorize")
"""What pages import only when they draw it. Not `streamlit_folium`: a component that is declared outside a script run is never served."""


@asynccontextmanager
async def lifespan(_: Any) -> AsyncIterator[dict[str, Any]]:
    """While the server runs: what the first prediction waits for is compiled by another process, and the pages' modules are loaded."""
    compiling = subprocess.Popen([sys.executable, "-m", "core.jobs.warming"], cwd=PROJECT)
    loading = asyncio.create_task(_load())
    try:
        yield {}
    finally:
        loading.cancel()
        compiling.terminate()


async def _load() -> None:
    await asyncio.sleep(_PATIENCE_S)
    for name in modules(sorted((PROJECT / "pages").glob("*.py"))):
        # One by one, so that the server answers in between.
        await asyncio.to_thread(_import, name)


def modules(pages: list[Path]) -> Iterator[str]:
    """Names of the modules of `ui` that the files of pages import anywhere, and of what those import when they draw."""
    seen = dict.fromkeys(name for page in pages for name in _imported(page.read_text(encoding="utf-8")))
    yield from (*seen, *_LATER)


def _imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "ui":
            for alias in node.names:
                place = PROJECT.joinpath(*f"{node.module}.{alias.name}".split("."))
                yield f"{node.module}.{alias.name}" if place.with_suffix(".py").exists() else str(node.module)


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except Exception:  # the page that needs it says what is wrong
        logging.getLogger("groundline").warning("%s could not be loaded ahead", name, exc_info=True)
