// The linked table below the map: all polygons of the map, filtered and sorted here; only the rows in view are drawn.

import { element } from '../shared/element.js';
import { number } from '../shared/words.js';
import { recallColumns, rememberColumns } from './dashboard.js';
import { Histograms } from './histogram.js';

const ROW_PX = 27, SPARE = 8, WIDE_PX = 690;
const NARROW = ['id', 'class', 'area', 'confidence'], WIDE = ['id', 'class', 'area', 'length', 'width', 'compactness', 'confidence'];
const ALWAYS = ['id', 'class'];
const WIDTHS = { id: '4.2rem', class: 'auto', confidence: '6.2rem', compactness: '6.6rem' }, LEAST_CLASS_REM = 7;

export class Table {
  constructor(app) {
    Object.assign(this, { app, rows: [], sort: { key: 'area', down: true } });
    this.box = element('section', { class: 'gl-table', 'aria-label': 'Table of polygons' });
    this.histograms = new Histograms(app, chosen => {
      Object.assign(app.filter, chosen);
      this.showFilter();
      app.filtered();
    });
    this.histograms.box.hidden = true;
    this.chosen = recallColumns();
    this.chooser = element('div', { class: 'gl-columns', role: 'group', 'aria-label': 'Columns of the table' });
    this.chooser.hidden = true;
    this.box.append(this.filters(), this.histograms.box, this.chooser, this.scroller());
  }

  // ---- filters ----
  filters() {
    const bar = element('div', { class: 'gl-filters', role: 'group', 'aria-label': 'Filter polygons' });
    const field = (text, type, key, extra = {}) => {
      const label = element('label', {}, text), input = element('input', { type, 'data-filter': key, ...extra });
      input.oninput = () => { this.app.setFilter(key, input.value); if (key === 'sure') this.sure.textContent = `${input.value} %`; };
      label.appendChild(input);
      bar.appendChild(label);
      return input;
    };
    const unit = this.unit();
    this.inputs = {
      search: field('Find id', 'search', 'search', { placeholder: '12', inputmode: 'numeric' }),
      from: field(`Area, ${unit}, from`, 'number', 'from', { min: 0, placeholder: '0' }),
      to: field('to', 'number', 'to', { min: 0, placeholder: 'any' }),
      sure: field('Confidence ≥', 'range', 'sure', { min: 0, max: 100, step: 1 }),
    };
    this.sure = element('output', {}, '0 %');
    this.inputs.sure.after(this.sure);
    const reset = element('button', { type: 'button', title: 'Show all polygons of all classes again' }, 'Reset');
    reset.onclick = () => this.app.resetFilter();
    // A sign that opens and closes a row below the filters.
    const opens = (box, name, title, path, opened) => {
      const sign = element('button', { type: 'button', title, 'aria-pressed': String(!box.hidden), 'aria-label': name });
      sign.innerHTML = `<svg viewBox="0 0 16 12" width="16" height="12" fill="currentColor" aria-hidden="true"><path d="${path}"/></svg>`;
      sign.onclick = () => {
        box.hidden = !box.hidden;
        sign.setAttribute('aria-pressed', String(!box.hidden));
        opened();
      };
      return sign;
    };
    const spread = opens(this.histograms.box, 'Histogram', 'Show how areas and confidences are distributed', 'M0 8h3v4H0zM4.3 2h3v10h-3zM8.6 5h3v7h-3zM12.9 9h3v3h-3z', () => this.refresh());
    const columns = opens(this.chooser, 'Columns', 'Choose the columns of the table', 'M0 0h4v12H0zM6 0h4v12H6zM12 0h4v12h-4z', () => this.offerColumns());
    this.count = element('span', { class: 'count', role: 'status' });
    bar.append(reset, spread, columns, this.count);
    this.bar = bar;
    return bar;
  }

  // Other units: other words.
  renew() {
    const old = this.bar;
    old.replaceWith(this.filters());
  }

  unit() { return this.app.data.units === 'm' ? 'm²' : 'px'; }

  showFilter() {
    const filter = this.app.filter;
    this.inputs.search.value = filter.search;
    this.inputs.from.value = filter.from ?? '';
    this.inputs.to.value = filter.to ?? '';
    this.inputs.sure.value = filter.sure;
    this.sure.textContent = `${filter.sure} %`;
  }

  // ---- columns: those that fit, until some are chosen ----
  allColumns() {
    const unit = this.app.data.units === 'm' ? 'm' : 'px';
    return [['id', 'Id', ''], ['class', 'Class', 'text'], ['area', `Area, ${this.unit()}`, ''], ['length', `Length, ${unit}`, ''], ['width', `Width, ${unit}`, ''],
      ['perimeter', `Perimeter, ${unit}`, ''], ['compactness', 'Compactness', ''], ['confidence', 'Confidence', '']];
  }

  columns() {
    const shown = this.chosen || (this.wide ? WIDE : NARROW);
    return this.allColumns().filter(([key]) => shown.includes(key));
  }

  offerColumns() {
    const shown = this.columns().map(([key]) => key);
    this.chooser.replaceChildren(...this.allColumns().filter(([key]) => !ALWAYS.includes(key)).map(([key, title]) => {
      const label = element('label', {}), box = element('input', { type: 'checkbox' });
      box.checked = shown.includes(key);
      box.onchange = () => {
        const now = this.columns().map(([one]) => one);
        this.choose(box.checked ? [...now, key] : now.filter(one => one !== key));
      };
      label.append(box, title);
      return label;
    }));
    const back = element('button', { type: 'button', title: 'Show the columns that fit' }, 'Automatic');
    back.onclick = () => { this.choose(null); this.offerColumns(); };
    this.chooser.append(back);
  }

  choose(columns) {
    this.chosen = columns;
    rememberColumns(columns);
    if (!this.columns().some(([key]) => key === this.sort.key)) this.sort = { key: 'id', down: false };
    this.refresh();
  }

  // ---- rows ----
  scroller() {
    this.view = element('div', { class: 'gl-rows', tabindex: 0, 'aria-label': 'Polygons; arrow keys move from one to the next, with Shift they select several' });
    this.view.onscroll = () => this.draw();
    this.view.onkeydown = event => {
      const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
      if (!step || !this.rows.length) return;
      event.preventDefault();
      const here = this.rows.findIndex(told => told.id === this.app.selected);
      const next = this.rows[Math.min(this.rows.length - 1, Math.max(0, here + step))];
      this.app.select(next.id, { fly: true, also: event.shiftKey, keep: true });
    };
    new ResizeObserver(() => {
      const wide = this.view.clientWidth >= WIDE_PX;
      if (wide !== this.wide) { this.wide = wide; if (this.body) this.head(); }
      this.draw();
    }).observe(this.view);
    return this.view;
  }

  value(told, key) { return key === 'class' ? this.app.nameOf(told) : told[key] ?? -Infinity; }

  // Takes over what the map holds and passes the filter.
  refresh() {
    const all = [...this.app.listed.layers.values()].map(layer => layer.feature.properties);
    this.rows = all.filter(told => this.app.passes(told));
    const { key, down } = this.sort, sign = down ? -1 : 1;
    this.rows.sort((a, b) => {
      const x = this.value(a, key), y = this.value(b, key);
      return sign * (x < y ? -1 : x > y ? 1 : 0) || a.id - b.id;
    });
    this.count.textContent = this.rows.length === all.length ? `${number(all.length)} polygons` : `${number(this.rows.length)} of ${number(all.length)}`;
    if (!this.histograms.box.hidden) this.histograms.draw(all, this.rows);
    this.head();
    this.draw();
  }

  head() {
    const table = element('table', { role: 'grid', 'aria-multiselectable': 'true', 'aria-rowcount': this.rows.length + 1 }), line = element('tr');
    this.columns().forEach(([key, title, kind]) => {
      const on = this.sort.key === key;
      const cell = element('th', { scope: 'col', class: kind, 'aria-sort': on ? (this.sort.down ? 'descending' : 'ascending') : 'none' });
      const button = element('button', { type: 'button', title: `Sort by ${title}` }, title + (on ? (this.sort.down ? ' ↓' : ' ↑') : ''));
      button.onclick = () => {
        this.sort = { key, down: on ? !this.sort.down : key !== 'id' && key !== 'class' };
        this.view.scrollTop = 0;
        this.refresh();
      };
      cell.appendChild(button);
      line.appendChild(cell);
    });
    const widths = element('colgroup');
    const each = this.columns().map(([key]) => WIDTHS[key] || '6rem');
    each.forEach(width => widths.appendChild(element('col', { style: `width:${width}` })));
    // More columns than there is room for: the table is wider than its place, and scrolls.
    table.style.minWidth = `${each.reduce((sum, width) => sum + (Number.parseFloat(width) || LEAST_CLASS_REM), 0)}rem`;
    const head = element('thead');
    head.appendChild(line);
    this.body = element('tbody');
    table.append(widths, head, this.body);
    this.view.replaceChildren(table);
  }

  draw() {
    if (!this.body) return;
    const first = Math.max(0, Math.floor(this.view.scrollTop / ROW_PX) - SPARE);
    const last = Math.min(this.rows.length, first + Math.ceil(this.view.clientHeight / ROW_PX) + 2 * SPARE);
    const gap = rows => {
      const line = element('tr', { class: 'gap', 'aria-hidden': 'true' });
      line.appendChild(element('td', { colspan: this.columns().length, style: `height:${rows * ROW_PX}px` }));
      return line;
    };
    this.body.replaceChildren(gap(first), ...this.rows.slice(first, last).map((told, k) => this.row(told, first + k)), gap(this.rows.length - last));
    if (!this.rows.length) {
      this.body.replaceChildren(); // no gaps, which would be an empty strip
      const line = element('tr');
      line.appendChild(element('td', { class: 'gl-none', colspan: this.columns().length }, this.nothing()));
      this.body.appendChild(line);
    }
  }

  // Why there is no row.
  nothing() {
    const { from, to, search } = this.app.filter, ids = [...this.app.listed.layers.keys()];
    if (!this.app.listed.layers.size) return 'The layer has no polygons.';
    if (from != null && to != null && from > to) return 'No area is from the larger to the smaller number. Turn both round, or press Reset.';
    if (search && !ids.some(id => String(id).startsWith(search))) return `No polygon has an id that begins with ${search}. Type another one, or press Reset.`;
    return 'No polygon passes the filter. Press Reset, or tick classes in the legend.';
  }

  row(told, index) {
    const line = element('tr', { 'data-id': told.id, 'aria-selected': String(this.app.isPicked(told.id)), 'aria-rowindex': index + 2 });
    line.onclick = event => {
      const also = event.shiftKey || event.ctrlKey || event.metaKey;
      this.app.select(told.id, { fly: !also, also });
    };
    this.columns().forEach(([key, , kind]) => {
      const cell = element('td', { class: kind });
      if (key === 'class') {
        const swatch = element('i');
        swatch.style.background = this.app.colours.get(told.class_id) || '#888888';
        cell.append(swatch, this.app.nameOf(told));
      } else {
        const digits = { compactness: 2, confidence: 2, area: 1, length: 1, width: 1, perimeter: 1 }[key] ?? 0;
        cell.textContent = told[key] == null ? '' : key === 'id' ? told.id : key === 'compactness' || key === 'confidence' ? Number(told[key]).toFixed(2) : number(told[key], digits);
      }
      line.appendChild(cell);
    });
    return line;
  }

  // Brings the selected row into view.
  reveal() {
    const index = this.rows.findIndex(told => told.id === this.app.selected);
    if (index >= 0) {
      const top = index * ROW_PX, room = this.view.clientHeight - 2 * ROW_PX;
      if (top < this.view.scrollTop || top > this.view.scrollTop + room) this.view.scrollTop = Math.max(0, top - room / 2);
    }
    this.draw();
  }
}
