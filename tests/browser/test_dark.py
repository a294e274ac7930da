"""Light and dark: both keep WCAG 2.1 AA, as far as axe can tell, and the theme that somebody picks holds on every page."""

from pathlib import Path

import axe_playwright_python
import pytest

from tests.browser.conftest import becomes, drawn, press

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
RULES = "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})"
GROUND = "getComputedStyle(document.querySelector('.stApp')).backgroundColor"
STILL = "document.getAnimations().every(each => each.playState !== 'running' || each.effect.getTiming().iterations === Infinity)"
DARK = "rgb(18, 25, 29)"


def complaints(page) -> list[str]:
    """What axe finds wrong on the page: the rule and what breaks it."""
    drawn(page)
    becomes(lambda: page.evaluate(STILL), bool)  # elements fade in, and a half transparent word has no contrast
    page.evaluate(AXE)
    found = page.evaluate(RULES)["violations"]
    return [f"{rule['id']}: {node['html'][:200]} {node['failureSummary'][:300]}" for rule in found for node in rule["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_can_be_read_and_controls_have_names(visitor, server, theme):
    page = visitor(color_scheme=theme)
    page.goto(server.url)
    press(page.locator(".st-key-home_tour button").first, page.locator(".st-key-tour_next button").first)
    assert (page.evaluate(GROUND) == DARK) == (theme == "dark")
    wrong = complaints(page)
    page.goto(f"{server.url}/Explore?data=sample_data%2Ftown")
    page.locator(".js-plotly-plot").nth(1).wait_for()
    wrong += complaints(page)
    for name in ("Train", "Predict"):
        page.get_by_role("link", name=name, exact=True).first.click()
        page.get_by_role("heading", name=name).first.wait_for()
        wrong += complaints(page)
    assert wrong == []


def test_a_theme_picked_in_the_menu_holds_on_other_pages(page, server):
    page.goto(server.url)
    page.get_by_role("heading", name="Groundline").first.wait_for()
    page.get_by_test_id("stMainMenu").locator("button").first.click()
    page.get_by_test_id("stMainMenuItem-theme-Dark").click()
    becomes(lambda: page.evaluate(GROUND), lambda colour: colour == DARK)
    page.goto(f"{server.url}/Train")
    page.get_by_role("heading", name="Train").first.wait_for()
    becomes(lambda: page.evaluate(GROUND), lambda colour: colour == DARK)
    page.get_by_role("button", name="Settings").first.click()
    dark, light = (page.locator(f".gl-theme button[data-theme={name}]") for name in ("Dark", "Light"))
    light.wait_for()
    assert [dark.get_attribute("aria-pressed"), light.get_attribute("aria-pressed")] == ["true", "false"]
    # As high as the switches that Streamlit draws.
    other = page.get_by_test_id("stPopoverBody").get_by_text("Colour-blind safe").locator("xpath=ancestor::button")
    assert light.bounding_box()["height"] == pytest.approx(other.bounding_box()["height"], abs=0.5)
    light.click()
    becomes(lambda: page.evaluate(f"document.querySelector('.stApp') && {GROUND}"), lambda colour: colour not in (None, DARK))
    page.goto(server.url)  # where the menu had left it dark
    page.get_by_role("heading", name="Groundline").first.wait_for()
    becomes(lambda: page.evaluate(GROUND), lambda colour: colour != DARK)
