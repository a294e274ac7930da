"""The Certify tab of the Label page: random points of a prediction, one key for what each shows, and what the answers say of the map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from core.evaluation.certify.answers import ANSWERS_FILE, NOT_SURE, PointAnswers, folder_of
from core.evaluation.certify.certificate import FEWEST, Certificate, certificate_of
from core.evaluation.certify.report import (
    about_not_sure,
    about_two,
    certificate_html,
    in_a_sentence,
    points_csv,
    points_geojson,
    still_needed,
)
from core.plain import in_markdown
from core.prediction.folder.origin import pictured
from core.prediction.folder.rasters import Prediction
from core.scenes.scene import Scene
from core.words import area_words, counted, file_stem, share_words
from ui import frame, kept, library, state, tables
from ui.allowed import READ_ONLY_WORDS, changing, read_only, refuse_if_read_only
from ui.viewer import tiles, viewer

TITLE = "Certify"
_SIZES = (100, 200, 300, 500)
_MOST_KEYS = 9
_WHY = (
    "How good is this map? Look at 100 to 300 points that are drawn at random and press one key for what each one shows. The answers give "
    "its accuracy and the areas of its classes with 95 % intervals, and a page for the client. More points lie where the model is unsure, "
    "so that fewer are needed; what the map says is hidden until you have answered."
)


def tab(prediction_folder: Path) -> None:
    """The whole tab, for the prediction in a folder."""
    with frame.errors():
        prediction = library.prediction(prediction_folder)
        scene = pictured(prediction)
        if _answers(prediction) is None:
            st.info(f"Nobody has answered points of this prediction. {READ_ONLY_WORDS}", icon=":material/visibility:")
            return
        if scene is None:
            st.info(
                "The scene that was predicted is not where it was, or it has changed, so there is nothing to look at. Put it back, or "
                "predict it anew.",
                icon=":material/image_not_supported:",
            )
        _work(prediction, scene)


def _answers(prediction: Prediction) -> PointAnswers | None:
    """The answers so far, with points drawn at the first time; None where nobody may draw any."""
    place = state.workspace().certified
    folder = folder_of(prediction, place)
    if read_only() and not (folder / ANSWERS_FILE).is_file():
        return None
    drawn = kept.keep(
        "certify",
        str(folder),
        lambda tell: PointAnswers.open(prediction, place, on_progress=tell),
        words="Drawing points of the map",
        most=4,
    )
    return drawn.read()


@st.fragment
def _work(prediction: Prediction, scene: Scene | None) -> None:
    """The question, and below it what the answers say; only this is drawn anew after an answer."""
    with frame.errors():
        answers = _answers(prediction)
        if answers is None:
            return
        if not answers.answers:
            st.markdown(_WHY)
        first, second = st.columns([2, 3], vertical_alignment="bottom")
        person = first.text_input(
            "Your name",
            key="certify_person",
            persist_state="session",
            max_chars=60,
            placeholder="Stands in the table of points",
            help="Two people can answer the same points, each without seeing the other's answers; how far they agree is then told.",
        )
        person = " ".join(person.split())
        total = second.segmented_control(
            "Points",
            _SIZES,
            default=_SIZES[0],
            required=True,
            key="certify_points",
            persist_state="session",
            help="Half as wide an interval takes four times as many points. You can go on to more at any time.",
        )
        if scene is not None:
            _question(answers, scene, person, total)
        _results(answers, prediction)


def _question(answers: PointAnswers, scene: Scene, person: str, total: int) -> None:
    """The point that the person is asked about, in the picture, beside the answers."""
    if not person:
        st.info("Type your name, and the first point is shown.", icon=":material/person:")
        return
    if answers.next_point(person, total) is None and not read_only():
        answers = answers.give(total, person)
    done, point = sum(one in answers.of(person) for one in answers.given[:total]), answers.next_point(person, total)
    st.progress(min(1.0, done / total), text=f"{done} of {total}")
    if read_only():
        st.caption(f":material/visibility: {READ_ONLY_WORDS}")
    left, right = st.columns([5, 2], gap="medium")
    if point is None:
        st.success(f"All {total} points are answered. Choose more above to make the interval narrower.", icon=":material/check:")
    else:
        with left:
            place = int(answers.points.row[point]), int(answers.points.col[point])
            viewer.panes([viewer.Pane("Image", (tiles.image_layer(scene),))], key="certify_viewer", height=430, target=place)
    with right:
        if point is not None:
            st.markdown("**What does the ground show at the cross?**")
            _buttons(answers, person, point)
        _last(answers, person)


def _buttons(answers: PointAnswers, person: str, point: int) -> None:
    """One button for each class, with its key, and "not sure"."""
    scheme = state.shown(answers.scheme)
    colours = [
        f".st-key-certify_class_{number} button {{border-left: .9rem solid {scheme.hex(number)}; justify-content: flex-start;}}"
        for number in range(len(scheme))
    ]
    st.html(f"<style>{' '.join(colours)}</style>")
    for number, name in enumerate(scheme.names):
        st.button(
            in_markdown(name),
            key=f"certify_class_{number}",
            shortcut=str(number + 1) if number < _MOST_KEYS else None,
            width="stretch",
            on_click=_answer,
            args=(answers, point, number, person),
            **changing(),
        )
    st.button(
        "Not sure",
        key="certify_not_sure",
        shortcut="0",
        icon=":material/help:",
        width="stretch",
        on_click=_answer,
        args=(answers, point, NOT_SURE, person),
        **changing("The point is left out, and the page for the client says how many were."),
    )


def _answer(answers: PointAnswers, point: int, class_id: int, person: str) -> None:
    refuse_if_read_only()
    answers.answer(point, class_id, person)


def _last(answers: PointAnswers, person: str) -> None:
    """What the person said last beside what the map says there, and the way back."""
    last = next((one for one in reversed(answers.answers) if one.person == person), None)
    st.button(
        "Undo",
        key="certify_undo",
        shortcut="Backspace",
        icon=":material/undo:",
        width="stretch",
        on_click=_undo,
        args=(answers, person),
        **changing("Takes your last answer back." if last else "You have not answered yet.", disabled=last is None),
    )
    if last is not None:
        shown = answers.scheme.names[answers.points.predicted[last.point]]
        st.caption(f"Your last answer: {in_markdown(answers.name_of(last.class_id))}. The map shows {in_markdown(shown)} there.")


def _undo(answers: PointAnswers, person: str) -> None:
    refuse_if_read_only()
    answers.undo(person)


def _results(answers: PointAnswers, prediction: Prediction) -> None:
    """What the answers say: accuracy, areas, what is still needed, and the files to take home."""
    if not answers.answers:
        return
    st.divider()
    persons = answers.persons
    first = persons[0]
    if len(persons) > 1:
        first = st.selectbox(
            "Whose answer counts where two differ",
            persons,
            key="certify_first",
            format_func=in_markdown,
            help="Points that only the others answered count as well.",
        )
    one = certificate_of(answers, first, library.prediction_title(prediction.folder))
    if one is None:
        counts, _ = answers.counts(first)
        st.info(f"Accuracy and areas appear from {FEWEST} sure answers on; there are {int(counts.sum())}.", icon=":material/hourglass_top:")
    else:
        _headline(one)
        _table(one)
    _downloads(answers, first, one, prediction)


def _headline(one: Certificate) -> None:
    value, low, high = one.ends("accuracy")
    a, b, c = st.columns(3)
    plain = {"border": True, "delta_color": "off", "delta_arrow": "off"}
    a.metric(
        "Right area",
        share_words(value, 1),
        delta=f"{share_words(low, 1)} to {share_words(high, 1)}",
        help="Accuracy with its 95 % interval.",
        **plain,
    )
    b.metric("Points answered", f"{one.points:,}", delta=f"{one.not_sure:,} not sure", **plain)
    c.metric(
        "Points for ± 2 %",
        f"{one.points + one.more:,}",
        delta=f"{one.more:,} more" if one.more else "reached",
        help=still_needed(one),
        **plain,
    )
    for text in (in_a_sentence(one), still_needed(one), about_not_sure(one), about_two(one)):
        if text:
            st.markdown(in_markdown(text))


def _table(one: Certificate) -> None:
    def ends(score: str, number: int) -> str:
        value, low, high = one.ends(score, number)
        return "–" if np.isnan(value) else f"{share_words(value, 1)} ({share_words(low, 1)} to {share_words(high, 1)})"

    def area(number: int) -> list[str]:
        value, low, high = (area_words(end * one.area, one.unit, like=one.area) for end in one.ends("area", number))
        return [area_words(one.mapped[number] * one.area, one.unit, like=one.area), value, f"{low} to {high}"]

    rows = [
        [name, ends("users", number), ends("producers", number), *area(number), int(one.counts[:, number].sum())]
        for number, name in enumerate(one.scheme.names)
    ]
    names = ["class", "right on the map", "found by the map", "area on the map", "estimated area", "95 % interval", "points in it"]
    tables.show(
        pd.DataFrame(rows, columns=names),
        hide_index=True,
        key="certify_table",
        column_config={
            "right on the map": st.column_config.TextColumn(
                help="User's accuracy: of what the map shows as the class, the part that is it."
            ),
            "found by the map": st.column_config.TextColumn(help="Producer's accuracy: of what is the class, the part that the map shows."),
            "estimated area": st.column_config.TextColumn(help="Corrected for the errors that the points showed."),
        },
    )


def _downloads(answers: PointAnswers, first: str, one: Certificate | None, prediction: Prediction) -> None:
    stem = file_stem(library.prediction_title(prediction.folder), "certified")
    with st.container(horizontal=True):
        if one is not None:
            st.download_button(
                "Page for the client",
                lambda: certificate_html(one),
                f"{stem}.html",
                "text/html",
                key="certify_page",
                icon=":material/description:",
                type="primary",
                on_click="ignore",
                help="One file that opens without a network and prints well.",
            )
        st.download_button(
            "Points as CSV",
            lambda: points_csv(answers, first),
            f"{stem}.csv",
            "text/csv",
            key="certify_csv",
            icon=":material/table:",
            on_click="ignore",
            help="Every answered point with its place, the map's class and everybody's answer.",
        )
        st.download_button(
            "Points as GeoJSON",
            lambda: points_geojson(answers, first),
            f"{stem}.geojson",
            "application/geo+json",
            key="certify_geojson",
            icon=":material/place:",
            on_click="ignore",
            help="The same for a map.",
        )
    st.caption(f"{counted(len(answers.answers), 'answer')} of {in_markdown(', '.join(answers.persons))}, kept as they are given.")
