// The legend: classes with counts and areas to switch on and off, their colours, names and order, how strongly they cover the picture.

import { element } from '../shared/element.js';
import { area, number } from '../shared/words.js';

const PENCIL = '<svg viewBox="0 0 16 16" width="13" height="13" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round" aria-hidden="true"><path d="M2.500 13.500l.7-3.200 7.600-7.600 2.500 2.500-7.600 7.600z"/></svg>';

export class Legend {
  constructor(app) {
    Object.assign(this, { app, editing: null, refused: '', asked: null });
    this.box = element('section', { class: 'gl-legend', 'aria-label': 'Legend' });
  }

  // A legend that was told by the dashboard: what it said to the last name is shown, and a name that went is no longer edited.
  told() {
    const answer = this.app.data.naming?.answer;
    if (this.asked !== null && answer?.n === this.asked) {
      this.asked = null;
      this.refused = answer.refused;
      if (!this.refused) this.editing = null;
    }
    this.refresh();
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
    const fill = element('label', { class: 'fill', title: 'How strongly polygons cover the picture' }, 'Fill');
    const input = element('input', { type: 'range', min: 0, max: 100, 'aria-label': 'Fill of the polygons' });
    input.value = 100 * app.fill;
    input.oninput = () => { app.fill = input.value / 100; app.redraw(); };
    fill.appendChild(input);
    foot.append(fill, ...(app.data.colouring ? this.colouring(app.data.colouring) : []), ...this.ways());
    this.note = element('div', { class: 'note', role: 'status' }, this.refused || app.data.note || '');
    const typed = this.box.querySelector('.rename')?.value, at = document.activeElement?.dataset.keep;
    this.box.replaceChildren(table, foot, this.note);
    const field = this.box.querySelector('.rename');
    if (field && typed !== undefined) field.value = typed;
    if (at) this.box.querySelector(`[data-keep="${at}"]`)?.focus();
  }

  // Ways to colour all classes.
  colouring({ choices, how }) {
    const label = element('label', { title: 'How classes look on all pages and in the downloads, now and the next time. Masks keep their own.' }, 'Colours');
    const select = element('select', { 'aria-label': 'Colours of the classes' });
    select.append(...Object.entries(choices).map(([name, words]) => element('option', { value: name }, words)));
    select.value = how;
    select.onchange = () => this.app.choose({ how: select.value });
    label.appendChild(select);
    return [label];
  }

  // The ways back, where something was changed by hand.
  ways() {
    const { colouring, naming, classes } = this.app.data, made = [];
    const way = (text, title, what) => {
      const button = element('button', { type: 'button', class: 'way', title }, text);
      button.onclick = () => { this.editing = null; this.refused = ''; this.app.choose(what); };
      made.push(button);
    };
    const own = classes.map(item => item.key).filter(key => colouring?.own.includes(key));
    if (own.length) way('Take own colours back', 'All classes in the colours chosen above', { uncoloured: own });
    if (naming?.changed && naming.mayChange) way('Back to the model\'s names', 'The names and the order of classes that the model has', { unnamed: true });
    return made;
  }

  // The class's colour: a click chooses another one; the small button beside it takes that back.
  swatch(item, plain) {
    const { app } = this, { colouring } = app.data;
    const shown = element('i');
    shown.style.background = item.colour;
    if (!colouring || plain) return [shown];
    const input = element('input', { type: 'color', 'aria-label': `Colour of ${item.name}` });
    input.value = item.colour;
    input.onchange = () => app.choose({ name: item.key, colour: input.value });
    const holder = element('span', { class: 'swatch', title: `Another colour for ${item.name}` });
    holder.append(shown, input);
    if (!colouring.own.includes(item.key)) return [holder];
    const back = element('button', { type: 'button', title: `Take the own colour of ${item.name} back`, 'aria-label': `Take the own colour of ${item.name} back` }, '↺');
    back.onclick = () => app.choose({ uncoloured: [item.key] });
    return [holder, back];
  }

  say(text) { if (this.note) this.note.textContent = text; }

  row(item, other, compared, plain = false) {
    const { app } = this, line = element('tr');
    const first = element('td'), name = element('div', { class: 'name' });
    const [swatch, back] = this.swatch(item, plain), edited = !plain && this.editing === item.key;
    if (edited) name.append(swatch, ...this.renaming(item));
    else {
      const label = element('label'), box = element('input', { type: 'checkbox', 'aria-label': `Show ${item.name}` });
      box.checked = !app.filter.hidden.has(item.id);
      box.onchange = () => app.setHidden(item.id, !box.checked);
      label.append(box, item.name);
      name.append(swatch, label, ...(back ? [back] : []), ...(plain ? [] : this.pencil(item)));
    }
    first.appendChild(name);
    if (edited) { first.colSpan = 3; line.append(first); return line; }
    const units = app.data.units, change = (other?.area ?? 0) - item.area;
    const cells = compared ? [area(item.area, units), area(other?.area ?? 0, units), (change < 0 ? '−' : '+') + area(Math.abs(change), units)]
      : [number(item.count), area(item.area, units)];
    line.append(first, ...cells.map(text => element('td', {}, text)));
    return line;
  }

  // ---- name and place of a class ----
  pencil(item) {
    const { naming } = this.app.data;
    if (!naming) return [];
    const words = `Name and place of ${item.name}`;
    const button = element('button', { type: 'button', class: 'pencil', title: naming.mayChange ? words : naming.readOnly, 'aria-label': words });
    button.innerHTML = PENCIL;
    button.disabled = !naming.mayChange;
    button.onclick = () => this.edit(item.key);
    return [button];
  }

  edit(key) {
    Object.assign(this, { editing: key, refused: '' });
    this.refresh();
    const field = this.box.querySelector('.rename');
    field?.focus();
    field?.select();
  }

  // A field for the name, and buttons that move the class in the legend: the upper one is drawn over the lower.
  renaming(item) {
    const field = element('input', { type: 'text', class: 'rename', maxlength: 80, 'aria-label': `Name of ${item.key}`, 'data-keep': 'field' });
    field.value = item.name;
    field.title = `The model calls it ${item.key}`;
    field.onkeydown = event => {
      if (event.key === 'Enter') this.rename(item, field.value);
      else if (event.key === 'Escape') { event.stopPropagation(); this.edit(null); }
    };
    const place = this.app.data.classes.indexOf(item), last = this.app.data.classes.length - 1;
    const button = (keep, text, title, press, disabled = false) => {
      const made = element('button', { type: 'button', title, 'data-keep': keep, ...(keep === 'done' ? {} : { 'aria-label': title }) }, text);
      Object.assign(made, { onclick: press, disabled });
      return made;
    };
    return [field, button('up', '↑', `${item.name} further up: its outlines are drawn over those below`, () => this.move(place, -1), place === 0),
      button('down', '↓', `${item.name} further down`, () => this.move(place, 1), place === last),
      button('done', 'Done', 'Keep the name (Enter); Esc leaves it', () => this.rename(item, field.value))];
  }

  rename(item, text) {
    if (text.trim() === item.name) { this.edit(null); return; }
    this.app.choose({ name: item.key, called: text });
    this.asked = this.app.chosen.n;
  }

  move(place, step) {
    const { classes } = this.app.data, [item] = classes.splice(place, 1);
    classes.splice(place + step, 0, item);
    this.refresh();
    this.app.choose({ order: classes.map(one => one.key) });
    this.app.stack();
  }
}
