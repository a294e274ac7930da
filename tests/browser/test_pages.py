"""Every page draws in a browser that reaches this machine only."""


def test_the_other_pages_draw_without_a_network(page, server, picture):
    page.goto(f"{server.url}/Explore")
    page.locator(".st-key-use_sample button").first.click()
    page.get_by_role("tab", name="One scene").click()
    viewer = page.locator(".gl-viewer")
    viewer.locator("canvas.leaflet-tile-loaded").first.wait_for()
    picture("explore-scene")
    page.get_by_role("tab", name="Overview").click()
    page.locator(".js-plotly-plot").nth(1).wait_for()
    picture("explore")
    for name in ("Train", "Predict", "Map"):
        page.get_by_role("link", name=name, exact=True).first.click()
        page.get_by_role("heading", name=name).first.wait_for()
        picture(name.lower() + "-before")
    assert server.refused == []
