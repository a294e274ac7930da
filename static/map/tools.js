// Drawing on the map: a region (rectangle or polygon) to clip, count and sum; distances and areas to measure.

import { element } from '../shared/element.js';
import { area, length } from '../shared/words.js';
import { pathLength, plane, ringArea } from './measuring.js';

const { L } = window;
const ICONS = {
  box: '<rect x="3" y="4" width="12" height="10"/>',
  region: '<path d="M3 6l6-3 6 4-2 8H5z"/>',
  distance: '<path d="M2 12L12 2l4 4L6 16zM6 9l1.5 1.5M8.5 6.5l1.5 1.5"/>',
  area: '<path d="M3 15V5l8-2 4 5-2 7z" stroke-dasharray="2.5 2"/><path d="M6 11h6"/>',
  clear: '<path d="M4 4l10 10M14 4L4 14"/>',
  fit: '<path d="M2 5V2h3M13 2h3v3M16 13v3h-3M5 16H2v-3"/><rect x="6" y="6" width="6" height="6"/>',
  swipe: '<path d="M9 2v14M6 6L3 9l3 3M12 6l3 3-3 3"/>',
};
const HINTS = {
  box: 'Click one corner of the region, then the opposite one. Esc leaves.',
  region: 'Click the corners of the region; double-click or Enter closes it, Backspace takes one back, Esc leaves.',
  distance: 'Click along the way; double-click or Enter ends it, Backspace takes one back, Esc leaves.',
  area: 'Click around the area; double-click or Enter closes it, Backspace takes one back, Esc leaves.',
};
const TITLES = {
  box: 'Draw a rectangle: clip, count and sum inside it', region: 'Draw a polygon: clip, count and sum inside it',
  distance: 'Measure a distance', area: 'Measure an area', clear: 'Remove region and measurements',
  fit: 'Show the whole scene', swipe: 'Swipe between picture and result',
}

export function bar(map, names, press) {
  const control = L.control({ position: 'topleft' }), buttons = {};
  control.onAdd = () => {
    const box = element('div', { class: 'leaflet-bar', role: 'toolbar', 'aria-label': 'Map tools' });
    names.forEach(name => {
      const button = element('a', { href: '#', role: 'button', title: TITLES[name], 'aria-label': TITLES[name], 'aria-pressed': 'false', 'data-tool': name });
      button.innerHTML = `<svg viewBox="0 0 18 18" aria-hidden="true">${ICONS[name]}</svg>`;
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
    this.map.on('click', event => this.clicked(event));
    this.map.on('dblclick', () => this.finish());
    this.map.on('mousemove', event => { if (this.active) this.draw(event.latlng); });
    document.addEventListener('keydown', event => this.key(event));
  }

  press(name) {
    if (name === 'fit') this.app.fit();
    else if (name === 'clear') this.clear();
    else if (this.active === name) this.stop();
    else this.start(name);
  }

  start(name) {
    this.stop();
    this.active = name;
    this.map.doubleClickZoom.disable();
    this.map.getContainer().classList.add('gl-drawing');
    this.hint.textContent = HINTS[name];
    this.mark();
    this.map.getContainer().focus();
  }

  stop() {
    this.active = null;
    this.points = [];
    this.drawn.clearLayers();
    this.live?.remove();
    this.live = null;
    this.map.doubleClickZoom.enable();
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
    if (!this.active || event.target.tagName === 'INPUT') return;
    if (event.key === 'Escape') this.stop();
    else if (event.key === 'Enter' && this.points.length > 1) { event.preventDefault(); this.finish(); }
    else if (event.key === 'Backspace') { event.preventDefault(); this.points.pop(); this.draw(null); }
  }

  clicked({ latlng: at, originalEvent }) {
    if (!this.active) return;
    originalEvent.glTaken = true;
    const before = this.points[this.points.length - 1];
    // The second click of a double click adds no second point.
    if (before && this.map.latLngToContainerPoint(before).distanceTo(this.map.latLngToContainerPoint(at)) < 4) return;
    this.points.push(at);
    if (this.active === 'box' && this.points.length === 2) this.finish();
    else this.draw(at);
  }

  corners(points) {
    if (this.active !== 'box' || points.length < 2) return points;
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
    const points = this.corners(pointer && this.points.length ? [...this.points, pointer] : this.points);
    if (!points.length) return;
    this.shape(points, this.active !== 'distance' && points.length > 2).addTo(this.drawn);
    this.points.forEach(point => L.circleMarker(point, this.style({ radius: 4, fillOpacity: 1, fillColor: '#fff' })).addTo(this.drawn));
    // One label follows the pointer: labels that are taken away fade slowly.
    if (points.length > 1 && this.active !== 'region') this.live = this.live ? this.write(this.live, points) : this.label(points, this.map);
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

  finish() {
    const points = this.corners(this.points), least = this.active === 'distance' ? 2 : 3;
    if (!this.active || points.length < least) return;
    if (this.active === 'distance' || this.active === 'area') {
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
