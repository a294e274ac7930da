"""What reports are made of holds other people's words as text, and asks for no other file."""

from core.html_page import class_name, page, table


def test_a_page_is_whole_and_its_title_is_text():
    text = page("<b>Town</b> & sea", style="p { color: red }\n", main="<p>Hello</p>")
    assert text.startswith("<!doctype html>") and text.endswith("</html>\n")
    assert "<title>&lt;b&gt;Town&lt;/b&gt; &amp; sea</title>" in text and "<main>\n<p>Hello</p>\n</main>" in text


def test_a_table_escapes_its_titles_and_aligns_numbers():
    assert table(["Class", "<px>"], [[class_name("A & B", "#ff0000"), "12"]]) == (
        '<div class="wide"><table><thead><tr><th>Class</th><th class=n>&lt;px&gt;</th></tr></thead>'
        '<tbody><tr><td><i class="swatch" style="background:#ff0000"></i>A &amp; B</td><td class=n>12</td></tr></tbody></table></div>'
    )
