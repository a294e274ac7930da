"""What goes to the client: one page to print, and the points as tables that others can check."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from html import escape

import numpy as np

from core import __version__
from core.evaluation import charts
from core.evaluation.certify.answers import NOT_SURE, PointAnswers
from core.evaluation.certify.certificate import WANTED, Certificate
from core.evaluation.report import STYLE
from core.files import dump_json
from core.html_page import class_name, page, table
from core.plain import in_table
from core.words import DASH, area_words, counted, share_words


def certificate_html(one: Certificate) -> str:
    """The certificate as one HTML text that needs no other file."""
    body = "\n".join(part for section in (_head(one), _classes(one), _areas(one), _answers(one), _method(one)) for part in section)
    return page(f"How good is {one.title}?", style=STYLE.read_text(encoding="utf-8"), main=body)


def in_a_sentence(one: Certificate) -> str:
    """The accuracy as a client understands it."""
    value, low, high = one.ends("accuracy")
    return (
        f"About {share_words(value)} of this map's area shows the right class; with 95 % confidence it is between "
        f"{share_words(low, 1)} and {share_words(high, 1)}."
    )


def still_needed(one: Certificate) -> str:
    """How far the interval is from the wanted one."""
    if not one.more:
        return f"The accuracy is known to ± {share_words(WANTED)} or better."
    return f"About {counted(one.more, 'point')} more would give the accuracy to ± {share_words(WANTED)}."


def about_not_sure(one: Certificate) -> str:
    """How the answers "not sure" count; "" where there are none."""
    if not one.not_sure:
        return ""
    share = one.not_sure / (one.not_sure + one.points)
    return (
        f"At {counted(one.not_sure, 'point')} ({share_words(share)}) the picture did not tell the class. Such points are left out; "
        "the parts of the map that they stand for keep their weight. Had the map been wrong at all of them, the accuracy would be "
        f"{share_words(one.if_wrong, 1)}; had it been right, {share_words(one.if_right, 1)}."
    )


def about_two(one: Certificate) -> str:
    """How far two people agreed, and whose answers count; "" where one answered."""
    if one.agreement is None or not one.agreement.pixels:
        return ""
    kappa = one.agreement.kappa
    beyond = "" if np.isnan(kappa) else f" (Cohen's kappa {kappa:.2f})"
    return (
        f"{one.first} and {one.other} both told a class at {counted(one.agreement.pixels, 'point')} and agreed at "
        f"{share_words(one.agreement.accuracy)} of them{beyond}. Where they differ, the answer of {one.first} counts."
    )


def points_csv(answers: PointAnswers, first: str) -> str:
    """Every answered point as CSV: pixel, place in the scene's coordinates, class of the map, the answer that counts and everybody's."""
    out = io.StringIO()
    rows = list(_rows(answers, first))
    names = list(rows[0]) if rows else []
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([in_table(name) for name in names])
    writer.writerows([in_table(value) for value in row.values()] for row in rows)
    return out.getvalue()


def points_geojson(answers: PointAnswers, first: str) -> str:
    """The same as points of GeoJSON (RFC 7946): longitude and latitude, or the scene's own coordinates where those lead to none."""
    geo = answers.prediction.geo
    features = []
    for row in _rows(answers, first):
        place = geo.lonlat(row["row"] + 0.5, row["col"] + 0.5) or (row["x"], row["y"])
        features.append(
            {"type": "Feature", "id": row["point"], "properties": row, "geometry": {"type": "Point", "coordinates": list(place)}}
        )
    head = {"type": "FeatureCollection", "name": answers.folder.name}
    if not geo.georeferenced:
        head["coordinates"] = geo.coordinates
    return dump_json({**head, "features": features})


def _rows(answers: PointAnswers, first: str) -> Iterator[dict]:
    points, counting = answers.points, answers.counting(first)
    each = {person: answers.of(person) for person in answers.persons}
    for point in answers.given:
        if point not in counting:
            continue
        x, y = answers.xy(point)
        yield {
            "point": point,
            "row": int(points.row[point]),
            "col": int(points.col[point]),
            "x": x,
            "y": y,
            "stratum": int(points.stratum[point]),
            "stratum_weight": float(points.strata.weight[points.stratum[point]]),
            "confidence": round(int(points.confidence[point]) / 255, 3),
            "map": answers.scheme.names[points.predicted[point]],
            "truth": answers.name_of(counting[point]),
            "counts": counting[point] != NOT_SURE,
            **{f"answer of {person}": answers.name_of(given[point]) if point in given else "" for person, given in each.items()},
        }


def _head(one: Certificate) -> Iterator[str]:
    value, low, high = one.ends("accuracy")
    yield f"<h1>How good is {escape(one.title)}?</h1>"
    yield f'<p class="note">{escape(in_a_sentence(one))}</p>'
    yield (
        f"<p>{counted(one.points, 'point')} of the map were chosen at random, and a person said what each one shows without seeing what "
        "the map says. A single map has one true accuracy, which nobody knows without looking at all of it; of 100 intervals made like "
        "this one, about 95 hold it.</p>"
    )
    yield '<div class="tiles">'
    yield f'<div class="tile">Right area<b>{share_words(value, 1)}</b><small>{share_words(low, 1)} to {share_words(high, 1)}</small></div>'
    yield f'<div class="tile">Points answered<b>{one.points:,}</b><small>{one.not_sure:,} not sure</small></div>'
    yield f'<div class="tile">Area of the map<b>{area_words(one.area, one.unit)}</b></div></div>'
    yield f'<p class="soft">{escape(still_needed(one))}</p>'
    yield from (f"<p>{escape(text)}</p>" for text in (about_not_sure(one), about_two(one)) if text)


def _classes(one: Certificate) -> Iterator[str]:
    yield "<h2>Classes</h2>"
    yield (
        '<p class="soft">Right on the map: of what the map shows as the class, the part that is it (user\'s accuracy). Found by the map: '
        "of what is the class on the ground, the part that the map shows (producer's accuracy). Small: 95 % intervals.</p>"
    )
    rows = []
    for number, name in enumerate(one.scheme.names):
        cells = [_cell(*one.ends(score, number)) for score in ("users", "producers")]
        rows.append([class_name(name, one.scheme.hex(number)), *cells, f"{int(one.counts[:, number].sum()):,}"])
    yield table(["Class", "Right on the map", "Found by the map", "Points in it"], rows)


def _areas(one: Certificate) -> Iterator[str]:
    yield "<h2>Areas</h2>"
    yield (
        '<p class="soft">Areas counted on a map carry its errors. The estimated ones are corrected for the errors that the points '
        "showed.</p>"
    )
    rows = []
    for number, name in enumerate(one.scheme.names):
        value, low, high = (end * one.area for end in one.ends("area", number))
        cells = [area_words(area, one.unit, like=one.area) for area in (one.mapped[number] * one.area, value)]
        ends = " to ".join(area_words(end, one.unit, like=one.area) for end in (low, high))
        rows.append([class_name(name, one.scheme.hex(number)), *cells, ends])
    yield table(["Class", "On the map", "Estimated", "95 % interval"], rows)


def _answers(one: Certificate) -> Iterator[str]:
    yield "<h2>Answers</h2>"
    yield '<p class="soft">Each row is what the points show in truth, each column what the map says there. Points by count.</p>'
    yield charts.matrix(one.scheme.names, one.counts)


def _method(one: Certificate) -> Iterator[str]:
    yield "<h2>How it was measured</h2>"
    who = escape(one.first) + (f" and {escape(one.other)}" if one.other else "")
    yield (
        f'<p class="soft">Answered by {who}, the last time on {one.day}. Points drawn at random in strata of the map\'s classes and of the '
        "model's confidence, more where errors are likelier (Neyman's allocation, learnt from the first points). Estimators of Olofsson "
        "et al. 2014 and Stehman 2014; intervals of Wilson with the effective number of points (Franco et al. 2019). A point counts for "
        "its pixel; where the picture and the map are displaced against each other, that counts as an error. "
        f"Groundline {escape(__version__)}.</p>"
    )


def _cell(value: float, low: float, high: float) -> str:
    return DASH if np.isnan(value) else f"{share_words(value, 1)} <small>{share_words(low, 1)} to {share_words(high, 1)}</small>"
