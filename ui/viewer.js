// The image viewer: Leaflet panes in step, over tiles that the dashboard serves itself.
// Class ids and confidences arrive as pixels of PNG tiles (red: class, green: confidence, blue: truth) and are coloured
// here, so that toggles, opacity and threshold repaint without asking the server.

const TILE = 512;
function loadLeaflet(staticUrl) {
  if (window.L) return Promise.resolve();
  if (!window.groundlineLeaflet) {
    window.groundlineLeaflet = new Promise((done, failed) => {
      const script = document.createElement('script');
      script.src = staticUrl + 'vendor/leaflet/leaflet.js';
      script.onload = done;
      script.onerror = () => { window.groundlineLeaflet = null; failed(new Error('leaflet.js did not load')); };
      document.head.appendChild(script);
    });
  }
  return window.groundlineLeaflet;
}

class Viewer {
  constructor(host, component, codes) {
    this.host = host;
    this.send = component.setStateValue;
    this.codes = codes;
    this.maps = [];
    this.codeLayers = [];
    this.watcher = new ResizeObserver(() => this.resized());
  }

  update(data) {
    const first = this.signature !== data.signature;
    this.data = data;
    if (first) {
      this.signature = data.signature;
      this.settings = { ...data.settings, hidden: [...data.settings.hidden] };
      this.view = null;
      this.fitted = false; // another scene: its whole extent first, not the old one's view
      this.drawBar();
      this.drawMaps();
    } else if (JSON.stringify(data.grid) !== this.gridShown) {
      this.drawGrid();
    }
  }

  element(tag, attributes = {}, text = '') {
    const node = document.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => node.setAttribute(name, value));
    if (text) node.textContent = text;
    return node;
  }

  // ---- the bar ----
  drawBar() {
    const bar = this.host.querySelector('.bar');
    bar.replaceChildren();
    this.chips = this.data.classes.map((item, id) => this.chip(item, id));
    if (this.data.hasCodes) {
      const group = this.element('div', { class: 'group', role: 'group', 'aria-label': 'Classes shown' });
      this.chips.forEach(chip => group.appendChild(chip));
      bar.appendChild(group);
      bar.appendChild(this.slider('Opacity', 'opacity', 'How strongly classes cover the image', () => this.applyOpacity()));
    }
    if (this.data.hasConfidence) {
      bar.appendChild(this.slider('Confidence from', 'threshold', 'Less certain pixels are hatched', () => this.repaint()));
    }
    const actions = this.element('div', { class: 'group actions' });
    if (this.data.panes.length > 1) {
      actions.append(
        this.button('Side by side', 'All panes next to each other, in step', () => this.layout('panes'), 'panes'),
        this.button('Swipe', 'Two panes on top of each other with a divider to drag', () => this.layout('swipe'), 'swipe'),
      );
    }
    actions.append(
      this.button('Fit', 'Show the whole scene', () => this.fit()),
      this.button('1:1', 'One image pixel on one screen pixel', () => this.maps[0]?.setZoom(this.data.maxZoom)),
      this.button('Full', 'Fill the screen with the viewer; Escape leaves', () => this.fullScreen()),
    );
    bar.appendChild(actions);
    this.markLayout();
  }

  button(text, title, action, layout = '') {
    const node = this.element('button', { type: 'button', title, 'aria-label': title }, text);
    if (layout) node.dataset.layout = layout;
    node.onclick = action;
    return node;
  }

  chip(item, id) {
    const node = this.element('button', { type: 'button', class: 'chip', title: `Show or hide ${item.name}` });
    const swatch = this.element('i');
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

  slider(label, name, help, apply) {
    const box = this.element('label', { title: help, class: 'slide' });
    const input = this.element('input', { type: 'range', min: 0, max: 100, step: 1, 'aria-label': label, 'data-setting': name });
    input.value = Math.round(this.settings[name] * 100);
    const shown = this.element('output', {}, `${input.value} %`);
    input.oninput = () => {
      this.settings[name] = input.value / 100;
      shown.textContent = `${input.value} %`;
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(apply);
    };
    input.onchange = () => this.tell();
    box.append(this.element('span', {}, label), input, shown);
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
    box.classList.toggle('one', swipe || this.data.panes.length === 1);
    if (swipe) this.drawSwipe(box);
    else this.drawPanes(box);
    this.applyOpacity();
    this.drawGrid();
    this.maps.forEach(map => this.watcher.observe(map.getContainer()));
    this.fitted = false;
    this.resized();
  }

  frameOf(box, title) {
    const frame = this.element('figure');
    const caption = this.element('figcaption', {}, title);
    const holder = this.element('div', { class: 'map', role: 'img', 'aria-label': title });
    frame.append(caption, holder);
    box.appendChild(frame);
    return { caption, holder };
  }

  newMap(holder, zoomControl) {
    const map = window.L.map(holder, {
      crs: window.L.CRS.Simple, minZoom: -3, maxZoom: this.data.maxZoom + 4, zoomSnap: 0.25, zoomDelta: 0.5, wheelPxPerZoomLevel: 120,
      attributionControl: false, zoomControl, fadeAnimation: false, zoomAnimation: false, preferCanvas: true,
    });
    // Beyond full size single pixels are the truth; a smoothed enlargement looks like a picture out of focus.
    map.on('zoomend viewreset', () => holder.classList.toggle('magnified', map.getZoom() > this.data.maxZoom));
    map.on('mousemove', event => this.pointed(event, map));
    map.on('mouseout', () => this.left());
    this.maps.push(map);
    return map;
  }

  drawPanes(box) {
    const holders = this.data.panes.map(pane => this.frameOf(box, pane.title).holder);
    this.data.panes.forEach((pane, index) => {
      const map = this.newMap(holders[index], index === 0);
      pane.layers.forEach(layer => this.addLayer(map, layer));
      map.on('move', () => this.follow(map));
    });
  }

  drawSwipe(box) {
    const { caption, holder } = this.frameOf(box, '');
    const map = this.newMap(holder, true);
    const last = this.data.panes.length - 1;
    this.settings.left = Math.min(this.settings.left ?? 0, last);
    this.settings.right = Math.min(this.settings.right ?? last, last);
    ['left', 'right'].forEach(side => {
      map.createPane(side).style.zIndex = 250;
      this.data.panes[this.settings[side]].layers.forEach(layer => this.addLayer(map, layer, side));
      caption.appendChild(this.sideChoice(side));
    });
    const bar = this.element('div', { class: 'divider', role: 'slider', tabindex: 0, 'aria-label': 'Divider between the two panes',
      'aria-valuemin': 0, 'aria-valuemax': 100 });
    holder.appendChild(bar);
    window.L.DomEvent.disableClickPropagation(bar);
    const place = () => {
      const size = map.getSize(), x = size.x * (this.settings.divider ?? 0.5);
      const top = map.containerPointToLayerPoint([0, 0]), end = map.containerPointToLayerPoint(size);
      bar.style.left = `${x}px`;
      bar.setAttribute('aria-valuenow', Math.round(100 * x / Math.max(1, size.x)));
      map.getPane('left').style.clip = `rect(${top.y}px,${top.x + x}px,${end.y}px,${top.x}px)`;
      map.getPane('right').style.clip = `rect(${top.y}px,${end.x}px,${end.y}px,${top.x + x}px)`;
    };
    const to = fraction => { this.settings.divider = Math.min(1, Math.max(0, fraction)); place(); };
    bar.onpointerdown = event => { bar.setPointerCapture(event.pointerId); event.preventDefault(); event.stopPropagation(); };
    bar.onpointermove = event => {
      if (!bar.hasPointerCapture(event.pointerId)) return;
      const frame = holder.getBoundingClientRect();
      to((event.clientX - frame.left) / frame.width);
    };
    bar.onpointerup = () => this.tell();
    bar.onkeydown = event => {
      const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
      if (step) { to((this.settings.divider ?? 0.5) + step); event.preventDefault(); event.stopPropagation(); }
    };
    map.on('move resize viewreset', place);
    this.placeDivider = place;
  }

  sideChoice(side) {
    const select = this.element('select', { 'aria-label': side === 'left' ? 'Left of the divider' : 'Right of the divider', class: side });
    this.data.panes.forEach((pane, index) => select.appendChild(this.element('option', { value: index }, pane.title)));
    select.value = this.settings[side];
    select.onchange = () => { this.settings[side] = Number(select.value); this.drawMaps(); this.tell(); };
    return select;
  }

  addLayer(map, layer, pane) {
    const scale = 2 ** this.data.maxZoom;
    const options = {
      tileSize: TILE, minNativeZoom: 0, maxNativeZoom: this.data.maxZoom, minZoom: -3, maxZoom: this.data.maxZoom + 4, noWrap: true,
      bounds: [[-this.data.height / scale, 0], [0, this.data.width / scale]], className: layer.paint ? 'codes' : 'photo',
      ...(pane ? { pane } : {}),
    };
    const made = layer.paint ? this.codeLayer(layer, options) : window.L.tileLayer(layer.url, options);
    made.addTo(map);
    if (layer.paint) this.codeLayers.push(made);
  }

  codeLayer(layer, options) {
    const viewer = this;
    const Codes = window.L.GridLayer.extend({
      createTile(coords, done) {
        const canvas = document.createElement('canvas');
        canvas.width = canvas.height = TILE;
        const url = window.L.Util.template(layer.url, coords);
        fetch(url)
          .then(answer => (answer.status === 200 ? answer.blob() : null))
          .then(blob => blob && createImageBitmap(blob, { premultiplyAlpha: 'none', colorSpaceConversion: 'none' }))
          .then(bitmap => {
            if (bitmap) {
              const context = canvas.getContext('2d', { willReadFrequently: true });
              context.drawImage(bitmap, 0, 0);
              canvas.codes = context.getImageData(0, 0, TILE, TILE).data;
              viewer.paint(canvas, layer.paint);
            }
            done(null, canvas);
          })
          .catch(error => done(error, canvas));
        return canvas;
      },
    });
    return Object.assign(new Codes(options), { paint: layer.paint, title: layer.title, confidence: layer.confidence });
  }

  // ---- painting ----
  paint(canvas, how) {
    if (!canvas.codes) return;
    const picture = this.codes.picture(canvas.codes, TILE, this.data.classes, this.settings, how);
    canvas.getContext('2d').putImageData(picture, 0, 0);
  }

  repaint() {
    this.codeLayers.forEach(layer => Object.values(layer._tiles).forEach(tile => this.paint(tile.el, layer.paint)));
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
    const seen = new Set(), parts = [`row ${row}, column ${col}`];
    this.codeLayers.forEach(layer => {
      const value = this.valueAt(layer, row, col);
      if (!value || seen.has(layer.title)) return;
      seen.add(layer.title);
      const name = this.data.classes[value[0]]?.name ?? 'not labelled';
      parts.push(`${layer.title}: ${name}${layer.confidence && value[0] !== this.codes.NO_CLASS ? ` (confidence ${(value[1] / 255).toFixed(2)})` : ''}`);
    });
    this.host.querySelector('.readout').textContent = parts.join('  ·  ');
  }

  left() {
    this.maps.forEach(map => { map.cross?.remove(); map.cross = null; });
    this.host.querySelector('.readout').textContent = this.data.hint;
  }

  valueAt(layer, row, col) {
    const zoom = layer._tileZoom, factor = 2 ** (this.data.maxZoom - zoom);
    const [y, x] = [Math.floor(row / factor), Math.floor(col / factor)];
    const tile = layer._tiles[`${Math.floor(x / TILE)}:${Math.floor(y / TILE)}:${zoom}`];
    if (!tile?.el.codes) return null;
    const at = 4 * ((y % TILE) * TILE + (x % TILE));
    return tile.el.codes.slice(at, at + 3);
  }

  close() {
    this.watcher.disconnect();
    this.maps.forEach(map => map.remove());
    this.maps = [];
  }
}

export default function (component) {
  const { data, parentElement } = component;
  const host = parentElement.querySelector('.gl-viewer');
  host.style.setProperty('--pane-height', `${data.paneHeight}px`);
  parentElement.querySelector('link').href = data.staticUrl + 'vendor/leaflet/leaflet.css';
  const libraries = [import(new URL(data.staticUrl + data.codesFile, document.baseURI).href), loadLeaflet(data.staticUrl)];
  Promise.all(libraries).then(([codes]) => {
    host.viewer = host.viewer || new Viewer(host, component, codes);
    host.viewer.update(data);
    if (!host.querySelector('.readout').textContent) host.viewer.left();
  }).catch(() => {
    host.querySelector('.readout').textContent = 'The viewer could not load its map library from this server. Reload the page.';
  });
  return () => { host.viewer?.close(); host.viewer = null; };
}
