import json

from tests.pages.conftest import keys_of, sound
from ui import library


def test_what_cannot_be_read_is_told_below_its_list_and_can_be_thrown_away(opened, workspace):
    bad = {
        "models/half": ("card.json", b'{"name": null}'),
        "prepared/half": ("store.json", b"[]"),
        "predictions/half": ("prediction.json", b"\xff\xfe"),
        "evaluations/half": ("evaluation.json", b'{"scheme": []}'),
        "runs/20260101-000000-half": ("request.json", b"null"),
        "trash/half": ("trash.json", b"{"),
    }
    for place, (name, content) in bad.items():
        (workspace.root / place).mkdir(parents=True)
        (workspace.root / place / name).write_bytes(content)
    remembered = {"current": {"prediction": 7}, "recent": {"dataset": "x", "prediction": [str(workspace.predictions / "half")]}}
    (workspace.root / "recent.json").write_text(json.dumps(remembered))
    told = library.broken("evaluations")
    assert [one.path.name for one in told] == ["half"] and "no evaluation in" in told[0].reason and "lacks" in told[0].reason
    at = opened("pages/4_Predict.py")
    assert [text.value.partition(" (")[0] for text in at.text] == [
        f"half cannot be read: no prediction in {workspace.predictions / 'half'}"
    ]
    at = sound(at.switch_page("pages/3_Train.py").run())
    assert any("half cannot be read" in text.value and "prepared patches" in text.value for text in at.text)
    at = sound(at.button(key="broken_prepared_0").click().run())
    assert "broken_prepared_0" not in keys_of(at) and not (workspace.prepared / "half").exists()
