// Outlines moved, drawn and cut by hand with Leaflet-Geoman, which is fetched when it is first needed.
// What was done goes to the dashboard once, when it ends; until its answer comes, it stays on the map as it was left.

import { element } from '../shared/element.js';

const { L } = window;
const VENDOR = new URL('../vendor/geoman/', import.meta.url);
const SNAP_PX = 12, MOST_NEIGHBOURS = 150;
const MANY = 300; // corners: with more, only those near the pointer can be taken, and crossings are found by the server
const SHAPES = { draw: 'Polygon', cut: 'Line', piece: 'Polygon' };

let loading = null;

function geoman() {
  loading ??= new Promise((done, failed) => {
    document.head.appendChild(element('link', { rel: 'stylesheet', href: new URL('leaflet-geoman.css', VENDOR).href }));
    const script = element('script', { src: new URL('leaflet-geoman.min.js', VENDOR).href });
    script.onload = () => { L.PM.setOptIn(true); done(); }; // else each polygon of the map would carry an editor
    script.onerror = () => { loading = null; failed(new Error('leaflet-geoman.min.js did not load')); };
    document.head.appendChild(script);
  });
  return loading;
}

export class Outlines {
  // `ended()` is called when an outline is finished by the pointer.
  constructor(app, ended) {
    Object.assign(this, { app, map: app.map, ended, doing: null, edited: null });
    this.left = L.layerGroup().addTo(this.map); // what waits for the answer
  }

  handles(name) { return name === 'vertices' || name in SHAPES; }

  // Why a tool cannot begin now, '' where it can.
  refuses(name) {
    if (name === 'draw') return '';
    if (this.app.picked.length !== 1) return name === 'vertices' ? 'Select one polygon first, then move its corners.' : 'Select one polygon first, then cut it.';
    return '';
  }

  async start(name) {
    this.doing = name;
    await geoman();
    if (this.doing !== name) return; // left meanwhile
    if (!this.map.pm) this.map.pm = new L.PM.Map(this.map);
    this.map.pm.setGlobalOptions({ finishOnEnter: true });
    if (name === 'vertices') this.takeUp(this.app.selected);
    else this.draw(SHAPES[name]);
    document.body.dataset.outlines = name;
  }

  style() { return { color: '#0f766e', weight: 3, fillColor: '#0f766e', fillOpacity: 0.15 }; }

  // ---- corners of the selected polygon ----
  takeUp(id) {
    const shown = this.app.polygons.layers.get(id);
    if (!shown) return;
    const corners = shown.getLatLngs().map(ring => ring.map(point => L.latLng(point.lat, point.lng)));
    this.edited = { id, before: JSON.stringify(this.app.rings(corners)) };
    this.app.polygons.marks.clearLayers();
    this.copy = L.polygon(corners, { ...this.style(), pmIgnore: false, renderer: this.app.overlay(this.map) }).addTo(this.map);
    const many = this.many = corners.flat().length > MANY;
    this.copy.pm.enable({
      // Neighbours have the same corners: snapping would hold each where it is.
      snappable: false, allowSelfIntersection: many, removeLayerBelowMinVertexCount: false, limitMarkersToCount: many ? MANY / 5 : -1, draggable: false,
    });
    this.copy.on('pm:vertexclick pm:markerdragend', ({ markerEvent }) => this.choose(markerEvent.target));
    this.focused = event => { const found = this.corners().find(marker => marker.getElement() === event.target); if (found) this.choose(found); };
    this.map.getContainer().addEventListener('focusin', this.focused);
  }

  // The corner that was clicked, dragged or reached by Tab last can be taken away.
  choose(marker) {
    this.corner?.getElement()?.classList.remove('gl-corner');
    this.corner = marker;
    marker?.getElement()?.classList.add('gl-corner');
    if (this.app.tools.away) this.app.tools.away.disabled = !marker;
  }

  corners() { return this.copy ? this.copy.pm._markers.flat(Infinity) : []; }

  removeCorner() {
    const { corner } = this;
    if (!corner || !this.corners().includes(corner)) return;
    this.choose(null);
    this.copy.pm._removeMarker({ target: corner });
  }

  // ---- drawing and cutting ----
  draw(shape) {
    const view = this.map.getBounds(), near = [...this.app.polygons.layers.values()].filter(layer => view.intersects(layer.getBounds()));
    this.near = near.length > MOST_NEIGHBOURS ? [] : near;
    this.near.forEach(layer => { layer.options.snapIgnore = false; });
    this.created = ({ layer }) => {
      const name = this.doing, points = layer.getLatLngs();
      layer.remove();
      this.send(name, shape === 'Line' ? [points] : points);
      setTimeout(this.ended); // the click that ended it is still on its way to the map
    };
    this.map.once('pm:create', this.created);
    const line = { color: '#0f766e', weight: 3 };
    this.map.pm.enableDraw(shape, {
      snappable: this.near.length > 0, snapDistance: SNAP_PX, allowSelfIntersection: false, tooltips: false, finishOn: 'dblclick',
      templineStyle: line, hintlineStyle: { ...line, dashArray: '5 5' }, pathOptions: this.style(),
    });
  }

  send(name, rings) {
    const corners = this.app.rings(rings);
    if (name === 'draw') this.app.send('draw', { rings: corners, class: this.app.card.chosen() });
    else this.app.send('split', { ids: [this.app.selected], line: name === 'cut' ? corners[0] : [...corners[0], corners[0][0]] });
    this.leave(name === 'cut' ? L.polyline(rings[0], { ...this.style(), fill: false, interactive: false }) : L.polygon(rings, { ...this.style(), interactive: false }));
  }

  leave(layer) { this.left.addLayer(layer); }

  // Takes back the last corner of what is being drawn.
  back() { if (this.doing in SHAPES) this.map.pm?.Draw[SHAPES[this.doing]]._removeLastVertex(); }

  // Ends corners being moved, and sends them where they were.
  finish() {
    if (this.doing !== 'vertices' || !this.copy) return;
    const rings = this.copy.getLatLngs(), corners = this.app.rings(rings), { id, before } = this.edited;
    this.stop();
    if (JSON.stringify(corners) === before) return;
    this.leave(L.polygon(rings, { ...this.style(), interactive: false }));
    this.app.send('reshape', { ids: [id], rings: corners });
  }

  // Leaves everything as it was.
  stop() {
    if (!this.doing) return;
    this.doing = null;
    delete document.body.dataset.outlines;
    this.map.off('pm:create', this.created);
    this.near?.forEach(layer => { delete layer.options.snapIgnore; });
    this.map.pm?.disableDraw();
    if (this.copy) {
      this.map.getContainer().removeEventListener('focusin', this.focused);
      this.corner = null;
      this.copy.pm.disable();
      this.copy.remove();
      this.copy = null;
      this.app.polygons.mark(this.app.picked, false);
    }
  }

  answered() { this.left.clearLayers(); }

  // Whether the polygon whose corners are being moved is another one by now.
  outdated() {
    const shown = this.copy && this.app.polygons.layers.get(this.edited.id);
    return Boolean(this.copy) && (!shown || JSON.stringify(this.app.rings(shown.getLatLngs())) !== this.edited.before);
  }
}
