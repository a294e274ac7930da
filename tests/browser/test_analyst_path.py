"""An analyst's path: a folder of their own, patches, a short training that outlives a reload, a scene, a threshold, every file."""

import re
import zipfile

import pyogrio
import pytest
import rasterio
from PIL import Image
from rasterio.windows import Window

from tests.browser.conftest import LONG_MS, ROOT, drawn, fetched, press

TOWN = ROOT / "sample_data" / "town"
VECTORS = {".gpkg", ".geojson", ".kml", ".fgb", ".dxf"}


@pytest.fixture
def city(tmp_path):
    """A data set of two scenes of 384 x 384 px, cut from the sample town."""
    for part in ("images", "masks"):
        for name, row in (("villas", 0), ("lagoon", 320)):
            target = tmp_path / "city" / part / f"{name}.tif"
            target.parent.mkdir(parents=True, exist_ok=True)
            window = Window(256, row, 384, 384)
            with rasterio.open(TOWN / part / f"{name}.tif") as whole:
                place = {"height": 384, "width": 384, "transform": whole.window_transform(window)}
                with rasterio.open(target, "w", **(whole.profile | place)) as out:
                    out.write(whole.read(window=window))
    (tmp_path / "city" / "classes.json").write_bytes((TOWN / "classes.json").read_bytes())
    return tmp_path / "city"


def taken(page, keys, folder):
    """Press every enabled download button whose key begins with `keys` and return the files, in the order of the buttons."""
    # By key, not by place: a button is disabled while its file is made, and the next one would take its place.
    found = page.locator(f"[class*='st-key-{keys}']:has([data-testid='stDownloadButton'] button:enabled)").all()
    classes = [each.get_attribute("class") for each in found if each.is_visible()]
    files = []
    for key in [re.search(rf"st-key-{keys}\w+", names)[0] for names in classes]:
        sent = fetched(page, page.locator(f".{key} [data-testid='stDownloadButton'] button").first)
        sent.save_as(folder / sent.suggested_filename)
        assert (folder / sent.suggested_filename).stat().st_size > 0, key
        files.append(folder / sent.suggested_filename)
    return files


def opened(path):
    """Open a downloaded file with the library that people would use, and say how many things are in it."""
    kind = path.suffix
    if path.name.endswith(".shp.zip"):
        return len(pyogrio.read_dataframe(f"/vsizip/{path}"))
    if kind in VECTORS:
        layer = next(name for name, geometry in pyogrio.list_layers(path) if geometry is not None)
        return len(pyogrio.read_dataframe(path, layer=layer))
    if kind == ".parquet":
        import geopandas

        return len(geopandas.read_parquet(path))
    if kind == ".tif":
        with rasterio.open(path) as raster:
            return raster.read(1).size
    if kind == ".png":
        return Image.open(path).size[0]
    if kind == ".zip":
        return len(zipfile.ZipFile(path).namelist())
    if kind == ".pdf":
        return path.read_bytes().startswith(b"%PDF")
    assert kind in {".csv", ".qml", ".html", ".pgw"}, path.name
    return len(path.read_text(encoding="utf-8").splitlines())


def is_told_to_its_end(page, panel):
    """The panel of a run of two epochs: curves, pictures, log, and the files for TensorBoard."""
    panel.get_by_text("2 of 2").first.wait_for()
    drawn(page)
    assert panel.locator(".js-plotly-plot").count() == 3  # loss and IoU, classes, learning rate
    panel.get_by_alt_text("Image, mask and prediction of a few validation patches").wait_for()
    assert "Epoch 2: loss" in panel.get_by_test_id("stCode").first.inner_text()
    events = page.locator(".st-key-run_events [data-testid='stDownloadButton'] button").first
    press(panel.get_by_role("tab", name="TensorBoard"), events)
    assert fetched(page, events).suggested_filename.endswith("-tensorboard.zip")


def test_from_a_folder_to_every_file(page, server, city, picture, tmp_path):
    page.goto(server.url)
    page.locator(".st-key-home_path input").fill(str(city))
    page.locator(".st-key-home_path input").press("Enter")
    page.get_by_text("Scenes with mask").wait_for()

    page.get_by_role("link", name="Train", exact=True).first.click()
    page.locator(".st-key-train_prepare button").first.click()
    page.locator(".st-key-train_architecture input").fill("Fast")
    page.locator(".st-key-train_architecture input").press("Enter")
    page.get_by_text("Made for a laptop").wait_for()
    drawn(page)  # until then Streamlit may hold what stood further down before beside what stands there now
    page.locator(".st-key-train_epochs input").fill("2")
    page.locator(".st-key-train_epochs input").press("Enter")
    page.locator(".st-key-train_name input").fill("Town")
    page.locator(".st-key-train_name input").press("Enter")
    # Its bar of progress: the menu's own icon is spelled "model_training".
    running = page.get_by_test_id("stSidebar").get_by_test_id("stProgress").get_by_text("Training")
    panel = page.locator(".st-key-run_panel")
    press(page.locator(".st-key-train_start button:enabled").first, running.first)
    panel.get_by_text(re.compile("Starting|Epoch|Waiting")).first.wait_for()
    picture("train-started")
    page.reload()
    running.first.wait_for()  # in the middle of the job: it goes on, and is told everywhere
    page.locator(".st-key-use_model button").first.wait_for(timeout=LONG_MS)
    is_told_to_its_end(page, panel)
    picture("train-finished")
    press(page.locator(".st-key-use_model button").first, page.locator(".st-key-predict_start button:enabled").first)
    page.get_by_role("heading", name="Predict").first.wait_for()
    page.get_by_text("Town").first.wait_for()

    page.locator(".st-key-predict_start button:enabled").first.click()
    viewer = page.locator(".gl-viewer")
    viewer.locator("canvas.leaflet-tile-loaded").first.wait_for(timeout=LONG_MS)
    viewer.get_by_label("Confidence from").first.press("ArrowRight")
    page.get_by_text("At a confidence of").wait_for()
    press(page.get_by_role("tab", name="Downloads"), page.locator(".st-key-download_png button").first)
    files = taken(page, "download_", tmp_path)
    assert {path.suffix for path in files} >= {".tif", ".png"} and all(opened(path) for path in files)

    page.get_by_role("link", name="Map", exact=True).first.click()
    frame = page.frame_locator("iframe[title='streamlit_folium.st_folium']")
    frame.locator("body[data-polygons]").wait_for(timeout=LONG_MS)
    shown = int(frame.locator("body").get_attribute("data-polygons"))
    page.locator(".st-key-map_download_gpkg button").first.wait_for()
    picture("map-own")
    files = taken(page, "map_download_", tmp_path)
    counts = {"".join(path.suffixes[-2:]) if path.name.endswith(".shp.zip") else path.suffix: opened(path) for path in files}
    assert {".gpkg", ".shp.zip", ".geojson", ".kml", ".csv", ".html", ".png", ".pdf"} <= set(counts) and all(counts.values())
    assert counts[".gpkg"] == counts[".shp.zip"] == counts[".geojson"] == shown > 0
