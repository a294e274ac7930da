"""What pages share in forms: a path that was typed, and the choice to keep what was entered while other pages are looked at."""

from __future__ import annotations

from pathlib import Path

from ui.allowed import open_path

KEEP = {"persist_state": "session"}
"""Keywords of a widget whose value outlives the page: it is there again when the user comes back."""


def typed_path(typed: str) -> Path | None:
    """The path that was typed or pasted, without the quotation marks that file managers put around it; None while nothing is typed.

    Raises InputError for one outside the folders that the dashboard may open: the only way from words in a form to a path.
    """
    bare = typed.strip().strip('"').strip()
    return open_path(bare) if bare else None
