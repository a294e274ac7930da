// The card of the selection: what it is, and what can be done with all of it at once; undo and redo.

import { element } from '../shared/element.js';
import { area, number } from '../shared/words.js';

const NOTHING = 'Click a polygon. Shift- or Ctrl-click, or the selection tool on the map, takes several.';
const SHOWN_CLASSES = 4;

export class Card {
  constructor(app) {
    Object.assign(this, { app, class: null });
    this.box = element('section', { class: 'gl-card', 'aria-label': 'Selection and corrections' });
    this.title = element('div', { class: 'title', role: 'status' });
    this.sums = element('div', { class: 'sums' });
    this.select = element('select', { 'aria-label': 'Class for the selection, and for what is drawn' });
    this.fill = element('select', { 'aria-label': 'What takes the place of what is deleted', title: 'What takes the place of what is deleted' });
    const button = (name, text, title, press, extra = {}) => {
      const made = element('button', { type: 'button', title, 'data-do': name, ...extra }, text);
      made.onclick = press;
      this.buttons[name] = made;
      return made;
    };
    this.buttons = {};
    const rows = [
      [this.select, button('reclass', 'Change class', 'Gives all selected polygons this class', () => this.app.reclass(), { class: 'main' }),
        button('merge', 'Merge', 'Makes one polygon of those selected, with the class of the largest', () => this.app.merge())],
      [button('delete', 'Delete', 'Takes the selected polygons out of the layer (Delete key)', () => this.app.remove()), this.fill,
        button('zoom', 'Zoom to it', 'Moves the map to the selection', () => this.app.flyToPicked())],
      [button('undo', 'Undo', '', () => this.app.send('undo')), button('redo', 'Redo', '', () => this.app.send('redo')),
        button('all', 'Select all shown', 'Selects all polygons that the filter and the legend leave (Ctrl+A)', () => this.app.pickShown()),
        button('none', 'Clear', 'Selects nothing (Esc)', () => this.app.select(null))],
      [button('filtered', 'Change class of all that the filter leaves', 'Gives this class to all polygons of the filter and the legend, those too that are not drawn', () => this.app.reclassFiltered())],
    ].map(parts => { const row = element('div', { class: 'row' }); row.append(...parts); return row; });
    this.whole = rows.pop(); // where not all polygons are drawn
    this.box.append(this.title, this.sums, ...rows, this.whole);
    this.select.onchange = () => this.able();
  }

  chosen() { return Number(this.select.value); }
  fillChosen() { return this.fill.value; }

  // The classes and the steps that can be taken back, as the dashboard sends them.
  offer(editing) {
    const kept = this.select.value, fill = this.fill.value;
    this.select.replaceChildren(...editing.classes.map(item => element('option', { value: item.id }, item.name)));
    if (kept) this.select.value = kept;
    this.fill.replaceChildren(...Object.entries(editing.fills).map(([name, words]) => element('option', { value: name }, words)));
    if (fill) this.fill.value = fill;
    this.refresh();
  }

  refresh({ keepClass = false } = {}) {
    const { app } = this, found = app.picked.map(id => app.listed.layers.get(id)?.feature.properties).filter(Boolean);
    const units = app.data.units, sums = new Map();
    found.forEach(told => {
      const sum = sums.get(told.class_id) || { count: 0, area: 0 };
      sums.set(told.class_id, { count: sum.count + 1, area: sum.area + told.area });
    });
    const whole = area(found.reduce((sum, told) => sum + told.area, 0), units);
    this.title.textContent = !found.length ? 'Nothing selected' : found.length === 1 ? `Polygon ${found[0].id} · ${whole}` : `${number(found.length)} polygons · ${whole}`;
    const rows = [...sums].sort((a, b) => b[1].area - a[1].area), more = rows.length - SHOWN_CLASSES;
    this.sums.replaceChildren(...rows.slice(0, more > 1 ? SHOWN_CLASSES - 1 : SHOWN_CLASSES).map(([id, sum]) => {
      const part = element('span'), swatch = element('i');
      swatch.style.background = app.colours.get(id) || '#888888';
      part.append(swatch, `${app.names.get(id) || 'unknown class'}${found.length > 1 ? ` ${number(sum.count)} · ${area(sum.area, units)}` : ''}`);
      return part;
    }));
    if (more > 1) this.sums.appendChild(element('span', {}, `and ${more + 1} classes more`));
    if (found.length > 1) this.sums.appendChild(element('span', { class: 'spread' }, spreadOf(found, units)));
    if (!found.length) this.sums.textContent = NOTHING;
    const classes = [...sums.keys()];
    if (!keepClass && classes.length === 1) this.select.value = String(classes[0]);
    this.classes = classes;
    this.able();
  }

  able() {
    const { app, classes = [] } = this, editing = app.data.editing, count = app.picked.length;
    if (!editing) return;
    const may = editing.mayChange;
    this.whole.hidden = !app.data.outlines;
    const on = {
      reclass: may && count > 0 && !(classes.length === 1 && classes[0] === this.chosen()), merge: may && count > 1, delete: may && count > 0,
      zoom: count > 0, none: count > 0, all: app.listed.layers.size > 0, undo: may && Boolean(editing.undo), filtered: may, redo: may && Boolean(editing.redo),
    };
    Object.entries(on).forEach(([name, enabled]) => { this.buttons[name].disabled = !enabled; });
    this.buttons.undo.title = editing.undo ? `Takes back: ${editing.undo} (Ctrl+Z)` : 'Nothing was corrected yet';
    this.buttons.redo.title = editing.redo ? `Does again: ${editing.redo} (Ctrl+Shift+Z)` : 'Nothing was undone';
    if (!may) ['reclass', 'merge', 'delete', 'undo', 'redo', 'filtered'].forEach(name => { this.buttons[name].title = editing.readOnly; });
  }
}

// The areas of several polygons, and the mean confidence of their ground, as the dashboard counts it: by area.
function spreadOf(found, units) {
  const areas = found.map(told => told.area), known = found.filter(told => told.confidence != null);
  const sum = of => of.reduce((all, value) => all + value, 0), ground = sum(known.map(told => told.area));
  const least = areas.reduce((a, b) => Math.min(a, b)), most = areas.reduce((a, b) => Math.max(a, b));
  const sure = ground > 0 ? `; mean confidence ${(sum(known.map(told => told.area * told.confidence)) / ground).toFixed(2)}` : '';
  return `${area(least, units)} to ${area(most, units)}, mean ${area(sum(areas) / areas.length, units)}${sure}`;
}
