// The image viewer: Leaflet panes in step, over tiles that the dashboard serves itself.
// Class ids and confidences arrive as pixels of PNG tiles (red: class, green: confidence, blue: truth) and are coloured
// here, so that toggles, opacity and threshold repaint without asking the server.

import { element } from '../shared/element.js';
import { loadLeaflet, pixelMap, pixelTiles } from '../shared/leaflet.js';
import { DecodedTiles, lookOf, picture } from './codes.js';
import { Readout } from './readout.js';
import { Region } from './region.js';
import { drawSwipe } from './swipe.js';
import { Target } from './target.js';

const PAUSE_MS = 150;
const whenIdle = window.requestIdleCallback ?? (work => setTimeout(() => work({ timeRemaining: () => 8 }), 20));
const notAnyMore = window.cancelIdleCallback ?? clearTimeout;

class Viewer {
  constructor(host, send, data) {
    this.host = host;
    this.send = send;
    this.readout = new Readout(this, host.querySelector('.readout'));
    this.region = new Region(this);
    this.target = new Target(this);
    this.maps = [];
    this.codeLayers = [];
    this.decoded = new DecodedTiles(data.tilePx);
    this.watcher = new ResizeObserver(() => this.resized());
  }

  update(data) {
    const first = this.signature !== data.signature, recoloured = this.palette !== data.palette;
    this.data = data;
    this.palette = data.palette;
    if (first) {
      this.signature = data.signature;
      this.settings = { ...data.settings, hidden: [...data.settings.hidden], closed: [...data.settings.closed] };
      this.view = this.target.view();
      this.fitted = false; // another scene: its whole extent first, not the old one's view
      this.decoded.clear();
      this.readout.clear(data.hint);
      this.drawBar(); this.drawMaps();
      return;
    }
    if (recoloured) { this.drawBar(); this.repaint(); }
    if (JSON.stringify(data.grid) !== this.gridShown) this.drawGrid();
    if (data.region) this.region.show(data.region.value);
    if (this.target.changed()) this.target.fly();
  }

  // ---- the bar ----
  drawBar() {
    const bar = this.host.querySelector('.bar');
    bar.replaceChildren();
    this.chips = this.data.classes.map((item, id) => this.chip(item, id));
    if (this.data.hasCodes) {
      const group = element('div', { class: 'group', role: 'group', 'aria-label': 'Classes shown' });
      this.chips.forEach(chip => group.appendChild(chip));
      bar.appendChild(group);
      bar.appendChild(this.slider('Opacity', 'opacity', 'How strongly classes cover the image', () => this.applyOpacity()));
    }
    if (this.data.hasConfidence) {
      const unsure = this.choice('What becomes of unsure pixels', [['hide', 'Unsure: hatched'], ['neighbour', 'Unsure: as neighbours']],
        this.settings.unsure, value => { this.settings.unsure = value; this.repaint(); this.tell(); });
      bar.append(this.slider('Confidence from', 'threshold', 'Less certain pixels are unsure; nothing is predicted again', () => this.repaintSoon()), unsure);
    }
    this.closedGroup = element('div', { class: 'group', role: 'group', 'aria-label': 'Panes that are closed' });
    bar.appendChild(this.closedGroup);
    const actions = element('div', { class: 'group actions' });
    if (this.data.panes.length > 1) {
      actions.append(
        this.button('Side by side', 'All panes next to each other, in step', () => this.layout('panes'), 'panes'),
        this.button('Swipe', 'Two panes on top of each other with a divider to drag', () => this.layout('swipe'), 'swipe'),
      );
    }
    if (this.data.region) actions.append(...this.region.buttons());
    actions.append(
      this.button('Fit', 'Show the whole scene', () => this.fit()),
      this.button('1:1', 'One image pixel on one screen pixel', () => this.maps[0]?.setZoom(this.data.maxZoom)),
      this.button('Full', 'Fill the screen with the viewer; Escape leaves', () => this.fullScreen()),
    );
    bar.appendChild(actions);
    this.markLayout();
    this.drawClosed();
  }

  button(text, title, action, layout = '') {
    const node = element('button', { type: 'button', title, 'aria-label': title }, text);
    if (layout) node.dataset.layout = layout;
    node.onclick = action;
    return node;
  }

  chip(item, id) {
    const node = element('button', { type: 'button', class: 'chip', title: `Show or hide ${item.name}` });
    const swatch = element('i');
    swatch.style.background = item.colour;
    node.append(swatch, item.name);
    const mark = () => node.setAttribute('aria-pressed', String(!this.settings.hidden.includes(id)));
    node.onclick = () => {
      const hidden = this.settings.hidden;
      this.settings.hidden = hidden.includes(id) ? hidden.filter(other => other !== id) : [...hidden, id];
      mark();
      this.repaint();
      this.tell();
    };
    mark();
    return node;
  }

  choice(label, options, value, apply) {
    const select = element('select', { 'aria-label': label, title: label });
    options.forEach(([key, text]) => select.appendChild(element('option', { value: key }, text)));
    select.value = value;
    select.onchange = () => apply(select.value);
    return select;
  }

  slider(label, name, help, apply) {
    const box = element('label', { title: help, class: 'slide' });
    const input = element('input', { type: 'range', min: 0, max: 100, step: 1, 'aria-label': label, 'data-setting': name });
    input.value = Math.round(this.settings[name] * 100);
    const shown = element('output', {}, `${input.value} %`);
    input.oninput = () => {
      this.settings[name] = input.value / 100;
      shown.textContent = `${input.value} %`;
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(apply);
    };
    input.onchange = () => this.tell();
    box.append(element('span', {}, label), input, shown);
    return box;
  }

  layout(name) {
    this.settings.layout = name;
    this.markLayout();
    this.drawMaps();
    this.tell();
  }

  markLayout() {
    this.host.querySelectorAll('[data-layout]').forEach(node => {
      node.setAttribute('aria-pressed', String(node.dataset.layout === this.settings.layout));
    });
  }

  tell() { this.send('settings', { ...this.settings }); }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.host.requestFullscreen?.();
  }

  // ---- maps ----
  drawMaps() {
    this.remember();
    this.maps.forEach(map => map.remove());
    this.maps = []; this.codeLayers = []; this.gridLayer = null; this.watcher.disconnect();
    const box = this.host.querySelector('.panes');
    box.replaceChildren();
    const swipe = this.settings.layout === 'swipe' && this.data.panes.length > 1;
    if (swipe) drawSwipe(this, box);
    else this.drawPanes(box);
    const count = box.childElementCount, wide = box.clientWidth;
    const columns = wide < 620 ? 1 : count === 4 && wide < 1500 ? 2 : count > 4 ? 3 : count;
    box.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    this.host.style.setProperty('--rows', Math.ceil(count / columns));
    this.host.style.setProperty('--pane-height', count > columns ? `calc(0.8 * ${this.data.paneHeight})` : this.data.paneHeight);
    this.drawClosed();
    this.applyOpacity();
    this.drawGrid();
    this.target.draw();
    if (this.data.region) { this.maps.forEach(map => this.region.attach(map)); this.region.show(this.data.region.value); }
    this.maps.forEach(map => this.watcher.observe(map.getContainer()));
    this.fitted = false;
    this.resized();
  }

  frameOf(box, title) {
    const frame = element('figure');
    const caption = element('figcaption', {}, title);
    const holder = element('div', { class: 'map', role: 'img', 'aria-label': title });
    frame.append(caption, holder);
    box.appendChild(frame);
    return { caption, holder };
  }

  newMap(holder, zoomControl) {
    const map = window.L.map(holder, { ...pixelMap(this.data.maxZoom), zoomControl, preferCanvas: true });
    // Beyond full size single pixels are the truth; a smoothed enlargement looks like a picture out of focus.
    map.on('zoomend viewreset', () => holder.classList.toggle('magnified', map.getZoom() > this.data.maxZoom));
    map.on('mousemove', event => this.pointed(event, map));
    map.on('mouseout', () => this.left());
    this.maps.push(map);
    return map;
  }

  drawPanes(box) {
    const shown = this.openPanes();
    const frames = shown.map(pane => this.frameOf(box, pane.title));
    shown.forEach((pane, index) => {
      const map = this.newMap(frames[index].holder, index === 0);
      pane.layers.forEach(layer => this.addLayer(map, layer));
      map.on('move', () => this.follow(map));
      if (shown.length > 1) frames[index].caption.appendChild(this.button('×', `Close the pane ${pane.title}`, () => this.toggle(pane.title)));
    });
  }

  openPanes() {
    const open = this.data.panes.filter(pane => !this.settings.closed.includes(pane.title));
    return open.length ? open : this.data.panes.slice(0, 1);
  }

  drawClosed() {
    const closed = this.settings.layout === 'swipe' ? [] : this.data.panes.filter(pane => !this.openPanes().includes(pane));
    this.closedGroup.replaceChildren(...closed.map(pane => this.button(`+ ${pane.title}`, `Open the pane ${pane.title}`, () => this.toggle(pane.title))));
  }

  toggle(title) {
    const closed = this.settings.closed;
    this.settings.closed = closed.includes(title) ? closed.filter(other => other !== title) : [...closed, title];
    this.drawMaps();
    this.tell();
  }

  addLayer(map, layer, pane) {
    const options = { ...pixelTiles(this.data), className: layer.paint ? 'codes' : 'photo', ...(pane ? { pane } : {}) };
    const made = layer.paint ? this.codeLayer(layer, options) : window.L.tileLayer(layer.url, options);
    made.addTo(map);
    if (layer.paint) this.codeLayers.push(made);
  }

  codeLayer(layer, options) {
    const viewer = this;
    const Codes = window.L.GridLayer.extend({
      createTile(coords, done) {
        const canvas = document.createElement('canvas');
        canvas.width = canvas.height = viewer.data.tilePx;
        canvas.zoom = coords.z;
        viewer.decoded.get(window.L.Util.template(layer.url, coords))
          .then(codes => {
            canvas.codes = codes;
            viewer.paint(canvas, layer.paint, viewer.settings.unsure === 'neighbour');
            done(null, canvas);
          })
          .catch(error => done(error, canvas));
        return canvas;
      },
    });
    return Object.assign(new Codes(options), { paint: layer.paint, title: layer.title, confidence: layer.confidence });
  }

  // ---- painting ----
  paint(canvas, how, neighbours) {
    if (!canvas.codes) return;
    const reach = neighbours ? this.data.reachPx / 2 ** (this.data.maxZoom - canvas.zoom) : 0;
    const look = lookOf(this.data.classes, this.settings, this.data.errorColours, reach);
    canvas.getContext('2d').putImageData(picture(canvas.codes, this.data.tilePx, look, how), 0, 0);
  }

  // What is on screen at once, what is kept around it when there is time.
  repaint(neighbours = this.settings.unsure === 'neighbour') {
    notAnyMore(this.idle);
    const waiting = [];
    this.codeLayers.forEach(layer => {
      const frame = layer._map.getContainer().getBoundingClientRect();
      Object.values(layer._tiles).forEach(({ el }) => {
        const at = el.getBoundingClientRect();
        const seen = at.right > frame.left && at.left < frame.right && at.bottom > frame.top && at.top < frame.bottom;
        if (seen) this.paint(el, layer.paint, neighbours);
        else waiting.push([el, layer.paint]);
      });
    });
    const rest = deadline => {
      while (waiting.length && deadline.timeRemaining() > 4) this.paint(...waiting.pop(), neighbours);
      if (waiting.length) this.idle = whenIdle(rest);
    };
    this.idle = whenIdle(rest);
  }

  // While the threshold moves unsure pixels are hatched; looking for their neighbours waits until it rests.
  repaintSoon() {
    clearTimeout(this.pause);
    this.repaint(false);
    if (this.settings.unsure === 'neighbour') this.pause = setTimeout(() => this.repaint(), PAUSE_MS);
  }

  applyOpacity() {
    this.codeLayers.forEach(layer => layer.setOpacity(layer.paint === 'confidence' ? Math.max(0.75, this.settings.opacity) : this.settings.opacity));
  }

  drawGrid() {
    this.gridShown = JSON.stringify(this.data.grid);
    this.gridLayer?.remove();
    const map = this.maps[0], scale = 2 ** this.data.maxZoom;
    if (!map || !this.data.grid.length) return;
    this.gridLayer = window.L.layerGroup(this.data.grid.map(([row, col, size, kept]) => window.L.rectangle(
      [[-(row + size) / scale, col / scale], [-row / scale, (col + size) / scale]],
      { color: kept ? '#00c8b4' : '#d03030', weight: kept ? 2 : 1, opacity: kept ? 0.95 : 0.8, dashArray: kept ? null : '4 4',
        fill: !kept, fillColor: '#d03030', fillOpacity: 0.18, interactive: false },
    ))).addTo(map);
  }

  // ---- moving in step ----
  bounds() {
    const scale = 2 ** this.data.maxZoom;
    return [[-this.data.height / scale, 0], [0, this.data.width / scale]];
  }

  remember() {
    const map = this.maps[0];
    if (map && this.fitted) this.view = { center: map.getCenter(), zoom: map.getZoom() };
  }

  fit() { this.maps.forEach(map => map.fitBounds(this.bounds(), { animate: false })); }

  resized() {
    const map = this.maps[0];
    if (!map || !map.getContainer().clientWidth) return;
    this.maps.forEach(each => each.invalidateSize({ animate: false, pan: false }));
    if (!this.fitted) {
      if (this.view) this.maps.forEach(each => each.setView(this.view.center, this.view.zoom, { animate: false }));
      else this.fit();
      this.fitted = true;
    }
    if (this.settings.layout === 'swipe') this.placeDivider?.();
  }

  follow(leader) {
    if (this.following) return;
    this.following = true;
    this.maps.forEach(map => { if (map !== leader) map.setView(leader.getCenter(), leader.getZoom(), { animate: false }); });
    this.following = false;
  }

  pointed(event, map) {
    const scale = 2 ** this.data.maxZoom;
    const row = Math.floor(-event.latlng.lat * scale), col = Math.floor(event.latlng.lng * scale);
    this.maps.forEach(other => {
      if (other === map) { other.cross?.remove(); other.cross = null; return; }
      if (!other.cross) other.cross = window.L.circleMarker(event.latlng, { radius: 6, color: '#fff200', weight: 2, fill: false, interactive: false }).addTo(other);
      other.cross.setLatLng(event.latlng);
    });
    if (row < 0 || col < 0 || row >= this.data.height || col >= this.data.width) { this.left(); return; }
    this.readout.show(row, col);
  }

  left() {
    this.maps.forEach(map => { map.cross?.remove(); map.cross = null; });
    this.readout.clear(this.data.hint);
  }

  valueAt(layer, row, col) {
    const zoom = layer._tileZoom, factor = 2 ** (this.data.maxZoom - zoom);
    const [y, x] = [Math.floor(row / factor), Math.floor(col / factor)];
    const side = this.data.tilePx, tile = layer._tiles[`${Math.floor(x / side)}:${Math.floor(y / side)}:${zoom}`];
    if (!tile?.el.codes) return null;
    return tile.el.codes[(y % side) * side + (x % side)];
  }

  close() {
    clearTimeout(this.pause); notAnyMore(this.idle);
    this.watcher.disconnect();
    this.maps.forEach(map => map.remove());
    this.maps = [];
  }
}

// Draws in a component's place what its data tells, in the viewer that is there already or in a new one.
export async function show({ data, parentElement, setStateValue }) {
  const host = parentElement.querySelector('.gl-viewer');
  parentElement.querySelector('link').href = `${data.staticUrl}vendor/leaflet/leaflet.css`;
  await loadLeaflet(data.staticUrl);
  host.viewer ??= new Viewer(host, setStateValue, data);
  host.viewer.update(data);
}
