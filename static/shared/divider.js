// A divider across a map, dragged with the pointer or moved by the arrow keys: what is left of it is clipped from what is right.

import { element } from './element.js';

const STEP = 0.02;

export class Divider {
  // `at` is its place between 0 and 1; `moved(at)` follows each move, `rested()` the end of a drag.
  constructor(map, { className, label, at = 0.5, moved, rested }) {
    Object.assign(this, { map, at, moved, rested });
    this.node = element('div', { class: className, role: 'slider', tabindex: 0, 'aria-label': label, 'aria-valuemin': 0, 'aria-valuemax': 100 });
    map.getContainer().appendChild(this.node);
    window.L.DomEvent.disableClickPropagation(this.node);
    this.node.onpointerdown = event => { this.node.setPointerCapture(event.pointerId); event.preventDefault(); event.stopPropagation(); };
    this.node.onpointermove = event => {
      if (!this.node.hasPointerCapture(event.pointerId)) return;
      const frame = map.getContainer().getBoundingClientRect();
      this.move((event.clientX - frame.left) / frame.width);
    };
    this.node.onpointerup = () => this.rested?.();
    this.node.onkeydown = event => {
      const step = { ArrowLeft: -STEP, ArrowRight: STEP }[event.key];
      if (step) { this.move(this.at + step); event.preventDefault(); event.stopPropagation(); }
    };
  }

  move(fraction) {
    this.at = Math.min(1, Math.max(0, fraction));
    this.moved(this.at);
  }

  // Puts it in its place and returns what a pane's `style.clip` has to be on either side of it.
  place() {
    const size = this.map.getSize(), x = size.x * this.at;
    const top = this.map.containerPointToLayerPoint([0, 0]), end = this.map.containerPointToLayerPoint(size);
    this.node.style.left = `${x}px`;
    this.node.setAttribute('aria-valuenow', Math.round(100 * this.at));
    return {
      left: `rect(${top.y}px,${top.x + x}px,${end.y}px,${top.x}px)`,
      right: `rect(${top.y}px,${end.x}px,${end.y}px,${top.x + x}px)`,
    };
  }
}
