// What the map's frame shares with the dashboard around it: the address that brings a view back, the typeface, and the window.
// Runs inside streamlit-folium's frame.

import { element } from '../shared/element.js';

// ---- what a link and a change of page bring back ----
// `view` says which scene the others are of: they mean nothing on another one.
const KEYS = ['at', 'hide', 'area', 'sure', 'polygon'];
const nameOf = memory => memory.slice(0, 8);

function address() {
  try {
    return window.parent.location.search ? new URLSearchParams(window.parent.location.search) : new URLSearchParams();
  } catch (error) { // the dashboard is shown inside someone else's page: there is no address to write to
    return new URLSearchParams();
  }
}

export function recall(memory) {
  const asked = address();
  if (asked.get('view') === nameOf(memory)) return Object.fromEntries(KEYS.map(key => [key, asked.get(key)]));
  try { return JSON.parse(window.sessionStorage.getItem(`groundline-${memory}`)) || {}; } catch (error) { return {}; }
}

export function remember(memory, values) {
  try {
    window.sessionStorage.setItem(`groundline-${memory}`, JSON.stringify(values));
    const page = window.parent.location, asked = new URLSearchParams(page.search);
    const told = { ...values, view: KEYS.some(key => values[key]) ? nameOf(memory) : '' };
    [...KEYS, 'view'].forEach(key => { if (told[key]) asked.set(key, told[key]); else asked.delete(key); });
    const text = asked.toString().replaceAll('%2C', ',');
    window.parent.history.replaceState(window.parent.history.state, '', page.pathname + (text ? `?${text}` : '') + page.hash);
  } catch (error) { /* no storage and no address: the map works, it only forgets */ }
}

// ---- which layers of map servers are switched on, in this tab ----
const ON = 'groundline-online';
function switched() { try { return JSON.parse(window.sessionStorage.getItem(ON)) || {}; } catch (error) { return {}; } }
export function recallOn(name) { return switched()[name]; }
export function rememberOn(name, on) { try { window.sessionStorage.setItem(ON, JSON.stringify({ ...switched(), [name]: on })); } catch (error) { /* it is asked for again */ } }

// ---- which columns the table has, in this browser ----
const COLUMNS = 'groundline-columns';
export function recallColumns() {
  try {
    const kept = JSON.parse(window.localStorage.getItem(COLUMNS));
    return Array.isArray(kept) ? kept : null;
  } catch (error) { return null; }
}
export function rememberColumns(columns) {
  try { window.localStorage.setItem(COLUMNS, JSON.stringify(columns)); } catch (error) { /* it is asked for again */ }
}

// ---- how two maps are compared, in this browser ----
const WAY = 'groundline-way';
export function recallWay() { try { return window.localStorage.getItem(WAY); } catch (error) { return null; } }
export function rememberWay(way) { try { window.localStorage.setItem(WAY, way); } catch (error) { /* it is asked for again */ } }

// The dashboard's own typeface, which its page has loaded and this frame has not.
export function borrowFont() {
  try {
    const page = window.parent.document;
    [...page.styleSheets].forEach(sheet => [...sheet.cssRules].filter(rule => rule instanceof window.parent.CSSFontFaceRule).forEach(rule => {
      if (!/source sans/i.test(rule.style.fontFamily)) return;
      const text = rule.cssText.replace(/url\("?([^")]+)"?\)/g, (all, url) => `url("${new URL(url, sheet.href || page.baseURI).href}")`);
      document.head.appendChild(element('style', {}, text));
    }));
  } catch (error) { /* another site's page around the dashboard: the system's typeface will do */ }
}

// Calls `told(px)` with the height of the dashboard's window, now and whenever it changes.
export function windowHeight(told) {
  const tell = () => told(window.parent.innerHeight);
  try {
    tell();
    window.parent.addEventListener('resize', tell);
    window.addEventListener('pagehide', () => window.parent.removeEventListener('resize', tell));
  } catch (error) { /* another site's page around the dashboard: its height is not told */ }
}
