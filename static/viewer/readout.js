// What is under the pointer: place, classes, and for a prediction all probabilities, which the server is asked for when the pointer rests.

import { element } from '../shared/element.js';
import { cutOf } from './codes.js';

const REST_MS = 70;

export class Readout {
  constructor(viewer, node) { this.viewer = viewer; this.node = node; this.asked = null; }

  clear(text) {
    clearTimeout(this.timer);
    this.asked?.abort();
    this.node.replaceChildren(this.line([text]));
  }

  line(parts, className = 'where') {
    const line = element('div', { class: className });
    line.append(...parts);
    return line;
  }

  show(row, col) {
    const { data } = this.viewer;
    const line = this.line([`Row ${row}, column ${col}`]), titles = new Set();
    let predicted = null;
    for (const layer of this.viewer.codeLayers) {
      const value = this.viewer.valueAt(layer, row, col);
      if (value === null || titles.has(layer.title)) continue;
      titles.add(layer.title);
      const part = element('span', {}, `  ·  ${layer.title}: ${data.classes[value & 255]?.name ?? 'no data or label'}`);
      if (layer.confidence) predicted = part;
      line.append(part);
    }
    const place = element('span');
    line.append(place);
    this.node.replaceChildren(line);
    clearTimeout(this.timer);
    this.asked?.abort();
    const template = data.valuesUrl;
    if (!template) return;
    const url = template.replace('{row}', row).replace('{col}', col);
    this.timer = setTimeout(() => {
      this.asked = new AbortController();
      fetch(url, { signal: this.asked.signal })
        .then(answer => (answer.status === 200 ? answer.json() : null))
        .then(found => { if (found) this.fill(found, place, predicted); })
        .catch(() => {}); // the pointer moved on: another answer is on its way
    }, REST_MS);
  }

  // Zoomed out a tile shows one pixel of many; the answer is that of the very pixel, and corrects the class.
  fill(found, place, predicted) {
    const { data, settings } = this.viewer;
    if (found.place) place.textContent = `  ·  ${found.place[1].toFixed(6)}°, ${found.place[0].toFixed(6)}°`;
    if ('value' in found) { // a measured one
      place.textContent += `  ·  ${found.name}: ${found.value === null ? 'no data' : +found.value.toPrecision(6)}`;
      return;
    }
    const order = found.probabilities.map((value, id) => [value, id]).sort((one, other) => other[0] - one[0]);
    if (order[0][0] === 0) return; // nothing was predicted here
    const unsure = Math.round(255 * order[0][0]) < cutOf(settings.threshold) ? ', unsure' : '';
    if (predicted) predicted.textContent = `  ·  prediction: ${data.classes[order[0][1]]?.name} (confidence ${order[0][0].toFixed(2)}${unsure})`;
    const bars = order.slice(0, 12).map(([value, id]) => {
      const item = element('span', { class: 'likely', title: `${data.classes[id]?.name}: probability ${value.toFixed(3)}` });
      const bar = element('i');
      bar.style.setProperty('--share', `${100 * value}%`);
      bar.style.setProperty('--colour', data.classes[id]?.colour);
      item.append(bar, `${data.classes[id]?.name} ${value.toFixed(2)}`);
      return item;
    });
    const margin = element('span', { class: 'likely', title: 'How far the first class is ahead of the second' }, `margin ${found.margin.toFixed(2)}`);
    this.node.querySelector('.all')?.remove();
    this.node.appendChild(this.line([...bars, margin], 'all'));
  }
}
