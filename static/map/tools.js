// Drawing on the map: a region (rectangle or polygon) to clip, count and sum; distances and areas to measure; a box that selects.
// Outlines themselves are moved, drawn and cut by outlines.js, whose tools are pressed and left here like all others.

import { element } from '../shared/element.js';
import { area, length } from '../shared/words.js';
import { pathLength, plane, ringArea } from './measuring.js';
import { Outlines } from './outlines.js';

const { L } = window;
const ICONS = {
  box: '<rect x="3" y="4" width="12" height="10"/>',
  region: '<path d="M3 6l6-3 6 4-2 8H5z"/>',
  distance: '<path d="M2 12L12 2l4 4L6 16zM6 9l1.5 1.5M8.5 6.5l1.5 1.5"/>',
  area: '<path d="M3 15V5l8-2 4 5-2 7z" stroke-dasharray="2.5 2"/><path d="M6 11h6"/>',
  clear: '<path d="M4 4l10 10M14 4L4 14"/>',
  fit: '<path d="M2 5V2h3M13 2h3v3M16 13v3h-3M5 16H2v-3"/><rect x="6" y="6" width="6" height="6"/>',
  layers: '<path d="M9 2.500l7 4-7 4-7-4z"/><path d="M2 9.500l7 4 7-4M2 12.500l7 4 7-4"/>',
  swipe: '<path d="M9 2v14M6 6L3 9l3 3M12 6l3 3-3 3"/>',
  pick: '<path d="M3 3h9v4M3 3v9h4" stroke-dasharray="2.5 2"/><path d="M9 9l7 2.6-3 1.4-1.4 3z" fill="currentColor"/>',
  vertices: '<path d="M4 4l10 2-3 8-7-2z"/><circle cx="4" cy="4" r="1.6" fill="currentColor"/><circle cx="14" cy="6" r="1.6" fill="currentColor"/><circle cx="11" cy="14" r="1.6" fill="currentColor"/><circle cx="4" cy="12" r="1.6" fill="currentColor"/>',
  draw: '<path d="M3 6l5-3 4 3M3 6l1 7 6 2"/><path d="M10.5 12.5l4.5-4.500 1.500 1.500-4.500 4.500-2 .5z" fill="currentColor" stroke-width="1"/>',
  cut: '<circle cx="5" cy="13" r="2"/><circle cx="13" cy="13" r="2"/><path d="M6 11.500L13 2.500M12 11.500L5 2.500"/>',
  piece: '<path d="M2.500 3.500h13v11h-13z"/><path d="M6 7l4-1 2 3-2 3-4-1z" stroke-dasharray="2 1.500"/>',
};
const HINTS = {
  box: 'Click one corner of the region, then the opposite one. Esc leaves.',
  region: 'Click the corners of the region; double-click or Enter closes it, Backspace takes one back, Esc leaves.',
  distance: 'Click along the way; double-click or Enter ends it, Backspace takes one back, Esc leaves.',
  area: 'Click around the area; double-click or Enter closes it, Backspace takes one back, Esc leaves.',
  pick: 'Drag a box, or click two opposite corners: what lies in it with more than half of its area is selected. Shift adds. Esc leaves.',
  vertices: 'Drag corners, or the points between them to add some. A corner that was clicked, or reached by Tab, can be removed (Delete key). Enter keeps all, Esc nothing.',
  draw: 'Click the corners of a new polygon of the class in the card; the first corner, a double-click or Enter closes it, Esc leaves.',
  cut: 'Click a line from side to side of the selected polygon; a double-click or Enter cuts along it, Backspace takes one back, Esc leaves.',
  piece: 'Click around the piece to cut out of the selected polygon; the first corner, a double-click or Enter cuts it out, Esc leaves.',
};
const NEAREST = 'This outline has many corners: those nearest to the pointer are shown. ';
const TITLES = {
  box: 'Draw a rectangle: clip, count and sum inside it', region: 'Draw a polygon: clip, count and sum inside it',
  distance: 'Measure a distance', area: 'Measure an area', clear: 'Remove region and measurements',
  fit: 'Show the whole scene', swipe: 'Swipe between picture and result',
  pick: 'Select polygons in a box', vertices: 'Move, add and remove corners of the selected polygon', draw: 'Draw a new polygon',
  cut: 'Cut the selected polygon along a line', piece: 'Cut a piece out of the selected polygon',
}

// A picture for a button, in the colour of its text.
export const icon = name => `<svg viewBox="0 0 18 18" aria-hidden="true">${ICONS[name]}</svg>`;

export function bar(map, names, press, { position = 'topleft', label = 'Map tools' } = {}) {
  const control = L.control({ position }), buttons = {};
  control.onAdd = () => {
    const box = element('div', { class: 'leaflet-bar', role: 'toolbar', 'aria-label': label });
    names.forEach(name => {
      const button = element('a', { href: '#', role: 'button', title: TITLES[name], 'aria-label': TITLES[name], 'aria-pressed': 'false', 'data-tool': name });
      button.innerHTML = icon(name);
      L.DomEvent.on(button, 'click', event => { L.DomEvent.stop(event); press(name); });
      L.DomEvent.on(button, 'keydown', event => { if (event.key === ' ') { L.DomEvent.stop(event); press(name); } });
      L.DomEvent.disableClickPropagation(button);
      buttons[name] = button;
      box.appendChild(button);
    });
    return box;
  };
  control.addTo(map);
  return buttons;
}

export class Tools {
  constructor(app) {
    Object.assign(this, { app, map: app.map, active: null, points: [] });
    this.drawn = L.layerGroup().addTo(this.map); // what is being drawn
    this.measured = L.layerGroup().addTo(this.map);
    this.outline = L.layerGroup().addTo(this.map);
    this.hint = element('div', { class: 'gl-box gl-hint', role: 'status' });
    this.map.getContainer().appendChild(this.hint);
    this.buttons = bar(this.map, ['box', 'region', 'distance', 'area', 'clear', 'fit'], name => this.press(name));
    if (this.app.config.editable) {
      this.outlines = new Outlines(this.app, () => this.stop());
      const names = ['pick', 'vertices', 'draw', 'cut', 'piece'];
      Object.assign(this.buttons, bar(this.map, names, name => this.press(name), { position: 'topright', label: 'Correct polygons' }));
    }
    this.map.on('click', event => this.clicked(event));
    this.map.on('dblclick', () => this.finish());
    this.map.on('mousedown', event => this.pressed(event));
    this.map.on('mousemove', event => { if (this.drawing) this.draw(event.latlng); });
    this.map.on('mouseup', event => this.released(event));
    document.addEventListener('keydown', event => this.key(event));
  }

  // Whether one of the tools that draw here themselves is at work; rectangles are dragged or clicked.
  get drawing() { return Boolean(this.active) && !this.outlines?.handles(this.active); }
  get boxing() { return this.active === 'box' || this.active === 'pick'; }

  press(name) {
    if (name === 'fit') this.app.fit();
    else if (name === 'clear') this.clear();
    else if (this.active === name) { if (name === 'vertices') this.finish(); else this.stop(); }
    else this.start(name);
  }

  start(name) {
    this.stop();
    if (this.outlines?.handles(name)) {
      const refused = this.app.mayChange() ? this.outlines.refuses(name) : this.app.data.editing.readOnly;
      if (refused) { this.app.say(refused); return; }
      this.outlines.start(name).then(() => { if (this.active === 'vertices' && this.outlines.many) this.hint.prepend(NEAREST); }).catch(() => { this.stop(); this.app.say('The drawing tools did not arrive from the server. Reload the page.'); });
    }
    this.active = name;
    this.map.closePopup();
    this.map.doubleClickZoom.disable();
    if (this.boxing) this.map.dragging.disable();
    this.map.getContainer().classList.toggle('gl-drawing', this.drawing);
    this.hint.textContent = HINTS[name];
    if (name === 'vertices') {
      this.away = this.choice('Remove corner', () => this.outlines.removeCorner());
      this.away.disabled = true;
      this.hint.append(this.away, this.choice('Keep', () => this.finish()), this.choice('Discard', () => this.stop()));
    }
    this.mark();
    this.map.getContainer().focus();
  }

  choice(text, press) {
    const button = element('button', { type: 'button' }, text);
    button.onclick = press;
    L.DomEvent.disableClickPropagation(button);
    return button;
  }

  stop() {
    this.active = null;
    this.points = [];
    this.drawn.clearLayers();
    this.live?.remove();
    this.live = this.from = null;
    this.outlines?.stop();
    this.map.doubleClickZoom.enable();
    this.map.dragging.enable();
    this.map.getContainer().classList.remove('gl-drawing');
    this.hint.textContent = '';
    this.mark();
  }

  mark() { Object.entries(this.buttons).forEach(([name, button]) => button.setAttribute('aria-pressed', String(name === this.active))); }

  clear() {
    this.stop();
    this.measured.clearLayers();
    if (this.app.region) this.app.setRegion(null);
  }

  key(event) {
    if (!this.active || event.target.matches('input, select')) return;
    if (event.key === 'Escape') { event.glTaken = true; this.stop(); }
    else if (event.key === 'Enter' && (this.points.length > 1 || this.active === 'vertices')) { event.preventDefault(); this.finish(); }
    else if (event.key === 'Delete' && this.active === 'vertices') { event.preventDefault(); this.outlines.removeCorner(); }
    else if (event.key === 'Backspace') {
      event.preventDefault();
      if (!this.drawing) { this.outlines.back(); return; }
      this.points.pop();
      this.draw(null);
    }
  }

  // A rectangle is dragged from here, where the pointer moves before it is let go; else two clicks make it.
  pressed({ latlng: at, originalEvent }) { if (this.boxing && !this.points.length && !originalEvent.button) this.from = at; }

  released({ latlng: at, originalEvent }) {
    const { from } = this;
    this.from = null;
    if (!from || !this.boxing || this.near(from, at)) return;
    this.points = [from, at];
    this.dragged = true; // the click that follows adds no corner
    setTimeout(() => { this.dragged = false; });
    this.finish(originalEvent);
  }

  near(one, other) { return this.map.latLngToContainerPoint(one).distanceTo(this.map.latLngToContainerPoint(other)) < 4; }

  clicked({ latlng: at, originalEvent }) {
    if (this.dragged) originalEvent.glTaken = true;
    if (!this.drawing) return;
    originalEvent.glTaken = true;
    const before = this.points[this.points.length - 1];
    // The second click of a double click adds no second point.
    if (before && this.near(before, at)) return;
    this.points.push(at);
    if (this.boxing && this.points.length === 2) this.finish(originalEvent);
    else this.draw(at);
  }

  corners(points) {
    if (!this.boxing || points.length < 2) return points;
    const box = L.latLngBounds(points[0], points[1]);
    return [box.getSouthWest(), box.getNorthWest(), box.getNorthEast(), box.getSouthEast()];
  }

  style(extra = {}) { return { color: '#0f766e', weight: 3, fillColor: '#0f766e', fillOpacity: 0.12, interactive: false, renderer: this.app.overlay(this.map), ...extra }; }

  shape(points, closed) {
    const under = closed ? L.polygon(points, this.style({ color: '#ffffff', weight: 5, fill: false })) : L.polyline(points, this.style({ color: '#ffffff', weight: 5, fill: false }));
    const over = closed ? L.polygon(points, this.style()) : L.polyline(points, this.style({ fill: false }));
    return L.layerGroup([under, over]);
  }

  draw(pointer) {
    this.drawn.clearLayers();
    const begun = this.from ? [this.from] : this.points;
    const points = this.corners(pointer && begun.length ? [...begun, pointer] : this.points);
    if (!points.length) return;
    this.shape(points, this.active !== 'distance' && points.length > 2).addTo(this.drawn);
    this.points.forEach(point => L.circleMarker(point, this.style({ radius: 4, fillOpacity: 1, fillColor: '#fff' })).addTo(this.drawn));
    // One label follows the pointer: labels that are taken away fade slowly.
    if (points.length > 1 && this.active !== 'region' && this.active !== 'pick') this.live = this.live ? this.write(this.live, points) : this.label(points, this.map);
  }

  words(points) {
    const { app } = this, xy = plane(points, app.config, app.data.pixelSize), units = app.data.units;
    if (this.active === 'distance') return length(pathLength(xy), units);
    return points.length > 2 ? `${area(ringArea(xy), units)}, around it ${length(pathLength([...xy, xy[0]]), units)}` : length(pathLength(xy), units);
  }

  label(points, into) {
    const along = this.active === 'distance';
    const made = L.tooltip({ permanent: true, direction: along ? 'right' : 'center', offset: along ? [12, 0] : [0, 0], className: 'gl-measure' });
    return this.write(made, points).addTo(into);
  }

  write(tooltip, points) {
    return tooltip.setLatLng(this.active === 'distance' ? points[points.length - 1] : L.latLngBounds(points).getCenter()).setContent(this.words(points));
  }

  finish({ shiftKey = false, ctrlKey = false, metaKey = false } = {}) {
    if (this.active === 'vertices') { this.outlines.finish(); this.stop(); return; }
    const points = this.corners(this.points), least = this.active === 'distance' ? 2 : 3;
    if (!this.drawing || points.length < least) return;
    if (this.active === 'pick') {
      this.stop();
      this.app.pickIn(L.latLngBounds(points), { also: shiftKey || ctrlKey || metaKey });
    } else if (this.active === 'distance' || this.active === 'area') {
      this.shape(points, this.active === 'area').addTo(this.measured);
      this.label(points, this.measured);
      this.stop();
    } else {
      this.stop();
      this.app.setRegion(points);
    }
  }

  showRegion(points) {
    this.outline.clearLayers();
    if (!points) return;
    L.polygon(points, this.style({ color: '#ffffff', weight: 5, fill: false })).addTo(this.outline);
    L.polygon(points, this.style({ color: '#17262b', weight: 2, dashArray: '6 5', fill: false })).addTo(this.outline);
  }
}
