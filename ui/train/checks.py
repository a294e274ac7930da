"""Before a run: what it will cost, which learning rate suits it, and a small search; each a job whose proposal is one click away."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from core.errors import GroundlineError
from core.files import read_json
from core.jobs.jobs import Job
from core.jobs.runs import settings_of
from core.networks import architecture
from core.plain import in_markdown
from core.training.search import SEARCH_FILE
from core.words import MIB, duration_words, memory_words, sentence, size_words
from ui import jobs_view
from ui.allowed import changing
from ui.input import KEEP
from ui.train import advanced, check_charts, forms

_DECADES = [10.0**power for power in range(-8, 2)]
# What changes time and memory, and what changes the best learning rate besides.
_COSTS = ("architecture", "encoder", "filters", "per_class", "mixed_precision")
_WORDS = {"architecture": "network", "filters": "width", "per_class": "one network per class", "mixed_precision": "precision"}
_LEARNS = (*_COSTS, "loss", "optimizer", "weights")


def panel(patches: Mapping[str, Any], chosen: Mapping[str, Any]) -> None:
    """The three checks, for these patches, as a request names them, and the settings of the form."""
    costs, rates, grid = st.tabs(["Time and memory", "Learning-rate test", "Small search"])
    with costs:
        _offer(
            "probe",
            "Check now",
            "Runs a few steps of several batch sizes on your patches: time of an epoch, memory, disk and a batch size. Keeps nothing.",
            patches,
            chosen,
            {},
        )
        _follow("probe", patches, lambda job, result: _costs(job, result, chosen))
    with rates:
        _offer(
            "rate_test",
            "Test learning rates",
            "One short run in which the rate rises from step to step; the loss shows where it learns fastest.",
            patches,
            chosen,
            _range(),
        )
        _follow("rate_test", patches, lambda job, result: _rates(job, result, chosen))
    with grid:
        _offer(
            "search",
            "Search",
            "Short runs of each pair of learning rate and batch size, and of widths; the better half goes on each time.",
            patches,
            chosen,
            _grid(chosen),
        )
        _follow("search", patches, lambda job, result: _found(job, result, chosen), live=_so_far)


def _offer(kind: str, label: str, words: str, patches: Mapping[str, Any], chosen: Mapping[str, Any], more: Mapping[str, Any]) -> None:
    newest = _newest(kind, patches)
    busy = newest is not None and newest.active
    if newest is None:
        st.caption(words)
    if st.button(
        label, icon=jobs_view.KINDS[kind][1], key=f"check_{kind}", **changing(words, disabled=busy or more.get("batch_sizes") == [])
    ):
        request = {**patches, "settings": {**chosen, "name": None}, **more}
        if not chosen["weights"]:
            request["settings"]["weights"] = "none"
        try:
            jobs_view.start(kind, request, title=jobs_view.KINDS[kind][0])
        except GroundlineError as error:
            st.error(in_markdown(sentence(error)), icon=":material/error:")
            return
        st.rerun()


def _follow(kind: str, patches: Mapping[str, Any], show: Any, *, live: Any = None) -> None:
    job = _newest(kind, patches)
    if job is None:
        return

    def body(job: Job, status: dict) -> None:
        result = job.result()
        if status["state"] == "finished" and result:
            show(job, result)
        elif live is not None:
            live(job)

    jobs_view.progress(job.folder, f"check_{job.name}", body=body)


def _newest(kind: str, patches: Mapping[str, Any]) -> Job | None:
    wanted = [Path(patches["prepared"]), *(Path(one) for one in patches["also"])]
    return jobs_view.newest(
        kind, keep=lambda job: [Path(job.request["prepared"]), *(Path(one) for one in job.request.get("also") or ())] == wanted
    )


def _costs(job: Job, found: Mapping[str, Any], chosen: Mapping[str, Any]) -> None:
    _measured_with(job, chosen, _COSTS)
    a, b, c, d = st.columns(4)
    epoch_s, epochs = found["epoch_s"], chosen["epochs"]
    a.metric("An epoch takes", duration_words(epoch_s), border=True, help="As busy as the machine was; training, validation and saving.")
    most_s = epoch_s and found["start_s"] + epochs * epoch_s
    b.metric(f"{epochs} epochs at most", duration_words(most_s), border=True, help="It may stop earlier.")
    peak, budget = found["peak_memory_mib"], found["memory_budget_mib"]
    free = size_words(found["disk_free_mib"] * MIB)
    c.metric("Memory at its peak", memory_words(peak), border=True, help=f"Of {memory_words(budget)} that are free for it.")
    d.metric("Disk", size_words(found["disk_mib"] * MIB), border=True, help=f"At the end of the run; {free} are free.")
    parts = [
        in_markdown(found["device"]),
        f"{found['parameters'] / 1e6:.1f} million parameters",
        f"{found['steps_per_epoch']:,} steps per epoch",
    ]
    if found["gpu_memory_mib"]:
        parts.append(f"{memory_words(found['gpu_memory_mib'])} on the graphics card")
    st.caption(" · ".join(parts))
    if epoch_s is None:
        st.warning(f"Batches of {found['batch_size']} do not fit into the memory. Take a smaller batch.", icon=":material/warning:")
    elif peak and peak > budget:
        st.warning("The run needs more memory than is free. Close other programs or take a smaller batch.", icon=":material/warning:")
    if found["disk_mib"] > found["disk_free_mib"]:
        st.warning("The run needs more disk than is free.", icon=":material/warning:")
    left, right = st.columns([3, 2], vertical_alignment="center")
    left.plotly_chart(check_charts.batch_sizes(found["sizes"], found["proposed_batch_size"]), key="probe_chart")
    proposed = found["proposed_batch_size"]
    right.markdown(f"**Batches of {proposed}** are proposed: no other size that fits is noticeably faster.")
    with right:
        _take("batch", f"batches of {proposed}", chosen, "batch_size", proposed)


def _range() -> dict[str, Any]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        low, high = st.select_slider(
            "Range",
            _DECADES,
            (1e-6, 1.0),
            format_func=lambda value: f"{value:g}",
            key="rate_range",
            width=360,
            help="From where to where the learning rate rises.",
            **KEEP,
        )
        steps = st.number_input("Steps", 10, 10_000, 100, 10, key="rate_steps", width=140, help="More steps, smoother curve.", **KEEP)
    return {"lowest": low, "highest": max(high, 10 * low), "steps": int(steps)}


def _rates(job: Job, found: Mapping[str, Any], chosen: Mapping[str, Any]) -> None:
    _measured_with(job, chosen, _LEARNS)
    st.plotly_chart(check_charts.rate_test(found), key="rate_chart")
    if found["suggested"] is None:
        st.markdown("The loss never fell in this range. Test lower rates, or more steps.")
        return
    rate = _round(found["suggested"])
    with st.container(horizontal=True, vertical_alignment="center"):
        ended = " It ended early, when the loss ran away." if found["diverged"] else ""
        st.markdown(f"**{rate:g}** is suggested: there the loss falls most steeply.{ended}", width="stretch")
        _take("rate", f"{rate:g}", chosen, "learning_rate", rate)


def _grid(chosen: Mapping[str, Any]) -> dict[str, Any]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        rates = st.multiselect(
            "Learning rates",
            list(forms.RATES),
            [3e-4, 1e-3, 3e-3],
            format_func=lambda value: f"{value:g}",
            key="search_rates",
            width=260,
            help="Each is tried with each batch size and width.",
            **KEEP,
        )
        sizes = st.multiselect("Batch sizes", list(forms.BATCHES), [4, 8], key="search_sizes", width=160, help="Patches per step.", **KEEP)
        widths = _widths(chosen)
        epochs = st.number_input(
            "Epochs per round", 1, 100, 2, key="search_epochs", width=140, help="After each round the better half goes on.", **KEEP
        )
        patches = st.number_input(
            "Patches per epoch", 0, 10_000_000, 0, 16, key="search_patches", width=150, help="Fewer make it quick; 0 means all.", **KEEP
        )
    return {
        "learning_rates": rates,
        "batch_sizes": sizes if rates else [],
        "filters": widths,
        "epochs": int(epochs),
        "patches_per_epoch": int(patches) or None,
    }


def _widths(chosen: Mapping[str, Any]) -> list[int]:
    """Filters of the finest level to try; none for a network whose filters are fixed."""
    usual = architecture(chosen["architecture"]).filters
    if usual is None or chosen["encoder"] is not None:
        return []
    picked = st.multiselect(
        "Widths",
        list(advanced.WIDTHS),
        format_func=lambda width: f"{advanced.WIDTHS[width]}, {advanced.filters(usual, width)[0]}",
        key="search_widths",
        placeholder="As above",
        width=180,
        help="Filters of the finest level; the deeper levels keep their proportion. Empty: the width of the form.",
        **KEEP,
    )
    return [advanced.filters(usual, width)[0] for width in picked]


def _so_far(job: Job) -> None:
    file = Path(job.request["out"]) / SEARCH_FILE
    if file.is_file():
        st.plotly_chart(check_charts.search(read_json(file)), key="search_chart")


def _found(job: Job, found: Mapping[str, Any], chosen: Mapping[str, Any]) -> None:
    _measured_with(job, chosen, _LEARNS)
    st.plotly_chart(check_charts.search(found), key="search_chart")
    best = found["best"]
    if best is None:
        st.markdown("No pair gave a score. Try lower learning rates.")
        return
    words = "score" if found["higher_is_better"] else "loss"
    filters = best.get("filters")
    with st.container(horizontal=True, vertical_alignment="center"):
        width = f" and {filters[0]} filters" if filters else ""
        st.markdown(
            f"**{best['learning_rate']:g} with batches of {best['batch_size']}{width}** is best, with a {words} of {best['score']:.3f}.",
            width="stretch",
        )
        st.button(
            "Take them all" if filters else "Take both",
            icon=":material/check:",
            key="take_both",
            on_click=_take_best,
            args=(best, job.request["settings"]["architecture"]),
            help="Puts them into the form above.",
        )


def _take_best(best: Mapping[str, Any], network: str) -> None:
    forms.take(learning_rate=best["learning_rate"], batch_size=best["batch_size"])
    if best.get("filters"):
        advanced.take_width(network, best["filters"])


def _take(key: str, words: str, chosen: Mapping[str, Any], name: str, value: float) -> None:
    """A button that puts a proposed value into the form; off while the form has it."""
    st.button(
        f"Take {words}",
        icon=":material/check:",
        key=f"take_{key}",
        on_click=forms.take,
        kwargs={name: value},
        disabled=chosen[name] == value,
        help="Puts it into the form above.",
    )


def _measured_with(job: Job, chosen: Mapping[str, Any], names: tuple[str, ...]) -> None:
    """Say so when the form has moved on since the check."""
    theirs = settings_of(job)
    changed = [_WORDS.get(name, name) for name in names if theirs[name] != chosen[name]]
    if changed:
        title = architecture(theirs["architecture"]).title
        st.info(f"Measured for {title}; since then changed in the form: {', '.join(changed)}.", icon=":material/history:")


def _round(rate: float) -> float:
    return float(f"{rate:.2g}")
