"""Paths and changes that the browser asks for: only below the allowed folders, and none where the dashboard only shows."""

import ast
import os
from pathlib import Path

import pytest
import streamlit as st

from core.errors import InputError
from core.workspace import MODELS, PROJECT
from ui import allowed, jobs_view, state, uploads
from ui.input import typed_path

UI = [*(PROJECT / "ui").rglob("*.py"), *(PROJECT / "pages").glob("*.py"), PROJECT / "app.py"]


@pytest.mark.parametrize("typed", ["/data/my city", '"/data/my city"', '  "/data/my city" \n'])
def test_a_pasted_path_loses_its_quotation_marks(typed: str) -> None:
    assert typed_path(typed) == Path("/data/my city")


def test_the_home_folder_is_meant_by_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("USERPROFILE", "/home/ada")

    assert typed_path("~/city") == Path("/home/ada/city")


@pytest.mark.parametrize("typed", ["", "  ", '""'])
def test_nothing_typed_is_no_path(typed: str) -> None:
    assert typed_path(typed) is None


# ---- folders ----


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A home folder, a workspace and another folder, with links between them; no roots are named."""
    for name in ("home/city", "workspace", "other/secret", "home-of-another"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "home/out").symlink_to(tmp_path / "other")
    (tmp_path / "home/file.tif").symlink_to(tmp_path / "other/secret/a.tif")
    (tmp_path / "home/loop").symlink_to(tmp_path / "home/loop")
    (tmp_path / "other/back").symlink_to(tmp_path / "home/city")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("GROUNDLINE_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.delenv("GROUNDLINE_ROOTS")
    return tmp_path


INSIDE = ["~", "~/city", "{}/home/city/none.tif", "{}/workspace/layers", "{}/home/city/../city", "{}/other/back/a.tif"]
OUTSIDE = [
    "/etc/passwd",
    "{}/home/../other/secret",
    "{}/home/out/secret",
    "{}/home/file.tif",
    "{}/home-of-another",
    "{}/home/loop/a",
    "{}/home/a\0b",
    "~nobody-of-this-name/x",
    "/vsizip/{}/home/a.zip",
    "/vsicurl/http://localhost/a.tif",
    "//server/share/a.tif",
    "\\\\server\\share\\a.tif",
    "/",
]


def test_a_typed_path_never_leaves_home_and_workspace(places):
    assert all(typed_path(typed.format(places)) for typed in [*INSIDE, str(PROJECT / "sample_data/town"), str(MODELS)])
    for typed in OUTSIDE:
        with pytest.raises(InputError, match="outside the folders .* Expected a path in .* Start the dashboard with --roots"):
            typed_path(typed.format(places))


def test_an_address_is_typed_for_scenes_alone_and_on_a_network_for_named_hosts_alone(places, monkeypatch):
    path = typed_path("https://tiles.example.org/a.tif?key=1", addresses=True)
    assert path.name == "a.remote" and path.is_relative_to(places / "workspace/remote")
    with pytest.raises(InputError, match="outside the folders"):
        typed_path("https://tiles.example.org/a.tif")
    monkeypatch.setenv("GROUNDLINE_HOSTS", "data.example.org, bucket")
    for typed in ("https://data.example.org/a.tif", "s3://bucket/a.tif"):
        assert typed_path(typed, addresses=True)
    with pytest.raises(InputError, match="tiles.example.org is no server that this dashboard asks.*one of data.example.org, bucket"):
        typed_path("https://tiles.example.org/a.tif", addresses=True)
    monkeypatch.delenv("GROUNDLINE_HOSTS")
    monkeypatch.setattr(st, "get_option", {"server.address": "0.0.0.0"}.get)
    with pytest.raises(InputError, match="data.example.org is no server.*it is open to the network"):
        typed_path("https://data.example.org/a.tif", addresses=True)
    monkeypatch.setattr(st, "get_option", {"server.address": "127.0.0.1"}.get)
    monkeypatch.setenv("GROUNDLINE_READ_ONLY", "1")
    with pytest.raises(InputError, match="only shows"):
        typed_path("https://data.example.org/a.tif", addresses=True)


def test_other_folders_are_named_and_on_a_network_home_is_none_of_them(places, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_ROOTS", os.pathsep.join([str(places / "other"), "", str(places / "home/city")]))
    for inside in ("other/secret", "home/out/secret", "home/city", "workspace"):
        assert allowed.may_open(places / inside)
    assert not allowed.may_open(places / "home") and not allowed.may_open("/etc/passwd")
    monkeypatch.delenv("GROUNDLINE_ROOTS")
    monkeypatch.setattr(st, "get_option", {"server.address": "0.0.0.0"}.get)
    assert allowed.may_open(places / "workspace/layers") and allowed.may_open(PROJECT / "sample_data/town")
    assert not allowed.may_open(places / "home/city")


def test_what_was_chosen_before_is_not_offered_from_outside(places, monkeypatch):
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setenv("GROUNDLINE_ROOTS", "/")
    state.select(dataset=places / "other/secret", scene=places / "home/city")
    monkeypatch.delenv("GROUNDLINE_ROOTS")
    monkeypatch.setattr(st, "session_state", {})
    assert state.selection().dataset is None and state.selection().scene == places / "home/city"
    assert state.recent("dataset") == []


def test_every_field_for_a_path_asks_the_one_function():
    """A text field becomes a path in `typed_path` alone: those whose words go elsewhere are named here with what they are."""
    other = {
        "explore_name_images": "a pattern among the files of a folder that is open",
        "explore_name_masks": "a pattern among the files of a folder that is open",
        "certify_person": "a name",
        "map_service_name": "a title",
        "map_service_attribution": "a line of text",
        "map_handover_owner": "a line of text",
        "map_service_layers": "names that a map server knows",
        "map_service_matrix": "a name that a map server knows",
        **dict.fromkeys(("map_postgis_host", "map_postgis_port"), "where a database server listens"),
        **dict.fromkeys(("map_postgis_database", "map_postgis_user", "map_postgis_schema"), "a name that a database server knows"),
        "train_name": "a title",
        "train_normalisation_numbers": "numbers",
    }
    found = {}
    for file in UI:
        source = file.read_text(encoding="utf-8")
        for call in ast.walk(ast.parse(source)):
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in ("text_input", "text_area", "chat_input"):
                key = next((word.value for word in call.keywords if word.arg == "key"), None)
                named = key.value if isinstance(key, ast.Constant) else ast.unparse(key)
                found[named] = "typed_path(" in source
    fields = {key for key, asks in found.items() if asks and key not in other and not key.startswith("f")}
    assert fields == {
        "home_path",
        "project_save_path",
        "explore_path",
        "path_key",
        "map_path",
        "map_overlay_path",
        "train_from_file",
        "import_path",
    }
    # What is left has keys of a run, a model or a scene in them: names, notes, numbers and places on the earth.
    assert all(
        key in other
        or key.startswith(("f'map_c", "f'map_service_", "f'map_postgis_", "f'project_name_", "f'rename_", "f'{key}_", "f'{page}_tiles_"))
        for key in set(found) - fields
    ), found


# ---- changes ----


def test_a_dashboard_that_only_shows_starts_keeps_and_deletes_nothing(places, monkeypatch):
    import io

    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setenv("GROUNDLINE_READ_ONLY", "1")
    for change in (
        lambda: jobs_view.start("demo", {"model": "sample-town"}),
        lambda: uploads.save("a.tif", io.BytesIO(b"a"), places / "workspace"),
        lambda: uploads.unpack("a.zip", io.BytesIO(b"a"), places / "workspace"),
    ):
        with pytest.raises(InputError, match="only shows what is there. Expected one that was started without --read-only"):
            change()
    state.select(dataset=places / "home/city")
    assert state.selection().dataset == places / "home/city"  # for this visitor
    assert list((places / "workspace").rglob("*.*")) == []
    assert allowed.changing("Starts.")["disabled"] and "--read-only" in allowed.changing("Starts.")["help"]
    monkeypatch.delenv("GROUNDLINE_READ_ONLY")
    assert allowed.changing("Starts.", disabled=False) == {"help": "Starts.", "disabled": False}


def test_whatever_changes_files_is_refused_where_the_dashboard_only_shows():
    """Each function of the pages that calls something that writes asks first."""
    writers = {"discard", "restore", "empty_trash", "delete", "annotate", "save", "apply_remedy", "take_back", "write_json", "fetch_labels"}
    writers |= {"store_temperature", "burn", "unlink", "rmtree", "mkdir", "symlink", "write_text", "write_bytes"}
    # They call `save` of uploads, are handed to `_act` or called by one that asks, or write to memory or what can be made anew.
    inner = {"once", "unpack", "choose", "_discard", "_trash", "_form", "encode", "label_png", "_placed"}
    wrong = []
    for file in UI:
        for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            calls = {getattr(call.func, "attr", getattr(call.func, "id", "")) for call in ast.walk(function) if isinstance(call, ast.Call)}
            asks = "refuse_if_read_only" in calls or "read_only" in calls
            if calls & writers and not asks and function.name not in inner:
                wrong.append((file.name, function.name, sorted(calls & writers)))
    assert not wrong, wrong
