// Layers of map servers whose addresses people typed: in the layers button of each map, and told there when no picture comes.
// A server is asked only for a layer that is switched on; which ones are is remembered for this tab.

import { element } from '../shared/element.js';
import { recallOn, rememberOn } from './dashboard.js';
import { CLEAR, seamless } from './pictures.js';

const { L } = window;
const PATIENCE_MS = 12000; // a server that has sent nothing by then is told to be silent
const TILE_PX = 256;

// Leaflet takes names and attributions as HTML: these are words.
const words = text => element('span', {}, text).innerHTML;

class ServerLayer {
  constructor(app, map, control, index, item) {
    Object.assign(this, { app, map, control, item, memory: `${index}-${item.id}`, silent: false, got: false });
    const options = {
      attribution: words(item.attribution), maxZoom: map.getMaxZoom(), minZoom: map.getMinZoom(), tileSize: TILE_PX, errorTileUrl: CLEAR,
      pane: item.base ? 'tilePane' : 'own', zIndex: item.base ? 1 : 5, referrerPolicy: 'strict-origin-when-cross-origin', noWrap: true,
    };
    if (item.maxNativeZoom != null) options.maxNativeZoom = item.maxNativeZoom;
    if (item.subdomains.length) options.subdomains = item.subdomains;
    this.layer = item.wms ? L.tileLayer.wms(item.url, { ...options, uppercase: true, ...item.wms }) : L.tileLayer(item.url, options);
    if (item.base) seamless(this.layer);
    this.layer.on('tileload', ({ tile }) => { if (tile.getAttribute('src') !== CLEAR) this.answers(); });
    this.layer.on('load', () => { if (!this.got) this.isSilent(); });
    this.layer.on('add', () => { this.wait(); rememberOn(this.memory, true); });
    this.layer.on('remove', () => { clearTimeout(this.waiting); rememberOn(this.memory, false); });
    control[item.base ? 'addBaseLayer' : 'addOverlay'](this.layer, words(item.name));
    if (recallOn(this.memory) ?? item.shown) this.switchOn();
  }

  switchOn() {
    if (this.item.base) this.control._layers.filter(each => !each.overlay).forEach(({ layer }) => layer.remove());
    this.layer.addTo(this.map);
  }

  wait() {
    this.got = false;
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => { if (!this.got) this.isSilent(); }, PATIENCE_MS);
  }

  answers() {
    this.got = true;
    clearTimeout(this.waiting);
    if (this.silent) this.name('');
    this.silent = false;
  }

  isSilent() {
    if (this.silent || !this.map.hasLayer(this.layer)) return;
    this.silent = true;
    this.name(' (no picture came)');
    const { name, host } = this.item;
    this.app.say(`${name}: no picture came from ${host}. It does not answer, has no such layer, or nothing of this place.`);
  }

  // What the layers button says behind the layer's name.
  name(more) {
    const entry = this.control._layers.find(each => each.layer === this.layer);
    if (!entry) return;
    entry.name = words(this.item.name + more);
    this.control._update();
  }

  remove() {
    const bare = this.item.base && this.map.hasLayer(this.layer);
    clearTimeout(this.waiting);
    this.layer.off().remove();
    this.control.removeLayer(this.layer);
    if (bare) this.control._layers.find(each => !each.overlay)?.layer.addTo(this.map);
  }
}

export class Online {
  constructor(app) { Object.assign(this, { app, shown: new Map() }); }

  // `wanted` are all layers that there are to be; others go.
  show(wanted) {
    const ids = new Set(wanted.map(item => item.id));
    this.shown.forEach((layers, id) => { if (!ids.has(id)) { layers.forEach(layer => layer.remove()); this.shown.delete(id); } });
    wanted.filter(item => !this.shown.has(item.id)).forEach(item => {
      this.shown.set(item.id, this.app.maps.map((map, k) => new ServerLayer(this.app, map, this.app.controls[k], k, item)));
    });
  }
}
