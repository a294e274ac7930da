// The map page's frame put together: base pictures, polygons, legend, tools, the linked table, and what Streamlit is told.
// `start(map, config)` builds it once for a scene, `update(data)` brings other polygons, colours or units to it.
// Runs inside streamlit-folium's frame; every URL is relative to that frame.

import { element } from '../shared/element.js';
import { readUnits } from '../shared/words.js';
import { Card } from './card.js';
import { borrowFont, recall, remember, windowHeight } from './dashboard.js';
import { Legend } from './legend.js';
import { inOwn, scaleOf } from './measuring.js';
import { Online } from './online.js';
import { layerOf } from './pictures.js';
import { facts, Polygons } from './polygons.js';
import { Swipe } from './swipe.js';
import { Table } from './table.js';
import { icon, Tools } from './tools.js';
import { Ways } from './ways.js';

const { L } = window;

const OVER_SCENE = 0.55; // opacity of class tiles that stand for polygons
const OVERLAY_COLOURS = ['#ff2e93', '#ffb000', '#00c2ff', '#b26bff', '#7be000', '#ff6a3d'];
const MOST_KEPT = 50; // selected polygons that an address holds

class App {
  constructor(map, config) {
    Object.assign(this, { map, config, data: { classes: [], units: null, features: null, editing: null }, colours: new Map(), edges: new Map(), fill: 0.45, picked: [], waiting: null, queue: [], region: null, told: '', chosen: null });
    this.filter = { hidden: new Set(), search: '', from: null, to: null, sure: 0 };
    document.body.classList.toggle('dark', config.dark);
    document.body.style.setProperty('--gl-height', `${config.height}px`);
    // Maps end where the window does; below two there is their table.
    windowHeight(px => document.body.style.setProperty('--gl-height', `${Math.max(config.height, px - config.around)}px`));
    document.body.style.setProperty('--gl-table', `${config.tableHeight}px`);
    readUnits(config.units);
    borrowFont();
    document.addEventListener('keydown', event => this.key(event));
    document.addEventListener('keydown', event => { if (event.key === 'Tab') document.body.classList.add('keys'); });
    document.addEventListener('pointerdown', () => document.body.classList.remove('keys'));
    this.build();
    this.restore();
    this.keepFitted();
  }

  build() {
    const { map, config } = this;
    map.setMinZoom(config.farthestZoom); // folium tells it only to tiles of its own
    this.maps = [map];
    this.classTiles = [];
    this.controls = [];
    if (config.titles.length > 1) this.maps.push(this.twin());
    this.titles = this.maps[1] ? this.maps.map((each, k) => each.getContainer().parentElement.appendChild(element('div', { class: 'gl-title' }, config.titles[k]))) : [];
    this.maps.forEach((each, k) => this.dress(each, k));
    this.polygons = this.listed = new Polygons(map, this, 'result');
    this.twinPolygons = this.maps[1] ? new Polygons(this.maps[1], this, 'result') : null;
    const place = config.pixelScale ? ([x, y]) => L.latLng(y / config.pixelScale, x / config.pixelScale) : undefined;
    const renderer = L.canvas({ pane: 'result' });
    this.lines = [['#17262b', 4], ['#ffffff', 2]].map(([color, weight]) => L.geoJSON(null, {
      interactive: false, style: { renderer, color, weight, opacity: 0.95 }, coordsToLatLng: place,
    }).addTo(map));
    this.overlayCanvas = L.canvas({ pane: 'own' });
    this.overlays = new Map();
    this.online = new Online(this);
    this.tools = new Tools(this);
    if (this.maps[1]) this.ways = new Ways(this, this.row);
    else this.swipe = new Swipe(map, ['result']);
    this.legend = new Legend(this);
    if (config.editable) this.card = new Card(this);
    this.table = new Table(this);
    this.lay();
    this.position();
    this.scale = scaleOf(this).addTo(map);
    map.on('click', event => { if (!event.originalEvent.glTaken && !this.tools.active && this.picked.length) this.select(null); });
    map.on('moveend', () => this.note());
  }

  // Maps left, legend and table right of them; below them where there is no room, or where there are two maps.
  lay() {
    const maps = document.getElementById('parent'), side = element('aside', { class: 'gl-side', 'aria-label': 'Classes and polygons' });
    this.work = element('div', { class: this.maps[1] ? 'gl-work two' : 'gl-work' });
    maps.before(this.work);
    side.append(this.legend.box, ...(this.card ? [this.card.box] : []), this.table.box);
    this.work.append(maps, side);
    L.control.fullscreen({ position: 'topleft', title: 'Full screen', titleCancel: 'Leave full screen', fullscreenElement: this.work, forceSeparateButton: true }).addTo(this.map);
  }

  // The frame is as high as what is in it, whichever way it is laid out.
  frameHeight() { if (!document.fullscreenElement) window.Streamlit.setFrameHeight(Math.ceil(this.work.getBoundingClientRect().height) + 4); }

  // A second map beside the first, in step with it.
  twin() {
    const { map } = this, holder = map.getContainer(), parent = holder.parentElement;
    const row = this.row = element('div', { class: 'gl-maps' }), cells = [element('div', { class: 'cell' }), element('div', { class: 'cell' })];
    parent.insertBefore(row, holder);
    row.append(...cells);
    const other = element('div', { id: 'map_twin', style: 'height:var(--gl-height)' });
    cells[0].appendChild(holder);
    cells[1].appendChild(other);
    const made = L.map(other, { crs: map.options.crs, zoomControl: false, minZoom: map.getMinZoom(), maxZoom: map.getMaxZoom(), zoomSnap: map.options.zoomSnap, zoomAnimation: false, preferCanvas: true });
    made.setView(map.getCenter(), map.getZoom());
    map.options.zoomAnimation = false;
    let busy = false;
    const follow = (from, to) => {
      if (busy) return;
      busy = true;
      to.setView(from.getCenter(), from.getZoom(), { animate: false });
      busy = false;
    };
    map.on('move', () => follow(map, made));
    made.on('move', () => follow(made, map));
    return made;
  }

  dress(map, index) {
    const { config } = this, bases = {}, overlays = {};
    map.attributionControl.setPrefix('');
    const holder = map.getContainer();
    holder.style.height = 'var(--gl-height)';
    holder.style.background = config.background;
    holder.setAttribute('role', 'application');
    holder.setAttribute('aria-label', `Map of ${config.titles[index] || 'the prediction'}; arrow keys move it, plus and minus zoom`);
    map.createPane('result').style.zIndex = 380;
    map.createPane('own').style.zIndex = 390;
    map.getPane('own').style.pointerEvents = 'none';
    const place = picture => {
      const layer = layerOf(map, picture);
      if (picture.classes) { layer.glOpacity = picture.opacity; this.classTiles.push(layer); }
      (picture.base ? bases : overlays)[picture.name] = layer;
      if (picture.shown) layer.addTo(map);
    };
    config.pictures.filter(picture => picture.map === index).forEach(place);
    bases[config.plainName] = L.layerGroup();
    if (!Object.values(bases).some(layer => map.hasLayer(layer))) bases[config.plainName].addTo(map);
    const control = L.control.layers(bases, overlays, { position: index ? 'topright' : 'topleft', collapsed: true }).addTo(map);
    control.getContainer().querySelector('.leaflet-control-layers-toggle').innerHTML = icon('layers');
    this.controls.push(control);
    this.probe(map, control, index);
  }

  // Online base maps are offered once one of their tiles has arrived, and not before.
  probe(map, control, index) {
    this.config.online.forEach(picture => {
      const trial = new Image();
      trial.referrerPolicy = 'strict-origin-when-cross-origin';
      trial.onload = () => {
        control.addBaseLayer(layerOf(map, picture), picture.name);
        if (index === 0) document.body.dataset.online = `${document.body.dataset.online || ''} ${picture.name}`.trim();
        this.say('Online base maps answer: choose one with the layers button.');
      };
      trial.onerror = () => this.say('Online base maps do not answer from here; the scene itself is the base map.');
      trial.src = picture.probe;
    });
  }

  say(text) {
    this.tools.hint.textContent = text;
    setTimeout(() => { if (this.tools.hint.textContent === text) this.tools.hint.textContent = ''; }, 8000);
  }

  position() {
    const control = L.control({ position: 'bottomright' }), { config, map } = this;
    control.onAdd = () => {
      const box = element('div', { class: 'gl-position' }, config.crs);
      const degrees = (value, plus, minus) => `${Math.abs(value).toFixed(6)}° ${value < 0 ? minus : plus}`;
      this.maps.forEach(each => each.on('mousemove', ({ latlng: { lat, lng } }) => {
        const own = inOwn(config.own, config.pixelScale ? [lng * config.pixelScale, -lat * config.pixelScale] : [lng, lat]);
        const place = config.pixelScale ? `row ${Math.floor(-lat * config.pixelScale)}, column ${Math.floor(lng * config.pixelScale)}`
          : `${degrees(lat, 'N', 'S')}, ${degrees(lng, 'E', 'W')}`;
        box.textContent = own ? `${place} · ${own}` : place;
      }).on('mouseout', () => { box.textContent = config.crs; }));
      return box;
    };
    control.addTo(map);
  }

  // An own renderer above the polygons, for frames and drawings.
  overlay(map) {
    map.glOverlay ??= L.svg({ pane: 'overlayPane' });
    return map.glOverlay;
  }

  // ---- what Streamlit sends ----
  async update(data) {
    const units = this.data.units, before = new Set(this.polygons.layers.keys());
    this.data = data;
    const classes = [...(data.second?.classes || []), ...data.classes];
    this.colours = new Map(classes.map(item => [item.id, item.colour]));
    this.edges = new Map(classes.map(item => [item.id, item.edge])); // outlines, seen on the map's ground too
    this.names = new Map(classes.map(item => [item.id, item.name]));
    this.classTiles.forEach((layer, number) => layer.setUrl(data.classTiles[number]));
    this.showClasses(data.outlines);
    this.listed = data.second?.changes ? this.twinPolygons : this.polygons;
    this.scale._update();
    if (units !== data.units) this.table.renew();
    this.table.showFilter();
    this.legend.told();
    this.online.show(data.online || []);
    if (this.titles[1]) this.titles[1].textContent = data.second.changes ? 'What changed' : this.config.titles[1];
    try {
      await Promise.all([this.polygons.show(data.features, data.since), this.twinPolygons?.show(data.second.features), this.showLines(data.lines), this.showOverlays(data.overlays || [])]);
    } catch (error) {
      this.legend.say('The polygons did not arrive from the server. Reload the page.');
      return;
    }
    if (data !== this.data) return;
    if (data.naming?.changed) this.stack();
    this.redraw();
    this.card?.offer(data.editing);
    if (this.tools.outlines?.outdated()) this.tools.stop();
    this.answered(data.editing?.answer, before);
    this.pick(this.picked.filter(id => this.listed.layers.has(id)));
    if (this.region) this.setRegion(this.region);
    this.frameHeight();
    document.body.dataset.polygons = String(this.polygons.layers.size);
    document.body.dataset.features = data.features || '';
  }

  // What is too small to be drawn shows in the class tiles; they come and go with such layers, and else as the user wishes.
  showClasses(outlines) {
    if (this.maps[1] || outlines === this.outlinesOnly) return;
    const first = this.outlinesOnly === undefined;
    this.outlinesOnly = outlines;
    this.classTiles.forEach(layer => {
      layer.setOpacity(outlines ? OVER_SCENE : layer.glOpacity);
      if (outlines) layer.addTo(this.map);
      else if (!first) layer.remove();
    });
  }

  async showLines(url) {
    if (url === this.linesUrl) return;
    this.linesUrl = url;
    this.lines.forEach(layer => layer.clearLayers());
    if (!url) return;
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(String(answer.status));
    const found = await answer.json();
    if (url === this.linesUrl) this.lines.forEach(layer => layer.addData(found));
  }

  // Layers of the user's own: drawn over all others, to be switched off with the layers button.
  async showOverlays(wanted) {
    const urls = new Set(wanted.map(item => item.url));
    this.overlays.forEach((layer, url) => { if (!urls.has(url)) { this.controls[0].removeLayer(layer); layer.remove(); this.overlays.delete(url); } });
    await Promise.all(wanted.filter(item => !this.overlays.has(item.url)).map(async ({ name, url }) => {
      const color = OVERLAY_COLOURS[this.overlays.size % OVERLAY_COLOURS.length], style = { renderer: this.overlayCanvas, color, weight: 2, opacity: 1, fill: false };
      const place = this.config.pixelScale ? ([x, y]) => L.latLng(y / this.config.pixelScale, x / this.config.pixelScale) : undefined;
      const layer = L.geoJSON(null, { interactive: false, style, coordsToLatLng: place, pointToLayer: (_, at) => L.circleMarker(at, { ...style, radius: 5, interactive: false }) });
      this.overlays.set(url, layer);
      const answer = await fetch(url);
      if (!answer.ok) { this.overlays.delete(url); throw new Error(String(answer.status)); }
      layer.addData(await answer.json());
      if (this.overlays.get(url) !== layer) return; // taken away meanwhile
      const line = element('span', { class: 'gl-own' });
      line.append(Object.assign(element('i'), { style: `background:${color}` }), name);
      this.controls[0].addOverlay(layer.addTo(this.map), line.outerHTML);
    }));
    document.body.dataset.overlays = String(this.overlays.size);
  }

  nameOf(told) { return this.names.get(told.class_id) || 'unknown class'; }
  fillOf() { return this.data.outlines ? 0 : this.fill; }
  closestZoom() { return this.config.closestZoom; }

  redraw() {
    this.polygons.restyle();
    this.twinPolygons?.restyle();
    this.classTiles.forEach(layer => layer.hide([...this.filter.hidden].map(id => this.colours.get(id)).filter(Boolean)));
    this.table.refresh();
  }

  // Of classes, the upper ones of the legend are drawn over the lower.
  stack() { this.polygons.stack(this.data.classes.map(item => item.id)); }

  // ---- filter, selection, region ----
  // As core/vector/filtering.py has it.
  passes(told) {
    const { hidden, search, from, to, sure } = this.filter;
    return !hidden.has(told.class_id) && (from == null || told.area >= from) && (to == null || told.area <= to)
      && (!sure || (told.confidence ?? 1) * 100 >= sure) && (!search || String(told.id).startsWith(search));
  }

  setFilter(key, text) {
    this.filter[key] = key === 'search' ? text.trim() : text === '' ? null : Number(text);
    if (key === 'sure') this.filter.sure = Number(text);
    this.redraw();
    const exact = key === 'search' && this.filter.search ? Number(this.filter.search) : null;
    if (exact && this.listed.layers.has(exact)) this.select(exact, { fly: true });
    this.note();
  }

  setHidden(id, hide) {
    if (hide) this.filter.hidden.add(id); else this.filter.hidden.delete(id);
    this.filtered();
  }

  // The filter was changed as a whole.
  filtered() {
    this.redraw();
    this.note();
  }

  resetFilter() {
    this.filter = { hidden: new Set(), search: '', from: null, to: null, sure: 0 };
    this.table.showFilter();
    this.legend.refresh();
    this.filtered();
  }

  // ---- selection: ids in the order they were taken; the last one leads ----
  get selected() { return this.picked[this.picked.length - 1] ?? null; }
  isPicked(id) { return this.picked.includes(id); }

  // One polygon, or null for none; `also` adds it to the others or takes it away from them, `keep` never takes it away.
  select(id, { fly = false, from = null, at = null, also = false, keep = false } = {}) {
    this.maps.forEach(map => map.closePopup());
    if (at) L.popup({ maxWidth: 280 }).setLatLng(at).setContent(facts(from.layers.get(id).feature.properties, this, true)).openOn(from.map);
    if (from && from !== this.listed) return; // the table lists the polygons of the other map
    const others = this.picked.filter(one => one !== id);
    if (!also) this.pick(id === null ? [] : [id], { fly });
    else this.pick(this.isPicked(id) && !keep ? others : [...others, id], { fly });
  }

  pick(ids, { fly = false } = {}) {
    if (this.tools.active === 'vertices' && ids.join() !== this.picked.join()) this.tools.finish();
    const same = ids.join() === this.picked.join();
    this.picked = ids;
    if (this.tools.active !== 'vertices') this.listed.mark(ids, fly);
    this.table.reveal();
    this.card?.refresh({ keepClass: same });
    document.body.dataset.picked = ids.join(',');
    this.note();
  }

  pickIn(box, { also = false } = {}) {
    const found = this.listed.within(box);
    this.maps.forEach(map => map.closePopup());
    this.pick(also ? [...new Set([...this.picked, ...found])] : found);
    if (!found.length) this.say('No polygon lies in the box with more than half of its area.');
  }

  // Other than the selection, this reaches polygons that are not drawn.
  reclassFiltered() {
    this.send('reclass', { filter: this.filterTold(), class: this.card.chosen() });
  }

  filterTold() { return { ...this.filter, hidden: [...this.filter.hidden] }; }

  pickShown() { this.pick(this.table.rows.map(told => told.id).reverse()); }
  flyToPicked() { this.listed.mark(this.picked, 'all'); }

  key(event) {
    if (!this.card || event.target.matches('input, select, textarea') || event.defaultPrevented) return;
    const ctrl = event.ctrlKey || event.metaKey, name = event.key.toLowerCase();
    if (event.key === 'Escape' && !this.tools.active && !event.glTaken) { if (this.picked.length) this.select(null); }
    else if (event.key === 'Delete' && this.picked.length && !this.tools.active) this.remove();
    else if (ctrl && !this.tools.active && name === 'z') this.send(event.shiftKey ? 'redo' : 'undo');
    else if (ctrl && !this.tools.active && name === 'y') this.send('redo');
    else if (ctrl && name === 'a') this.pickShown();
    else return;
    event.preventDefault();
  }

  // ---- corrections ----
  mayChange() { return Boolean(this.data.editing?.mayChange); }
  reclass() { this.send('reclass', { ids: this.picked, class: this.card.chosen() }); }
  merge() { this.send('merge', { ids: this.picked }); }
  remove() { this.send('delete', { ids: this.picked, fill: this.card.fillChosen() }); }
  rings(points) { return points.map(ring => ring.map(point => this.coordinates(point))); }

  coordinates(point) {
    const scale = this.config.pixelScale || 1;
    return [point.lng * scale, point.lat * scale];
  }

  // Asks the dashboard for a correction, one after another: each is meant for the layer that the one before has left.
  send(kind, what = {}) {
    if (!this.mayChange()) { this.say(this.data.editing?.readOnly || ''); return; }
    if (this.waiting) { this.queue.push([kind, what]); return; }
    this.waiting = { n: Date.now(), on: this.data.layer, kind, ...what };
    this.tell();
  }

  // What the dashboard said to a correction; `before` are the ids that there were.
  answered(answer, before) {
    if (!this.waiting || answer?.n !== this.waiting.n) return;
    const { kind } = this.waiting;
    this.waiting = null;
    this.tools.outlines.answered();
    this.maps.forEach(map => map.closePopup());
    if (answer.refused) { this.queue = []; this.say(answer.refused); return; }
    if (kind === 'draw') this.picked = [...this.polygons.layers.keys()].filter(id => !before.has(id)).slice(-1);
    this.say(answer.said);
    if (this.queue.length) this.send(...this.queue.shift());
  }

  // Tells the dashboard what was chosen in the legend: colours, names, the order of classes.
  choose(what) {
    this.chosen = { n: Date.now(), ...what };
    this.tell();
  }

  setRegion(points) {
    this.region = points;
    this.tools.showRegion(points);
    this.note();
  }

  regionCoordinates() {
    return this.region?.map(point => this.coordinates(point)) ?? null;
  }

  // ---- what is remembered and told ----
  note() {
    clearTimeout(this.noting);
    this.noting = setTimeout(() => {
      const { filter, map } = this, centre = map.getCenter(), digits = this.config.pixelScale ? 2 : 6;
      const values = {
        at: this.moved ? `${centre.lat.toFixed(digits)},${centre.lng.toFixed(digits)},${map.getZoom()}` : '',
        hide: [...filter.hidden].join(','), area: filter.from != null || filter.to != null ? `${filter.from ?? ''}-${filter.to ?? ''}` : '',
        sure: filter.sure ? String(filter.sure) : '', polygon: this.picked.slice(-MOST_KEPT).join(','),
      };
      remember(this.config.memory, { ...values, region: this.region?.map(point => [point.lat, point.lng]) });
      this.tell();
    }, 200);
  }

  // A correction stays in what is told until it is answered: the dashboard may see only the last of what it was told.
  tell() {
    const { filter, waiting } = this;
    const told = { selected: this.picked, ...this.filterTold(), region: this.regionCoordinates() };
    const text = JSON.stringify([told, waiting?.n ?? this.lastAsked, ...(this.chosen ? [this.chosen.n] : [])]);
    this.lastAsked = waiting?.n ?? this.lastAsked;
    if (text !== this.told) { this.told = text; window.Streamlit.setComponentValue({ ...told, edit: waiting, chosen: this.chosen }); }
  }

  restore() {
    const kept = recall(this.config.memory);
    if (kept.hide) this.filter.hidden = new Set(kept.hide.split(',').map(Number));
    if (kept.area) [this.filter.from, this.filter.to] = kept.area.split('-').map(text => (text === '' ? null : Number(text)));
    if (kept.sure) this.filter.sure = Number(kept.sure);
    if (kept.polygon) this.picked = kept.polygon.split(',').map(Number);
    if (kept.region) this.region = kept.region.map(([lat, lng]) => L.latLng(lat, lng));
    const view = kept.at?.split(',').map(Number);
    if (view?.length === 3 && view.every(Number.isFinite)) {
      this.moved = true;
      this.map.setView([view[0], view[1]], view[2], { animate: false });
    }
    this.told = JSON.stringify([{ selected: [], hidden: [], search: '', from: null, to: null, sure: 0, region: null }, null]);
  }

  fit(animate = true) { this.map.fitBounds(this.config.bounds, { animate }); }

  // Styles and the frame's height arrive after this script has run, so the scene is fitted again at each change of size,
  // until the user takes over.
  keepFitted() {
    const container = this.map.getContainer();
    const watcher = new ResizeObserver(() => {
      const centre = this.map.getCenter();
      this.maps.forEach(map => map.invalidateSize({ animate: false, pan: false }));
      this.map.setView(centre, this.map.getZoom(), { animate: false });
      this.frameHeight();
      const size = this.map.getSize();
      if (size.x >= 100 && size.y >= 100 && !this.moved) this.fit(false);
    });
    watcher.observe(container);
    this.maps.forEach(map => ['pointerdown', 'wheel', 'keydown'].forEach(name => {
      map.getContainer().addEventListener(name, () => { this.moved = true; }, { once: true, capture: true });
    }));
    ['pointerdown', 'keydown'].forEach(name => this.table.box.addEventListener(name, () => { this.moved = true; }, { once: true, capture: true }));
  }
}

let app = null;
export function start(map, config) { app = new App(map, config); }
export function update(data) { app.update(data); }
