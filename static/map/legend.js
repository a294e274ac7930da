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
      app.data.second.classes.forEach(item => table.appendChild(this.row(item, null, false, true)));
    }
    const foot = element('div', { class: 'foot' });
    if (app.data.colouring) foot.append(...this.colouring(app.data.colouring));
    const fill = element('label', { class: 'fill', title: 'How strongly polygons cover the picture' }, 'Fill');
    const input = element('input', { type: 'range', min: 0, max: 100, 'aria-label': 'Fill of the polygons' });
    input.value = 100 * app.fill;
    input.oninput = () => { app.fill = input.value / 100; app.redraw(); };
    fill.appendChild(input);
    this.note = element('div', { class: 'note', role: 'status' }, app.data.note || '');
    foot.prepend(fill);
    this.box.replaceChildren(table, foot, this.note);
  }

  // Ways to colour all classes, and the way back where a class has a colour of one's own.
  colouring({ choices, how }) {
    const label = element('label', { title: 'How classes look on all pages and in the downloads, now and the next time. Masks keep their own.' }, 'Colours');
    const select = element('select', { 'aria-label': 'Colours of the classes' });
    select.append(...Object.entries(choices).map(([name, words]) => element('option', { value: name }, words)));
    select.value = how;
    select.onchange = () => this.app.recolour({ how: select.value });
    label.appendChild(select);
    return [label];
  }

  // The class's colour: a click chooses another one; the small button beside it takes that back.
  swatch(item, plain) {
    const { app } = this, { colouring } = app.data;
    const shown = element('i');
    shown.style.background = item.colour;
    if (!colouring || plain) return [shown];
    const input = element('input', { type: 'color', 'aria-label': `Colour of ${item.name}` });
    input.value = item.colour;
    input.onchange = () => app.recolour({ name: item.name, colour: input.value });
    const holder = element('span', { class: 'swatch', title: `Another colour for ${item.name}` });
    holder.append(shown, input);
    if (!colouring.own.includes(item.name)) return [holder];
    const back = element('button', { type: 'button', title: `Take the own colour of ${item.name} back`, 'aria-label': `Take the own colour of ${item.name} back` }, '↺');
    back.onclick = () => app.recolour({ name: item.name, colour: null });
    return [holder, back];
  }

  say(text) { if (this.note) this.note.textContent = text; }

  row(item, other, compared, plain = false) {
    const { app } = this, line = element('tr');
    const first = element('td'), label = element('label'), name = element('div', { class: 'name' });
    const box = element('input', { type: 'checkbox', 'aria-label': `Show ${item.name}` });
    box.checked = !app.filter.hidden.has(item.id);
    box.onchange = () => app.setHidden(item.id, !box.checked);
    label.append(box, item.name);
    const [swatch, back] = this.swatch(item, plain);
    name.append(swatch, label, ...(back ? [back] : []));
    first.appendChild(name);
    const units = app.data.units, change = (other?.area ?? 0) - item.area;
    const cells = compared ? [area(item.area, units), area(other?.area ?? 0, units), (change < 0 ? '−' : '+') + area(Math.abs(change), units)]
      : [number(item.count), area(item.area, units)];
    line.append(first, ...cells.map(text => element('td', {}, text)));
    return line;
  }
}
