"""Train: prepare patches, choose a network, watch it learn, take its model along."""

import streamlit as st

from ui import frame, jobs_view, library, state, train_forms, train_view

frame.begin_page(
    "Train",
    ":material/model_training:",
    "Cut a data set into patches, choose a network, and watch it learn. Training runs on its own: you may leave.",
)


def setup(prepared_folders: list) -> None:
    """Two columns: patches on the left, network and settings on the right."""
    left, right = st.columns(2, gap="large")
    with left.container(border=True, height="stretch", key="data_panel"):
        st.subheader(":material/grid_on: 1 · Patches", anchor=False)
        patches(prepared_folders)
    with right.container(border=True, height="stretch", key="settings_panel"):
        st.subheader(":material/tune: 2 · Network", anchor=False)
        network(prepared_folders)


def patches(prepared_folders: list) -> None:
    """Choose prepared patches or prepare new ones."""
    if prepared_folders:
        with frame.errors():
            train_forms.choose_prepared(prepared_folders)
    preparing = jobs_view.newest("prepare")
    if preparing is not None and preparing.status()["state"] not in ("finished", "stopped"):
        jobs_view.progress(preparing.folder, "prepare")
    with st.expander("Prepare other patches" if prepared_folders else "Prepare patches", expanded=not prepared_folders), frame.errors():
        dataset = train_forms.choose_dataset()
        if dataset is None:
            st.markdown("Open a data set on Home first.")
            return
        request = train_forms.prepare(dataset)
        if request is not None:
            jobs_view.start("prepare", request)
            st.rerun()


def network(prepared_folders: list) -> None:
    """Choose the network and its settings, and start."""
    if not prepared_folders:
        st.markdown("Prepare patches first; then choose a network here.")
        return
    with frame.errors():
        request = train_forms.settings(state.selection().prepared or prepared_folders[0])
        if request is not None:
            title = request["settings"]["name"] = request["settings"]["name"] or train_view.default_title(request)
            train_view.show(jobs_view.start("train", request, title=title))
            st.rerun()


prepared = library.prepared()
runs = train_view.runs()
if state.selection().dataset is None and not prepared and not runs:
    frame.empty_state(
        "No data set yet",
        "Training needs images with masks. Take the sample town to see how it goes, or open your own folder on Home.",
        icon=":material/folder_open:",
        sample="data",
        links=(frame.PAGES["home"],),
    )
    st.stop()

train_view.undo()
run = train_view.shown(runs)
if run is None:
    setup(prepared)
else:
    train_view.panel(run)
    with st.expander("Start another training", icon=":material/add:", expanded=False, key="train_setup"):
        setup(prepared)
    st.subheader("All runs", anchor=False)
    train_view.table(runs)
if prepared or runs:
    frame.next_step("when a run is good enough, use its model on a whole scene.", *frame.PAGES["predict"])
