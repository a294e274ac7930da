"""What a stakeholder does in a room without a network: from Home to a downloaded GeoPackage."""

import re

import pyogrio
import pytest

from tests.browser.conftest import LONG_MS, ROOT, becomes, drawn, fetched, shifted


def test_from_home_to_a_downloaded_geopackage(page, server, picture, tmp_path):
    if not (ROOT / "models" / "sample-town" / "card.json").is_file():
        pytest.skip("models/sample-town is not in this checkout")
    page.goto(server.url)
    page.locator(".st-key-sample_start button").first.wait_for()
    picture("home")
    assert shifted(page) < 0.1
    page.locator(".st-key-sample_start button").first.click()
    becomes(page.title, lambda title: re.fullmatch(r"\d+ % · Groundline", title), patience_ms=LONG_MS)
    page.wait_for_url(re.compile(r"/Map(\?|$)"), timeout=LONG_MS)  # by itself, with or without what is shown in its address
    becomes(page.title, lambda title: title == "Map · Groundline")

    frame = page.frame_locator("iframe[title='streamlit_folium.st_folium']")
    frame.locator("body[data-polygons]").wait_for(timeout=LONG_MS)
    shown = int(frame.locator("body").get_attribute("data-polygons"))
    assert shown > 100
    frame.locator(".leaflet-tile-loaded").first.wait_for()
    assert frame.get_by_label("Legend").get_by_text("Building").is_visible()
    page.wait_for_timeout(1500)
    picture("map")

    page.get_by_role("button", name="GeoPackage").scroll_into_view_if_needed()
    path = tmp_path / "town.gpkg"
    fetched(page, page.get_by_role("button", name="GeoPackage")).save_as(path)
    picture("downloads")
    layers = [name for name, geometry in pyogrio.list_layers(path) if geometry is not None]
    written = pyogrio.read_dataframe(path, layer=layers[0])
    assert len(written) == shown
    assert written.crs.to_epsg() == 32640 and written.is_valid.all() and (written["area_m2"] > 0).all()

    # What comes late, as map and viewer, has its place before it is there.
    for address, late in (("Map", "iframe[title='streamlit_folium.st_folium']"), ("Predict", ".gl-viewer .leaflet-tile-loaded")):
        page.goto(f"{server.url}/{address}")
        page.locator(late).first.wait_for()
        drawn(page)
        assert shifted(page) < 0.1, address
    assert server.refused == []
