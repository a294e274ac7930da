// Two maps of one place: side by side, one over the other with a divider between them, or in turn at the same view (flicker).

import { Divider } from '../shared/divider.js';
import { element } from '../shared/element.js';
import { recallWay, rememberWay } from './dashboard.js';

const WAYS = {
  beside: ['Side by side', 'Both maps beside each other, in step'],
  swipe: ['Swipe', 'The second map lies over the first, right of a divider'],
  flicker: ['Flicker', 'Both maps in turn at one place: what differs jumps to the eye'],
};
const KEY = 'b';
// Above three flashes a second pictures may harm people (WCAG 2.3.1); these stay far below.
const BEATS_S = [0.5, 1, 2];

export class Ways {
  // `cells` of `row` hold the two maps, `titles` are what the maps are called on them.
  constructor(app, row) {
    const kept = recallWay();
    Object.assign(this, { app, row, way: kept in WAYS ? kept : 'beside', holding: false, turn: 0 });
    this.box = element('div', { class: 'gl-ways', role: 'toolbar', 'aria-label': 'How both maps are compared' });
    this.buttons = Object.fromEntries(Object.entries(WAYS).map(([name, [text, title]]) => {
      const button = element('button', { type: 'button', title, 'aria-pressed': String(name === this.way) }, text);
      button.onclick = () => this.choose(name);
      return [name, button];
    }));
    this.box.append(...Object.values(this.buttons), this.flickering());
    row.before(this.box);
    const [map] = app.maps;
    this.divider = new Divider({ getContainer: () => row, getSize: () => map.getSize(), containerPointToLayerPoint: point => window.L.point(point) },
      { className: 'gl-divider', label: 'Divider between both maps', moved: () => this.place() });
    map.on('resize', () => this.place());
    this.show();
  }

  // What flicker offers: a button to hold, and turns by themselves for those who do not ask for less motion.
  flickering() {
    this.more = element('span', { class: 'more' });
    this.hold = element('button', { type: 'button', class: 'hold', title: `The second map as long as it is held; the key ${KEY.toUpperCase()} does the same` }, 'Hold for the second');
    const press = event => { if (event.type !== 'keydown' || ' Enter'.includes(event.key)) { event.preventDefault(); this.held(true); } };
    this.hold.onpointerdown = event => { this.hold.setPointerCapture(event.pointerId); this.hold.focus({ preventScroll: true }); press(event); };
    this.hold.onkeydown = press;
    ['pointerup', 'pointercancel', 'lostpointercapture', 'keyup', 'blur'].forEach(name => this.hold.addEventListener(name, () => this.held(false)));
    document.addEventListener('keydown', event => { if (this.keyed(event)) this.held(true); });
    document.addEventListener('keyup', event => { if (this.keyed(event)) this.held(false); });
    window.addEventListener('blur', () => this.held(false));
    const label = element('label'), beat = element('label', {}, 'every');
    this.auto = element('input', { type: 'checkbox' });
    this.auto.onchange = () => this.beat();
    label.append(this.auto, 'Automatic');
    this.beats = element('select', { 'aria-label': 'Seconds for each map' });
    this.beats.append(...BEATS_S.map(seconds => element('option', { value: seconds }, `${seconds} s`)));
    this.beats.value = '1';
    this.beats.onchange = () => this.beat();
    beat.append(this.beats);
    this.calm = window.matchMedia('(prefers-reduced-motion: reduce)');
    this.calm.addEventListener('change', () => this.beat());
    this.automatic = label;
    this.more.append(this.hold, label, beat);
    return this.more;
  }

  keyed(event) { return this.way === 'flicker' && event.key.toLowerCase() === KEY && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.matches('input[type="text"], input[type="search"], input[type="number"], select'); }

  choose(way) {
    this.way = way;
    rememberWay(way);
    this.beat();
    if (way === 'swipe') this.divider.node.focus({ preventScroll: true });
    if (way === 'flicker') this.hold.focus({ preventScroll: true });
  }

  held(on) {
    if (this.holding === on) return;
    this.holding = on;
    this.show();
  }

  // Begins or ends turns by themselves.
  beat() {
    clearInterval(this.beating);
    this.turn = 0;
    this.auto.disabled = this.calm.matches;
    this.automatic.title = this.calm.matches ? 'Off: your system asks for less motion' : 'Both maps in turn by themselves';
    if (this.way === 'flicker' && this.auto.checked && !this.calm.matches) {
      this.beating = setInterval(() => { this.turn = 1 - this.turn; this.show(); }, 1000 * Number(this.beats.value));
    }
    this.show();
  }

  // Which of the maps are seen.
  show() {
    const { way, row } = this, second = way === 'flicker' && (this.holding || this.turn === 1), [left, right] = row.children;
    Object.entries(this.buttons).forEach(([name, button]) => button.setAttribute('aria-pressed', String(name === way)));
    row.className = way === 'beside' ? 'gl-maps' : `gl-maps stacked ${way}`;
    this.more.hidden = way !== 'flicker';
    this.divider.node.hidden = way !== 'swipe';
    right.style.visibility = way === 'flicker' && !second ? 'hidden' : '';
    this.hold.setAttribute('aria-pressed', String(second));
    left.classList.toggle('covered', second);
    document.body.dataset.seen = way === 'flicker' ? String(Number(second)) : way;
    this.place();
  }

  place() {
    this.divider.place();
    this.row.children[1].style.clipPath = this.way === 'swipe' ? `inset(0 0 0 ${100 * this.divider.at}%)` : '';
  }
}
