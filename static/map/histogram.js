// How the polygons' areas and confidences are distributed: two rows of bars above the table; a click on a bar filters to what it counts.

import { element } from '../shared/element.js';
import { area, number } from '../shared/words.js';

const BARS = 20;
const PERCENT = 100 / BARS;

// Borders of bars for areas, evenly spaced by their logarithm and round to two digits, so that a filter's numbers can be read.
export function borders(areas) {
  const known = areas.filter(value => value > 0);
  if (!known.length) return [];
  const least = known.reduce((a, b) => Math.min(a, b)), most = known.reduce((a, b) => Math.max(a, b));
  const round = value => Number(value.toPrecision(2));
  const all = Array.from({ length: BARS + 1 }, (_, k) => round(least * (most / least) ** (k / BARS)));
  all[0] = Math.min(all[0], Math.floor(least));
  all[BARS] = Math.max(all[BARS], Math.ceil(most));
  const found = all.filter((value, k) => !k || value > all[k - 1]);
  return found.length > 1 ? found : [found[0], found[0] + 1];
}

// How many values lie in each bar, from its lower border on, below its upper one; the last bar holds that one too.
export function counts(values, edges) {
  const found = new Array(Math.max(0, edges.length - 1)).fill(0);
  values.forEach(value => {
    if (value === null || value === undefined || value < edges[0] || value > edges[edges.length - 1]) return;
    let at = edges.findIndex(edge => edge > value) - 1;
    if (at < 0) at = found.length - 1;
    found[at] += 1;
  });
  return found;
}

export class Histograms {
  // `choose(values)` sets the filter: from and to for areas, sure for confidences.
  constructor(app, choose) {
    Object.assign(this, { app, choose });
    this.box = element('div', { class: 'gl-histograms' });
  }

  draw(all, passing) {
    const edges = borders(all.map(told => told.area)), percents = Array.from({ length: BARS + 1 }, (_, k) => PERCENT * k);
    const units = this.app.data.units;
    const sure = told => (told.confidence === null || told.confidence === undefined ? null : 100 * told.confidence);
    const rows = [this.row('Area', edges, told => told.area, all, passing, (from, to) => `${area(from, units)} to ${area(to, units)}`, (from, to) => ({ from, to }),
      edges.length ? [area(edges[0], units), `${area(edges[edges.length - 1], units)}, logarithmic`] : [])];
    if (all.some(told => sure(told) !== null)) {
      rows.push(this.row('Confidence', percents, sure, all, passing, (from, to) => `${from} to ${to} %`, from => ({ sure: from }), ['0 %', '100 %']));
    }
    this.box.replaceChildren(...rows);
  }

  row(title, edges, value, all, passing, words, filter, ends) {
    const whole = counts(all.map(value), edges), left = counts(passing.map(value), edges), most = Math.max(1, ...whole);
    const row = element('div', { class: 'row', role: 'group', 'aria-label': `${title}: number of polygons` }), bars = element('div', { class: 'bars' });
    whole.forEach((count, k) => {
      const [from, to] = [edges[k], edges[k + 1]], said = `${title} ${words(from, to)}: ${number(count)} ${count === 1 ? 'polygon' : 'polygons'}`;
      const bar = element('button', { type: 'button', title: said, 'aria-label': `${said}; filter to them` });
      // What is rare stays visible: the root of the share, and a pixel at least.
      const high = share => (share ? Math.max(6, 100 * Math.sqrt(share / most)) : 0);
      bar.append(element('i', { class: 'all', style: `height:${high(count)}%` }), element('i', { style: `height:${high(left[k])}%` }));
      bar.onclick = () => this.choose(filter(from, to));
      bars.append(bar);
    });
    const scale = element('div', { class: 'ends', 'aria-hidden': 'true' });
    scale.append(...ends.map(text => element('span', {}, text)));
    row.append(element('span', {}, title), bars, scale);
    return row;
  }
}
