// A table of any length. Elements exist for the rows in sight alone.

import { columns, says, templates } from './columns.js';
import { button, h } from './dom.js';
import { goesOn, inQueue, isHeld, moment, took } from './format.js';
import { usual } from './filter.js';
import { Rows } from './rows.js';

/** Whether two summaries of a task look alike but for the line that it has printed. A row in use must not be built anew. */
const sameButSaid = (a, b) => Boolean(a.last_line) === Boolean(b.last_line) && JSON.stringify({ ...a, last_line: '' }) === JSON.stringify({ ...b, last_line: '' });

/** Browsers draw no taller element than about this many pixels; beyond, scrolling is scaled. */
const tallest = 12_000_000;
const spare = 8;

/**
 * <qme-grid> shows Rows. It fires "sort" (detail: what to sort by), "selection", "open"
 * (detail: a task), "counts", "failure" (detail: the error), "tag" (detail: a tag) and "act" (detail: {name, task}).
 */
class Grid extends HTMLElement {
  rows = new Rows();
  selected = new Set();
  sort = usual;

  #els = new Map(); // index -> element
  #active = 0;
  #activeId = '';
  #height = 0; // of a row
  #lastPick = -1;
  #frame = 0;
  #place = null;

  connectedCallback() {
    if (this.grid) return;
    this.head = h('div.row.head', { role: 'row', 'aria-rowindex': 1 }, this.#selectAll(), ...columns.map((column) => this.#header(column)),
      h('span.cell.acts', { role: 'columnheader' }, h('span.offscreen', {}, 'Actions')));
    this.body = h('div.rows', { role: 'rowgroup' });
    this.grid = h('div.grid', {
      role: 'grid', tabindex: 0, 'aria-label': 'Tasks', 'aria-multiselectable': 'true',
      onscroll: () => this.#draw(), onfocus: () => this.#mark(), onclick: (event) => this.#click(event), ondblclick: (event) => this.#dblclick(event),
    }, h('div.thead', { role: 'rowgroup' }, this.head), this.body);
    for (const [name, template] of Object.entries(templates)) this.grid.style.setProperty(name, template);
    this.append(this.grid);
    this.rows.addEventListener('change', (event) => this.#changed(event.detail));
    this.rows.addEventListener('failure', (event) => this.dispatchEvent(new CustomEvent('failure', { detail: event.detail })));
    this.sizes = new ResizeObserver(() => this.#measure());
    this.sizes.observe(this.grid);
    this.clock = setInterval(() => this.#tick(), 1000);
    this.#showSort();
  }

  disconnectedCallback() {
    clearInterval(this.clock);
    this.sizes.disconnect();
    this.rows.close();
  }

  /** Shows another listing from its beginning, or from a place on. */
  show(query, sort, place = null) {
    this.sort = sort;
    this.#showSort();
    this.#place = place;
    if (place) this.rows.begin(place.top, place.top + 50);
    this.rows.query = { ...query, sort };
    if (!place) this.grid.scrollTop = 0;
  }

  /** By what the rows that are shown are ordered, where that is not what was asked for. */
  set ordered(sort) {
    if (sort === this.sort) return;
    this.sort = sort;
    this.#showSort();
  }

  /** Where it is scrolled to: for show. */
  get place() {
    const top = Math.round(this.#top());
    return { top, id: top > 0 ? this.rows.row(top)?.id : undefined, active: this.#activeId };
  }

  /** The task on which the keyboard acts. */
  get active() {
    return this.rows.row(this.#active);
  }

  /** The same where it is seen that it is the one: its row is marked, and in sight. Else undefined. */
  get marked() {
    const el = this.#els.get(this.#active);
    if (document.activeElement !== this.grid || !el?.task) return undefined;
    const row = el.getBoundingClientRect();
    const view = this.grid.getBoundingClientRect();
    return row.top >= view.top + this.head.offsetHeight - 1 && row.bottom <= view.bottom + 1 ? el.task : undefined;
  }

  move(by) {
    this.#activate(Math.min(Math.max(0, this.#active + by), Math.max(0, this.rows.matched - 1)));
  }

  /** How many rows fit. */
  get page() {
    return Math.max(1, Math.floor(this.grid.clientHeight / this.#height) - 2);
  }

  pick(index = this.#active, on = undefined) {
    const task = this.rows.row(index);
    if (!task) return;
    if (on ?? !this.selected.has(task.id)) this.selected.add(task.id);
    else this.selected.delete(task.id);
    this.#lastPick = index;
    this.#selection();
  }

  unpick() {
    this.selected.clear();
    this.#selection();
  }

  forget(ids) {
    let n = 0;
    for (const id of ids) n += this.selected.delete(id) ? 1 : 0;
    if (n) this.#selection();
  }

  #selectAll() {
    this.all = h('input', { type: 'checkbox', 'aria-label': 'Select all tasks that match', onclick: () => this.#toggleAll() });
    return h('span.cell.pick', { role: 'columnheader' }, this.all);
  }

  #toggleAll() {
    if (this.all.checked) this.pickAll();
    else this.unpick();
  }

  /** Selects all tasks that match, of which some have not been fetched yet. */
  async pickAll() {
    try {
      // No more can be deleted in one step.
      this.selected = new Set(await this.rows.ids(20_000));
    } catch (err) {
      this.all.checked = false;
      this.dispatchEvent(new CustomEvent('failure', { detail: err }));
    }
    this.#selection();
  }

  #header({ name, label, hides, first = '' }) {
    const pressed = () => {
      const up = this.sort === name;
      const down = this.sort === `-${name}`;
      // A second press turns the order round; a third one leaves it, where it is not the usual one.
      let next = first + name;
      if (up || down) {
        const turned = up ? `-${name}` : name;
        next = (up ? name : `-${name}`) === first + name || usual === first + name ? turned : usual;
      }
      this.dispatchEvent(new CustomEvent('sort', { detail: next }));
    };
    return h(`span.cell.${name}${hides}`, { role: 'columnheader', 'data-sort': name }, h('button', { type: 'button', onclick: pressed }, label));
  }

  #showSort() {
    for (const cell of this.head?.querySelectorAll('[data-sort]') ?? []) {
      const name = cell.dataset.sort;
      if (this.sort === name) cell.ariaSort = 'ascending';
      else if (this.sort === `-${name}`) cell.ariaSort = 'descending';
      else cell.removeAttribute('aria-sort');
    }
  }

  #measure() {
    const height = parseFloat(getComputedStyle(this.grid).getPropertyValue('--row')) || 36;
    const top = this.#height ? this.#top() : 0;
    this.#height = height;
    this.#stretch();
    if (top) this.#scrollTo(top);
    this.#draw();
  }

  /* Scrolling: what the browser scrolls, and which row, as a fraction, is at the top. */

  #tall() {
    return Math.min(this.rows.matched * this.#height, tallest);
  }

  #scale() {
    const view = this.grid.clientHeight;
    const full = this.rows.matched * this.#height;
    return full <= tallest ? 1 : (full - view) / (tallest - view);
  }

  #top() {
    return (this.grid.scrollTop * this.#scale()) / this.#height;
  }

  #scrollTo(row) {
    this.grid.scrollTop = (row * this.#height) / this.#scale();
  }

  #stretch() {
    this.body.style.setProperty('block-size', `${this.#tall()}px`);
    this.grid.setAttribute('aria-rowcount', this.rows.matched + 1);
  }

  #changed({ before, shift }) {
    const top = this.#top();
    const anchor = before && top > 0.5 ? before.get(Math.floor(top)) : null;
    this.#stretch();
    if (this.#place) {
      // New tasks may have come above it since.
      const now = this.#place.id ? this.rows.find(this.#place.id) : -1;
      this.#scrollTo(now >= 0 ? now : this.#place.top);
      this.#activeId = this.#place.active;
      this.#place = null;
    } else if (anchor) {
      // New rows above must not move what is being read.
      const now = this.rows.find(anchor.id);
      if (now >= 0 && now !== Math.floor(top)) this.#scrollTo(now + (top % 1));
    }
    if (shift === undefined && this.#activeId) {
      const now = this.rows.find(this.#activeId);
      if (now >= 0) this.#active = now;
    }
    this.#active = Math.min(this.#active, Math.max(0, this.rows.matched - 1));
    this.#draw();
    this.#showAll();
    this.dispatchEvent(new Event('counts'));
  }

  #draw() {
    if (this.#frame || !this.#height) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#drawNow();
    });
  }

  #drawNow() {
    const top = this.#top();
    const fit = Math.ceil(this.grid.clientHeight / this.#height);
    const first = Math.max(0, Math.floor(top) - spare);
    const last = Math.min(this.rows.matched - 1, Math.floor(top) + fit + spare);
    const offset = this.grid.scrollTop - top * this.#height; // 0 unless scaled
    // A task keeps its element wherever it moves to: somebody may be pressing a button in it.
    const before = this.#els;
    const known = new Map([...before.values()].filter((el) => el.task).map((el) => [el.task.id, el]));
    const waiting = (index) => (before.get(index)?.task ? undefined : before.get(index));
    this.#els = new Map();
    for (let index = last; index >= first; index--) {
      const task = this.rows.row(index);
      this.#drawRow(index, index * this.#height + offset, task, known.get(task?.id) ?? waiting(index));
      known.delete(task?.id); // two windows that do not fit together yet may both have it
    }
    for (const el of before.values()) if (this.#els.get(el.index) !== el) el.remove();
    this.#mark();
    this.rows.want(Math.max(0, Math.floor(top)), Math.min(last, Math.floor(top) + fit));
  }

  #drawRow(index, y, task, el = h('div.row', { role: 'row' })) {
    this.#els.set(index, el);
    // The order of elements is the order in which they are read aloud. Rows are drawn from the last.
    const next = this.#els.get(index + 1) ?? null;
    if (el.parentNode !== this.body || (next && el.nextElementSibling !== next && !this.#follows(el, next))) this.body.insertBefore(el, next);
    if (el.index !== index) {
      el.index = index;
      el.setAttribute('aria-rowindex', index + 2);
    }
    if (el.y !== y) {
      el.style.setProperty('translate', `0 ${y}px`);
      el.y = y;
    }
    if (el.task === task && el.firstChild) return;
    const was = el.task;
    el.task = task;
    if (was && task && sameButSaid(was, task)) el.querySelector('.says')?.replaceWith(says(task));
    else if (task) this.#fill(el, task);
    else {
      el.removeAttribute('id');
      el.classList.add('waiting');
      el.replaceChildren(h('span.cell.command', { role: 'gridcell' }, h('span.offscreen', {}, 'loading')));
    }
  }

  // Whether an element stands before another; what stands between them is about to go.
  #follows(el, next) {
    return Boolean(el.compareDocumentPosition(next) & Node.DOCUMENT_POSITION_FOLLOWING);
  }

  #fill(el, task) {
    el.id = `row-${task.id}`;
    el.dataset.outcome = task.outcome;
    el.classList.remove('waiting');
    el.classList.toggle('talks', Boolean(task.last_line) && !task.message);
    const picked = this.selected.has(task.id);
    el.setAttribute('aria-selected', picked);
    const pick = h('input', { type: 'checkbox', tabindex: -1, 'aria-label': `Select ${task.command}` });
    pick.checked = picked;
    const cell = (name, ...content) => h(`span.cell.${name}`, { role: 'gridcell' }, ...content);
    el.replaceChildren(cell('pick', pick), ...columns.map((column) => h(`span.cell.${column.name}${column.hides}`, { role: 'gridcell' }, ...column.content(task))), cell('acts', ...this.#acts(task)));
  }

  #acts(task) {
    const act = (name, label, picture) => {
      const el = button(label, picture, () => this.dispatchEvent(new CustomEvent('act', { detail: { name, task } })), { shown: false, kind: 'quiet' });
      el.tabIndex = -1;
      el.classList.add('change');
      return el;
    };
    if (inQueue(task)) return [isHeld(task) ? act('release', 'Release', 'release') : act('hold', 'Hold', 'hold'), act('cancel', 'Cancel', 'stop')];
    if (goesOn(task)) return [act('cancel', 'Cancel', 'stop')];
    return [act('rerun', 'Run again', 'rerun'), act('remove', 'Delete', 'trash')];
  }

  #tick() {
    if (document.hidden) return;
    for (const el of this.#els.values()) {
      if (!el.task) continue;
      const time = el.querySelector('time');
      const text = moment(el.task.started);
      if (time.textContent !== text) time.textContent = text;
      if (goesOn(el.task)) el.querySelector('.duration').firstChild.textContent = took(el.task);
    }
  }

  #mark() {
    const task = this.active;
    for (const [index, el] of this.#els) el.classList.toggle('active', index === this.#active);
    if (task && this.#els.has(this.#active)) this.grid.setAttribute('aria-activedescendant', `row-${task.id}`);
    else this.grid.removeAttribute('aria-activedescendant');
  }

  #activate(index) {
    this.#active = index;
    this.#activeId = this.active?.id ?? '';
    const top = this.#top();
    const fit = (this.grid.clientHeight - this.head.offsetHeight) / this.#height;
    if (index < top) this.#scrollTo(index);
    else if (index + 1 > top + fit) this.#scrollTo(index + 1 - fit);
    this.grid.focus({ preventScroll: true });
    this.#draw();
  }

  #click(event) {
    const el = event.target.closest('.rows > .row');
    const tag = event.target.closest('.label')?.dataset.tag;
    if (tag && !(event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)) {
      event.preventDefault();
      this.dispatchEvent(new CustomEvent('tag', { detail: tag }));
    }
    if (!el?.task || event.target.closest('a, .acts')) return;
    if (event.target.closest('.pick')) {
      const on = !this.selected.has(el.task.id);
      const from = event.shiftKey && this.#lastPick >= 0 ? this.#lastPick : el.index;
      for (let i = Math.min(from, el.index); i <= Math.max(from, el.index); i++) this.pick(i, on);
      this.#lastPick = el.index;
    }
    this.#activate(el.index);
  }

  #dblclick(event) {
    const el = event.target.closest('.rows > .row');
    if (el?.task && !event.target.closest('a, .acts, .pick')) this.dispatchEvent(new CustomEvent('open', { detail: el.task }));
  }

  #selection() {
    for (const el of this.#els.values()) {
      if (!el.task) continue;
      const on = this.selected.has(el.task.id);
      el.setAttribute('aria-selected', on);
      el.querySelector('input').checked = on;
    }
    this.#showAll();
    this.dispatchEvent(new Event('selection'));
  }

  #showAll() {
    this.all.checked = this.selected.size > 0 && this.selected.size >= this.rows.matched;
    this.all.indeterminate = this.selected.size > 0 && !this.all.checked;
  }
}

customElements.define('qme-grid', Grid);
