"""The table of all training runs: scores, what differs between them, and what can be done with those that are ticked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from core.jobs import runs
from core.jobs.jobs import Job
from core.plain import in_markdown
from core.words import duration_words
from ui import frame, state, tables
from ui.allowed import changing, refuse_if_read_only
from ui.input import KEEP
from ui.runs import read

_DELETED, _FILTER = "gl_deleted", "runs_tags"
_IN_THE_TABLE = ("architecture", "encoder", "per_class", "epochs")
_MOST_DIFFERENCES = 8


def table(every: Sequence[Job]) -> None:
    """All runs, or those with some tags; ticked ones are opened, compared, renamed or deleted."""
    every = _tagged(every)
    settings = {job.name: runs.settings_of(job) for job in every}
    differences = {name: row for name, row in runs.settings_differences(settings).items() if name not in _IN_THE_TABLE}
    waiting = read.queue()
    rows = [_row(job, waiting) for job in every]
    if any(job.tags for job in every):
        rows = [{**row, "tags": ", ".join(job.tags)} for row, job in zip(rows, every, strict=True)]
    if any(job.note for job in every):
        rows = [{**row, "note": job.note} for row, job in zip(rows, every, strict=True)]
    for name, row in list(differences.items())[:_MOST_DIFFERENCES]:
        for shown, job in zip(rows, every, strict=True):
            shown[name.replace("_", " ")] = read.value_words(name, row[job.name])
    event = tables.show(
        pd.DataFrame(rows),
        hide_index=True,
        key="runs_table",
        on_select="rerun",
        selection_mode="multi-row",
        column_config={
            "run": st.column_config.TextColumn(width="medium"),
            "best val. IoU": st.column_config.ProgressColumn(
                format="%.3f", min_value=0.0, max_value=1.0, width="small", help="Mean IoU over the classes present"
            ),
            "epochs": st.column_config.TextColumn(width="small", help="Done, of those asked for"),
            "started": st.column_config.DatetimeColumn(format="D MMM HH:mm"),
        },
    )
    st.caption("The last columns are the settings in which these runs differ.") if differences else None
    _actions([every[number] for number in event.selection.rows if number < len(every)])


def _tagged(every: Sequence[Job]) -> Sequence[Job]:
    """Those of the runs that have all tags chosen; all of them where no run has one."""
    known = _tags(every)
    if not known:
        return every
    # A tag that no run has any more would stay chosen unseen.
    st.session_state[_FILTER] = [tag for tag in st.session_state.get(_FILTER, ()) if tag in known]
    wanted = st.pills(
        "Only runs with",
        known,
        selection_mode="multi",
        format_func=in_markdown,
        key=_FILTER,
        help="Tags are given under Name, note, tags.",
        **KEEP,
    )
    return [job for job in every if set(wanted) <= set(job.tags)]


def _tags(every: Sequence[Job]) -> list[str]:
    return sorted({tag for job in every for tag in job.tags}, key=str.casefold)


def undo() -> None:
    """Offer to bring back the runs deleted last."""
    deleted = st.session_state.get(_DELETED)
    if not deleted:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{len(deleted)} run{'s' if len(deleted) > 1 else ''} moved to the trash.")
        if st.button("Undo", icon=":material/undo:", key="run_undo", **changing("Brings them and their models back.")):
            del st.session_state[_DELETED]
            with frame.errors():
                refuse_if_read_only()
                for trash_id in deleted:
                    state.workspace().restore(trash_id)
            st.rerun()


def trash() -> None:
    """What was deleted earlier and can still be brought back."""
    entries = state.workspace().trashed()
    if not entries:
        return
    with st.expander(f"Deleted ({len(entries)})", icon=":material/delete:", key="runs_trash"):
        for entry in entries[:20]:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"{in_markdown(entry['label'])} · {datetime.fromtimestamp(entry['time']):%d %b %H:%M}", width="stretch")
                if st.button("Restore", icon=":material/undo:", key=f"restore_{entry['id']}", **changing("Puts it back where it was.")):
                    with frame.errors() as outcome:
                        refuse_if_read_only()
                        state.workspace().restore(entry["id"])
                    if not outcome.failed:
                        st.session_state.pop(_DELETED, None)
                        st.rerun()


def _actions(picked: Sequence[Job]) -> None:
    if not picked:
        st.caption("Tick a row to open, rename or delete a run, several to lay their curves over each other.")
        return
    with st.container(horizontal=True):
        if len(picked) == 1:
            if st.button("Show this run", icon=":material/monitoring:", key="run_show", help="Opens it above."):
                read.show(picked[0].name)
                st.rerun()
            with st.popover("Name, note, tags", icon=":material/edit:"):
                _rename(picked[0], _tags(read.runs()))
        elif st.button(
            "Compare", type="primary", icon=":material/stacked_line_chart:", key="run_compare", help="Lays their curves over each other."
        ):
            read.show(*(job.name for job in picked))
            st.rerun()
        active = any(job.active for job in picked)
        if st.button(
            "Delete",
            icon=":material/delete:",
            key="run_delete",
            **changing("Stop it first." if active else "Moves the runs and their models to the trash; undo is offered.", disabled=active),
        ):
            with frame.errors() as outcome:
                refuse_if_read_only()
                st.session_state[_DELETED] = [job.delete(outputs=True) for job in picked]
            if not outcome.failed:
                st.rerun()


def _rename(job: Job, known: Sequence[str]) -> None:
    with st.form(f"rename_{job.name}", border=False):
        title = st.text_input("Name", job.title, key=f"rename_title_{job.name}", help="Of the run; its model keeps the name in its card.")
        note = st.text_area("Note", job.note, key=f"rename_note_{job.name}", help="What you tried, what you saw.")
        tags = st.multiselect(
            "Tags",
            known,
            job.tags,
            accept_new_options=True,
            key=f"rename_tags_{job.name}",
            placeholder="Choose or type",
            help="Free words to find runs by: a place, a project, an idea.",
        )
        if st.form_submit_button("Save", icon=":material/check:", key="rename_save", **changing()):
            with frame.errors() as outcome:
                refuse_if_read_only()
                job.annotate(title=title.strip() or job.title, note=note.strip(), tags=tags)
            if not outcome.failed:
                st.rerun()


def _row(job: Job, waiting: Sequence[Job]) -> dict:
    status, settings, records = job.status(), job.request["settings"], runs.lines(job)
    took = runs.seconds(records, status)
    return {
        "run": job.title,
        "state": read.state_words(job, waiting),
        "best val. IoU": runs.score(job, records),
        "epochs": f"{len(records)} of {settings.get('epochs', '–')}",
        "time": duration_words(took or None),
        "network": read.network_words(settings),
        "patches": read.data_words(job),
        "started": datetime.fromtimestamp(status["started"] or status["created"]),
    }
