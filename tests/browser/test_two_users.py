"""Two people at one server: each keeps their own view, and both see the jobs."""

import pytest

from tests.browser.conftest import ROOT, press


def test_each_keeps_their_view_and_both_see_the_job(visitor, server):
    if not (ROOT / "models" / "sample-town" / "card.json").is_file():
        pytest.skip("models/sample-town is not in this checkout")
    ann, ben = visitor(), visitor()
    ann.goto(f"{server.url}/Explore?data=sample_data%2Ftown&explore_tab=Patches")
    ann.get_by_text("Patches kept").wait_for()
    ben.goto(f"{server.url}/Explore?data=sample_data%2Fchips12")
    ben.get_by_label("Current selection").get_by_text("chips12").wait_for()
    ann.get_by_role("tab", name="Overview").click()
    ann.get_by_text("Scenes with mask").wait_for()
    assert ann.get_by_label("Current selection").get_by_text("Sample town").is_visible()

    ann.get_by_role("link", name="Home", exact=True).first.click()
    press(ann.locator(".st-key-sample_start button").first, ann.locator(".st-key-sample_stop button").first)
    ben.get_by_role("link", name="Home", exact=True).first.click()
    ben.get_by_test_id("stSidebar").get_by_role("progressbar").wait_for()
    assert ben.locator(".st-key-sample_start button").first.is_disabled()
    ben.locator(".st-key-sample_stop button").first.click()
    for person in (ann, ben):
        person.get_by_text("Stopped").first.wait_for()
        person.locator(".st-key-sample_start button:enabled").first.wait_for()
        person.get_by_test_id("stSidebar").get_by_role("progressbar").wait_for(state="detached")
    assert ben.get_by_label("Current selection").get_by_text("chips12").is_visible()
