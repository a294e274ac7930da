"""Data sets as they are published: which files belong together, and what is left out is said."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely.geometry import box

from core.datasets.datasets import open_dataset
from core.datasets.pairing import match_folder
from core.datasets.remedies import Remedies, apply_remedy
from core.errors import DatasetError, SceneError
from core.scenes.band_files import band_of, band_stacks
from core.scenes.opening import open_scene
from tests.datasets.test_pairing import touch
from tests.helpers.datasets import save, stripes


def pairs(root) -> dict[str, str]:
    """Image path to mask path, below the root, of all pairs with one mask."""
    return {m.image.relative_to(root).as_posix(): m.masks[0].relative_to(root).as_posix() for m in match_folder(root).matches}


def both(image: str, mask: str, *names) -> dict[str, str]:
    return {image.format(*name): mask.format(*name) for name in (one if isinstance(one, tuple) else (one,) for one in names)}


LAYOUTS = {
    "Potsdam": (both("2_Ortho_RGB/top_potsdam_{0}_RGB.tif", "5_Labels_all/top_potsdam_{0}_label.tif", "2_10", "3_11"), ()),
    "Vaihingen": (both("top/top_mosaic_09cm_area{0}.tif", "gts_for_participants/top_mosaic_09cm_area{0}.tif", 1, 30), ()),
    "FLAIR": (
        both(
            "flair_aerial_train/D0{0}_2021/Z{1}_UN/img/IMG_00{0}{1}.tif",
            "flair_labels_train/D0{0}_2021/Z{1}_UN/msk/MSK_00{0}{1}.tif",
            *((d, z) for d in (41, 42) for z in (1, 2)),
        ),
        (),
    ),
    "xBD": (
        both("train/images/storm_{0}_{1}_disaster.png", "train/targets/storm_{0}_{1}_disaster_target.png", ("01", "pre"), ("01", "post")),
        ("train/labels/storm_01_post_disaster.json",),
    ),
    "GID": (both("image_RGB/GF2_L1A00{0}-MSS1.tif", "label_5classes/GF2_L1A00{0}-MSS1_label.tif", 564539, 647767), ()),
    "mmsegmentation": (both("img_dir/{0}.png", "ann_dir/{0}.png", "train/a", "val/b"), ()),
    "VOC": (
        both("JPEGImages/2007_0000{0}.jpg", "SegmentationClass/2007_0000{0}.png", 32, 33),
        ("JPEGImages/2007_000099.jpg", "SegmentationObject/2007_000032.png", "SegmentationObject/2007_000033.png"),
    ),
    "CamVid, as for SegNet": (both("{0}/0001TP_{1}.png", "{0}annot/0001TP_{1}.png", ("train", 66), ("train", 67), ("val", 68)), ()),
    "CamVid": (both("701_StillsRaw_full/0001TP_{0}.png", "LabeledApproved_full/0001TP_{0}_L.png", 6690, 6720), ()),
    "CamVid, as on Kaggle": (both("train/0001TP_{0}.png", "train_labels/0001TP_{0}_L.png", 6690, 6720), ()),
    "DeepGlobe": (both("train/{0}_sat.jpg", "train/{0}_mask.png", 100694, 100703), ("valid/1_sat.jpg",)),
    "Inria": (both("AerialImageDataset/train/images/{0}.tif", "AerialImageDataset/train/gt/{0}.tif", "austin1", "vienna2"), ()),
    "OpenEarthMap": (both("{0}/images/{0}_1.tif", "{0}/labels/{0}_1.tif", "aachen", "tokyo"), ()),
    "LoveDA": (both("Train/{0}/images_png/{1}.png", "Train/{0}/masks_png/{1}.png", ("Urban", 1366), ("Rural", 0)), ()),
    "LandCover.ai": (both("images/{0}.tif", "masks/{0}.tif", "M-33-20-D-c-4-2", "N-33-60-D-c-4-2"), ()),
    "masks of SpaceNet": (both("RGB-PanSharpen/RGB-PanSharpen_AOI_2_img{0}.tif", "masks/buildings_AOI_2_img{0}.tif", 1, 12), ()),
    "a suffix that is no word": (both("images/{0}.png", "masks/{0}_gt_v2.png", "a1", "a2"), ()),
    "a suffix of one letter": (both("images/{0}.png", "masks/{0}_L.png", "a1", "a2"), ()),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_public_layouts_pair_up(tmp_path, layout):
    expected, others = LAYOUTS[layout]
    touch(tmp_path, *expected, *expected.values(), *others)
    assert pairs(tmp_path) == expected
    assert all(match.mask_classes == () for match in match_folder(tmp_path).matches)


def test_what_fits_as_well_is_left_out_and_named(tmp_path):
    expected = both("2_Ortho_RGB/top_potsdam_{0}_RGB.tif", "5_Labels_all/top_potsdam_{0}_label.tif", "2_10", "3_11")
    touch(tmp_path, *expected, *expected.values(), *(f"3_Ortho_IRRG/top_potsdam_{k}_IRRG.tif" for k in ("2_10", "3_11")))
    touch(tmp_path, "1_DSM/dsm_potsdam_02_10.tif")
    found = match_folder(tmp_path)
    assert pairs(tmp_path) == expected
    assert found.notes == ("2_Ortho_RGB has the images in use; 2 images of 3_Ortho_IRRG fit the same masks and are left out",)
    assert [path.name for path in found.passed] == ["dsm_potsdam_02_10.tif"]


def test_the_semantic_drone_set_has_its_masks_twice(tmp_path):
    folder = "dataset/semantic_drone_dataset"
    expected = both(f"{folder}/original_images/{{0}}.jpg", f"{folder}/label_images_semantic/{{0}}.png", "000", "001")
    touch(tmp_path, *expected, *expected.values(), *(f"RGB_color_image_masks/RGB_color_image_masks/{k}.png" for k in ("000", "001")))
    assert pairs(tmp_path) == expected
    (note,) = match_folder(tmp_path).notes
    assert note == "2 masks in RGB_color_image_masks label images that have a mask already, and are left out"


def test_chesapeake_keeps_all_in_one_folder(tmp_path):
    touch(tmp_path, *(f"de_1m_2013/m_{k}_{what}.tif" for k in ("38_ne_18", "39_nw_18") for what in ("naip-new", "lc", "nlcd", "buildings")))
    assert pairs(tmp_path) == both("de_1m_2013/m_{0}_naip-new.tif", "de_1m_2013/m_{0}_lc.tif", "38_ne_18", "39_nw_18")
    assert match_folder(tmp_path).notes == (
        "*_naip_new has the images in use; 2 images of *_buildings fit the same masks and are left out",
    )


# Suffixes and classes


def small_image(path):
    return save(path, np.random.default_rng(0).integers(0, 255, (32, 40, 3)).astype(np.uint8))


def test_several_suffixes_with_one_value_each_are_classes_in_any_band_or_colour(tmp_path):
    drawn = {"road": stripes(32, 40, 1, 0, 0), "roof": stripes(32, 40, 0, 1, 0), "water": stripes(32, 40, 0, 0, 1)}
    for k in range(2):
        small_image(tmp_path / f"images/{k}.png")
        save(tmp_path / f"masks/{k}_road.png", drawn["road"] * 255)
        save(tmp_path / f"masks/{k}_roof.png", np.dstack([drawn["roof"] * 0, drawn["roof"] * 200, drawn["roof"] * 0]))
        save(
            tmp_path / f"masks/{k}_water.png",
            np.dstack([drawn["water"] * 0, drawn["water"] * 0, drawn["water"] * 250, drawn["water"] * 255]),
        )
    dataset = open_dataset(tmp_path)
    assert dataset.scheme.names == ("road", "roof", "water")
    np.testing.assert_array_equal(dataset.pairs[1].labels(dataset.scheme), stripes(32, 40, 0, 1, 2))


def test_a_suffix_of_masks_with_several_classes_is_no_class(tmp_path):
    for k in range(3):
        small_image(tmp_path / f"images/storm_0{k}_post.png")
        save(tmp_path / f"masks/storm_0{k}_post_target.png", stripes(32, 40, 0, 1, 2, 3, 4))
    dataset = open_dataset(tmp_path)
    assert dataset.scheme.names == tuple(f"Class {k}" for k in range(5))
    np.testing.assert_array_equal(dataset.pairs[2].labels(dataset.scheme), stripes(32, 40, 0, 1, 2, 3, 4))


def test_a_folder_of_masks_with_several_classes_is_no_class(tmp_path):
    for k in range(2):
        small_image(tmp_path / f"images/{k}.png")
        save(tmp_path / f"masks/semantics/{k}.png", stripes(32, 40, 0, 1, 2))
    dataset = open_dataset(tmp_path)
    assert dataset.scheme.names == ("Class 0", "Class 1", "Class 2")


def test_several_masks_of_several_classes_are_refused_with_their_names(tmp_path):
    for k in range(2):
        small_image(tmp_path / f"images/{k}.png")
        for what in ("coarse", "fine"):
            save(tmp_path / f"masks/{k}_{what}.png", stripes(32, 40, 0, 1, 2))
    with pytest.raises(
        DatasetError, match=r"0 has 2 masks that each hold several classes: masks/0_coarse.png and masks/0_fine.png.*--masks"
    ):
        open_dataset(tmp_path)
    dataset = open_dataset(tmp_path, masks="masks/*_fine.png")
    assert [pair.mask_path.name for pair in dataset.pairs] == ["0_fine.png", "1_fine.png"]


# Naming the files


def odd(root):
    for k in ("n1", "n2", "s1"):
        small_image(root / f"a/{k}_x.png")
        save(root / f"b/q_{k}.png", stripes(32, 40, 0, 1))
    return root


def test_what_fits_nothing_is_listed_and_can_be_named(tmp_path):
    odd(tmp_path)
    touch(tmp_path, "a/dsm_1.tif")
    with pytest.raises(DatasetError) as refused:
        open_dataset(tmp_path)
    text = str(refused.value)
    assert "6 images (such as a/n1_x.png) and 0 masks in" in text and "passed over as neither: dsm_1.tif" in text
    assert '--images "PATTERN" --masks "PATTERN"' in text and "\n" not in text
    for images, masks in (("a/*_x.png", "b/*.png"), ("a", "b"), ("**/*_x.png", "b/")):
        dataset = open_dataset(tmp_path, images=images, masks=masks)
        assert {pair.image_path.name: pair.mask_path.name for pair in dataset.pairs} == {
            f"{k}_x.png": f"q_{k}.png" for k in ("n1", "n2", "s1")
        }


def test_patterns_hold_as_a_remedy_until_they_are_taken_back(tmp_path):
    apply_remedy(odd(tmp_path), Remedies(images="a/*.png", masks="b/*.png"))
    dataset = open_dataset(tmp_path)
    assert len(dataset.pairs) == 3
    (step,) = dataset.remedies.steps()
    assert step.title == "Images are a/*.png, masks are b/*.png."
    step.take_back(tmp_path)
    with pytest.raises(DatasetError):
        open_dataset(tmp_path)


def test_a_pattern_without_files_names_some_that_are_there(tmp_path):
    with pytest.raises(DatasetError, match=r"no mask file fits 'c/\*'. Expected a pattern that fits some of 6 rasters \(a/n1_x.png, "):
        open_dataset(odd(tmp_path), masks="c/*")


# One file for each band


@pytest.mark.parametrize(
    ("stem", "parts"),
    [
        ("T31TCJ_20200101T1_B02_10m", ("T31TCJ_20200101T1", "b02")),
        ("LC08_L1TP_2020_02_T1_B10", ("LC08_L1TP_2020_02_T1", "b10")),
        ("red_patch_1_1_by_1_LC08", ("patch_1_1_by_1_LC08", "red")),
        ("a_B8A", ("a", "b8a")),
        ("north", None),
        ("red_to_green", None),
    ],
)
def test_the_band_in_a_name(stem, parts):
    assert band_of(stem) == parts


def test_plots_that_are_called_like_bands_are_images_of_their_own(tmp_path):
    touch(tmp_path, *(f"{what}/field_B{k}.png" for what in ("images", "masks") for k in (1, 2, 3)))
    assert pairs(tmp_path) == both("images/field_B{0}.png", "masks/field_B{0}.png", 1, 2, 3)
    (tmp_path / "grid").mkdir()
    touch(
        tmp_path / "grid",
        *(f"images/{row}{k}.png" for row in "ABC" for k in (1, 2)),
        *(f"masks/{row}{k}.png" for row in "AC" for k in (1, 2)),
    )
    assert {match.image.stem for match in match_folder(tmp_path / "grid").matches} == {"A1", "A2", "C1", "C2"}
    assert {path.name for path in match_folder(tmp_path / "grid").unpaired} == {"B1.png", "B2.png"}


def test_bands_of_different_ground_are_no_scene(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_STACKS", str(tmp_path / "stacks"))
    for k in (2, 3):
        place = Affine(10, 0, 300_000 + 5000 * k, 0, -10, 5_000_000)
        save(tmp_path / f"data/x_B0{k}.tif", np.zeros((20, 24), np.uint16), crs="EPSG:32631", transform=place)
    with pytest.raises(SceneError, match="x_B03.tif shows other ground than the other bands of its name"):
        open_scene(tmp_path / "data")


def test_a_word_in_a_files_name_does_not_overrule_its_folder(tmp_path):
    names = ("object_3", "dem_4", "depth_5", "target_object", "park_1")
    touch(tmp_path, *(f"{what}/{name}.png" for what in ("images", "masks") for name in names))
    assert pairs(tmp_path) == both("images/{0}.png", "masks/{0}.png", *names)


def test_of_a_band_in_several_resolutions_the_finest_counts(tmp_path):
    touch(tmp_path, "R10m/t_B02_10m.jp2", "R20m/t_B02_20m.jp2", "R20m/t_B8A_20m.jp2", "R10m/t_B08_10m.jp2")
    files = [((folder,), path.stem, path) for folder in ("R10m", "R20m") for path in sorted((tmp_path / folder).iterdir())]
    (found,) = band_stacks(files).values()
    assert [path.name for path in found] == ["t_B02_10m.jp2", "t_B08_10m.jp2", "t_B8A_20m.jp2"]


def test_clouds_with_a_file_for_each_band_are_images_of_four_bands(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_STACKS", str(tmp_path / "stacks"))
    rng = np.random.default_rng(3)
    bands = {name: rng.integers(0, 4000, (2, 24, 30)).astype("uint16") for name in ("red", "green", "blue", "nir")}
    place = dict(crs="EPSG:32631", transform=Affine(30, 0, 500_000, 0, -30, 4_000_000))
    for k in range(2):
        for name, pixels in bands.items():
            save(tmp_path / f"train_{name}/{name}_patch_{k}_LC08.tif", pixels[k], **place)
        save(tmp_path / f"train_gt/gt_patch_{k}_LC08.tif", stripes(24, 30, 0, 255), **place)
    dataset = open_dataset(tmp_path)
    assert len(dataset.pairs) == 2 and dataset.scheme.values == (0, 255)
    image = dataset.pairs[1].image
    assert (image.bands, image.dtype, image.band_names) == (4, "uint16", ("RED", "GREEN", "BLUE", "NIR"))
    np.testing.assert_array_equal(image.read(), np.stack([bands[name][1] for name in bands], axis=2))
    np.testing.assert_array_equal(open_scene(dataset.pairs[1].image_path).read(), image.read())
    np.testing.assert_array_equal(dataset.pairs[1].labels(dataset.scheme), stripes(24, 30, 0, 1))


def test_a_folder_with_a_file_for_each_band_is_one_scene_on_the_finest_grid(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_STACKS", str(tmp_path / "stacks"))
    fine = np.random.default_rng(0).integers(0, 3000, (20, 24)).astype("uint16")
    coarse = np.random.default_rng(1).integers(0, 3000, (10, 12)).astype("uint16")
    folder = tmp_path / "IMG_DATA"
    place = Affine(10, 0, 300_000, 0, -10, 5_000_000)
    save(folder / "T31_B02.tif", fine, crs="EPSG:32631", transform=place)
    save(folder / "T31_B05.tif", coarse, crs="EPSG:32631", transform=place * Affine.scale(2))
    scene = open_scene(folder)
    assert (scene.height, scene.width, scene.bands, scene.band_names) == (20, 24, 2, ("B02", "B05"))
    assert scene.geo.epsg == 32631 and scene.geo.transform == place
    np.testing.assert_array_equal(scene.read()[..., 0], fine)
    np.testing.assert_array_equal(scene.read(categorical=True)[..., 1], coarse.repeat(2, 0).repeat(2, 1))
    with rasterio.open(scene.path) as file:
        assert file.count == 2


# Outlines


def test_spacenet_has_a_file_of_outlines_for_each_image(tmp_path):
    place = Affine(1, 0, 500_000, 0, -1, 4_000_000)
    for k, left in ((1, 0), (12, 20)):
        image = np.random.default_rng(k).integers(0, 255, (32, 40, 3)).astype(np.uint8)
        for folder in ("RGB-PanSharpen", "PAN"):
            here = place * Affine.translation(100 * k, 0)
            save(tmp_path / f"{folder}/{folder}_AOI_2_Vegas_img{k}.tif", image, crs="EPSG:32631", transform=here)
        corner = 500_000 + 100 * k + left
        frame = gpd.GeoDataFrame({"HGT": [3.5]}, geometry=[box(corner, 3_999_980, corner + 15, 3_999_990)], crs="EPSG:32631")
        path = tmp_path / f"geojson/buildings/buildings_AOI_2_Vegas_img{k}.geojson"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_crs(4326).to_file(path)
    dataset = open_dataset(tmp_path)
    assert {pair.image_path.name: pair.mask_path.name for pair in dataset.pairs} == {
        f"RGB-PanSharpen_AOI_2_Vegas_img{k}.tif": f"buildings_AOI_2_Vegas_img{k}.geojson" for k in (1, 12)
    }
    assert len(dataset.scheme) == 2 and dataset.scheme.names[0] == "Background"
    counts = [int((pair.labels(dataset.scheme) == 1).sum()) for pair in dataset.pairs]
    assert counts == [150, 150]
