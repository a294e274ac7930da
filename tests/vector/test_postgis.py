"""Layers as tables in a real PostGIS: what the table holds and says, all or nothing, and what is refused in one line."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from urllib.parse import quote

import numpy as np
import pandas as pd
import psycopg
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import CRS

import core.reading.postgis as addresses
import core.vector.formats.postgis as tables
from core.__main__ import main
from core.classes import DUBAI
from core.datasets import table_labels
from core.datasets.datasets import open_dataset
from core.errors import Cancelled, DatasetError, ExportError, SettingsError
from core.files import write_json
from core.geo import GeoRef
from core.jobs import jobs
from core.reading.postgis import is_address, masked, read_address
from core.vector.formats.content import DESCRIPTIONS, content_of
from core.vector.formats.postgis import write_table
from core.vector.formats.styles import qgis_style
from core.vector.vectorize import vectorize
from core.workspace import Workspace
from tests.helpers.postgres import PASSWORD, USER

UTM = GeoRef(Affine(0.3, 0, 325000, 0, -0.3, 2784000), CRS.from_epsg(32640))
IDS = np.kron(np.random.default_rng(2).integers(0, 5, (6, 7)), np.ones((4, 4), int)).astype(np.uint8)


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No password and no server of the user's own."""
    for name in ("PGPASSWORD", "PGHOST", "PGSERVICE", "PGUSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))


@pytest.fixture
def known(monkeypatch):
    """The password is in the environment, as libpq reads it."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)


def layer_of(geo=UTM, **asked):
    return vectorize(IDS, geo=geo, scheme=DUBAI, confidence=np.full(IDS.shape, 0.5), min_area=3, **asked).layer


def raster(path, ids=IDS, crs="EPSG:32640"):
    with rasterio.open(path, "w", "GTiff", 28, 24, 1, crs, UTM.transform, "uint8") as out:
        out.write(ids, 1)
    return str(path)


def refused(capsys, *words):
    """The one line that a command ends with."""
    capsys.readouterr()
    assert main(["vectorize", *map(str, words)]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    return said.err


@pytest.mark.usefixtures("known")
def test_a_table_holds_the_layer_and_says_what_it_is(postgres, monkeypatch):
    monkeypatch.setattr(tables, "_BATCH", 7)  # several batches, there and back
    layer = layer_of()
    # A merged class of unknown confidence, and a class with all that SQL and CSV could stumble on in its name.
    layer.frame.loc[3, ["mean_confidence", "second_class"]] = np.nan, ""
    layer.frame.loc[4, "second_class"] = "a\"b'c,d\\\n;é"
    layer.made.update(source="town.tif", model="sample-town")
    notes = []
    name = """Roofs "of" o'Neil; %s {}"""
    assert write_table(layer, read_address(postgres.address(quote(name))), on_note=notes.append) == len(layer.frame)
    assert notes == []
    place = '"Roofs ""of"" o\'Neil; %s {}"'
    # Read by the database itself: SRID, key, index, outlines and values.
    assert postgres.ask("SELECT srid, type FROM geometry_columns WHERE f_table_name = %s", name) == [(32640, "POLYGON")]
    indices = [text for (text,) in postgres.ask("SELECT indexdef FROM pg_indexes WHERE tablename = %s", name)]
    assert any("gist (geom)" in text for text in indices) and any("UNIQUE" in text and "(id)" in text for text in indices)
    meant = content_of(layer, "", crs=UTM.crs, lonlat=False)
    columns = ", ".join(meant.fields)
    found = postgres.ask(f"SELECT {columns}, ST_AsBinary(geom) FROM public.{place}")
    got = pd.DataFrame(found, columns=[*meant.fields, "geom"]).sort_values("id", ignore_index=True)
    assert (shapely.from_wkb(got.pop("geom").to_numpy()) == meant.geometry).all()
    for column in meant.fields:
        numbers = meant.fields[column].dtype.kind in "fiub"
        want, is_ = (frame[column].to_numpy(float if numbers else object) for frame in (meant.fields, got))
        np.testing.assert_array_equal(is_, want)
    # Words: scene, model and units.
    (about,) = postgres.ask("SELECT obj_description(%s::regclass)", f"public.{place}")[0]
    assert about.startswith("Made by Groundline ") and "from town.tif with sample-town" in about and "UTM zone 40N" in about
    told = dict(
        postgres.ask(
            "SELECT attname, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0",
            f"public.{place}",
        )
    )
    assert told["area_m2"] == "area in square metres" and told["geom"] == "outline, coordinates in EPSG:32640"
    assert all(told[column] == DESCRIPTIONS[column] for column in meant.fields)
    style, default = postgres.ask("SELECT styleqml::text, useasdefault FROM layer_styles WHERE f_table_name = %s", name)[0]
    assert default and style.endswith(qgis_style(meant).partition("\n")[2])


@pytest.mark.usefixtures("known")
def test_the_command_line_writes_files_and_tables_and_replaces_only_its_own(postgres, tmp_path, capsys, monkeypatch):
    road = IDS.copy()
    road[9:15] = 5
    road[11:13, 1:27] = 6  # 26 pixels of 0.3 m long
    source = raster(tmp_path / "town.tif", road)
    address = postgres.address("public.town")
    words = [source, str(tmp_path / "town.gpkg"), address, "--centre-lines", "Class 6"]
    assert main(["vectorize", *words, "--crs", "EPSG:3857", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    file, table = answer["files"]
    assert file["path"].endswith("town.gpkg") and table["path"] == address and table["features"] == answer["polygons"] > 10
    assert postgres.ask("SELECT Find_SRID('public', 'town', 'geom')") == [(3857,)]
    lines, type_, length = postgres.ask("SELECT count(*), min(GeometryType(geom)), sum(length_m) FROM town_lines")[0]
    assert (lines, type_) == (answer["centre_lines"], "LINESTRING") and length == pytest.approx(26 * 0.3, abs=0.7)
    # There is one now: nothing is traced, and it stays.
    postgres.ask("UPDATE town SET class_name = 'kept'")
    assert "public.town is there already. Expected a free name. Name another table, or add --overwrite." in refused(capsys, *words)
    assert postgres.ask("SELECT DISTINCT class_name FROM town") == [("kept",)]
    # A style of the user's own stays the default.
    postgres.ask("UPDATE layer_styles SET stylename = 'mine' WHERE f_table_name = 'town'")
    assert main(["vectorize", *words, "--overwrite"]) == 0
    assert ("kept",) not in postgres.ask("SELECT DISTINCT class_name FROM town")
    styles = postgres.ask("SELECT stylename, useasdefault FROM layer_styles WHERE f_table_name = 'town' ORDER BY 1")
    assert styles == [("classes", False), ("mine", True)]
    # What others made is never replaced, and neither is what other things are made of.
    postgres.ask(f"CREATE TABLE parcels (id int); ALTER TABLE parcels OWNER TO {USER}")
    line = refused(capsys, source, postgres.address("parcels"), "--overwrite")
    assert "public.parcels is not a table that this user wrote with Groundline" in line
    postgres.ask("CREATE VIEW of_town AS SELECT id FROM town")
    assert "drop table town because other objects depend on it" in refused(capsys, *words, "--overwrite")
    # Nobody is waited for without end.
    postgres.ask("DROP VIEW of_town")
    monkeypatch.setattr(addresses, "_PATIENCE_S", 1)
    with psycopg.connect(postgres.address("x").partition("?")[0], password=PASSWORD) as other:
        other.execute("SELECT * FROM town")
        assert "Expected a table that nobody uses at this moment" in refused(capsys, *words, "--overwrite")
    assert postgres.ask("SELECT count(*) FROM town") == [(answer["polygons"],)]


@pytest.mark.usefixtures("known")
def test_all_or_nothing(postgres, monkeypatch):
    monkeypatch.setattr(tables, "_BATCH", 7)
    layer, address = layer_of(), read_address(postgres.address("half"))
    calls = iter(range(100))
    with pytest.raises(Cancelled):
        write_table(layer, address, should_stop=lambda: next(calls) == 3)
    # A server that goes away in between is one line.
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'groundline'"
    with pytest.raises(ExportError, match=r"^public\.half in gis: .* Expected a server that does it\. Ask who runs it\.$"):
        write_table(layer, address, on_progress=lambda done, total, words: postgres.ask(kill))
    # A database that changes what is written is found out, and the table is taken back.
    made = tables._as_csv
    monkeypatch.setattr(tables, "_as_csv", lambda *told, **how: made(*told, **how).replace(b"0.5,", b"0.25,"))
    with pytest.raises(ExportError, match=r"public\.half with mean_confidence of feature 1 = 0.25 when read again. Expected 0.5"):
        write_table(layer, address)
    assert postgres.ask("SELECT to_regclass('half'), (SELECT count(*) FROM layer_styles WHERE f_table_name = 'half')") == [(None, 0)]


@pytest.mark.usefixtures("known")
def test_places(postgres, tmp_path, capsys):
    # Without a CRS: SRID 0, and that is said.
    source = raster(tmp_path / "nowhere.tif", crs=None)
    assert main(["vectorize", source, postgres.address("nowhere")]) == 0
    assert "has SRID 0" in capsys.readouterr().out
    assert postgres.ask("SELECT Find_SRID('public', 'nowhere', 'geom')") == [(0,)]
    # A CRS that has no number is refused, and nothing is left.
    own = CRS.from_proj4("+proj=tmerc +lat_0=1 +lon_0=2 +x_0=3 +y_0=4 +ellps=intl +units=m")
    with pytest.raises(ExportError, match=r"no SRID for .* in database gis\. Expected a CRS that its table spatial_ref_sys holds"):
        write_table(layer_of(replace(UTM, crs=own)), read_address(postgres.address("elsewhere")))
    # ESRI's numbers count too; what the antimeridian cuts lies with the others as several parts.
    esri = CRS.from_authority("ESRI", 102008)
    assert write_table(layer_of(), read_address(postgres.address("america")), crs=esri) > 0
    over = GeoRef(Affine(10, 0, 819300, 0, -10, 8118000), CRS.from_epsg(32760))
    write_table(layer_of(over), read_address(postgres.address("fiji")), crs="EPSG:4326")
    shapes = postgres.ask("SELECT DISTINCT GeometryType(geom), max(ST_NumGeometries(geom)) OVER () FROM fiji")
    assert shapes == [("MULTIPOLYGON", 2)]
    empty = vectorize(np.full((4, 4), 255, np.uint8), geo=UTM, scheme=DUBAI).layer
    assert write_table(empty, read_address(postgres.address("empty"))) == 0


def test_refusals_are_one_line_and_hold_no_password(postgres, tmp_path, capsys, monkeypatch):
    source = raster(tmp_path / "town.tif")

    def line(address, *more):
        said = refused(capsys, source, address, *more)
        assert PASSWORD not in said and "p@ss" not in said and "p%40ss" not in said
        return said

    right = {"password": PASSWORD}
    assert "Connection refused" in line(postgres.address("t", **right).replace(str(postgres.port), "1"))
    assert "password authentication failed" in line(postgres.address("t", password="wrong"))
    assert "Put the password into ~/.pgpass or PGPASSWORD" in line(postgres.address("t"))
    assert 'database "gone" does not exist' in line(postgres.address("t", database="gone", **right))
    assert "database postgres of postgresql://" in line(postgres.address("t", database="postgres", **right))
    assert "no schema gone in database gis" in line(postgres.address("gone.t", **right))
    postgres.ask("CREATE SCHEMA locked; GRANT USAGE ON SCHEMA locked TO analyst")
    assert f'GRANT CREATE ON SCHEMA "locked" TO "{USER}"' in line(postgres.address("locked.t", **right))
    assert "names no table" in line(postgres.address("", **right))
    assert "64 bytes" in line(postgres.address("t" * 64, **right))
    # Typed as it is, this password is cut at its own letters.
    assert "no address of a database" in line(f"postgresql://{USER}:{PASSWORD}@127.0.0.1:x/gis?table=t")
    with pytest.raises(SettingsError, match="a password in postgresql://analyst:\\*\\*\\*@127"):
        request = {"prediction": source, "files": [], "tables": [postgres.address("t", **right)]}
        jobs.start("vectorize", request, workspace=Workspace(tmp_path / "w"))
    assert not list(Workspace(tmp_path / "w").runs.glob("*/request.json"))
    # The answer names the table without it; so does what a password file gives.
    assert main(["vectorize", source, postgres.address("told", **right), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"][0]["path"] == postgres.address("public.told")
    (tmp_path / "pgpass").write_text(f"127.0.0.1:*:gis:{USER}:{PASSWORD.replace(':', chr(92) + ':')}\n")
    (tmp_path / "pgpass").chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    assert main(["vectorize", source, postgres.address("told"), "--overwrite"]) == 0
    (tmp_path / "services").write_text(f"[ours]\nhost=127.0.0.1\nport={postgres.port}\ndbname=gis\nuser={USER}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    assert main(["vectorize", source, "postgresql:///?service=ours&table=told", "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("typed", "name", "shown"),
    [
        ("postgresql://u:p@h:5/d?table=a.b", "a.b", "postgresql://u@h:5/d?table=a.b"),
        ("postgres://h/d?sslmode=require&table=b", "public.b", "postgresql://h/d?sslmode=require&table=public.b"),
        ("postgresql:///d?host=/tmp&table=b.c&schema=A.x", "A.x.b.c", "postgresql://%2Ftmp/d?schema=A.x&table=b.c"),
        ("postgresql://u@h,k:7/d?table=%22q%22%20%25", 'public."q" %', "postgresql://u@h,k:7/d?table=public.%22q%22%20%25"),
        ("postgresql://h/d?password=p%26q&table=t", "public.t", "postgresql://h/d?table=public.t"),
        ("postgresql:///?service=s&table=t", "public.t", "postgresql:///?service=s&table=public.t"),
    ],
)
def test_an_address_is_shown_as_it_can_be_typed_again(typed, name, shown):
    address = read_address(typed)
    assert is_address(typed) and address.name == name and str(address) == shown
    again = read_address(shown)
    assert again.name == name and {k: v for k, v in address.server.items() if k != "password"} == again.server
    assert "p" not in re.sub("postgresql|public|tmp|sslmode|require", "", repr(address).replace("TableAddress", ""))


def test_passwords_are_masked_wherever_an_address_stands():
    assert masked("x postgresql://u:a:b@c/d@h/d y") == "x postgresql://u:***@h/d y"
    assert masked("/cwd/postgres:/u:s@h/d") == "/cwd/postgres:/u:***@h/d"
    assert masked("postgresql://h/d?password=s&table=t") == "postgresql://h/d?password=***&table=t"
    assert masked("postgresql://u@h/d?table=t") == "postgresql://u@h/d?table=t"


# ---- labels ----


@pytest.fixture
def images(tmp_path, monkeypatch):
    """A data set of two images of 24 x 28 pixels, side by side; what is fetched lies in a folder of the test's."""
    monkeypatch.setenv("GROUNDLINE_FETCHED", str(tmp_path / "fetched"))
    for k, name in enumerate("ab"):
        (tmp_path / "set/images").mkdir(parents=True, exist_ok=True)
        place = UTM.transform * Affine.translation(28 * k, 0)
        with rasterio.open(tmp_path / f"set/images/{name}.tif", "w", "GTiff", 28, 24, 3, "EPSG:32640", place, "uint8") as out:
            out.write(np.zeros((3, 24, 28), np.uint8))
    return tmp_path / "set"


@pytest.mark.usefixtures("known")
def test_labels_are_read_from_a_table_in_batches_and_stay_what_they_were(postgres, images, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(table_labels, "_BATCH", 2)

    def square(row, col, row_end, col_end):
        corners = [UTM.transform * corner for corner in ((col, row), (col_end, row), (col_end, row_end), (col, row_end), (col, row))]
        return "POLYGON((" + ",".join(f"{x} {y}" for x, y in corners) + "))"

    # A table as others have it: heights, columns that a GeoPackage has itself, two that differ by capital letters, rows without outline.
    postgres.ask(
        'CREATE SCHEMA "Stadt"; GRANT USAGE ON SCHEMA "Stadt" TO analyst; '
        'CREATE TABLE "Stadt"."Flächen" (fid int PRIMARY KEY, "Class" text, class text, since date, "geom" text, shape geometry); '
        'GRANT SELECT ON "Stadt"."Flächen" TO analyst'
    )
    rows = [
        (1, "Wiese", square(0, 0, 10, 10)),
        (5, "Haus", None),
        (4, "Haus", square(5, 5, 10, 10)),
        (2, "Haus", square(12, 20, 20, 40)),
        (3, None, square(0, 20, 4, 24)),
    ]
    for key, name, outline in rows:
        shape = "ST_Transform(ST_Force3D(ST_GeomFromText(%s, 32640)), 4326)"
        postgres.ask(f"INSERT INTO \"Stadt\".\"Flächen\" VALUES (%s, %s, 'x', '2024-05-06', 'y', {shape})", key, name, outline)
    address = postgres.address(f"{quote('Flächen')}&schema=Stadt")
    dataset = open_dataset(images, masks=address)
    assert dataset.scheme.names == ("Haus", "Wiese") and len(dataset.pairs) == 2
    first, second = (pair.labels(dataset.scheme) for pair in dataset.pairs)
    want = np.full((24, 56), 255)
    want[:10, :10] = 1
    want[5:10, 5:10] = want[12:20, 20:40] = 0  # by the key, so the house lies on the meadow
    want[:4, 20:24] = 255  # a shape without a class
    np.testing.assert_array_equal(np.hstack([first, second]), want)
    assert "2 of 5 features left out" in dataset.scheme_source
    # The same content is the same file, so that what was counted stays known; another content is another one.
    assert open_dataset(images, masks=address).digest == dataset.digest
    postgres.ask('UPDATE "Stadt"."Flächen" SET "Class" = \'Hof\' WHERE fid = 1')
    assert main(["audit", str(images), "--masks", address, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer["classes"]) == {"Haus", "Hof", "Unlabeled"} and answer["pairs"] == 2
    assert open_dataset(images, masks=address).digest != dataset.digest
    assert main(["prepare", str(images), str(tmp_path / "p"), "--masks", address, "--patch-size", "8", "--split", "random"]) == 0
    # Our own tables are labels too, in whatever CRS.
    write_table(layer_of(), read_address(postgres.address("ours")), crs="EPSG:3857")
    ours = open_dataset(images, masks=postgres.address("ours"))
    ids = ours.pairs[0].labels(ours.scheme)
    assert (np.array(ours.scheme.names)[ids] == np.array(DUBAI.names)[IDS]).mean() > 0.9
    # A remedy file is somebody's word, and has this machine connect nowhere.
    write_json(images / "groundline.json", {"format": "groundline remedies 1", "masks": postgres.address("ours", password=PASSWORD)})
    with pytest.raises(DatasetError, match=r"no mask file fits 'postgresql://analyst:\*\*\*@"):
        open_dataset(images)


@pytest.mark.usefixtures("known")
def test_labels_that_cannot_be_read_are_one_line(postgres, images, capsys):
    postgres.ask(
        "CREATE TABLE no_shapes (class text); CREATE TABLE no_rows (class text, geom geometry(Polygon, 32640)); "
        "CREATE TABLE secret (geom geometry); CREATE TABLE mixed (class text, geom geometry); "
        "INSERT INTO mixed SELECT 'a', ST_SetSRID('POINT(1 1)'::geometry, srid) FROM generate_series(3857, 3858) srid; "
        "GRANT SELECT ON no_shapes, no_rows, mixed TO analyst"
    )
    for table, words in {
        "no_shapes": "public.no_shapes has no column of type geometry (class)",
        "gone": "no public.gone in gis",
        "secret": "permission denied for table secret",
        "mixed": "several SRIDs (3857 and 3858)",
        "no_rows": "no features in no_rows.gpkg",
    }.items():
        assert main(["audit", str(images), "--masks", postgres.address(table)]) == 2
        said = capsys.readouterr().err
        assert words in said and said.count("\n") == 1
