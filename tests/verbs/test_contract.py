"""The command line is what it was: keys, exit codes, errors and flags of every verb, against the record of an older checkout.

What is changed on purpose is recorded anew with its reason in the commit; keys, flags, defaults and exit codes stay.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.verbs import contract
from tests.verbs.request_keys import request_keys

HERE = Path(__file__).parent
BEFORE = json.loads((HERE / "contract.json").read_text(encoding="utf-8"))
KEYS_BEFORE = json.loads((HERE / "request_keys.json").read_text(encoding="utf-8"))


@pytest.mark.slow  # it trains, evaluates and quantises small networks: some 85 s of processor time
def test_every_verb_answers_as_it_did():
    assert differences(BEFORE["cases"], contract.record()["cases"]) == []


def test_what_can_be_typed_after_each_verb_is_what_it_was():
    assert differences(BEFORE["help"], contract.typed()) == []


def test_requests_have_the_keys_and_defaults_that_they_had():
    assert differences(KEYS_BEFORE, request_keys()) == []


def test_a_difference_is_named_with_its_case():
    before = {"audit": {"exit": 0, "keys": ["classes", "pairs"]}, "predict": {"exit": 2}, "demo": {}}
    now = {"audit": {"exit": 0, "keys": ["pairs", "palette"]}, "predict": {"exit": 1}, "train": {}}
    assert differences(before, now) == [
        "audit, keys: no longer 'classes'; new 'palette'",
        "demo: no longer there",
        "predict, exit: 2 has become 1",
        "train: new",
    ]


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """One line for each part of each case that is not as it was; run `contract.py` to record what was changed on purpose."""
    found = []
    for case in sorted({*before, *now}):
        if case not in now or case not in before:
            found.append(f"{case}: {'no longer there' if case in before else 'new'}")
            continue
        for part in sorted({*before[case], *now[case]}):
            old, new = before[case].get(part), now[case].get(part)
            if old != new:
                found.append(f"{case}, {part}: {_change(old, new)}")
    return found


def _change(old: Any, new: Any) -> str:
    if isinstance(old, list) and isinstance(new, list) and {*map(repr, old)} != {*map(repr, new)}:
        gone, come = [one for one in old if one not in new], [one for one in new if one not in old]
        parts = [f"no longer {', '.join(map(repr, gone))}"] * bool(gone) + [f"new {', '.join(map(repr, come))}"] * bool(come)
        return "; ".join(parts)
    return f"{old!r} has become {new!r}"
