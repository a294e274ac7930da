// Polygons on a map: fetched by URL, drawn on canvas, filtered and restyled without being drawn anew.

import { element } from '../shared/element.js';
import { area, length } from '../shared/words.js';
import { ringArea } from './measuring.js';

const { L } = window;
const HOVER = '#ffffff', MOST_THICK = 40;

export class Polygons {
  // `app` holds filter, classes and units for all maps of the page.
  constructor(map, app, pane) {
    Object.assign(this, { map, app, layers: new Map(), url: null, drawn: null });
    this.renderer = L.canvas({ padding: 0.3, pane });
    this.group = L.featureGroup([], { pane }).addTo(map);
    this.group.bindTooltip(layer => facts(layer.feature.properties, app, false), { sticky: true, opacity: 0.96 });
    this.group.on('mouseover', event => this.hover(event.propagatedFrom, true));
    this.group.on('mouseout', event => this.hover(event.propagatedFrom, false));
    this.group.on('click', event => {
      const { ctrlKey, metaKey, shiftKey } = event.originalEvent, also = shiftKey || ctrlKey || metaKey;
      if (app.tools.active || event.originalEvent.glTaken) return;
      event.originalEvent.glTaken = true;
      this.group.closeTooltip();
      app.select(event.propagatedFrom.feature.properties.id, { from: this, at: also ? null : event.latlng, also });
    });
    this.marks = L.layerGroup().addTo(map);
  }

  // Draws what lies at an address; where what is drawn now lies at `since.features`, only what has changed is fetched.
  async show(url, since = null) {
    if (url === this.url) return this.restyle();
    this.url = url;
    const part = since && since.features === this.drawn;
    const answer = url ? await fetch(part ? since.changes : url) : null;
    if (answer && !answer.ok) throw new Error(String(answer.status));
    const { gone = [], features = [] } = answer ? await answer.json() : {};
    if (url !== this.url) return null; // a newer layer was asked for meanwhile
    if (!part) {
      this.group.clearLayers();
      this.layers.clear();
    }
    this.marks.clearLayers();
    gone.forEach(id => this.remove(id));
    features.forEach(feature => this.put(feature));
    this.drawn = url;
    document.body.dataset.fetched = String(features.length);
    return this.restyle();
  }

  put(feature) {
    const scale = this.app.config.pixelScale;
    const place = scale ? ([x, y]) => L.latLng(y / scale, x / scale) : undefined;
    const layer = L.GeoJSON.geometryToLayer(feature, { coordsToLatLng: place, smoothFactor: 0.6, renderer: this.renderer, bubblingMouseEvents: true });
    layer.feature = feature;
    this.remove(feature.properties.id);
    this.layers.set(feature.properties.id, layer);
    this.restyleOne(layer, true);
    this.group.addLayer(layer);
  }

  remove(id) {
    if (!this.layers.has(id)) return;
    this.group.removeLayer(this.layers.get(id));
    this.layers.delete(id);
  }

  // Draws classes over each other in the order of their ids, the first on top.
  stack(ids) {
    const places = new Map(ids.map((id, place) => [id, place])), place = layer => places.get(layer.feature.properties.class_id) ?? ids.length;
    [...this.layers.values()].sort((a, b) => place(b) - place(a)).forEach(layer => layer.bringToFront());
  }

  restyle() { this.layers.forEach(layer => this.restyleOne(layer)); }

  restyleOne(layer, quiet = false) {
    const told = layer.feature.properties, app = this.app;
    const shown = app.passes(told), colour = app.colours.get(told.class_id) || '#888888';
    const style = { color: app.edges.get(told.class_id) ?? colour, fillColor: colour, weight: 0.9, opacity: 1, fillOpacity: app.fillOf(), stroke: shown, fill: shown };
    if (!quiet && layer.glStyle === JSON.stringify(style)) return;
    layer.glStyle = JSON.stringify(style);
    layer.options.interactive = shown;
    L.setOptions(layer, style);
    if (!quiet) layer.setStyle(style);
  }

  hover(layer, on) {
    if (!layer?.feature || this.app.tools.active) return;
    if (on) layer.setStyle({ weight: 3, color: HOVER, fillOpacity: Math.min(1, this.app.fillOf() + 0.25) });
    else { layer.glStyle = ''; this.restyleOne(layer); }
  }

  // Frames polygons; `fly` also moves the map to the last of them, or to all.
  mark(ids, fly) {
    this.marks.clearLayers();
    const layers = ids.map(id => this.layers.get(id)).filter(Boolean);
    if (!layers.length) return;
    const outlines = layers.map(layer => layer.getLatLngs());
    const thick = layers.length > MOST_THICK ? 1 : 3; // of many, thick frames would hide what they are around
    [['#17262b', 2 * thick], ['#ffffff', thick]].forEach(([color, weight]) => {
      L.polygon(outlines, { color, weight, fill: false, interactive: false, renderer: this.app.overlay(this.map) }).addTo(this.marks);
    });
    if (!fly) return;
    const bounds = fly === 'all' ? layers.reduce((all, layer) => all.extend(layer.getBounds()), L.latLngBounds([])) : layers[layers.length - 1].getBounds();
    const zoom = Math.min(this.map.getBoundsZoom(bounds.pad(0.8)), this.app.closestZoom()), size = this.map.getSize();
    const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches || size.x < 50;
    this.map.flyTo(bounds.getCenter(), zoom, { duration: 0.7, animate: !calm });
  }

  // Ids of the polygons that pass the filter and lie in a box with more than half of their area.
  within(box) {
    const corners = L.bounds(this.map.latLngToLayerPoint(box.getNorthWest()), this.map.latLngToLayerPoint(box.getSouthEast()));
    return [...this.layers].filter(([, layer]) => {
      if (!this.app.passes(layer.feature.properties) || !box.intersects(layer.getBounds())) return false;
      if (box.contains(layer.getBounds())) return true;
      const size = points => ringArea(points.map(point => [point.x, point.y]));
      const rings = layer.getLatLngs().map(ring => ring.map(point => this.map.latLngToLayerPoint(point)));
      const [whole, inside] = [ring => ring, ring => L.PolyUtil.clipPolygon(ring, corners)].map(part => rings.reduce((sum, ring, k) => sum + (k ? -1 : 1) * size(part(ring)), 0));
      return inside > whole / 2;
    }).map(([id]) => id);
  }
}

// What is known of a polygon, for tooltip (short) and popup (all).
export function facts(told, app, all) {
  const units = app.data.units, box = element('div', { class: 'gl-facts' });
  const head = element('b'), swatch = element('i');
  swatch.style.background = app.colours.get(told.class_id) || '#888888';
  head.append(swatch, app.nameOf(told));
  box.appendChild(head);
  const rows = [['Polygon', told.id ?? ''], ['Area', area(told.area, units)]];
  if (told.length != null) rows.push(['Length', length(told.length, units)]);
  if (all && told.width != null) rows.push(['Width', length(told.width, units)]);
  if (all && told.perimeter != null) rows.push(['Perimeter', length(told.perimeter, units)]);
  if (all && told.compactness != null) rows.push(['Compactness', Number(told.compactness).toFixed(2)]);
  if (told.confidence != null) rows.push(['Mean confidence', Number(told.confidence).toFixed(2)]);
  if (all && told.on_edge) rows.push(['At the rim', 'cut by the scene']);
  rows.forEach(row => row.forEach(text => box.appendChild(element('span', {}, String(text)))));
  return box;
}
