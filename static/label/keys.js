// The keyboard: a key for each tool and class, steps, the guide, and painting without a pointer.

import { TOOLS } from './bar.js';

export class Keys {
  constructor(page) {
    this.page = page;
    this.pressed = event => this.take(event);
    this.released = event => { if (event.key === ' ') page.tools.holdSpace(false); };
    window.addEventListener('keydown', this.pressed, true);
    window.addEventListener('keyup', this.released, true);
  }

  // Before Streamlit's own shortcuts, and never while somebody types.
  take(event) {
    const from = event.composedPath()[0], { host } = this.page;
    if (!host.isConnected || (!host.offsetParent && !document.fullscreenElement)) return;
    if (from.matches?.('input:not([type=range]), textarea, select, [contenteditable=true]')) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const act = event.ctrlKey || event.metaKey ? this.withControl(key, event.shiftKey) : event.altKey ? null : this.plain(key, from);
    if (!act) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    act();
  }

  withControl(key, shift) {
    const { wire } = this.page;
    if (key === 'z') return () => wire.do({ do: shift ? 'redo' : 'undo' });
    return key === 'y' ? () => wire.do({ do: 'redo' }) : null;
  }

  plain(key, from) {
    const { page } = this, { tools, classes } = page;
    const tool = TOOLS.find(each => each[2].toLowerCase() === key);
    if (tool) return () => page.pick(tool[0]);
    if (/^[1-9]$/.test(key)) return classes?.[key - 1] ? () => page.choose(classes[key - 1].id) : null;
    if (key === ' ') return from.matches?.('button, a, summary, [role=button], [role=radio], [role=tab]') ? null : () => tools.holdSpace(true);
    if (key === 'Enter') return tools.corners ? () => tools.closePolygon() : null;
    if (key === 'Escape') return tools.drop() ? () => {} : null;
    return {
      n: () => page.next(), y: () => page.agree(), f: () => page.fit(), v: () => page.hide(), '.': () => page.dab(),
      '[': () => page.bar.size.set(page.size - 1), ']': () => page.bar.size.set(page.size + 1),
    }[key] ?? null;
  }

  close() {
    window.removeEventListener('keydown', this.pressed, true);
    window.removeEventListener('keyup', this.released, true);
  }
}
