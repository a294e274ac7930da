"""Train: prepare patches, choose a network, watch it learn, compare, and take its model along."""

import streamlit as st

from ui import broken, frame, jobs_view, library, state
from ui.evaluate import tab as evaluation_view
from ui.runs import compare as runs_compare
from ui.runs import one_run, table
from ui.runs import read as runs_read
from ui.train import checks, data, forms, models

frame.begin_page(
    "Train",
    ":material/model_training:",
    "Cut a data set into patches, choose a network, and watch it learn. Training runs on its own: you may leave.",
)


def new_run() -> None:
    """Patches on the left, network on the right, below what can be found out before it starts, and then the start."""
    folders = library.prepared()
    if not folders and state.selection().dataset is None and not runs_read.runs():
        frame.empty_state(
            "No data set yet",
            "Training needs images with masks. Take the sample town to see how it goes, or open your own folder on Home.",
            icon=":material/folder_open:",
            sample="data",
            links=(frame.PAGES["home"],),
        )
        broken.show("prepared")
        return
    left, right = st.columns([2, 3], gap="medium")
    with left.container(border=True, height="stretch", key="data_panel"):
        st.subheader(":material/grid_on: 1 · Patches", anchor=False)
        data.panel(folders)
        broken.show("prepared")
    with right.container(border=True, height="stretch", key="settings_panel"):
        st.subheader(":material/tune: 2 · Network", anchor=False)
        if not folders:
            st.markdown("Prepare patches first; then choose a network here.")
            return
        prepared = state.selection().prepared or folders[0]
        with frame.errors() as read:
            chosen = forms.network(prepared)
    if read.failed:
        return
    patches = {"prepared": prepared, "also": data.also()}
    with frame.errors() as drawn:
        chosen = forms.advanced(patches, chosen)
    if drawn.failed:
        return
    with st.container(border=True, key="check_panel"):
        st.subheader(":material/speed: 3 · Check before the start", anchor=False)
        with frame.errors():
            checks.panel(patches, chosen)
    with frame.errors():
        _start(forms.start(patches, chosen))


def _start(requests: list[dict]) -> None:
    if requests:
        names = [jobs_view.start("train", request, title=request["settings"]["name"]).name for request in requests]
        runs_read.show(*names)
        if len(names) == 1 and (running := jobs_view.at_work("train")) and running.name != names[0]:
            jobs_view.choose_run(running.name)  # what runs stays in view; the new one is listed below it, live
        st.rerun()


def runs() -> None:
    """The run that is watched, and the table of all."""
    every = runs_read.runs()
    job = jobs_view.chosen_run()
    if job is None:
        st.info("No run yet. Start one in the first tab; it will be here, live.", icon=":material/monitoring:")
    else:
        state.link("run", job.name)
        with frame.errors():
            one_run.panel(job)
        one_run.others([other for other in every if other.name != job.name and other.active])
        st.subheader("All runs", anchor=False)
        with frame.errors():
            table.table(every)
    broken.show("runs")
    table.trash()


def compare() -> None:
    """Runs over each other."""
    every = runs_read.runs()
    if len(every) < 2:
        st.info(
            "With two runs or more, their curves and settings are laid over each other here. "
            "**Pretrained against random** in the first tab starts such a pair.",
            icon=":material/stacked_line_chart:",
        )
        return
    runs_compare.panel(every)


TABS = {
    runs_read.NEW: new_run,
    runs_read.RUNS: runs,
    runs_read.COMPARE: compare,
    evaluation_view.TITLE: evaluation_view.of_runs,
    runs_read.MODELS: models.panel,
}

every_run = runs_read.runs()
asked = state.linked("run", {job.name: job.name for job in every_run})
if asked is not None:
    runs_read.show(asked)
wanted = state.wanted_training()
if wanted is not None:
    forms.fill(wanted)
    runs_read.go(runs_read.NEW)
runs_read.turn()

table.undo()
# Only the open tab is drawn, so that a click costs one section and not all.
for tab, draw in zip(st.tabs(list(TABS), key=runs_read.TAB, on_change="rerun"), TABS.values(), strict=True):
    if tab.open:
        with tab, frame.errors():
            draw()

if library.prepared() or every_run:
    frame.next_step("when a run is good enough, use its model on a whole scene.", *frame.PAGES["predict"])
