// What all parts of the map share: words and numbers, metres on the ground, and what is remembered of the view.
// Runs inside streamlit-folium's frame; every URL is relative to that frame.

window.Groundline = (function () {
  const L = window.L;

  function element(tag, attributes = {}, text = '') {
    const node = document.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => node.setAttribute(name, value));
    if (text !== '') node.textContent = text;
    return node;
  }

  const number = (value, digits = 0) => Number(value).toLocaleString('en', { maximumFractionDigits: digits });

  // Rows of [from, divisor, decimals, unit] for areas and lengths, the first that fits counts: the table of core/words.py, handed over by the page.
  let rowsOf = null;
  const readUnits = table => { rowsOf = table; };

  function inUnit(what, value, units) {
    if (value === null || value === undefined) return '';
    const rows = rowsOf[what][units === 'm' ? 'm' : 'px'];
    const [, divisor, decimals, unit] = rows.find(row => value >= row[0]) || rows[rows.length - 1];
    return `${(value / divisor).toLocaleString('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals })} ${unit}`;
  }

  const area = (value, units) => inUnit('area', value, units);
  const length = (value, units) => inUnit('length', value, units);

  // Points in a plane of metres (or pixels): on the earth by the WGS84 radii of curvature at the points' middle, which is true
  // to 1e-4 over some tens of kilometres; without coordinates by the pixel size, where there is one.
  function plane(points, config, pixelSize) {
    if (config.pixelScale) {
      const unit = config.pixelScale * (pixelSize || 1);
      return points.map(point => [point.lng * unit, point.lat * unit]);
    }
    const radians = Math.PI / 180, squared = 0.00669437999014;
    const middle = points.reduce((sum, point) => sum + point.lat, 0) / points.length * radians;
    const part = 1 - squared * Math.sin(middle) ** 2;
    const across = 6378137 / Math.sqrt(part) * Math.cos(middle), up = 6378137 * (1 - squared) / part ** 1.5;
    return points.map(point => [(point.lng - points[0].lng) * radians * across, (point.lat - points[0].lat) * radians * up]);
  }

  function pathLength(xy) {
    return xy.slice(1).reduce((sum, point, index) => sum + Math.hypot(point[0] - xy[index][0], point[1] - xy[index][1]), 0);
  }

  function ringArea(xy) {
    return Math.abs(xy.reduce((sum, point, index) => {
      const next = xy[(index + 1) % xy.length];
      return sum + point[0] * next[1] - next[0] * point[1];
    }, 0)) / 2;
  }

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

  function recall(memory) {
    const asked = address();
    if (asked.get('view') === nameOf(memory)) return Object.fromEntries(KEYS.map(key => [key, asked.get(key)]));
    try { return JSON.parse(window.sessionStorage.getItem(`groundline-${memory}`)) || {}; } catch (error) { return {}; }
  }

  function remember(memory, values) {
    try {
      window.sessionStorage.setItem(`groundline-${memory}`, JSON.stringify(values));
      const page = window.parent.location, asked = new URLSearchParams(page.search);
      const told = { ...values, view: KEYS.some(key => values[key]) ? nameOf(memory) : '' };
      [...KEYS, 'view'].forEach(key => { if (told[key]) asked.set(key, told[key]); else asked.delete(key); });
      const text = asked.toString().replaceAll('%2C', ',');
      window.parent.history.replaceState(window.parent.history.state, '', page.pathname + (text ? `?${text}` : '') + page.hash);
    } catch (error) { /* no storage and no address: the map works, it only forgets */ }
  }

  // The dashboard's own typeface, which its page has loaded and this frame has not.
  function borrowFont() {
    try {
      const page = window.parent.document;
      [...page.styleSheets].forEach(sheet => [...sheet.cssRules].filter(rule => rule instanceof window.parent.CSSFontFaceRule).forEach(rule => {
        if (!/source sans/i.test(rule.style.fontFamily)) return;
        const text = rule.cssText.replace(/url\("?([^")]+)"?\)/g, (all, url) => `url("${new URL(url, sheet.href || page.baseURI).href}")`);
        document.head.appendChild(element('style', {}, text));
      }));
    } catch (error) { /* another site's page around the dashboard: the system's typeface will do */ }
  }

  return { L, borrowFont, element, number, readUnits, area, length, plane, pathLength, ringArea, recall, remember };
}());
