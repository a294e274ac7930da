"""Job folders as an older version left them, put into a workspace."""

from __future__ import annotations

from pathlib import Path

from core.jobs.jobs import Job, list_jobs
from core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "tests" / "verbs" / "old_jobs"
"""`<kind>/<name>/` as the jobs of commit 04517dd left them, without locks and the logs of what went well; `described.json` and
`table.json` are what that commit said of them."""


def put_back(workspace: Workspace, folder: Path) -> list[Job]:
    """Copy every kept job into the workspace, newest first; `folder` stands for the one that held data and project of that time."""
    for source in sorted(path for path in KEPT.rglob("*") if path.is_file() and path.parent.parent.parent == KEPT):
        target = workspace.runs / source.parent.name / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8")
        for place, stands in {"<workspace>": workspace.root, "<folder>": folder, "<project>": ROOT}.items():
            text = text.replace(place, stands.as_posix())
        target.write_text(text, encoding="utf-8", newline="\n")
    return list_jobs(workspace)
