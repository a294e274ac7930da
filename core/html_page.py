"""Pages of HTML that open without a network and print well: the skeleton, tables and class names that both reports are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def page(title: str, *, style: str, main: str) -> str:
    """A page that asks for no other file; `style` is CSS and `main` HTML already."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style></head>\n<body><main>\n{main}\n</main></body></html>\n"
    )


def table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A table that scrolls where it is too wide; the first column is text, the others are numbers. Cells are HTML already."""
    titles = _row("th", [escape(name) for name in head])
    body = "".join(_row("td", cells) for cells in rows)
    return f'<div class="wide"><table><thead>{titles}</thead><tbody>{body}</tbody></table></div>'


def class_name(name: str, colour: str) -> str:
    """The name of a class beside its colour."""
    return f'<i class="swatch" style="background:{colour}"></i>{escape(name)}'


def _row(kind: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{kind}{' class=n' if column else ''}>{cell}</{kind}>" for column, cell in enumerate(cells)) + "</tr>"
