// The Label page's canvas: a scene, what was painted on it, and what the program makes of that, from routes of the dashboard itself.
// A stroke is drawn here at once and sent behind it; the answer is asked for until it is that of the last stroke.

import { loadLeaflet, pixelMap, pixelTiles } from '../shared/leaflet.js';
import { NO_CLASS } from '../viewer/codes.js';
import { Answers } from './answers.js';
import { Bar } from './bar.js';
import { PaintCanvas } from './canvas.js';
import { Keys } from './keys.js';
import { Panel } from './panel.js';
import { Tools } from './tools.js';
import { Wire } from './wire.js';

const HOVER_MS = 60, REST_MS = 120;
const FREE_COLOURS = ['#4E79A7', '#F28E2B', '#59A14F', '#E15759', '#B07AA1', '#EDC948', '#76B7B2', '#9C755F', '#FF9DA7', '#1B9E77', '#7570B3', '#D95F02'];
const NOT_PAINTING = ['eraser', 'move', 'answer', 'area'];

class LabelPage {
  constructor(host) {
    this.host = host;
    Object.assign(this, { tool: 'brush', size: 5, opacity: 0.45, areaBy: 'box', agreed: [], area: null });
    this.tools = new Tools(this);
    this.panel = new Panel(this, host.querySelector('.panel'));
    this.bar = new Bar(this, host.querySelector('.bar'));
    this.keys = new Keys(this);
    this.watcher = new ResizeObserver(() => this.resized());
  }

  async update(data) {
    const first = this.data?.url !== data.url;
    this.data = data;
    this.host.style.setProperty('--pane-height', data.paneHeight);
    if (!first) { this.recolour(); return; }
    this.wire?.close();
    this.wire = new Wire(this, data.url);
    Object.assign(this, { classes: null, chosen: undefined, status: null, fitted: false });
    this.drawMap();
    await this.wire.load();
    this.wire.ask();
  }

  // ---- what the dashboard says ----
  take(state) {
    Object.assign(this, { classes: state.classes, agreed: state.agreed, area: state.area, most: state.most });
    this.canvas.items = state.shapes;
    if (!this.classes.some(item => item.id === this.chosen)) this.chosen = this.classes[0]?.id;
    this.mayUndo(state.canUndo, state.canRedo);
    this.recolour();
    this.drawMarks();
  }

  told(status) {
    this.status = status;
    this.answers.renew(status.stamp);
    const painted = JSON.stringify(status.painted);
    if (painted !== this.counted) {
      this.counted = painted;
      this.counts = status.painted;
      if (this.panel.edited === null) this.panel.draw();
    }
    if (status.error || this.wasError) this.say(status.error ?? '', Boolean(status.error));
    this.wasError = Boolean(status.error);
    this.showStatus();
  }

  mayUndo(undo, redo) { this.bar.mayUndo(undo, redo); }

  // What is on the screen, in pixels of the scene, and how many of them a pixel of the screen stands for.
  view() {
    const size = this.map.getSize();
    if (!size.x) return [0, 0, 0, 0, 1];
    const [left, top] = this.canvas.pixelOf(this.map.containerPointToLatLng([0, 0]));
    const [right, bottom] = this.canvas.pixelOf(this.map.containerPointToLatLng(size));
    return [Math.floor(top), Math.floor(left), Math.ceil(bottom - top), Math.ceil(right - left), Math.max(1, Math.round(1 / this.canvas.magnification))];
  }

  // ---- the map ----
  drawMap() {
    const { data } = this, holder = this.host.querySelector('.map'), options = pixelTiles(data);
    this.map?.remove();
    this.map = window.L.map(holder, { ...pixelMap(data.maxZoom), doubleClickZoom: false, boxZoom: false });
    window.L.tileLayer(data.imageUrl, { ...options, className: 'photo' }).addTo(this.map);
    this.answers = new Answers(data, this.map, options);
    this.canvas = new PaintCanvas(this.map, data.maxZoom);
    this.canvas.colourOf = id => this.colours.get(id) ?? '#888888';
    this.map.on('zoomend viewreset', () => holder.classList.toggle('magnified', this.map.getZoom() > data.maxZoom));
    this.map.on('moveend', () => { clearTimeout(this.resting); this.resting = setTimeout(() => this.wire.ask(), REST_MS); });
    this.tools.attach(this.map, this.canvas);
    this.setOpacity(this.opacity);
    this.watcher.disconnect();
    this.watcher.observe(holder);
    this.resized();
  }

  recolour() {
    if (!this.classes) return;
    this.colours = new Map(this.classes.map(item => [item.id, this.data.safe?.[item.name] ?? item.colour]));
    this.answers.recolour(this.colours);
    this.panel.draw();
    this.canvas.soon();
  }

  setOpacity(opacity) {
    this.opacity = opacity;
    this.answers.layer.setOpacity(this.hiding ? 0 : opacity);
  }

  hide() {
    this.hiding = !this.hiding;
    this.setOpacity(this.opacity);
    this.canvas.node.style.visibility = this.hiding ? 'hidden' : '';
  }

  bounds([row, col, height, width]) {
    const scale = 2 ** this.data.maxZoom;
    return [[-(row + height) / scale, col / scale], [-row / scale, (col + width) / scale]];
  }

  fit() { this.map.fitBounds(this.bounds([0, 0, this.data.height, this.data.width]), { animate: false }); }

  resized() {
    if (!this.map?.getContainer().clientWidth) return;
    this.map.invalidateSize({ animate: false, pan: false });
    if (!this.fitted) { this.fit(); this.fitted = true; }
    this.canvas.soon();
  }

  drawMarks() {
    const ringOf = ([row, col, height, width]) => [[col, row], [col + width, row], [col + width, row + height], [col, row + height]];
    const marks = this.agreed.map(place => ({ rings: [ringOf(place)], colour: '#2E8B57', weight: 1.5, dash: true }));
    if (this.area) {
      const parts = this.area.type === 'Polygon' ? [this.area.coordinates] : this.area.coordinates;
      marks.push({ rings: parts.flat(), colour: '#00c8b4', weight: 2.5 });
    }
    if (this.outlined) marks.push({ rings: this.outlined.rings, colour: '#fff200', weight: 2 });
    this.canvas.marks = marks;
    this.canvas.soon();
  }

  // ---- tools ----
  pick(tool) {
    this.tools.drop();
    this.tool = tool;
    this.bar.mark(tool);
    this.tools.setHand();
    this.hover(this.last);
  }

  choose(id) {
    this.chosen = id;
    if (NOT_PAINTING.includes(this.tool)) this.pick('brush');
    this.panel.draw();
  }

  resizeTool(size) { this.size = size; this.hover(this.last); }

  ready() {
    if (this.data.readOnly) this.say('This dashboard only shows what is there.', true);
    return !this.data.readOnly && Boolean(this.classes?.length);
  }

  // Without a pointer: the chosen tool in the middle of the map, which the arrow keys move.
  dab() {
    if (!this.ready()) return;
    const at = this.canvas.pixelOf(this.map.getCenter());
    if (this.tool === 'superpixel') this.fill(at);
    else if (this.tool === 'polygon') this.tools.corner(at);
    else this.paint([{ class: this.tool === 'eraser' ? null : this.chosen, geometry: { type: 'Point', coordinates: at }, width_px: this.size }]);
  }

  hover(at) {
    this.last = at;
    clearTimeout(this.pointing);
    this.showStatus();
    if (this.tool === 'superpixel' && at) {
      this.pointing = setTimeout(async () => this.outline(await this.superpixel(at)), HOVER_MS);
    } else this.outline(null);
  }

  outline(cell) {
    if (cell === (this.outlined ?? null)) return;
    this.outlined = cell;
    this.drawMarks();
  }

  async superpixel(at) {
    const [x, y] = at.map(Math.floor);
    if (!this.holds(x, y)) return null;
    if (this.cell?.size === this.size && this.cell.holds(x + 0.5, y + 0.5)) return this.cell;
    const told = await this.wire.get(`superpixel/${y}/${x}?size=${this.size}`);
    if (!told) return null;
    const path = new Path2D();
    told.rings.forEach(ring => { ring.forEach(([a, b], index) => (index ? path.lineTo(a, b) : path.moveTo(a, b))); path.closePath(); });
    this.scratch ??= document.createElement('canvas').getContext('2d');
    this.cell = { rings: told.rings, size: this.size, holds: (a, b) => this.scratch.isPointInPath(path, a, b, 'evenodd') };
    return this.cell;
  }

  holds(x, y) { return x >= 0 && y >= 0 && x < this.data.width && y < this.data.height; }

  // ---- steps ----
  paint(shapes) {
    this.canvas.items.push(...shapes);
    this.canvas.soon();
    this.wire.do({ do: 'paint', shapes });
  }

  async fill(at) {
    const cell = await this.superpixel(at);
    if (cell) this.paint([{ class: this.chosen, geometry: { type: 'Polygon', coordinates: cell.rings }, width_px: 1 }]);
  }

  async takeAnswer(geometry) {
    this.canvas.soon();
    const xs = geometry.coordinates[0].map(([x]) => x), ys = geometry.coordinates[0].map(([, y]) => y);
    const [left, top] = [Math.floor(Math.min(...xs)), Math.floor(Math.min(...ys))];
    const shapes = await this.wire.get(`outlines?window=${[top, left, Math.ceil(Math.max(...ys)) - top, Math.ceil(Math.max(...xs)) - left].join(',')}`);
    if (shapes?.length) this.paint(shapes);
    else if (shapes) this.say('There is no answer here yet: paint first, or wait until it has come.', true);
  }

  change(classes, merge) {
    if (!this.ready()) return;
    this.classes = classes;
    this.recolour();
    this.wire.do({ do: 'classes', classes, ...(merge ? { merge } : {}) });
  }

  merge(from, into) {
    this.chosen = into;
    this.change(this.classes.filter(item => item.id !== from), { [from]: into });
  }

  isPainted(id) { return this.canvas.items.some(item => item.class === id); }

  nextId() { return Math.max(this.most, ...this.classes.map(item => item.id)) + 1; }

  freeColour() {
    const taken = new Set(this.classes.map(item => item.colour.toUpperCase()));
    const random = () => `#${Math.floor(Math.random() * 0x1000000).toString(16).padStart(6, '0').toUpperCase()}`;
    let colour = FREE_COLOURS.find(one => !taken.has(one)) ?? random();
    while (taken.has(colour)) colour = random();
    return colour;
  }

  setArea(area) {
    if (!this.ready()) return;
    this.area = area;
    this.drawMarks();
    this.wire.do({ do: 'area', area });
    this.pick('brush');
  }

  async next() {
    const place = await this.wire.get('next', { method: 'POST' });
    if (!place) return;
    if (place.window) this.map.fitBounds(this.bounds(place.window), { animate: false });
    this.say(place.words);
  }

  async agree() {
    if (!this.ready()) return;
    const [top, left, height, width] = this.view();
    const row = Math.max(0, top), col = Math.max(0, left);
    const place = [row, col, Math.min(this.data.height, top + height) - row, Math.min(this.data.width, left + width) - col];
    if (place[2] < 1 || place[3] < 1) return;
    this.agreed = [...this.agreed, place];
    this.drawMarks();
    await this.wire.do({ do: 'agree', window: place });
    this.next();
  }

  // ---- the lines below ----
  say(text, wrong = false) {
    const node = this.host.querySelector('.said');
    node.textContent = text;
    node.classList.toggle('wrong', wrong);
  }

  showStatus() {
    const parts = [], { status } = this;
    const [x, y] = (this.last ?? [-1, -1]).map(Math.floor);
    if (this.holds(x, y)) {
      parts.push(`Row ${y}, column ${x}`);
      const code = this.answers.at(y, x), name = this.classes?.find(item => item.id === (code & 255))?.name;
      if (code !== null && (code & 255) !== NO_CLASS && name) parts.push(`answer: ${name} (${(((code >>> 8) & 255) / 255).toFixed(2)})`);
    }
    if (status) {
      parts.push(status.words);
      const work = this.host.querySelector('.work');
      work.classList.toggle('busy', status.busy);
      work.title = status.busy ? 'The answer is being brought up to date' : 'The answer is up to date';
    }
    this.host.querySelector('.where').textContent = parts.join('  ·  ');
  }

  close() {
    clearTimeout(this.resting); clearTimeout(this.pointing);
    this.wire?.close();
    this.keys.close();
    this.watcher.disconnect();
    this.map?.remove();
  }
}

// Draws in a component's place what its data tells, on the page that is there already or a new one.
export async function show({ data, parentElement }) {
  const host = parentElement.querySelector('.gl-label');
  parentElement.querySelector('link').href = `${data.staticUrl}vendor/leaflet/leaflet.css`;
  await loadLeaflet(data.staticUrl);
  host.page ??= new LabelPage(host);
  await host.page.update(data);
}
