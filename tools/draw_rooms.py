"""Draw the rooms of the code and the arrows between them: `python tools/draw_rooms.py` writes docs/rooms.svg.

The rooms and their floors are those that tests/test_imports.py holds, the arrows the imports that the code really has. Of the arrows only
those are drawn that no longer way round says already; what nearly every room stands on is one band at the bottom, without arrows.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.test_imports import CORE, FLOORS, PAGE_FOLDERS, PAGES, SHARED_BY_PAGES, UI, graph_of  # noqa: E402

PICTURE = ROOT / "docs" / "rooms.svg"
WIDTH, ROW, BOX, GAP, MARGIN = 1000, 84, 40, 26, 190
# Middles of the boxes from the left, so that no arrow runs behind a box; a row with a room that is not named here is spread evenly.
COLUMNS = {
    "pages": 560,
    "ui.runs": 235,
    "ui.home": 345,
    "ui.evaluate": 475,
    "ui.explore": 620,
    "ui.map": 740,
    "ui.predict": 860,
    "ui.train": 235,
    "ui.viewer": 740,
    "ui": 560,
    "core.jobs": 490,
    "core.__main__": 650,
    "core.verbs": 560,
    "core.vector": 790,
    "core.evaluation": 790,
    "core.audit": 330,
    "core.training": 560,
    "core.prediction": 790,
    "core.patches": 330,
    "core.datasets": 330,
    "core.scenes": 450,
    "core.model_store": 675,
    "core.networks": 675,
}
NAMES = {"ui": "shell of ui", "pages": "pages, app.py", "core.__main__": "python -m core"}
STYLE = """<style>text{font:15px system-ui,sans-serif;fill:#1f2a30}.side{font-size:13px;fill:#5b6970}.ui{fill:#dcefec;stroke:#15877c}
.core{fill:#fff4dc;stroke:#b7791f}.ground{fill:#eceff1;stroke:#78909c}path{fill:none;stroke:#607d8b;stroke-width:1.4}</style>"""

TIP = (
    '<marker id="tip" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M1 1l6 3-6 3"/></marker>'
)


def room_of(module: str) -> str:
    """The room of a module: a folder or file directly in core, a page's folder, the viewer, the shell of ui, or the pages."""
    root, _, rest = module.partition(".")
    room = f"{root}.{rest.partition('.')[0]}"
    if root == "core":
        return room if rest else ""
    return (room if room in (*PAGE_FOLDERS, *SHARED_BY_PAGES) else "ui") if root == "ui" else "pages"


def arrows() -> dict[str, set[str]]:
    """Each room with the rooms that it really imports, functions included."""
    found: dict[str, set[str]] = {}
    for module, wanted in graph_of([*CORE, *UI, *PAGES]).items():
        rooms = {room_of(name) for name in wanted} - {"", room_of(module)}
        found.setdefault(room_of(module), set()).update(rooms)
    return {room: to for room, to in found.items() if room}


def reached(graph: Mapping[str, set[str]], start: str, *, but: str) -> set[str]:
    """All rooms to which arrows lead from `start`, when its own arrow to `but` is taken away."""
    seen: set[str] = set()
    ahead = [room for room in graph[start] if room != but]
    while ahead:
        room = ahead.pop()
        if room not in seen:
            seen.add(room)
            ahead += graph.get(room, ())
    return seen


def floors(graph: Mapping[str, set[str]]) -> tuple[list[list[str]], list[str]]:
    """Rooms from the top floor down, and those of the ground: files of core that stand below its folders."""
    ground = [room for floor in FLOORS for room in floor if room.count(".") and (ROOT / f"{room.replace('.', '/')}.py").is_file()]
    ground = [room for room in ground if room != "core.__main__"]
    inside = [[room for room in floor if room != "core" and room not in ground] for floor in reversed(FLOORS)]
    starting = {room for room in PAGE_FOLDERS for other in PAGE_FOLDERS if room in graph[other]}
    upper = [room for room in PAGE_FOLDERS if room not in starting]
    return [["pages"], upper, [*sorted(starting), *SHARED_BY_PAGES], ["ui"], *[floor for floor in inside if floor]], ground


def draw() -> str:
    """The picture as SVG."""
    graph = arrows()
    rows, ground = floors(graph)
    seats: dict[str, tuple[float, float, float]] = {}
    for number, row in enumerate(rows):
        row = sorted(row, key=lambda room: COLUMNS.get(room, WIDTH))
        widths = [9 * len(title(room)) + 26 for room in row]
        left = (WIDTH + MARGIN - sum(widths) - GAP * (len(row) - 1)) / 2
        for room, width in zip(row, widths, strict=True):
            middle = COLUMNS[room] if set(row) <= set(COLUMNS) else left + width / 2
            seats[room] = (middle, 20 + number * ROW, width)
            left += width + GAP
    lines = []
    for room in seats:
        for other in sorted(graph.get(room, set()) & set(seats)):
            if other not in reached(graph, room, but=other):
                (x, y, _), (to_x, to_y, _) = seats[room], seats[other]
                bend = (to_y - y - BOX) / 2
                curve = f"c0 {bend:.0f} {to_x - x:.0f} {bend:.0f} {to_x - x:.0f} {2 * bend - 4:.0f}"
                lines.append(f'<path marker-end="url(#tip)" d="M{x:.0f} {y + BOX}{curve}"/>')
    boxes = [box(room, seats[room]) for room in seats]
    bottom = 20 + len(rows) * ROW
    half = (len(ground) + 1) // 2
    boxes.append(f'<rect class="ground" x="{MARGIN}" y="{bottom}" width="{WIDTH - MARGIN - 10}" height="{BOX + 18}" rx="6"/>')
    for line, some in enumerate((ground[:half], ground[half:])):
        words = " · ".join(title(room) for room in some)
        boxes.append(f'<text x="{(WIDTH + MARGIN - 10) / 2:.0f}" y="{bottom + 24 + 22 * line}" text-anchor="middle">{words}</text>')
    sides = [(0, "the dashboard"), (4, "the library"), (len(rows), "the ground, for all")]
    notes = [f'<text class="side" x="12" y="{45 + at * ROW}">{note}</text>' for at, note in sides]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + BOX + 38}" role="img">'
    about = "<title>Rooms of Groundline's code; an arrow means: uses</title>"
    return "\n".join([head, about, STYLE, TIP, '<rect width="100%" height="100%" fill="#fff"/>', *lines, *boxes, *notes, "</svg>", ""])


def title(room: str) -> str:
    """What stands in a room's box."""
    return NAMES.get(room, room.rpartition(".")[2] if room.startswith("core.") else room.replace(".", "/"))


def box(room: str, seat: tuple[float, float, float]) -> str:
    """A room as a box with its name in it; `seat`: middle, top and width."""
    x, y, width = seat
    kind = "core" if room.startswith("core") else "ui"
    return (
        f'<rect class="{kind}" x="{x - width / 2:.0f}" y="{y}" width="{width}" height="{BOX}" rx="6"/>'
        f'<text x="{x:.0f}" y="{y + 25}" text-anchor="middle">{escape(title(room))}</text>'
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
    print(PICTURE)
