// <qme-filter>: the search box, the outcomes and the other filters of the listing.

import * as api from './api.js';
import { dayList } from './day-list.js';
import { button, debounce, h, icon, throttle } from './dom.js';
import { all, open, outcomes, parts, toAddress, without } from './filter.js';
import { date, many, number } from './format.js';

const titles = { running: 'Running', queued: 'Queued', ok: 'OK', failed: 'Failed', cancelled: 'Cancelled', unknown: 'Not known' };
const orders = { '-started': 'latest run first', started: 'longest ago first', '-id': 'newest task first', id: 'oldest task first', '-duration': 'slowest first', duration: 'quickest first', command: 'by command', status: 'by status', host: 'by host', user: 'by user' };

/** Fires "filter" with {filter, typing} as detail, where typing marks one of many small steps, and "leave". */
class FilterBar extends HTMLElement {
  #filter = null;
  #applied = null; // the filter of the rows that are shown
  #facets = null;
  #counting = null; // the request for the facets: {of, control}
  #recount = false; // they have changed since

  connectedCallback() {
    if (this.box) return;
    this.box = h('input', { type: 'search', id: 'search', placeholder: 'Search: train rc:>0 after:yesterday', 'aria-label': 'Search tasks', autocomplete: 'off', spellcheck: 'false', enterkeyhint: 'search', maxlength: 4096, 'aria-describedby': 'search-problem' });
    this.typed = debounce(180, () => this.#change({ ...this.#filter, q: this.box.value }, true));
    this.box.addEventListener('input', this.typed);
    this.box.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') {
        this.typed.cancel();
        this.#change({ ...this.#filter, q: this.box.value });
        this.dispatchEvent(new Event('leave'));
      }
    });
    this.problem = h('p.problem', { id: 'search-problem', role: 'alert' });
    this.status = h('div.chips', { role: 'group', 'aria-label': 'Status' }, ...outcomes.map((name) => this.#chip(name)));
    this.panel = h('div.panel', { id: 'filters', hidden: true });
    this.more = button('Filter', 'filter', () => this.#toggle());
    this.more.setAttribute('aria-expanded', 'false');
    this.more.setAttribute('aria-controls', 'filters');
    this.tags = h('div.tags');
    this.append(
      h('div.bar', {}, h('div.searchbox', {}, icon('search'), this.box, h('kbd', { 'aria-hidden': 'true' }, '/')), this.status, this.more),
      this.problem, this.panel, this.tags);
    this.refresh = throttle(2000, () => this.#fetch());
  }

  disconnectedCallback() {
    this.refresh.cancel();
    this.#counting?.control.abort();
    this.typed.cancel(); // the address belongs to another page now
  }

  set filter(filter) {
    this.#filter = filter;
    if (document.activeElement !== this.box || this.box.value.trim() !== filter.q.trim()) this.box.value = filter.q;
    this.applied = filter;
    if (!this.panel.hidden && !this.panel.contains(document.activeElement)) this.#showPanel();
    this.#fetch();
  }

  /** The filter of the rows that are shown. It differs from filter while the server does not respond. */
  set applied(filter) {
    this.#applied = filter;
    for (const chip of this.status.children) {
      const [wanted, is] = [this.#filter, filter].map((one) => one.status.includes(chip.dataset.outcome));
      chip.setAttribute('aria-pressed', is);
      chip.classList.toggle('wanted', wanted !== is);
    }
    this.#showTags();
  }

  /** The error in the query, or null. */
  set failure(err) {
    this.box.setAttribute('aria-invalid', err !== null);
    if (err === null) return this.problem.replaceChildren();
    const bytes = new TextEncoder().encode(this.#filter.q);
    const at = err.position ?? bytes.length;
    const text = (part) => new TextDecoder().decode(part);
    return this.problem.replaceChildren(err.message, ' ',
      at < bytes.length ? h('code', {}, text(bytes.slice(0, at)), h('mark', {}, text(bytes.slice(at)))) : '');
  }

  focusBox() {
    this.box.focus();
    this.box.select();
  }

  #change(filter, typing = false) {
    this.dispatchEvent(new CustomEvent('filter', { detail: { filter, typing } }));
  }

  #chip(name) {
    return h('button.chip', {
      type: 'button', 'data-outcome': name, 'aria-pressed': 'false',
      onclick: () => {
        const on = this.#filter.status.includes(name);
        const status = on ? this.#filter.status.filter((one) => one !== name) : [...this.#filter.status, name];
        this.#change({ ...this.#filter, status });
      },
    }, h('span.dot', { 'aria-hidden': 'true' }), titles[name], ' ', h('span.count'));
  }

  #toggle() {
    this.panel.hidden = !this.panel.hidden;
    this.more.setAttribute('aria-expanded', !this.panel.hidden);
    if (this.panel.hidden) return;
    this.#showPanel();
    this.panel.querySelector('select, input').focus();
  }

  // Fetches the counts within the filter. A request for the same filter is waited for, one for another is given up.
  async #fetch() {
    const of = toAddress({ ...this.#filter, sort: '' });
    if (this.#counting?.of === of) {
      this.#recount = true;
      return;
    }
    this.#counting?.control.abort();
    const counting = { of, control: new AbortController() };
    this.#counting = counting;
    this.#recount = false;
    try {
      const facets = await api.facets(this.#filter, counting.control.signal);
      if (this.#counting === counting) this.#count(facets);
    } catch {
      // The listing shows the error.
    } finally {
      if (this.#counting === counting) {
        this.#counting = null;
        if (this.#recount) this.refresh();
      }
    }
  }

  #count(facets) {
    this.#facets = facets;
    for (const chip of this.status.children) {
      const facet = facets.outcomes.find((one) => one.value === chip.dataset.outcome);
      chip.querySelector('.count').textContent = facet ? number(facet.tasks) : '0';
      chip.hidden = !facet?.tasks && ['queued', 'unknown'].includes(chip.dataset.outcome) && !this.#filter.status.includes(chip.dataset.outcome);
    }
    if (!this.panel.hidden) this.#renewPanel();
  }

  #showTags() {
    const filter = this.#filter;
    const applied = new Set(parts(this.#applied).map(({ text }) => text));
    this.tags.replaceChildren(...parts(filter).map((part) => {
      const el = h(`button.tag${applied.has(part.text) ? '' : '.wanted'}`, { type: 'button', 'aria-label': `Remove the filter ${part.text}`, onclick: () => this.#drop(part) }, h('span', {}, part.text));
      el.append(icon('close'));
      return el;
    }));
    if (!open(filter)) this.tags.append(h('button.quiet.clear', { type: 'button', onclick: () => this.#drop(null) }, 'Show all'));
  }

  // Removes a part of the filter, or all. The next button gets the focus.
  #drop(part) {
    const at = [...this.tags.children].indexOf(document.activeElement);
    this.#change(part ? without(this.#filter, part) : all(this.#filter));
    if (!this.panel.hidden) this.#showPanel();
    (this.tags.children[at] ?? this.tags.lastChild ?? this.more).focus();
  }

  /** Closes the panel if it has the focus. @returns whether it had. */
  leavePanel() {
    if (this.panel.hidden || !this.panel.contains(document.activeElement)) return false;
    this.#toggle();
    this.more.focus();
    return true;
  }

  #showPanel() {
    this.panel.replaceChildren(...this.#fields());
  }

  // A field in use keeps what the user has entered.
  #renewPanel() {
    this.#fields().forEach((field, i) => {
      const was = this.panel.children[i];
      if (!was.contains(document.activeElement)) was.replaceWith(field);
    });
  }

  #fields() {
    const f = this.#facets;
    return [
      this.#select('Executor', 'executor', f?.executors, f?.left_out.executors),
      this.#select('Host', 'host', f?.hosts, f?.left_out.hosts),
      this.#select('User', 'user', f?.users, f?.left_out.users),
      this.#directory(f?.directories, f?.left_out.directories),
      this.#order(), this.#day('Since', 'after'), this.#day('Before', 'before'), this.#since(), this.#days(f?.days, f?.left_out.days)];
  }

  #field(label, control, id = `filter-${label.toLowerCase()}`) {
    control.id = id;
    return h('div.field', {}, h('label', { for: id }, label), control);
  }

  #select(label, name, values = [], more = 0) {
    const chosen = this.#filter[name];
    const select = h('select', {
      onchange: () => this.#change({ ...this.#filter, [name]: select.value ? [select.value] : [] }),
    }, h('option', { value: '' }, 'any'));
    const known = new Set(values.map((one) => one.value));
    for (const value of chosen) if (!known.has(value)) values = [...values, { value, tasks: 0 }];
    for (const { value, tasks } of values) select.append(h('option', { value, selected: chosen[0] === value }, `${value || '(none)'} (${number(tasks)})`));
    if (more) select.append(h('option', { disabled: true }, `and ${number(more)} with fewer tasks`));
    return this.#field(label, select);
  }

  #directory(values = [], more = 0) {
    const input = h('input', {
      type: 'text', list: 'directories', placeholder: 'any, with all below', spellcheck: 'false', autocomplete: 'off',
      onchange: () => this.#change({ ...this.#filter, pwd: input.value.trim() }),
    });
    input.value = this.#filter.pwd;
    const field = this.#field('Directory', input);
    field.append(h('datalist', { id: 'directories' }, ...values.map(({ value, tasks }) => h('option', { value, label: many(tasks, 'task') }))));
    if (more) input.title = `${number(values.length)} directories are offered; ${number(more)} have fewer tasks`;
    return field;
  }

  #day(label, name) {
    // A year is in the first century while it is being typed.
    const input = h('input', { type: 'date', min: '1970-01-01', onchange: () => input.validity.valid && this.#change({ ...this.#filter, [name]: input.value }) });
    input.value = this.#filter[name].slice(0, 10);
    return this.#field(label, input);
  }

  #since() {
    const choose = (days) => {
      const day = new Date();
      day.setDate(day.getDate() - days);
      this.#change({ ...this.#filter, after: date(day), before: '' });
      this.#showPanel();
      this.panel.querySelector(`[data-days="${days}"]`).focus();
    };
    const choice = (text, days) => h('button.quiet', { type: 'button', 'data-days': days, onclick: () => choose(days) }, text);
    return h('div.field.since', { role: 'group', 'aria-label': 'Time' }, choice('Today', 0), choice('7 days', 6), choice('30 days', 29));
  }

  #days(days = [], more = 0) {
    return dayList(days, more, this.#filter, (chosen) => {
      this.#change({ ...this.#filter, ...chosen });
      const { day } = document.activeElement.dataset;
      this.#showPanel();
      this.panel.querySelector(`[data-day="${day}"]`)?.focus();
    });
  }

  #order() {
    const select = h('select', { onchange: () => this.#change({ ...this.#filter, sort: select.value }) });
    const known = this.#filter.sort in orders ? orders : { ...orders, [this.#filter.sort]: this.#filter.sort };
    for (const [value, text] of Object.entries(known)) select.append(h('option', { value, selected: value === this.#filter.sort }, text));
    return this.#field('Order', select);
  }
}

customElements.define('qme-filter', FilterBar);
