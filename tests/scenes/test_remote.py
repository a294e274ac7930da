"""Pictures on other machines: read in parts from real servers, fetched whole where they have to be, and refused in one line."""

import json
import logging
import socket
import time

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.transform import from_origin

from core.__main__ import main
from core.errors import Cancelled, InputError, SceneError, SettingsError
from core.prediction.batch import find_scenes, predict_batch
from core.prediction.folder.rasters import Prediction
from core.prediction.predict import predict
from core.reading.addresses import is_address, is_private, masked, name_of, read_address
from core.scenes.opening import open_scene
from core.scenes.remote import asking, parts, whole
from core.scenes.remote.links import link_of
from core.scenes.scene import Window
from core.scenes.warping import can_warp, image_tile
from core.verbs import registry
from core.workspace import default_workspace
from tests.helpers.datasets import save
from tests.helpers.standins import make_engine, make_model

OWNER = "© Survey Office of Exampleton"
PLACE = {"crs": "EPSG:32640", "transform": from_origin(325000, 2785000, 0.3, 0.3)}


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """A workspace of its own, nobody's keys, and little patience."""
    monkeypatch.setenv("GROUNDLINE_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv(asking.PATIENCE_VARIABLE, "1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_S3_ENDPOINT", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(asking, "_PAUSE_S", 0.01)
    parts.known.forget()


@pytest.fixture(scope="module")
def cog(tmp_path_factory):
    """A COG of 1024 x 1024 pixels of noise, which no compression makes small, with overviews and an owner."""
    folder = tmp_path_factory.mktemp("cog")
    pixels = np.random.default_rng(3).integers(1, 255, (1024, 1024, 3), dtype=np.uint8)
    save(folder / "plain.tif", pixels, **PLACE)
    with rasterio.open(folder / "plain.tif", "r+") as file:
        file.update_tags(TIFFTAG_COPYRIGHT=OWNER)
    rasterio.shutil.copy(folder / "plain.tif", folder / "city.tif", driver="COG", blocksize=128, compress="DEFLATE")
    return folder / "city.tif"


def served(nginx, path, name=None):
    """The address of a copy of a file."""
    target = nginx.files / (name or path.name)
    new = target.with_name(f".{target.name}")
    new.write_bytes(path.read_bytes())
    new.chmod(0o644)
    new.replace(target)
    nginx.sent()
    parts.known.forget()
    return f"{nginx.address}/{target.name}"


def refused(address, words, kind=SceneError):
    with pytest.raises(kind, match=words) as caught:
        open_scene(address)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- in parts ----


def test_a_cog_is_read_where_it_is_worked_on_with_the_same_values(nginx, cog):
    far, here = open_scene(served(nginx, cog)), open_scene(cog)
    assert (far.name, far.shape, far.bands, far.geo, far.attribution) == ("city", (1024, 1024), 3, here.geo, OWNER)
    window = Window(300, 200, 150, 170)
    np.testing.assert_array_equal(far.read(window), here.read(window))
    assert far.valid(window).all()
    # Rows 300 to 450 and columns 200 to 370 lie in 2 x 2 tiles of 128 x 128 x 3 bytes of noise; the head comes three times.
    assert 4 * 49_152 <= nginx.sent() < 4 * 49_152 + 60_000
    # A picture of the whole comes from its overview: 256 x 256 pixels, not 1024 x 1024.
    np.testing.assert_array_equal(far.read(out_shape=(256, 256)), here.read(out_shape=(256, 256)))
    assert nginx.sent() < 300_000
    assert can_warp(far)
    tile = image_tile(far, (1, 2, 3), None, 18, 170000, 112000, size_px=256)
    assert tile is None  # elsewhere on the earth, and nothing is asked for it
    assert nginx.sent() < 100_000


def test_labels_are_those_of_the_same_file_byte_for_byte(nginx, cog, tmp_path):
    model = make_model(tmp_path / "model")
    settings = dict(engine=make_engine(model), memory="8GiB", window=Window(100, 300, 333, 250))
    predict(model, cog, tmp_path / "here", **settings)
    predict(model, served(nginx, cog), tmp_path / "far", **settings)
    here, far = Prediction.open(tmp_path / "here"), Prediction.open(tmp_path / "far")
    np.testing.assert_array_equal(far.labels(), here.labels())
    assert far.labels().tobytes() == here.labels().tobytes() and far.probabilities().tobytes() == here.probabilities().tobytes()
    # What is told of the picture goes with the result: whose it is, and where it came from.
    assert far.made["attribution"] == OWNER and far.made["address"] == f"{nginx.address}/city.tif" and "address" not in here.made
    with rasterio.open(tmp_path / "far" / "labels.tif") as labels:
        assert OWNER in labels.tags()["TIFFTAG_COPYRIGHT"]


def test_a_file_that_changes_while_it_is_read_gives_no_result(nginx, cog, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "_FRESH_S", 0.0)
    model, address = make_model(tmp_path / "model"), served(nginx, cog)
    scene = open_scene(address)
    before, changed = scene.digest, []
    save(cog.with_name("flat.tif"), np.full((1024, 1024, 3), 9, np.uint8), **PLACE)
    rasterio.shutil.copy(cog.with_name("flat.tif"), cog.with_name("other.tif"), driver="COG", blocksize=128)

    def other(patches):
        changed.append(0)
        if len(changed) == 3:
            served(nginx, cog.with_name("other.tif"), "city.tif")
        return make_engine(model).run(patches)

    engine = make_engine(model, other)
    with pytest.raises(InputError, match="city changed while it was read|city could not be read on"):
        predict(model, scene, tmp_path / "out", engine=engine, memory="8GiB", window=Window(0, 0, 200, 200))
    assert not (tmp_path / "out").exists() and open_scene(address).digest != before


def test_buckets_are_read_by_keys_or_by_everybody(bucket, cog, monkeypatch):
    monkeypatch.setenv("AWS_S3_ENDPOINT", f"http://{bucket.host}")
    for name in ("open", "closed"):
        bucket.put(f"{name}/a/city.tif", cog.read_bytes(), public=name == "open")
    here, window = open_scene(cog), Window(500, 500, 100, 100)
    far = open_scene("s3://open/a/city.tif")
    assert far.name == "city" and far.attribution == OWNER
    np.testing.assert_array_equal(far.read(window), here.read(window))
    line = refused("s3://closed/a/city.tif", "city.tif cannot be opened")
    assert "AWS_ACCESS_KEY_ID" in line
    refused("s3://open/none.tif", "none.tif cannot be opened")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "topsecret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    parts.known.forget()
    closed = open_scene("s3://closed/a/city.tif")
    np.testing.assert_array_equal(closed.read(window), here.read(window))
    # A file of a bucket is known by how it is stored.
    assert closed.digest == open_scene("s3://closed/a/city.tif").digest != far.digest
    # Strips are fetched once, with the same pixels.
    bucket.put("closed/a/strips.tif", cog.with_name("plain.tif").read_bytes(), public=False)
    np.testing.assert_array_equal(open_scene("s3://closed/a/strips.tif").read(), here.read())


# ---- whole ----


def test_what_cannot_be_read_in_parts_is_fetched_once(nginx, cog, tmp_path, capsys):
    address = f"{served(nginx, cog).rpartition('/')[0]}/whole/city.tif"
    scene = open_scene(address)
    np.testing.assert_array_equal(scene.read(Window(0, 0, 50, 50)), open_scene(cog).read(Window(0, 0, 50, 50)))
    assert nginx.sent() >= cog.stat().st_size
    assert open_scene(address).read().shape == (1024, 1024, 3) and nginx.sent() == 0
    # Strips are read whole too, and so is what is no GeoTIFF.
    np.testing.assert_array_equal(open_scene(served(nginx, cog.with_name("plain.tif"))).read(), open_scene(cog).read())
    save(tmp_path / "small.png", np.full((20, 30, 3), 7, np.uint8))
    assert open_scene(served(nginx, tmp_path / "small.png")).shape == (20, 30)
    assert not [path for path in default_workspace().remote.rglob("*") if ".part" in path.name]


def test_what_is_not_here_yet_says_why_and_what_is_too_large_is_refused(nginx, cog, monkeypatch):
    served(nginx, cog)
    path = link_of(f"{nginx.address}/whole/city.tif")
    with pytest.raises(SceneError, match=r"city \(4.0\d? MB\) cannot be read in parts: 127.0.0.1:\d+ gives no parts of files"):
        open_scene(path)
    monkeypatch.setattr(whole, "MOST_BYTES", 1_000_000)
    refused(f"{nginx.address}/whole/city.tif", r"city has 4.0\d? MB and cannot be read in parts. Expected at most 1.0 MB")
    assert not list(default_workspace().remote.rglob("*.part"))


def test_a_file_that_breaks_off_is_gone_on_with(odd, cog):
    body, tried = cog.with_name("plain.tif").read_bytes(), []

    def half(handler):
        wanted = handler.headers.get("Range", "")
        start = int(wanted.partition("=")[2].partition("-")[0] or 0)
        whole_asked = handler.command == "GET" and (wanted.endswith("-") or not wanted)
        if whole_asked:
            tried.append((start, handler.headers.get("If-Range")))
        end = len(body) if wanted.endswith("-") or not wanted else min(len(body), int(wanted.rpartition("-")[2]) + 1)
        handler.send_response(206 if wanted else 200)
        if wanted:
            handler.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(body)}")
        handler.send_header("Content-Length", str(end - start))
        handler.send_header("ETag", '"first"')
        handler.end_headers()
        if handler.command == "HEAD":
            return
        handler.wfile.write(body[start : end if not whole_asked or len(tried) > 2 else start + 1_000_000])
        handler.close_connection = True
        if whole_asked and len(tried) <= 2:
            handler.connection.shutdown(socket.SHUT_RDWR)

    odd.answer["/a.tif"] = half
    np.testing.assert_array_equal(open_scene(f"{odd.address}/a.tif").read(), open_scene(cog).read())
    # Twice a million bytes come before the connection is cut; the third time brings the rest of the same state of the file.
    assert [start for start, _ in tried] == [0, 1_000_000, 2_000_000] and tried[1][1] == tried[2][1] == '"first"'


def test_a_stop_leaves_what_came_and_nothing_that_looks_whole(nginx, cog):
    served(nginx, cog)
    path = link_of(f"{nginx.address}/whole/city.tif")
    calls = iter([False, False, True])
    with pytest.raises(Cancelled):
        whole.arrive(path, should_stop=lambda: next(calls, True))
    assert {file.suffix for file in path.parent.iterdir()} == {".remote", ".part", ".json"}
    whole.arrive(path)
    assert open_scene(path).shape == (1024, 1024) and {file.suffix for file in path.parent.iterdir()} == {".remote", ".tif"}


# ---- what goes wrong ----


def test_servers_that_do_not_answer_as_asked_are_one_line_each(odd, nginx, monkeypatch):
    odd.gives("/page.tif", b"<!DOCTYPE html><title>Log in</title>", kind="text/html")
    odd.gives("/empty.tif", b"")
    odd.gives("/text.tif", b"no picture at all", kind="application/octet-stream")
    odd.gives("/cut.tif", b"II*\0" + bytes(300), ranges=True)
    monkeypatch.setenv(asking.PATIENCE_VARIABLE, "0.3")
    for status in (401, 403, 404, 410, 418, 500):
        odd.gives(f"/{status}.tif", b"no", status=status)
    odd.answer["/hangs.tif"] = lambda handler: time.sleep(1)

    def drips(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        for _ in range(30):
            handler.wfile.write(b"I")
            time.sleep(0.1)

    odd.answer["/drips.tif"] = drips
    for name, words in {
        "page": "sends a web page or another text for",
        "empty": "sends nothing for",
        "text": "is no picture by its name or its first bytes|no image that can be opened",
        "cut": "cannot be opened",
        "401": r"does not give .* to everybody \(401\)",
        "403": r"does not give .* to everybody \(403\)",
        "404": r"is not there \(404\)",
        "410": r"is not there \(410\)",
        "418": "answers 418 to",
        "500": r"has an error of its own \(500\)",
        "hangs": "did not answer in 0.3 s",
        "drips": "sends less than 1000 bytes a second",
    }.items():
        line = refused(f"{odd.address}/{name}.tif?token=S3CRET", words)
        assert "S3CRET" not in line
    # What failed a moment ago is not asked again by the next draw of a page.
    asked = len(odd.asked)
    refused(f"{odd.address}/403.tif?token=S3CRET", "403")
    assert len(odd.asked) == asked
    refused("http://127.0.0.1:1/a.tif", r"no connection to 127.0.0.1:1 \(Connection refused\)")
    refused("https://127.0.0.1:" + nginx.address.rpartition(":")[2] + "/a.tif", "certificate that cannot be trusted|no connection")
    assert not [path for path in default_workspace().remote.rglob("*") if path.is_file() and path.suffix != ".remote"]

    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    refused("https://nothing.example.org/a.tif", r"no connection to nothing.example.org \(no machine of that name is known\)")


def test_a_server_that_goes_away_while_it_is_read_is_one_line_and_read_on_later(odd, cog):
    body = cog.read_bytes()
    odd.gives("/a.tif", body, ranges=True, ETag='"1"')
    scene = open_scene(f"{odd.address}/a.tif")
    scene.read(Window(0, 0, 10, 10))
    good = odd.answer["/a.tif"]

    def cut(handler):
        handler.send_response(206)
        handler.send_header("Content-Length", "50000")
        handler.end_headers()
        handler.wfile.write(body[:1000])
        handler.connection.shutdown(socket.SHUT_RDWR)

    odd.answer["/a.tif"] = cut
    with pytest.raises(SceneError, match="a could not be read on: 127.0.0.1:.* breaks off or does not answer"):
        scene.read(Window(800, 800, 200, 200))
    odd.answer["/a.tif"] = good
    parts.known.forget()
    np.testing.assert_array_equal(scene.read(Window(800, 800, 200, 200)), open_scene(cog).read(Window(800, 800, 200, 200)))


def test_who_asks_to_wait_is_waited_for(odd, cog):
    body, seen = cog.with_name("plain.tif").read_bytes(), []

    def busy(handler):
        seen.append(time.monotonic())
        if len(seen) == 1:
            odd_headers = {"Retry_After": "0.2"}
            odd.gives("/told", b"", status=429, **odd_headers)
            odd.answer["/told"](handler)
        else:
            odd.gives("/told", body)
            odd.answer["/told"](handler)

    odd.answer["/a.tif"] = busy
    assert open_scene(f"{odd.address}/a.tif").shape == (1024, 1024)
    assert seen[1] - seen[0] >= 0.2
    odd.gives("/late.tif", b"", status=503, Retry_After="3600")
    refused(f"{odd.address}/late.tif", "asks to wait 3600 s. Expected at most 60 s")


# ---- where redirects lead, and what is shown ----


def test_redirects_are_followed_but_not_from_outside_to_inside(nginx, odd, cog, monkeypatch):
    address = served(nginx, cog)
    assert open_scene(address.replace("/city", "/moved/city")).shape == (1024, 1024)

    def leads(location):
        def send(handler):
            handler.send_response(302)
            handler.send_header("Location", location)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        return send

    odd.answer["/circle.tif"] = leads("/circle.tif")
    refused(f"{odd.address}/circle.tif", "leads in circles")
    odd.answer["/file.tif"] = leads("file:///etc/passwd")
    refused(f"{odd.address}/file.tif", "leads to no web address")
    # The odd server stands for one of the public internet; the other name of this machine for a private one.
    odd.answer["/in.tif"] = leads(address.replace("127.0.0.1", "localhost"))
    odd.answer["/ok.tif"] = leads(f"{odd.address}/real.tif")
    odd.gives("/real.tif", cog.read_bytes(), ranges=True)
    nginx.sent()
    monkeypatch.setattr(asking, "is_private", lambda host: host.startswith("localhost"))
    refused(f"{odd.address}/in.tif", "leads into a private network. Expected the picture itself. Type that address if it is meant")
    assert nginx.sent() == 0
    assert open_scene(f"{odd.address}/ok.tif").shape == (1024, 1024)
    assert asking._led("http://a.org/x", "http://a.org/x", "https://a.org/x") == "https://a.org/x"
    with pytest.raises(SceneError, match="from an encrypted address to one that is not"):
        asking._led("https://a.org/x", "https://a.org/x", "http://a.org/x")


def test_addresses_inside_are_known():
    for host in ("127.0.0.1:80", "localhost", "[::1]:8080", "10.1.2.3", "192.168.0.1", "169.254.169.254", "0.0.0.0"):
        assert is_private(host), host
    assert not is_private("8.8.8.8") and not is_private("[2606:4700::1111]:443") and not is_private("nobody.invalid")


def test_passwords_and_keys_go_to_the_server_and_nowhere_else(nginx, cog, tmp_path, caplog, capsys, monkeypatch):
    served(nginx, cog)
    address = nginx.address.replace("//", "//ada:s3cret@") + "/guarded/city.tif?sig=S1GNED&layers=x"
    refused(f"{nginx.address}/guarded/city.tif", r"does not give .* to everybody \(401\)")
    model = make_model(tmp_path / "model")
    with caplog.at_level(logging.DEBUG):
        predict(model, address, tmp_path / "out", engine=make_engine(model), memory="8GiB", window=Window(0, 0, 64, 64))
        full = registry.complete("predict", {"model": "tiny", "scene": address})
        refused(address.replace("city", "none"), "is not there")
    made = json.loads((tmp_path / "out" / "prediction.json").read_text())
    assert made["address"] == f"{nginx.address}/guarded/city.tif?sig=***&layers=x"
    seen = json.dumps([made, full]) + caplog.text + "".join(capsys.readouterr())
    assert "s3cret" not in seen and "S1GNED" not in seen
    link = link_of(address)
    assert full["scene"] == str(link) and "s3cret" in link.read_text() and link.stat().st_mode & 0o077 == 0


def test_what_is_an_address_and_what_is_shown_of_it():
    assert is_address(" HTTPS://a.org/x.tif") and is_address("s3://b/k") and not is_address("/data/x.tif") and not is_address("ftp://a/x")
    assert read_address(" 'HTTPS://a.org/x%20y.tif#top' ") == "https://a.org/x%20y.tif"
    for wrong in ("https://", "https://a.org", "https://a.org/", "s3://bucket", "https://a.org/a b.tif", "https://a.org:x/a", "https:///x"):
        with pytest.raises(SettingsError, match="is no address of a picture"):
            read_address(wrong)
    assert masked("no https://u:p@h.org/a?X-Amz-Signature=1&bbox=1,2 here") == "no https://h.org/a?X-Amz-Signature=***&bbox=1,2 here"
    assert masked("/vsicurl/https://h.org/a?KEY") == "/vsicurl/https://h.org/a?***"
    assert [
        name_of(one) for one in ("https://h/a/b%20c.tif?x=1", "s3://b/k", "https://h/?layers=o:p", "https://h.org/..%2f..%2fx.tif")
    ] == [
        *("b c", "k", "o-p", "x"),
    ]


def test_a_link_that_somebody_sent_leads_nowhere(nginx, cog, tmp_path):
    path = link_of(served(nginx, cog))
    sent = tmp_path / path.name
    sent.write_bytes(path.read_bytes())
    with pytest.raises(SceneError, match="city.remote leads to another machine and was not made here"):
        open_scene(sent)
    path.write_text("{}")
    with pytest.raises(SceneError, match="city.remote is no link"):
        open_scene(path)
    assert nginx.sent() == 0


def test_addresses_are_taken_where_a_scene_is_and_nowhere_else(tmp_path, capsys):
    with pytest.raises(SettingsError, match="the address https://h.org/x as out. Expected a path on this machine"):
        registry.complete("predict", {"model": "tiny", "scene": "a.tif", "out": "https://h.org/x"})
    assert main(["audit", "https://h.org/set"]) == 2 and "as dataset. Expected a path on this machine" in capsys.readouterr().err
    assert main(["predict", "sample-town", "http://127.0.0.1:1/a.tif", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("no connection to 127.0.0.1:1")


def test_a_list_of_scenes_names_files_and_addresses(nginx, cog, tmp_path):
    address = served(nginx, cog)
    save(tmp_path / "near.tif", np.full((40, 50, 3), 9, np.uint8), **PLACE)
    (tmp_path / "scenes.txt").write_text(f"# two\nnear.tif\n{address}\n\n{nginx.address}/none.tif\n")
    found = find_scenes(tmp_path / "scenes.txt")
    assert found == [tmp_path / "near.tif", link_of(address), link_of(f"{nginx.address}/none.tif")]
    (nginx.files / "city.tif").write_bytes((tmp_path / "near.tif").read_bytes())
    model = make_model(tmp_path / "model")
    rows = predict_batch(model, found, tmp_path / "out", engine=make_engine(model), memory="8GiB").rows
    assert [row["state"] for row in rows] == ["done", "done", "failed"] and "is not there (404)" in rows[2]["error"]
    (tmp_path / "scenes.txt").write_text("# none\n")
    with pytest.raises(SceneError, match="0 scenes in scenes.txt. Expected 1 to"):
        find_scenes(tmp_path / "scenes.txt")
