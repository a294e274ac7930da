"""The Label page as a hand meets it: a bare image, strokes by pointer and keyboard, an answer, undo, classes, and all of it there again."""

import numpy as np
import pytest
from PIL import Image

from core.labelling.projects.project import LabelProject
from tests.browser.conftest import becomes, drawn

SIDE = (300, 400)
TAKEN = """canvas => { const all = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = {}; for (let i = 0; i < all.length; i += 4) if (all[i + 3]) { const c = `${all[i]},${all[i + 1]},${all[i + 2]}`;
  seen[c] = (seen[c] ?? 0) + 1; } return seen; }"""
BUILDING, ROAD = "166,66,48", "104,108,116"


@pytest.fixture(scope="module")
def halves(server):
    """An image without a mask, red on the left and green on the right, 300 x 400 pixels."""
    pixels = np.zeros((*SIDE, 3), np.int16)
    pixels[:, :200, 0], pixels[:, 200:, 1] = 190, 190
    pixels += np.random.default_rng(0).integers(0, 30, pixels.shape)
    path = server.workspace / "uploads" / "halves.png"
    path.parent.mkdir(parents=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


class Hand:
    """Paints at places of the scene (column, row) with the browser's pointer."""

    def __init__(self, page):
        self.page, self.map = page, page.locator(".gl-label .map")

    def at(self, col: float, row: float) -> tuple[float, float]:
        spot = self.map.evaluate(
            """(node, [col, row]) => { const label = node.closest('.gl-label').page;
            const point = label.map.latLngToContainerPoint(label.canvas.latLngOf([col, row])), box = node.getBoundingClientRect();
            return [box.x + node.clientLeft + point.x, box.y + node.clientTop + point.y]; }""",
            [col, row],
        )
        return spot[0], spot[1]

    def stroke(self, *places: tuple[float, float]) -> None:
        first, *others = (self.at(*place) for place in places)
        self.page.mouse.move(*first)
        self.page.mouse.down()
        for place in others:
            self.page.mouse.move(*place, steps=8)
        self.page.mouse.up()

    def click(self, col: float, row: float) -> None:
        self.page.mouse.move(*self.at(col, row))
        self.page.mouse.click(*self.at(col, row))


def answered(page) -> dict[str, int]:
    """Pixels of the answer by colour, in the one tile of this scene."""
    return page.locator(".gl-label .codes canvas.leaflet-tile-loaded").first.evaluate(TAKEN)


def project_of(server) -> LabelProject:
    return LabelProject.open(next((server.workspace / "labelling").iterdir()))


def shapes(server) -> list:
    return [(one.class_id, one.geometry["type"]) for one in project_of(server).labels.painted]


def test_a_bare_image_is_painted_answered_corrected_and_found_again(page, server, halves, picture):
    page.goto(f"{server.url}/Label")
    page.get_by_text("Nothing labelled yet").wait_for()
    page.get_by_text("File or folder").first.click()
    page.get_by_role("textbox", name="Path").fill(str(halves))
    page.keyboard.press("Enter")
    page.get_by_text("400 × 300 px").wait_for()
    page.get_by_role("button", name="Begin to label").click()
    page.locator(".gl-label .pick").nth(5).wait_for()
    drawn(page)
    hand = Hand(page)
    hand.map.scroll_into_view_if_needed()

    hand.stroke((60, 60), (70, 200))
    page.keyboard.press("2")
    hand.stroke((300, 60), (310, 200))
    found = becomes(lambda: answered(page), lambda seen: sum(seen.values()) == 300 * 400)
    assert set(found) == {BUILDING, ROAD} and abs(found[BUILDING] - found[ROAD]) < 0.1 * 300 * 400
    becomes(lambda: shapes(server), lambda kept: kept == [(0, "LineString"), (1, "LineString")])
    picture("label-answered")

    page.keyboard.press("Control+z")
    becomes(lambda: answered(page), lambda seen: not seen)
    page.keyboard.press("Control+Shift+Z")
    # What is on the screen is answered coarsely first, so `found` may have been a few pixels off.
    becomes(lambda: answered(page), lambda seen: set(seen) == set(found) and abs(seen[ROAD] - found[ROAD]) < 0.01 * 300 * 400)

    # The other tools: a superpixel, a box, a polygon, a dab without a pointer, the eraser.
    page.keyboard.press("s")
    hand.click(100, 250)
    becomes(lambda: len(shapes(server)), lambda count: count == 3)  # its outline comes from the server
    page.keyboard.press("x")
    hand.stroke((20, 20), (40, 40))
    page.keyboard.press("p")
    for place in ((350, 250), (380, 250), (380, 280)):
        hand.click(*place)
    page.keyboard.press("Enter")
    page.keyboard.press("b")
    page.keyboard.press(".")
    page.keyboard.press("e")
    hand.stroke((65, 100), (68, 150))
    kinds = ["LineString", "LineString", "Polygon", "Polygon", "Polygon", "Point", "LineString"]
    kept = becomes(lambda: shapes(server), lambda kept: len(kept) == 7)
    assert [kind for _, kind in kept] == kinds and [one for one, _ in kept] == [0, 1, 1, 1, 1, 1, None]
    box = project_of(server).labels.strokes()[3].geometry.bounds
    assert np.allclose(box, (20, 20, 40, 40), atol=1)

    # The area of work: outside it nothing is answered.
    page.get_by_role("button", name="Drag a rectangle: what you paint counts inside it", exact=False).click()
    hand.stroke((50, 50), (350, 210))
    becomes(lambda: sum(answered(page).values()), lambda count: abs(count - 300 * 160) < 2000)
    page.get_by_role("button", name="Work on all of the scene").click()
    becomes(lambda: sum(answered(page).values()), lambda count: count == 300 * 400)

    # Classes: one more, renamed; merged into another, its strokes go along.
    held = []
    page.route("**/do", lambda route: route.continue_() if held else held.append(route))
    with page.expect_request("**/do"):
        page.get_by_role("button", name="Add a class").click()
    page.get_by_role("textbox", name="Name").fill("Tennis court")
    with page.expect_response("**/do"):  # the dashboard's answer to the new class comes while its name is being typed
        held[0].continue_()
    becomes(lambda: project_of(server).labels.scheme.names[-1], lambda name: name == "Class 7")
    page.wait_for_timeout(300)
    assert page.get_by_role("textbox", name="Name").input_value() == "Tennis court"
    page.get_by_role("button", name="Done", exact=True).click()
    becomes(lambda: project_of(server).labels.scheme.names[-1], lambda name: name == "Tennis court")
    page.get_by_role("button", name="Change Road", exact=False).click()
    page.get_by_label("Merge Road into another class").select_option(label="Building")
    becomes(lambda: set(answered(page)), lambda seen: not seen)  # of one class alone nothing is learnt
    page.keyboard.press("Control+z")
    becomes(lambda: set(answered(page)), lambda seen: seen == {BUILDING, ROAD})
    before = project_of(server).digest

    page.reload()
    page.locator(".gl-label .pick").nth(6).wait_for()
    becomes(lambda: set(answered(page)), lambda seen: seen == {BUILDING, ROAD})
    assert project_of(server).digest == before
    picture("label-again")


def test_two_windows_paint_the_same_scene(page, visitor, server, halves):
    page.goto(f"{server.url}/Label")
    page.locator(".gl-label .pick").first.wait_for()
    other = visitor()
    other.goto(f"{server.url}/Label")
    other.locator(".gl-label .pick").first.wait_for()
    drawn(other)
    count = "node => node.closest('.gl-label').page.canvas.items.length"
    known = Hand(page).map.evaluate(count)
    hand = Hand(other)
    hand.map.scroll_into_view_if_needed()
    hand.stroke((250, 20), (260, 40))
    becomes(lambda: Hand(page).map.evaluate(count), lambda items: items == known + 1)
