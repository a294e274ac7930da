"""Light and dark: a switch for the theme, and the choice kept on all pages.

Streamlit's own switch is in its menu alone. It reads its choice, when a page is loaded, from the browser's storage: one of three
words in quotes, under the address of the page that was loaded first and a version (`ACTIVE_THEME` in its frontend). A link to
another page would forget it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import streamlit as st

_WORDS = {"Light": "Light", "Dark": "Dark", "System": "As the system"}
_STYLE = """<style>
.gl-theme {display: flex; flex-wrap: wrap; align-items: center; font-size: .875rem;}
.gl-theme span {width: 100%; margin-bottom: .25rem;}
.gl-theme button {font: inherit; color: inherit; background: none; padding: .25rem 1rem; min-height: 2rem; cursor: pointer;
 border: 1px solid color-mix(in srgb, currentColor 14%, transparent); margin-left: -1px;}
.gl-theme button:first-of-type {border-radius: .5rem 0 0 .5rem; margin-left: 0;}
.gl-theme button:last-of-type {border-radius: 0 .5rem .5rem 0;}
/* As Streamlit draws what is chosen of a few, in the accent of either theme. */
.gl-theme button[aria-pressed=true] {--accent: light-dark(#0F766E, #26A295); position: relative;
 color: var(--accent); border-color: var(--accent); background: color-mix(in srgb, var(--accent) 10%, transparent);}
</style>"""
_PLACES = """
  const loaded = new URL(performance.getEntriesByType("navigation")[0].name).pathname;
  const names = NAMES;
  const root = loaded.replace(new RegExp(`(${names.filter(Boolean).join("|")})/?$`), "");
  const kept = () => Object.keys(localStorage).find((key) => key.startsWith(`stActiveTheme-${loaded}-`));
  const write = (own, theme) => {
    const ending = own.slice(`stActiveTheme-${loaded}`.length);
    for (const page of names) localStorage.setItem(`stActiveTheme-${root}${page}${ending}`, theme);
    localStorage.setItem(own, theme);
  };
"""
# On leaving, the theme is copied to the addresses of all pages. Nothing happens where that key has another name.
_KEEP = """<script>
if (!window.glKeepsTheme) {
  window.glKeepsTheme = true;PLACES
  window.addEventListener("pagehide", () => {
    const own = kept();
    if (own) write(own, localStorage.getItem(own));
  });
}
</script>"""
_SWITCH = """<script>
{PLACES
  const own = kept() ?? `stActiveTheme-${loaded}-v2`;
  const now = (localStorage.getItem(own) ?? "").replaceAll('"', "") || "System";
  for (const button of document.querySelectorAll(".gl-theme button")) {
    button.setAttribute("aria-pressed", button.dataset.theme === now);
    button.onclick = () => {
      write(own, JSON.stringify(button.dataset.theme));
      location.reload();
    };
  }
}
</script>"""


def keep(addresses: Sequence[str]) -> None:
    """Have the theme that is picked on one page hold on all, by their addresses below the root."""
    st.html(_script(_KEEP, addresses), unsafe_allow_javascript=True)


def switch(addresses: Sequence[str]) -> None:
    """Three buttons: light, dark, and as the system; a click loads the page anew, because Streamlit reads its theme then alone."""
    buttons = "".join(f'<button type="button" data-theme="{name}">{words}</button>' for name, words in _WORDS.items())
    shown = f'<div class="gl-theme" role="group" aria-label="Theme"><span>Theme</span>{buttons}</div>'
    st.html(_STYLE + shown + _script(_SWITCH, addresses), unsafe_allow_javascript=True)


def _script(text: str, addresses: Sequence[str]) -> str:
    return text.replace("PLACES", _PLACES.replace("NAMES", json.dumps(list(addresses))))
