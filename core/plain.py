"""Text of others, such as names of classes, files and models, written so that it has no effect: one function for each language.

For HTML and XML the standard library's `html.escape` and `xml.sax.saxutils.escape` do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_BEGINS_A_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_MARKDOWN = re.compile(
    r"[\\`*\[\]<|~$]"  # marks anywhere
    r"|(?<![^\W_])_|_(?![^\W_])"  # within a word an underscore means nothing
    r"|:(?=[A-Za-z])"  # Streamlit's directives: colours, icons, badges
    r"|&(?=#?\w+;)"
    r"|^(?:[#>+\-=]|\d+(?=[.)]))"  # headings, quotations, lists, rules
)
# What Streamlit looks for in the finished text, where a backslash is gone already.
_FOUND_LATER = re.compile(
    r":(?=[\w+\-]+:|material/)"  # icons and emoji
    r"|https?:(?=//)|www(?=\.)|@(?=[\w\-]+\.)"  # addresses become links
    r"|(?<!\S)[<>~\-](?=(?:->|[>\-=])(?!\S))",  # arrows and comparisons become one sign
    re.IGNORECASE,
)
_JOINER = "\u2060"
"""A letter without width that parts what would be found; nobody sees it."""


def in_markdown(text: object) -> str:
    """A text for st.markdown and all that understands Markdown, such as labels, help and messages: shown letter by letter, in one line."""
    words = " ".join(str(text).split())
    words = _FOUND_LATER.sub(lambda found: found[0] + _JOINER, words)
    return _MARKDOWN.sub(lambda found: f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}", words)


def in_chart(text: object) -> str:
    """A text for plotly's titles, legends, axes and hovers, which read HTML, numbers in %{} and TeX between dollars."""
    words = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return words.replace("%{", "%&#8203;{").replace("$", "&#36;")


def in_table(value: Any) -> Any:
    """A cell of a CSV table: text that a spreadsheet would take for a formula gets an apostrophe before it; numbers stay numbers."""
    return f"'{value}" if isinstance(value, str) and _BEGINS_A_FORMULA.match(value) else value


def out_of_table(value: Any) -> Any:
    """What `in_table` was given."""
    return value[1:] if isinstance(value, str) and value.startswith("'") and _BEGINS_A_FORMULA.match(value) else value


def frame_in_table(frame: pd.DataFrame) -> pd.DataFrame:
    """A table whose cells and names of columns went through `in_table`; an index is left as it is."""
    return _texts_through(in_table, frame).rename(columns=in_table)


def frame_out_of_table(frame: pd.DataFrame) -> pd.DataFrame:
    """What `frame_in_table` was given."""
    return _texts_through(out_of_table, frame).rename(columns=out_of_table)


def _texts_through(change: Callable[[Any], Any], frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(**{name: column.map(change) for name, column in frame.items() if column.dtype.kind == "O"})
