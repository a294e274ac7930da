// The classes beside the map: which one is painted, and their names, colours, order and merging.

import { element } from '../shared/element.js';
import { button } from './bar.js';

const MOST_KEYS = 9;

export class Panel {
  constructor(page, node) { this.page = page; this.node = node; this.edited = null; }

  draw() {
    const { classes, chosen, counts } = this.page;
    const typed = this.typed();
    const list = element('div', { role: 'radiogroup', 'aria-label': 'Class that is painted', class: 'classes' });
    classes.forEach((item, index) => {
      const row = element('div', { class: 'row' });
      const pick = element('button', { type: 'button', role: 'radio', class: 'pick', 'aria-checked': String(item.id === chosen), title: `Paint ${item.name}` });
      const swatch = element('i');
      swatch.style.background = item.colour;
      pick.append(swatch, element('span', { class: 'name' }, item.name));
      const painted = counts?.[item.id];
      if (painted) pick.append(element('small', { title: 'Pixels painted' }, painted.toLocaleString('en')));
      if (index < MOST_KEYS) pick.append(element('kbd', {}, String(index + 1)));
      pick.onclick = () => this.page.choose(item.id);
      const edit = button('✎', `Change ${item.name}: name, colour, order, merge`, () => { this.edited = this.edited === item.id ? null : item.id; this.draw(); });
      edit.setAttribute('aria-expanded', String(this.edited === item.id));
      row.append(pick, edit);
      list.appendChild(row);
      if (this.edited === item.id) list.appendChild(this.form(item, index));
    });
    const add = button('+ Class', 'Add a class', () => this.add());
    this.node.replaceChildren(element('h4', {}, 'Classes'), list, add);
    const name = this.node.querySelector('input[type=text]');
    if (name && typed?.dataset.of === name.dataset.of) {
      name.value = typed.value;
      name.setSelectionRange(typed.selectionStart, typed.selectionEnd);
    }
    name?.focus();
  }

  // A name that is being typed: what the dashboard answers meanwhile draws the list anew, and must not take it away.
  typed() {
    const name = this.node.querySelector('input[type=text]');
    return name && name.value !== name.dataset.was ? name : null;
  }

  add() {
    const { classes } = this.page;
    const id = this.page.nextId();
    const names = new Set(classes.map(item => item.name));
    let number = classes.length + 1;
    while (names.has(`Class ${number}`)) number += 1;
    this.edited = id;
    this.page.chosen = id;
    this.page.change([...classes, { id, name: `Class ${number}`, colour: this.page.freeColour() }]);
  }

  form(item, index) {
    const { classes } = this.page, form = element('form', { class: 'edit', 'aria-label': `Change ${item.name}` });
    const name = element('input', { type: 'text', maxlength: 60, 'aria-label': 'Name' });
    name.value = name.dataset.was = item.name;
    name.dataset.of = String(item.id);
    const colour = element('input', { type: 'color', 'aria-label': 'Colour' });
    colour.value = item.colour.toLowerCase();
    const changed = () => {
      const told = { ...item, name: name.value.trim() || item.name, colour: colour.value.toUpperCase() };
      if (told.name !== item.name || told.colour !== item.colour) this.page.change(classes.map(other => (other.id === item.id ? told : other)));
    };
    form.onsubmit = event => { event.preventDefault(); this.edited = null; changed(); this.draw(); };
    colour.onchange = changed;
    const moved = step => {
      const order = classes.filter(other => other.id !== item.id);
      order.splice(index + step, 0, item);
      this.page.change(order);
    };
    const up = button('↑', 'Earlier in the list', () => moved(-1)), down = button('↓', 'Later in the list', () => moved(1));
    up.disabled = index === 0; down.disabled = index === classes.length - 1;
    const merge = element('select', { 'aria-label': `Merge ${item.name} into another class` });
    merge.appendChild(element('option', { value: '' }, 'Merge into …'));
    classes.filter(other => other.id !== item.id).forEach(other => merge.appendChild(element('option', { value: other.id }, other.name)));
    merge.onchange = () => { this.edited = null; this.page.merge(item.id, Number(merge.value)); };
    const remove = button('Remove', 'Take the class off the list; only where nothing is painted in it', () => {
      this.edited = null;
      this.page.change(classes.filter(other => other.id !== item.id));
    });
    remove.disabled = classes.length < 2 || this.page.isPainted(item.id);
    const done = element('button', { type: 'submit' }, 'Done');
    form.append(name, colour, up, down, merge, remove, done);
    return form;
  }
}
