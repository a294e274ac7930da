"""The keys of each kind of request, recorded: `python -m tests.verbs.request_keys` prints them as JSON. Old job folders hold them."""

from __future__ import annotations

import json
from typing import Any

from core.verbs.registry import VERBS as TABLE


def request_keys() -> dict[str, dict[str, Any]]:
    """What each kind of work must and may be asked, with its defaults, which keys are paths, where its output goes, whether it waits."""
    found = {
        name: {
            "required": list(kind.required),
            "optional": dict(kind.optional),
            "paths": sorted(kind.paths),
            "place": kind.place,
            "heavy": kind.heavy,
        }
        for name, kind in TABLE.items()
    }
    return json.loads(json.dumps(found))


if __name__ == "__main__":
    print("{\n" + ",\n".join(f" {json.dumps(name)}: {json.dumps(keys)}" for name, keys in request_keys().items()) + "\n}")
