import json
import zipfile

import numpy as np
import pytest
from affine import Affine
from PIL import Image

from core.classes import DUBAI
from core.datasets.datasets import open_dataset
from core.datasets.remedies import REMEDY_FILE
from core.patches.prepare import prepare
from tests.helpers.datasets import save
from tests.helpers.ground import drawn_ground
from tests.helpers.postgres import PASSWORD, USER
from tests.pages.conftest import keys_of, sound, text_of

EXPLORE = "pages/1_Explore.py"
TABS = ("Overview", "Scenes", "One scene", "Patches", "Findings", "Mosaics")


@pytest.fixture
def city(tmp_path):
    """Two scenes of 96 x 128 pixels in tiles of their own, one mask with 40 black pixels that are no class."""
    rng = np.random.default_rng(0)
    for number, label in enumerate((0, 4)):
        ids = np.full((96, 128), 1, np.uint8)
        ids[:48, :32] = label
        mask = DUBAI.decode(ids)
        if number:
            mask[90, :40] = 0
        for part, picture in (("images", rng.integers(0, 255, (96, 128, 3)).astype(np.uint8)), ("masks", mask)):
            folder = tmp_path / "city" / f"Tile {number + 1}" / part
            folder.mkdir(parents=True)
            Image.fromarray(picture).save(folder / "part_001.png")
    return tmp_path / "city"


@pytest.fixture
def explore(opened):
    """`explore(folder)`: the page with that data set open; `explore(folder, "Patches")` on one of its tabs."""

    def go(folder, tab=None):
        at = opened(EXPLORE)
        at.text_input(key="explore_path").set_value(str(folder))
        at = sound(at.button(key="explore_open").click().run())
        return at if tab is None else turn_to(at, tab)

    return go


def turn_to(at, tab):
    at.session_state["explore_tab"] = tab
    return sound(at.run())


def metrics(at):
    return {metric.label: metric.value for metric in at.metric}


def test_empty_page_offers_every_sample(opened):
    at = opened(EXPLORE)
    assert "No data set yet" in text_of(at)
    assert {
        "use_sample",
        "explore_sample_chips12",
        "explore_sample_landcover",
        "explore_sample_landslides",
        "explore_sample_tiles1024",
    } <= keys_of(at)


def test_every_tab_draws_the_sample(opened):
    at = opened(EXPLORE)
    at.button(key="use_sample").click().run()
    for tab in TABS:
        turn_to(at, tab)
        assert not at.error, (tab, at.error[0].value)
    at = turn_to(at, "Overview")
    assert metrics(at)["Largest"] == "2,304 × 2,048"
    assert len(at.get("plotly_chart")) == 2


def test_names_that_are_markdown_html_or_formulas_are_shown_as_words(explore, opened, tmp_path):
    tile, classes = "=1+1 ![x](y) <b>", ["=HYPERLINK(0)", "![x](y) <b>t", "@SUM(1) :red[z]"]
    root = tmp_path / "![x](y)"
    for name in ("a", "b"):
        save(root / tile / "images" / f"{name}.png", np.full((64, 64, 3), 90, np.uint8))
        save(root / tile / "masks" / f"{name}.png", np.arange(64 * 64, dtype=np.uint8).reshape(64, 64) % 3)
    (root / "classes.json").write_text(json.dumps({"classes": [{"name": n, "colour": f"#0000{k}0"} for k, n in enumerate(classes)]}))
    at = explore(root)
    for tab in ("Scenes", "Patches", "Findings", "Overview"):
        harmless(turn_to(at, tab))
    harmless(opened("pages/4_Predict.py"))
    assert any("!\\[x\\](y)" in button.label for button in harmless(opened()).button)  # Home: the data set opened last


def harmless(page):
    """The page, after looking at every text of it: no picture or colour of a name, no HTML in a chart, no formula in a table."""
    told = [*page.markdown, *page.caption, *page.error, *page.warning, *page.info, *page.success, *page.subheader, *page.title]
    for text in [*(one.value for one in told), *(one.label for one in page.button), *(one.help or "" for one in page.button)]:
        assert "[x](" not in text and ":red[" not in text, text
    for chart in page.get("plotly_chart"):
        assert "<b>" not in chart.proto.spec.replace("\\u003c", "<") and "&lt;b&gt;" in chart.proto.spec
    for frame in page.dataframe:
        for text in [*frame.value.columns, *frame.value.to_numpy().ravel()]:
            assert not str(text).startswith(("=", "@", "+")), text
    return page


@pytest.mark.parametrize("name", ["chips12", "landcover", "landslides", "tiles1024"])
def test_the_other_samples_open_too(opened, name):
    at = opened(EXPLORE)
    at.button(key=f"explore_sample_{name}").click().run()
    for tab in ("Overview", "Scenes", "One scene"):
        turn_to(at, tab)
        assert not at.error, (tab, at.error[0].value)
    assert len(at.get("bidi_component")) == 1
    many_bands = name in ("chips12", "landslides")
    assert any("shows band" in box.label for box in at.selectbox) == many_bands


def test_a_folder_without_pairs_is_one_plain_line(explore, tmp_path):
    (tmp_path / "nothing").mkdir()
    at = explore(tmp_path / "nothing")
    assert len(at.error) == 1 and "\n" not in at.error[0].value and "images and masks" not in metrics(at)
    at.text_input(key="explore_path").set_value("  ")
    at = sound(at.button(key="explore_open").click().run())
    assert [error.value for error in at.error] == [
        "No folder typed. Expected the path of a folder with images and masks. Type one and press Open."
    ]


@pytest.fixture
def unnamed(tmp_path):
    """Images and masks that share no name and no folder that says which is which."""
    rng = np.random.default_rng(0)
    for name in ("n1", "n2", "s1"):
        for folder, file, picture in (
            ("a", f"{name}_x.png", rng.integers(0, 255, (48, 64, 3)).astype(np.uint8)),
            ("b", f"q_{name}.png", np.eye(48, 64, dtype=np.uint8)),
        ):
            (tmp_path / "odd" / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(tmp_path / "odd" / folder / file)
    return tmp_path / "odd"


def test_files_that_names_do_not_tell_apart_are_named_by_patterns_with_the_pairs_counted(explore, unnamed):
    at = explore(unnamed)
    assert len(at.warning) == 1 and "none of which go together by their names" in at.warning[0].value
    assert at.dataframe[0].value["folder"].tolist() == ["a", "b"] and at.dataframe[0].value["rasters"].tolist() == [3, 3]
    assert at.button(key="explore_name_use").disabled
    at = sound(at.text_input(key="explore_name_images").set_value("a").run())
    at = sound(at.text_input(key="explore_name_masks").set_value("c/*").run())
    assert "No mask file fits 'c/\\*'" in text_of(at) and at.button(key="explore_name_use").disabled
    at = sound(at.text_input(key="explore_name_masks").set_value("b/*.png").run())
    assert "3 pairs" in text_of(at) and "a/n1_x.png  +  b/q_n1.png" in at.code[0].value
    at = sound(at.button(key="explore_name_use").click().run())
    assert metrics(at)["Scenes with mask"] == "3"
    assert json.loads((unnamed / REMEDY_FILE).read_text())["images"] == "a"


def test_labels_in_postgis_are_fetched_into_the_folder_of_their_images(explore, postgres, tmp_path, monkeypatch):
    (tmp_path / "lake").mkdir()
    place = {"crs": "EPSG:32640", "transform": Affine(0.5, 0, 325000, 0, -0.5, 2786000)}
    save(tmp_path / "lake/lake.tif", np.zeros((100, 120, 3), np.uint8), **place)
    postgres.ask(
        "CREATE TABLE lakes AS SELECT 'Water' AS class, ST_MakeEnvelope(325020, 2785965, 325045, 2785985, 32640) AS geom; "
        f"GRANT SELECT ON lakes TO {USER}"
    )
    at = explore(tmp_path / "lake")
    at = sound(at.text_input(key="explore_name_masks").set_value(postgres.address("lakes", password=PASSWORD)).run())
    at = sound(at.button(key="explore_name_use").click().run())
    assert "A password in postgresql://analyst:***@" in at.error[-1].value.replace("\\", "")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    at.text_input(key="explore_name_masks").set_value(postgres.address("lakes"))
    with monkeypatch.context() as network:
        network.setattr("ui.explore.naming.shared", lambda: True)
        at = sound(at.button(key="explore_name_use").click().run())
        assert "this machine would connect to databases for them" in at.error[-1].value and len(list((tmp_path / "lake").iterdir())) == 1
    at = sound(at.button(key="explore_name_use").click().run())
    assert metrics(at)["Scenes with mask"] == "1" and (tmp_path / "lake/lakes.gpkg").is_file()
    assert not (tmp_path / "lake" / REMEDY_FILE).exists()
    # 50 x 40 of 100 x 120 pixels.
    dataset = open_dataset(tmp_path / "lake")
    assert dataset.scheme.names[1] == "Water" and (dataset.pairs[0].labels(dataset.scheme) == 1).sum() == 2000


def test_naming_can_be_left(explore, unnamed):
    at = explore(unnamed)
    at = sound(at.button(key="explore_name_cancel").click().run())
    assert "No data set yet" in text_of(at) and not (unnamed / REMEDY_FILE).exists()


def test_images_without_masks_lead_to_the_label_page(explore, unnamed, workspace):
    at = explore(unnamed)
    at = at.button(key="explore_name_label").click().run()
    first = min(path for path in unnamed.rglob("*.png"))
    assert at.session_state["label_path"] == str(first)


def test_the_numbers_of_the_overview(explore, city):
    at = explore(city)
    # 2 x 96 x 128 = 24576 pixels; 40 of them are black and belong to no class: 99.8 %.
    assert metrics(at) == {
        "Scenes with mask": "2",
        "Tiles or places": "2",
        "Pixels": "24,576",
        "Labelled": "99.8 %",
        "Smallest": "128 × 96",
        "Largest": "128 × 96",
    }
    bars = json.loads(at.get("plotly_chart")[0].proto.spec)["data"][0]
    # Building and water: 48 * 32 = 1536 of 24536 labelled pixels each.
    assert bars["text"][0] == "6.3 %" and bars["text"][4] == "6.3 %"


def test_scenes_are_filtered_by_tile_and_sorted_by_class(explore, city):
    at = explore(city, "Scenes")
    picks = [button for button in at.button if button.key and button.key.startswith("explore_pick_")]
    assert len(picks) == 2
    at.selectbox(key="explore_order").set_value("Most Water").run()
    first = next(button for button in at.button if button.key and button.key.startswith("explore_pick_"))
    assert "Tile 2" in first.help
    at.multiselect(key="explore_groups_shown").set_value(["Tile 1"]).run()
    assert "1 of 1 scenes" in text_of(sound(at))


def test_scenes_are_filtered_by_class_share_and_finding(explore, city):
    at = explore(city, "Scenes")
    at.selectbox(key="explore_class").set_value("Water").run()
    assert "1 of 1 scenes" in text_of(at)
    # 48 * 32 of 96 * 128 - 40 labelled pixels of Tile 2 are water: 12.5 %
    at.slider(key="explore_share").set_value(13).run()
    assert "No scene fits" in text_of(at)
    at.selectbox(key="explore_class").set_value("Any").run()
    for choice, tile in (("With an error or a warning", "Tile 2"), ("Without error or warning", "Tile 1")):
        at.selectbox(key="explore_finding").set_value(choice).run()
        picks = [button for button in sound(at).button if button.key and button.key.startswith("explore_pick_")]
        assert [pick.help.split(":")[0] for pick in picks] == [tile]
    # Once checked, each finding can be chosen by its own words.
    assert any("#000000" in option for option in at.selectbox(key="explore_finding").options)


def test_patches_are_taken_home_as_a_zip(explore, city, workspace):
    store = prepare(open_dataset(city), workspace.prepared / "city-64", patch_size=64, stride=64)
    at = explore(city, "Patches")
    at = sound(at.button(key="explore_zip").click().run())
    assert any("Download" in button.label for button in at.get("download_button"))
    with zipfile.ZipFile(store.folder / "patches-colours.zip") as archive:
        masks = [name for name in archive.namelist() if "/masks/" in name]
    assert len(masks) == len(store) == 8


def test_a_thumbnail_opens_its_scene_large(explore, city):
    at = explore(city, "Scenes")
    last = [button for button in at.button if button.key and button.key.startswith("explore_pick_")][-1]
    at = sound(last.click().run())
    assert at.session_state["explore_tab"] == "One scene"
    assert at.selectbox(key="explore_scene").value == last.key.removeprefix("explore_pick_")
    assert len(at.get("bidi_component")) == 1


def test_the_patch_form_answers_with_counts(explore, city):
    at = explore(city, "Patches")
    # The start value fits into the scenes of 96 x 128 px: 96 px at columns 0 and 32.
    assert at.number_input(key="patch_size").value == 96 and metrics(at) == {"Patches kept": "4", "Dropped": "0"}
    at = at.number_input(key="patch_size").set_value(256).run()
    # A scene of 96 x 128 px has one patch of 256 px, of which 96 * 128 / 256^2 = 19 % are labelled; the stride went along.
    assert at.number_input(key="patch_stride").value == 256 and metrics(at) == {"Patches kept": "2", "Dropped": "0"}
    at = at.number_input(key="patch_labelled").set_value(20).run()
    assert metrics(at) == {"Patches kept": "0", "Dropped": "2"}
    at = at.number_input(key="patch_size").set_value(64).run()
    # 2 x 2 patches a scene (96 px: at 0 and 32; 128 px: at 0 and 64).
    assert metrics(sound(at)) == {"Patches kept": "8", "Dropped": "0"}
    # Cropped, only the row at 0 is left; at every pixel there are 33 x 65 a scene, too many to be drawn.
    at = sound(at.selectbox(key="patch_rim").set_value("crop").run())
    assert metrics(at) == {"Patches kept": "4", "Dropped": "0"}
    at = sound(at.number_input(key="patch_stride").set_value(1).run())
    assert metrics(at) == {"Patches kept": f"{2 * 33 * 65:,}", "Dropped": "0"}
    at = sound(at.multiselect(key="patch_without").set_value(["Land"]).run())
    assert metrics(at)["Dropped"] != "0"


def test_wrong_shares_are_one_line_before_anything_is_counted(explore, city):
    at = explore(city, "Patches")
    at.number_input(key="patch_validation").set_value(70)
    at = sound(at.number_input(key="patch_test").set_value(40).run())
    assert [error.value.partition(".")[0] for error in at.error] == ["Shares of 0"] and "Patches kept" not in metrics(at)
    at = sound(at.number_input(key="patch_test").set_value(10).run())
    assert not at.error and "Patches kept" in metrics(at)


def test_explore_and_train_share_one_form(explore, city):
    at = explore(city, "Patches")
    labels = fields_of(at)
    assert {"Patch size, px", "Stride, px", "Labelled, %", "Not counted as labelled", "Scale", "Test, %"} <= labels
    at.number_input(key="patch_size").set_value(48).run()
    at.number_input(key="patch_stride").set_value(7)
    at.selectbox(key="patch_parts").set_value("Counts").run()
    at.number_input(key="patch_count_train").set_value(40).run()
    at = sound(at.switch_page("pages/3_Train.py").run())
    assert (at.number_input(key="patch_size").value, at.number_input(key="patch_stride").value) == (48, 7)
    assert at.number_input(key="patch_count_train").value == 40
    assert labels - {"Test, %", "Validation, %"} <= fields_of(at)
    at = at.number_input(key="patch_size").set_value(32).run()
    at = turn_to(at.switch_page(EXPLORE).run(), "Patches")
    assert (at.number_input(key="patch_size").value, at.number_input(key="patch_stride").value) == (32, 7)


def fields_of(at):
    """Labels of the fields of the patch form."""
    found = [*at.number_input, *at.multiselect, *at.selectbox, *at.segmented_control]
    return {field.label for field in found if (field.key or "").startswith("patch_")}


def remedies(at):
    return [button for button in at.button if button.key and button.key.startswith("explore_remedy_")]


def test_a_remedy_is_one_click_and_leaves_the_files_alone(explore, city):
    at = explore(city, "Findings")
    assert "#000000" in text_of(at)
    before = {path: path.read_bytes() for path in city.rglob("*.png")}
    at = sound(remedies(at)[0].click().run())
    assert (city / REMEDY_FILE).is_file()
    assert {path: path.read_bytes() for path in city.rglob("*.png")} == before
    assert "The colour #000000 means not labelled." in text_of(at) and not remedies(at)
    at = sound(at.button(key="explore_undo_0").click().run())
    assert not (city / REMEDY_FILE).exists() and len(remedies(at)) == 1


def test_a_mask_of_another_size_is_said_and_the_image_shown(explore, city):
    Image.fromarray(np.zeros((10, 10, 3), np.uint8)).save(city / "Tile 1" / "masks" / "part_001.png")
    at = explore(city, "One scene")
    at.selectbox(key="explore_scene").set_value(at.selectbox(key="explore_scene").options[0]).run()
    assert any("10 × 10" in warning.value for warning in at.warning)
    assert len(at.get("bidi_component")) == 1 and not at.error


def test_the_mosaics_of_the_real_tiles(explore, dubai):
    at = explore(dubai, "Mosaics")
    assert "6 mosaics" in text_of(at) and not at.error
    assert any(button.key == "explore_predict_mosaic" for button in at.button)


def test_a_mask_that_lies_elsewhere_leaves_the_other_scenes_to_be_seen(explore, tmp_path):
    rng = np.random.default_rng(0)
    for name, shift in (("fits", 0), ("off", 0.7)):
        place = dict(crs="EPSG:32631", transform=Affine(1, 0, 500_000, 0, -1, 4_000_000))
        save(tmp_path / f"odd/images/{name}.tif", rng.integers(0, 255, (48, 64, 3)).astype(np.uint8), **place)
        place["transform"] *= Affine.translation(shift, 0)
        save(tmp_path / f"odd/masks/{name}.tif", np.eye(48, 64, dtype=np.uint8), **place)
    at = explore(tmp_path / "odd")
    assert metrics(at)["Scenes with mask"] == "2" and len(at.warning) == 1 and "lies elsewhere" in at.warning[0].value
    for tab in TABS:
        at = turn_to(at, tab)
        assert not at.error, (tab, at.error[0].value)
    at = turn_to(at, "One scene")
    at = sound(at.selectbox(key="explore_scene").set_value("off").run())
    assert "lies elsewhere" in at.warning[0].value and len(at.get("bidi_component")) == 1
    at = turn_to(at, "Findings")
    at = sound(next(button for button in at.button if button.label.startswith("Bring them to the image")).click().run())
    at = turn_to(at, "One scene")
    assert not at.warning


def test_the_same_ground_is_shown_side_by_side_with_its_labels(explore, tmp_path):
    ground, ids = drawn_ground(1, 330), np.zeros((330, 330), np.uint8)
    for tile, part, labels in (("Tile 1", ground[:256, :256], ids[:256, :256]), ("Tile 2", ground[74:, 74:], ids[74:, 74:] + 1)):
        save(tmp_path / "twice" / tile / "images/a.png", part)
        save(tmp_path / "twice" / tile / "masks/a.png", DUBAI.decode(labels))
    at = explore(tmp_path / "twice", "Findings")
    words = text_of(at)
    assert "1 pair of images shows the same ground in different groups: Tile 1/a and Tile 2/a" in words, words
    assert "Labels of the same ground disagree in 1 place" in words
    titles = ["Tile 1/a", "Tile 2/a", "Labels in the first", "Labels in the second"]
    assert [[one.proto.imgs[0].caption for one in part.get("image")] for part in at.expander if "in both images" in part.label] == 2 * [
        titles
    ]
