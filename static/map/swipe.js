// Swipe: the result is shown right of a divider that can be dragged or moved by the arrow keys; left of it is the bare picture.

import { Divider } from '../shared/divider.js';
import { bar } from './tools.js';

export class Swipe {
  // `panes` are the names of Leaflet's panes that hold the result.
  constructor(map, panes) {
    Object.assign(this, { map, panes, on: false });
    this.divider = new Divider(map, { className: 'gl-divider', label: 'Divider between picture and result', moved: () => this.place() });
    this.divider.node.hidden = true;
    this.button = bar(map, ['swipe'], () => this.toggle()).swipe;
    map.on('move resize viewreset zoom', () => this.place());
  }

  toggle() {
    this.on = !this.on;
    this.button.setAttribute('aria-pressed', String(this.on));
    this.divider.node.hidden = !this.on;
    this.place();
    if (this.on) this.divider.node.focus();
  }

  place() {
    const { right } = this.divider.place();
    this.panes.forEach(name => { this.map.getPane(name).style.clip = this.on ? right : ''; });
  }
}
