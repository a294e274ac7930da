"""ClassScheme: palettes both ways, strangers counted, class files read."""

import json

import numpy as np
import pytest

from core.classes import DUBAI, ClassScheme, from_hex, pack, to_hex
from core.colours.choosing import APART, MOST_APART, distinct_colours, natural_colours, safe_colours
from core.colours.meanings import MEANINGS, SAFE, meaning_of
from core.colours.space import DARK_GROUND, LIGHT_GROUND, SEEN, contrast, edge_on, lab, seen
from core.errors import ClassesError, SettingsError


def test_ids_and_colours_round_trip_on_odd_sizes():
    random = np.random.default_rng(0)
    for shape in ((1, 1), (3, 7), (31, 17)):
        ids = random.choice([0, 1, 2, 3, 4, 255], size=shape).astype(np.uint8)
        again, strangers = DUBAI.encode(DUBAI.decode(ids))
        assert strangers == {}
        np.testing.assert_array_equal(again, ids)


def test_unknown_colours_become_ignored_and_are_counted():
    rgb = np.zeros((2, 3, 3), np.uint8)  # six black pixels, which is no class ...
    rgb[0, 0] = from_hex("#3C1098")  # ... but for one Building,
    rgb[0, 1] = from_hex("#9B9B9B")  # one Unlabeled, which is declared and so no stranger,
    rgb[1, 2] = (1, 2, 3)  # and one more stranger
    ids, strangers = DUBAI.encode(rgb)
    assert ids.tolist() == [[0, 255, 255], [255, 255, 255]]
    assert strangers == {"#000000": 3, "#010203": 1}


def test_mask_values_map_to_ids_and_strangers_are_counted():
    scheme = ClassScheme(names=("a", "b"), colours=((1, 0, 0), (0, 1, 0)), values=(10, 20))
    ids, strangers = scheme.encode_values(np.array([[10, 20, 30], [255, 0, 30]]))
    assert ids.tolist() == [[0, 1, 255], [255, 255, 255]]
    assert strangers == {0: 1, 30: 2}  # 255 is the ignored id itself


def test_scheme_survives_json():
    scheme = ClassScheme(names=("a", "b"), colours=((1, 0, 0), (0, 1, 0)), values=(3, 7), ignored_colours=(), ignored_names=())
    for each in (scheme, DUBAI):
        assert ClassScheme.from_dict(json.loads(json.dumps(each.to_dict()))) == each


def test_class_file_of_the_dubai_kind(tmp_path):
    path = tmp_path / "classes.json"
    path.write_text(json.dumps({"classes": [{"title": "Water", "color": "#50E3C2"}, {"title": "Unlabeled", "color": "#9B9B9B"}]}))
    scheme = ClassScheme.load(path)
    assert scheme.names == ("Water",) and scheme.hex(0) == "#50E3C2"
    assert scheme.ignored_colours == ((155, 155, 155),)


@pytest.mark.parametrize("text", ["[]", "{}", "no json", '{"classes": [{"name": "x", "colour": "blue"}]}'])
def test_a_broken_class_file_says_what_to_do(tmp_path, text):
    path = tmp_path / "classes.json"
    path.write_text(text)
    with pytest.raises(ClassesError, match="Expected"):
        ClassScheme.load(path)


def test_schemes_that_contradict_themselves_are_refused():
    for wrong in (
        dict(names=("a", "b"), colours=((0, 0, 0),)),
        dict(names=("a", "a"), colours=((0, 0, 0), (1, 1, 1))),
        dict(names=("a", "b"), colours=((0, 0, 0), (0, 0, 0))),
        dict(names=("a",), colours=((155, 155, 155),)),  # the colour of Unlabeled
        dict(names=("a", "b"), colours=((0, 0, 0), (1, 1, 1)), values=(4, 4)),
        dict(names=(), colours=()),
    ):
        with pytest.raises(ClassesError):
            ClassScheme(**wrong)


def test_hex_and_packing():
    assert to_hex((226, 169, 41)) == "#E2A929" and from_hex("#e2a929") == (226, 169, 41)
    # 1 * 65536 + 2 * 256 + 3 = 66051
    assert pack(np.array([[[1, 2, 3, 99]]], np.uint8)).tolist() == [[66051]]
    assert pack((1, 2, 3)) == 66051
    with pytest.raises(ClassesError):
        from_hex("#12345")


def test_the_safe_palette_follows_names_and_stays_one_colour_a_class():
    safe = DUBAI.colour_blind_safe()
    assert safe.names == DUBAI.names and safe.ignored_colours == DUBAI.ignored_colours
    assert safe.hex(DUBAI.names.index("Water")) == "#0072B2" and safe.hex(DUBAI.names.index("Vegetation")) == "#009E73"
    # Two forests share no colour, and a black that means "not labelled" is nobody's.
    names = ("Forest", "Old forest", *(f"Class {k}" for k in range(30)))
    many = ClassScheme(names, tuple((k, 1, 1) for k in range(32)), ignored_colours=((0, 0, 0),)).colour_blind_safe()
    assert many.hex(0) == "#009E73" and len(set(many.colours)) == 32 and (0, 0, 0) not in many.colours
    assert many.colours[31] == (31, 1, 1)


def test_lab_and_contrast_are_those_of_the_books():
    # White is 100, 0, 0; sRGB red is 53.24, 80.09, 67.20 (Lindbloom); black on white has 21:1, and a colour on itself 1:1.
    np.testing.assert_allclose(lab([(255, 255, 255), (255, 0, 0)]), [(100, 0, 0), (53.24, 80.09, 67.20)], atol=0.02)
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21) and contrast((9, 8, 7), (9, 8, 7)) == 1


def test_renamed_classes_keep_their_colours_and_are_known_by_their_own_names():
    lakes = DUBAI.renamed({"Water": "Lakes", "Land": "Water"})
    assert lakes.names == ("Building", "Water", "Road", "Vegetation", "Lakes") and lakes.own_names == DUBAI.names
    assert lakes.called == {"Water": "Lakes", "Land": "Water"} and DUBAI.called == {}
    assert lakes.natural().colours == DUBAI.natural().colours
    assert lakes.coloured("masks", {"Water": (1, 2, 3)}).hex(4) == "#010203"
    assert lakes.renamed({"Road": "Street"}).names == ("Building", "Land", "Street", "Vegetation", "Water")
    for called, words in (({"Sea": "Lake"}, "no class 'Sea'"), ({"Water": ""}, "no name"), ({"Water": "land"}, "another class")):
        with pytest.raises(ClassesError, match=words):
            DUBAI.renamed(called)


def test_natural_colours_explain_themselves():
    natural = DUBAI.natural()
    colours = {name: natural.colours[k] for k, name in enumerate(natural.names)}
    assert {name: "rgb"[np.argmax(colour)] for name, colour in colours.items() if name != "Road"} == {
        "Building": "r",
        "Land": "r",
        "Vegetation": "g",
        "Water": "b",
    }
    assert np.ptp(colours["Road"]) <= 12  # grey
    assert natural.ignored_colours == DUBAI.ignored_colours and natural.names == DUBAI.names
    # Shown colours are no way to read a mask: the scheme that reads it is as it was.
    ids, strangers = DUBAI.encode(np.array([[from_hex("#E2A929")]], np.uint8))
    assert ids.tolist() == [[4]] and strangers == {} and DUBAI.hex(4) == "#E2A929"


@pytest.mark.parametrize(
    ("meaning", "names"),
    [
        ("water", "Water, river, Gewässer, Wasserflächen, Étang, Plan d'eau, Río, Agua, Permanent water bodies, sea"),
        ("building", "Buildings, roof, Gebäude, Wohngebäude, Häuser, Bâtiment, Edificio, LowBuilding"),
        ("road", "Road, Impervious (road), Straße, Landstraßen, Feldweg, Autobahn, Carretera, Voirie"),
        ("railway", "Railway, Eisenbahn, Voie ferrée, Ferrocarril"),
        ("paved", "Impervious surfaces, paved-area, Parkplatz, Surface imperméable"),
        ("urban", "Urban land, Built-up, Siedlung, Developed space"),
        ("tree", "Tree, Trees, Forest land, Laubwald, Bäume, Forêt, Bosque, Tree canopy"),
        ("grass", "low vegetation, LowVegetation, low_vegetation, Grassland, Rangeland, Wiese, Prairie, Césped"),
        ("vegetation", "Vegetation, Végétation, Vegetación, park"),
        ("shrub", "Shrubland, Brushwood, Gebüsch, Matorral"),
        ("crop", "Agriculture, Agriculture land, cropland, Ackerland, Terre agricole, Cultivos"),
        ("bare", "Land, bare soil, Barren land, Sand, Boden, Suelo desnudo, Sol nu, Bare / sparse vegetation"),
        ("wetland", "Herbaceous wetland, Flooded vegetation, Sumpf, Humedales"),
        ("snow", "Snow and ice, Schnee, Neige, Nieve"),
        ("vehicle", "Car, Static car, Fahrzeuge, Voiture"),
        ("landslide", "landslide, Hangrutschung, Glissement de terrain"),
        ("background", "background, Clutter/background, Hintergrund, non-landslide, not water, other"),
        (None, "Class 3, Season, Carpet, Wasp, Playground, 水"),
    ],
)
def test_what_names_mean(meaning, names):
    found = {name: meaning_of(name) for name in names.split(", ")}
    assert {name: one and one.name for name, one in found.items()} == dict.fromkeys(found, meaning)


def test_colours_of_meanings_lie_apart_and_are_seen_in_both_themes():
    natural = [meaning.natural for meaning in MEANINGS]
    assert apart(natural) >= APART and seen(natural).all()
    assert {meaning.safe for meaning in MEANINGS} <= {None, *SAFE}


@pytest.mark.parametrize(
    "names", [["x"] * MOST_APART, ["Forest"] * 6 + ["Water"] * 6 + ["Road", "x"] * 6, ["Tree", "Low vegetation", "Crop"]]
)
def test_natural_colours_lie_apart_from_each_other_and_from_what_is_ignored(names):
    names = [f"{name} {k}" for k, name in enumerate(names)]
    colours = natural_colours(names, [(k, k, k) for k in range(len(names))], DUBAI.ignored_colours)
    assert apart([*colours, *DUBAI.ignored_colours]) >= APART and seen(colours).all()


def apart(colours) -> float:
    """The smallest difference of two colours of a list."""
    places = lab(colours)
    return min(float(np.linalg.norm(places[i] - places[j])) for i in range(len(places)) for j in range(i))


def test_a_class_that_means_nothing_keeps_a_colour_of_its_own_where_that_is_seen():
    # The blue is nearly that of water, the black is not seen on dark ground.
    colours = natural_colours(["Water", "A", "B", "C"], [(0, 0, 0), (200, 60, 200), (33, 114, 190), (1, 1, 1)])
    assert colours[1] == (200, 60, 200) and colours[2] != (33, 114, 190) and seen(colours).all()


def test_many_classes_have_different_colours_in_all_colourings():
    for count in (100, 255):
        many = ClassScheme.unnamed(count)
        assert all(len(set(many.coloured(how).colours)) == count for how in ("natural", "masks", "safe"))
    assert ClassScheme.unnamed(300).natural().colours == ClassScheme.unnamed(300).colours


def test_colours_set_by_hand_stay_and_others_step_aside():
    roads = DUBAI.natural().colours[2]
    own = DUBAI.coloured("natural", {"Water": roads, "Sky": (1, 2, 3), "Land": (155, 155, 155)})
    assert own.colours[4] == roads and own.colours[2] != roads and own.colours[1] == (155, 155, 154)  # the grey means "not labelled"
    assert DUBAI.coloured("masks") == DUBAI
    with pytest.raises(SettingsError, match="natural, masks, safe"):
        DUBAI.coloured("pretty")


def test_outlines_are_seen_on_the_ground_of_both_themes():
    for ground in (DARK_GROUND, LIGHT_GROUND):
        assert all(contrast(edge_on(colour, ground), ground) >= SEEN for colour in (*SAFE, *DUBAI.colours, ground, (0, 0, 0), (255,) * 3))
        assert edge_on((33, 114, 191), ground) == (33, 114, 191)  # seen as it is


def test_safe_colours_are_those_of_okabe_and_ito_up_to_eight_classes():
    names = ("Tree", "Low vegetation", *(f"Class {k}" for k in range(6)))
    colours = safe_colours(names, [(k, 1, 1) for k in range(8)])
    assert set(colours) == set(SAFE) and colours[0] == (0, 158, 115)


@pytest.mark.parametrize("count", [1, 24, 200, 256, 257, 65536])
def test_distinct_colours_are_distinct(count):
    assert len(set(distinct_colours(count))) == count


def test_unnamed_classes_keep_names_and_colours_when_there_are_more():
    few, many = ClassScheme.unnamed(3), ClassScheme.unnamed(40)
    assert few.names == ("Class 0", "Class 1", "Class 2") and few.ignored_id == 255
    assert many.names[:3] == few.names and many.colours[:3] == few.colours
    assert ClassScheme.unnamed(300).ignored_id == 300


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("class_dict.csv", "name,r,g,b\nUnlabeled,0,0,0\nPaved area,128,64,128\nwater, 28, 42, 168\n"),
        ("class_dict_seg.csv", "name, r, g, b\nunlabeled, 0, 0, 0\nPaved area, 128, 64, 128\nwater, 28, 42, 168\n"),
        ("labelmap.txt", "# label:color_rgb:parts:actions\nunlabelled:0,0,0::\nPaved area:128,64,128::\nwater:28,42,168::\n"),
        ("label_colors.txt", "0 0 0\tVoid\n128 64 128\tPaved area\n28 42 168\twater\n"),
    ],
)
def test_tables_of_names_and_colours(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    scheme = ClassScheme.load(tmp_path / name)
    assert scheme.names == ("Paved area", "water") and scheme.colours == ((128, 64, 128), (28, 42, 168))
    assert scheme.ignored_colours == ((0, 0, 0),)


@pytest.mark.parametrize("text", ["", "name,r,g,b\n", "a,1,2\n", "a,1,2,3\nb,1,2\n", "1,2,3\n", "a,1,2,300\n"])
def test_a_table_that_is_none_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "class_dict.csv").write_text(text)
    with pytest.raises(ClassesError, match="no readable class file") as refused:
        ClassScheme.load(tmp_path / "class_dict.csv")
    assert "\n" not in str(refused.value)
