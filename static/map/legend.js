// The legend: classes with counts and areas to switch on and off, how strongly they cover the picture, and a note.

import { element } from '../shared/element.js';
import { area, number } from '../shared/words.js';

export class Legend {
  constructor(app) {
    this.app = app;
    this.box = element('section', { class: 'gl-legend', 'aria-label': 'Legend' });
  }

  refresh() {
    const { app } = this, changes = app.data.second?.changes, second = changes ? null : app.data.second;
    const table = element('table'), heads = element('tr');
    const titles = second ? ['Class', 'Left', 'Right', 'Change'] : ['Class', 'Polygons', 'Area'];
    titles.forEach(text => heads.appendChild(element('th', { scope: 'col' }, text)));
    table.appendChild(heads);
    const others = new Map((second?.classes || []).map(item => [item.id, item]));
    app.data.classes.forEach(item => table.appendChild(this.row(item, others.get(item.id), Boolean(second))));
    if (changes) {
      table.appendChild(element('tr')).appendChild(element('th', { scope: 'col' }, 'Change'));
      app.data.second.classes.forEach(item => table.appendChild(this.row(item, null, false)));
    }
    const fill = element('label', { class: 'fill', title: 'How strongly polygons cover the picture' }, 'Fill');
    const input = element('input', { type: 'range', min: 0, max: 100, 'aria-label': 'Fill of the polygons' });
    input.value = 100 * app.fill;
    input.oninput = () => { app.fill = input.value / 100; app.redraw(); };
    fill.appendChild(input);
    this.note = element('div', { class: 'note', role: 'status' }, app.data.note || '');
    this.box.replaceChildren(table, fill, this.note);
  }

  say(text) { if (this.note) this.note.textContent = text; }

  row(item, other, compared) {
    const { app } = this, line = element('tr');
    const first = element('td'), label = element('label'), swatch = element('i');
    const box = element('input', { type: 'checkbox', 'aria-label': `Show ${item.name}` });
    box.checked = !app.filter.hidden.has(item.id);
    box.onchange = () => app.setHidden(item.id, !box.checked);
    swatch.style.background = item.colour;
    label.append(box, swatch, item.name);
    first.appendChild(label);
    const units = app.data.units, change = (other?.area ?? 0) - item.area;
    const cells = compared ? [area(item.area, units), area(other?.area ?? 0, units), (change < 0 ? '−' : '+') + area(Math.abs(change), units)]
      : [number(item.count), area(item.area, units)];
    line.append(first, ...cells.map(text => element('td', {}, text)));
    return line;
  }
}
