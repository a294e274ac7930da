"""Addresses of map servers: read as people paste them, kept, and refused where no picture could come from them."""

import json

import pytest

from core.errors import InputError, SettingsError
from core.reading.map_services import read_service
from ui.viewer import online


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_WORKSPACE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "address", "origins"),
    [
        ("https://t.example.org/{z}/{x}/{y}.png", "https://t.example.org/{z}/{x}/{y}.png", ["https://t.example.org"]),
        (
            ' "HTTPS://T.example.org:8443/{zoom}/{x}/{-y}@2x.png" ',
            "HTTPS://T.example.org:8443/{z}/{x}/{-y}@2x.png",
            ["https://t.example.org:8443"],
        ),
        ("http://a.b/%7Bz%7D/${x}/{Y}{r}.jpg?key=k%20k", "http://a.b/{z}/{x}/{y}{r}.jpg?key=k%20k", ["http://a.b"]),
        ("https://{s}.a.b/{z}/{x}/{y}", "https://{s}.a.b/{z}/{x}/{y}", ["https://a.a.b", "https://b.a.b", "https://c.a.b"]),
        ("https://t{switch:1,2}.a.b/{z}/{x}/{y}", "https://t{s}.a.b/{z}/{x}/{y}", ["https://t1.a.b", "https://t2.a.b"]),
        ("https://münchen.example/{z}/{x}/{y}", "https://münchen.example/{z}/{x}/{y}", ["https://xn--mnchen-3ya.example"]),
    ],
)
def test_tiles_are_read_as_other_programs_write_them(typed, address, origins):
    service = read_service("xyz", typed)
    assert service.address == address and list(service.origins) == origins and service.name == service.host


def test_a_wms_keeps_what_it_needs_and_takes_over_a_pasted_request():
    typed = "https://a.b/wms?map=/x.map&SERVICE=WMS&Request=GetCapabilities&version=1.1.1&LAYERS=roads&BBOX=1,2,3,4"
    service = read_service("wms", typed)
    assert service.address == "https://a.b/wms?map=%2Fx.map"
    assert service.parameters == {"layers": "roads", "styles": "", "format": "image/png", "transparent": "true", "version": "1.1.1"}
    typed_too = read_service("wms", typed, layers=" a , b ", picture="image/jpeg").parameters
    assert typed_too["layers"] == "a,b" and typed_too["transparent"] == "false"  # a JPEG shows nothing of what is below


def test_a_wmts_is_a_template_or_made_of_its_parameters():
    template = "https://a.b/ortho/{Style}/{TileMatrixSet}/{TileMatrix}/{TileRow}/{TileCol}.png"
    assert read_service("wmts", template).address == "https://a.b/ortho/default/GoogleMapsCompatible/{z}/{y}/{x}.png"
    asked = "SERVICE=WMTS&REQUEST=GetTile&VERSION=1.0.0&LAYER=a:b&STYLE="
    asked += "&TILEMATRIXSET={set}&FORMAT=image/png&TILEMATRIX={zoom}&TILEROW={y}&TILECOL={x}"
    of_parameters = read_service("wmts", "https://a.b/wmts?key=1&request=GetCapabilities", layers="a:b")
    assert of_parameters.address == "https://a.b/wmts?key=1&" + asked.replace("{set}", "GoogleMapsCompatible").replace("{zoom}", "{z}")
    geoserver = read_service("wmts", "https://a.b/wmts", layers="a:b", matrix_set="EPSG:900913")
    assert geoserver.address == "https://a.b/wmts?" + asked.replace("{set}", "EPSG:900913").replace("{zoom}", "EPSG:900913:{z}")


@pytest.mark.parametrize(
    ("kind", "typed", "words"),
    [
        ("xyz", "", "no address"),
        ("xyz", "javascript:alert(1)/{z}/{x}/{y}", "https:// or http://"),
        ("xyz", "ftp://a.b/{z}/{x}/{y}", "https:// or http://"),
        ("xyz", "data:text/html,{z}{x}{y}", "https:// or http://"),
        ("xyz", "https://user:word@a.b/{z}/{x}/{y}", "without a user"),
        ("xyz", "https://a.b; script-src https://evil.example/{z}/{x}/{y}", "without spaces"),
        ("xyz", "https://a.b;script-src/{z}/{x}/{y}", "the name of a server"),
        ("xyz", "https://*/{z}/{x}/{y}", "the name of a server"),
        ("xyz", "https://{s}/{z}/{x}/{y}'unsafe-inline'", "without spaces"),
        ("xyz", "https://a.b:99999/{z}/{x}/{y}", "the name of a server"),
        ("xyz", "https://a.b\n/{z}/{x}/{y}", "line breaks"),
        ("xyz", "https://a.b/{q}.png?{z}{x}{y}", "{q}"),
        ("xyz", "https://a.b/wms", "without {z}, {x}, {y}"),
        ("xyz", "https://a.b/{z}/{x}", "without {y}"),
        ("wms", "https://a.b/{z}/{x}/{y}", "Tiles (XYZ)"),
        ("wms", "https://a.b/wms", "name of a layer"),
        ("wmts", "https://a.b/wmts", "name of a layer"),
        ("tiles", "https://a.b/{z}/{x}/{y}", "xyz, wms, wmts"),
    ],
)
def test_what_no_picture_can_come_from_is_one_line(kind, typed, words):
    with pytest.raises(SettingsError) as refused:
        read_service(kind, typed)
    assert words in str(refused.value) and "\n" not in str(refused.value)


def test_layers_are_kept_by_name_and_a_file_made_by_hand_opens_no_other_door(workspace, monkeypatch):
    wms = read_service("wms", "https://maps.example.org/wms", layers="a", name="Maps")
    online.keep(read_service("xyz", "https://{s}.old.example/{z}/{x}/{y}", name="Tiles"))
    online.keep(wms)
    online.keep(read_service("xyz", "http://new.example:8080/{z}/{x}/{y}", name="Tiles"))
    assert [one.name for one in online.services()] == ["Maps", "Tiles"] and online.services()[0] == wms
    assert online.origins() == ("https://maps.example.org", "http://new.example:8080")
    monkeypatch.setenv("GROUNDLINE_READ_ONLY", "1")
    for change in (lambda: online.keep(wms), lambda: online.forget("Maps")):
        with pytest.raises(InputError, match="only shows"):
            change()
    monkeypatch.delenv("GROUNDLINE_READ_ONLY")
    file = workspace / "online_layers.json"
    stored = json.loads(file.read_text())
    file.write_text(json.dumps([*stored, stored[0] | {"name": "Evil", "address": "https://a.b; script-src *"}]))
    assert [one.name for one in online.services()] == ["Maps", "Tiles"]
    file.write_text('[{"name": 3}]')
    assert online.services() == [] and online.origins() == ()
    for number in range(online.MOST + 1):
        online.keep(read_service("xyz", f"https://t{number}.example/{{z}}/{{x}}/{{y}}"))
    assert [one.host for one in online.services()] == [f"t{number}.example" for number in range(1, online.MOST + 1)]
