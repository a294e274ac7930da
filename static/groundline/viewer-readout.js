// What is under the pointer: place, classes, and for a prediction all probabilities, which the server is asked for when the pointer rests.

const REST_MS = 70;

export class Readout {
  constructor(viewer, node) { this.viewer = viewer; this.node = node; this.asked = null; }

  clear(text) {
    clearTimeout(this.timer);
    this.asked?.abort();
    this.node.replaceChildren(this.line([text]));
  }

  line(parts, className = 'where') {
    const line = this.viewer.element('div', { class: className });
    line.append(...parts);
    return line;
  }

  show(row, col) {
    const { data, codes, element } = this.viewer, seen = new Set(), parts = [`Row ${row}, column ${col}`];
    const place = this.viewer.element('span');
    for (const layer of this.viewer.codeLayers) {
      const value = this.viewer.valueAt(layer, row, col);
      if (value === null || seen.has(layer.title)) continue;
      seen.add(layer.title);
      const id = value & 255, sure = (value >>> 8) & 255;
      const known = layer.confidence && id !== codes.NO_CLASS;
      parts.push(`${layer.title}: ${data.classes[id]?.name ?? 'no data or label'}${known ? ` (confidence ${(sure / 255).toFixed(2)})` : ''}`);
      if (known && sure < codes.cutOf(this.viewer.settings.threshold)) parts.push('unsure');
    }
    this.node.replaceChildren(this.line([parts.join('  ·  '), place]));
    clearTimeout(this.timer);
    this.asked?.abort();
    const template = data.valuesUrl;
    if (!template) return;
    const url = template.replace('{row}', row).replace('{col}', col);
    this.timer = setTimeout(() => {
      this.asked = new AbortController();
      fetch(url, { signal: this.asked.signal })
        .then(answer => (answer.status === 200 ? answer.json() : null))
        .then(found => { if (found) this.fill(found, place); })
        .catch(() => {}); // the pointer moved on: another answer is on its way
    }, REST_MS);
  }

  fill(found, place) {
    const { data, element } = this.viewer, make = element.bind(this.viewer);
    if (found.place) place.textContent = `  ·  ${found.place[1].toFixed(6)}°, ${found.place[0].toFixed(6)}°`;
    const total = found.probabilities.reduce((sum, value) => sum + value, 0);
    if (total === 0) return; // nothing was predicted here
    const order = found.probabilities.map((value, id) => [value, id]).sort((one, other) => other[0] - one[0]);
    const bars = order.slice(0, 12).map(([value, id]) => {
      const item = make('span', { class: 'likely', title: `${data.classes[id]?.name}: probability ${value.toFixed(3)}` });
      const bar = make('i');
      bar.style.setProperty('--share', `${100 * value}%`);
      bar.style.setProperty('--colour', data.classes[id]?.colour);
      item.append(bar, `${data.classes[id]?.name} ${value.toFixed(2)}`);
      return item;
    });
    const margin = make('span', { class: 'likely', title: 'How far the first class is ahead of the second' }, `margin ${found.margin.toFixed(2)}`);
    this.node.querySelector('.all')?.remove();
    this.node.appendChild(this.line([...bars, margin], 'all'));
  }
}
