"""What pages share in forms: a path that was typed, and the choice to keep what was entered while other pages are looked at."""

from __future__ import annotations

from pathlib import Path

from core.reading.addresses import is_address
from ui.allowed import open_address, open_path

KEEP = {"persist_state": "session"}
"""Keywords of a widget whose value outlives the page: it is there again when the user comes back."""


def typed_path(typed: str, *, addresses: bool = False) -> Path | None:
    """The path that was typed or pasted, without the quotation marks that file managers put around it; None while nothing is typed.

    addresses: pictures of other machines may be typed too, and become their links; nothing is asked of anybody here. Raises InputError for
    a path or a host that the dashboard may not open: the only way from words in a form to a path.
    """
    bare = typed.strip().strip('"').strip()
    if addresses and is_address(bare):
        return open_address(bare)
    return open_path(bare) if bare else None
