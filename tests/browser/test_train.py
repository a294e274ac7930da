"""A short real training in the browser: started on the Train page, followed live, and its model handed on."""

import re

import pytest

from core.datasets.datasets import open_dataset
from core.patches.prepare import prepare
from tests.browser.conftest import LONG_MS, ROOT, drawn, fetched, press


@pytest.fixture
def chips(server):
    """Twelve-band patches in the server's workspace."""
    folder = server.workspace / "prepared" / "chips"
    prepare(open_dataset(ROOT / "sample_data" / "chips12"), folder, patch_size=32, stride=32, split="block")
    return folder


def test_a_training_is_started_followed_and_used(page, server, picture, chips):
    page.goto(f"{server.url}/Train")
    page.locator(".st-key-train_architecture input").fill("Fast")
    page.locator(".st-key-train_architecture input").press("Enter")
    page.get_by_text("Made for a laptop").wait_for()
    page.locator(".st-key-train_epochs input").fill("2")
    page.locator(".st-key-train_epochs input").press("Enter")
    page.locator(".st-key-train_name input").fill("Chips")
    page.locator(".st-key-train_name input").press("Enter")
    panel = page.locator(".st-key-run_panel")
    press(page.locator(".st-key-train_start button").first, panel.get_by_text(re.compile("Starting|Epoch|Waiting")).first)
    picture("train-started")

    page.locator(".st-key-use_model button").first.wait_for(timeout=LONG_MS)
    panel.get_by_text("2 of 2").first.wait_for()
    drawn(page)
    assert panel.locator(".js-plotly-plot").count() == 3  # loss and IoU, classes, learning rate
    panel.get_by_alt_text("Image, mask and prediction of a few validation patches").wait_for()
    assert "epoch 2: loss" in panel.get_by_test_id("stCode").first.inner_text()
    picture("train-finished")
    events = page.locator(".st-key-run_events [data-testid='stDownloadButton'] button").first
    press(panel.get_by_role("tab", name="TensorBoard"), events)
    assert fetched(page, events).suggested_filename.endswith("-tensorboard.zip")

    press(page.locator(".st-key-use_model button").first, page.get_by_role("heading", name="Predict").first)
    page.get_by_text("Chips").first.wait_for()
    assert server.refused == []
