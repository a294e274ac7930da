"""The page that Streamlit serves hides what moves until its menu is there; nothing else that is served is changed."""

import pytest

from ui.server.first_paint import FirstPaint

PAGE = b"<html><head><title>x</title></head><body></body></html>"


def served(path: str, *parts: bytes, kind: bytes = b"text/html; charset=utf-8"):
    """The messages of an answer in these parts, and what the server behind was asked for."""
    sent, asked = [], []

    async def inner(scope, receive, send):
        asked.append(scope)
        length = str(sum(map(len, parts))).encode()
        headers = [(b"content-type", kind), (b"content-length", length), (b"etag", b'"1"')]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number, part in enumerate(parts, 1):
            await send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [(b"accept-encoding", b"gzip"), (b"accept", b"text/html")]}
    with pytest.raises(StopIteration):  # nothing here waits
        FirstPaint(inner, ["", "Map"])(scope, None, send).send(None)
    return sent, asked[0]


@pytest.mark.parametrize("path", ["/", "/Map", "/base/Map"])
def test_a_page_has_the_style_in_its_head(path):
    (start, body), asked = served(path, PAGE[:20], PAGE[20:])
    head, _, rest = body["body"].partition(b"</head>")
    assert b"visibility: hidden" in head and rest == b"<body></body></html>"
    assert body["body"].replace(body["body"][len(b"<html><head><title>x</title>") : -len(b"</head>" + rest)], b"") == PAGE
    headers = dict(start["headers"])
    assert int(headers[b"content-length"]) == len(body["body"]) and b"etag" not in headers
    assert dict(asked["headers"]) == {b"accept": b"text/html"}


@pytest.mark.parametrize(("path", "kind"), [("/media/report.html", b"text/html"), ("/Map", b"application/json")])
def test_other_answers_go_through_as_they_are(path, kind):
    messages, _ = served(path, PAGE[:20], PAGE[20:], kind=kind)
    assert [message.get("body") for message in messages] == [None, PAGE[:20], PAGE[20:]]
    assert dict(messages[0]["headers"])[b"etag"] == b'"1"'
