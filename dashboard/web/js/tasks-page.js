// <qme-tasks>: the listing.

import { button, h, throttle } from './dom.js';
import * as filters from './filter.js';
import { inQueue, many, number } from './format.js';
import { live } from './live.js';
import { empty, failure } from './notice.js';
import * as router from './router.js';
import { withTag } from './tags.js';
import * as act from './task-actions.js';
import './filter-bar.js';
import './task-grid.js';

class TasksPage extends HTMLElement {
  #off = new AbortController();
  #filter = null;
  #shown = null; // the filter of the rows
  #steady = true; // the last change of the address was more than typing
  #failed = false;

  connectedCallback() {
    document.title = 'Tasks – QueueMe';
    this.bar = document.createElement('qme-filter');
    this.grid = document.createElement('qme-grid');
    this.message = h('div.notice', { hidden: true });
    this.counts = h('span.counts', { role: 'status' });
    this.picked = h('div.picked', { role: 'toolbar', 'aria-label': 'Selected tasks', hidden: true });
    this.pickAll = h('button', { type: 'button', onclick: () => this.grid.pickAll() });
    this.append(h('h1.offscreen', {}, 'Tasks'), this.bar, this.picked, this.grid, this.message, h('footer.foot', {}, this.counts));
    this.bar.addEventListener('filter', (event) => this.#change(event.detail.filter, event.detail.typing));
    this.bar.addEventListener('leave', () => this.grid.grid.focus());
    this.grid.addEventListener('sort', (event) => this.#change({ ...this.#filter, sort: event.detail }));
    this.grid.addEventListener('open', (event) => router.go(`/tasks/${event.detail.id}`));
    this.grid.addEventListener('tag', (event) => {
      this.#change({ ...this.#filter, q: withTag(this.#filter.q, event.detail) });
      this.grid.grid.focus({ preventScroll: true }); // the row of the label may be gone
    });
    this.grid.addEventListener('counts', () => this.#counted());
    this.grid.addEventListener('selection', () => this.#selected());
    this.grid.addEventListener('failure', (event) => this.#fail(event.detail));
    this.grid.addEventListener('act', ({ detail: { name, task } }) => act[name]([task.id], task.command));
    this.#listen();
    this.#show(filters.fromAddress(new URL(location.href)), router.place());
  }

  disconnectedCallback() {
    this.#off.abort();
    this.soon.cancel();
  }

  place() {
    return this.grid.place;
  }

  key(name, event) {
    switch (name) {
      case '/':
        this.bar.focusBox();
        return true;
      case 'j':
      case 'ArrowDown':
        this.grid.move(1);
        return true;
      case 'k':
      case 'ArrowUp':
        this.grid.move(-1);
        return true;
      case 'PageDown':
        this.grid.move(this.grid.page);
        return true;
      case 'PageUp':
        this.grid.move(-this.grid.page);
        return true;
      case 'Home':
        this.grid.move(-Infinity);
        return true;
      case 'End':
        this.grid.move(Infinity);
        return true;
      case 'Enter':
        if (event.target.closest('a, button, summary, input') || !this.grid.active) return false;
        if (this.grid.marked) router.go(`/tasks/${this.grid.marked.id}`);
        else this.grid.move(0);
        return true;
      case 'x':
        // A key acts on a marked task only; without one, it marks the task.
        if (this.grid.marked) this.grid.pick();
        else this.grid.move(0);
        return true;
      case 'r':
        if (live.readOnly || !this.grid.active) return false;
        if (this.grid.selected.size) this.#act('rerun', [...this.grid.selected]);
        else if (this.grid.marked) this.#act('rerun', [this.grid.marked.id]);
        else this.grid.move(0);
        return true;
      case 'Escape':
        if (document.activeElement === this.bar.box) this.grid.grid.focus();
        else if (!this.bar.leavePanel()) this.grid.unpick();
        return true;
      default:
        return false;
    }
  }

  #listen() {
    const on = (type, run) => live.addEventListener(type, run, { signal: this.#off.signal });
    let shift = 0;
    // At most a few requests a second, also when fifty runs a second begin.
    this.soon = throttle(250, () => {
      this.grid.rows.refresh(filters.plain(this.#filter) ? shift : 0);
      shift = 0;
    });
    const changed = () => {
      this.soon();
      this.bar.refresh();
    };
    on('tasks', ({ detail: { added, changed: other, removed, total } }) => {
      this.grid.forget(removed);
      this.grid.rows.patch(other);
      this.grid.rows.total = total;
      const plain = filters.plain(this.#filter);
      // A rerun moves its task to the top.
      const moved = other.some((task) => task.run > 1);
      if (plain && !moved && added.length && !removed.length && this.grid.rows.prepend(added, total)) {
        this.bar.refresh();
        return;
      }
      shift += added.length - removed.length;
      if (added.length || removed.length || moved || !plain) changed();
      else this.bar.refresh();
    });
    on('printed', ({ detail }) => this.grid.rows.say(detail.printed));
    on('reload', changed);
    on('loading', ({ detail }) => {
      this.grid.rows.total = detail.total;
      this.grid.rows.loaded = detail.loaded;
      changed();
    });
    let first = true;
    on('hello', ({ detail }) => {
      if (!first || detail.version !== this.version) changed();
      first = false;
    });
    on('state', () => this.#selected());
  }

  #change(filter, typing = false) {
    if (filters.toAddress(filter) === filters.toAddress(this.#filter)) return;
    // All steps of typing share an entry of the browser's history.
    router.go(filters.toAddress(filter), { replace: typing && !this.#steady, quiet: true });
    this.#steady = !typing;
    this.grid.unpick(); // hidden tasks must not be deleted
    this.#show(filter);
  }

  #show(filter, place = null) {
    this.#filter = filter;
    this.bar.filter = filter;
    this.bar.failure = null;
    this.#failed = false;
    const { sort, ...query } = filter;
    this.grid.show(query, sort, place);
  }

  #counted() {
    const rows = this.grid.rows;
    if (!rows.known) return;
    this.#showPickAll();
    if (this.#failed) this.#answers(this.#filter);
    this.#shown = this.#filter;
    this.#failed = false;
    this.bar.failure = null;
    const some = !filters.open(this.#filter);
    const reading = rows.loaded && !rows.loaded.complete;
    const parts = [some ? `${number(rows.matched)} of ${many(rows.total, 'task')}` : many(rows.total, 'task')];
    if (reading) parts.push('the history is still being read');
    if (rows.loaded?.unreadable) parts.push(`${many(rows.loaded.unreadable, 'record')} cannot be read: see “qme check”`);
    this.counts.textContent = parts.join(' · ');
    this.counts.classList.toggle('reading', Boolean(reading));
    if (rows.matched > 0) this.#tell(null);
    else if (reading) this.#tell(empty('Reading the history…', h('p', {}, 'Tasks appear as they are found, the newest first.')));
    else if (some) this.#tell(this.#nothing());
    else this.#tell(empty('No tasks yet', h('p', {}, 'Put ', h('code', {}, 'qme run'), ' before a command, in any terminal:'), h('pre', {}, 'qme run echo hello'), h('p', {}, 'It appears here at once.')));
  }

  #nothing(title = 'No task matches') {
    return empty(title,
      h('p', {}, 'The search takes words, and conditions such as ', h('code', {}, 'rc:>0'), ', ', h('code', {}, 'after:yesterday'), ' or ', h('code', {}, 'duration:>1h'), '.'),
      h('button', { type: 'button', onclick: () => this.#change({ ...filters.all(this.#filter), sort: filters.usual }) }, 'Show all tasks'));
  }

  #tell(content) {
    this.message.hidden = content === null;
    this.grid.hidden = content !== null;
    this.message.replaceChildren(...(content ? [content] : []));
  }

  #fail(err) {
    if (err.status === 400) {
      this.bar.failure = err;
      if (this.grid.rows.matched === 0) this.#tell(this.#nothing(err.position === undefined ? 'The address asks for what is not there' : 'That is no search'));
      return;
    }
    // The rows stay; the banner reports a lost connection or key.
    const { rows } = this.grid;
    if (rows.matched === 0) this.#tell(failure(err, () => rows.refresh()));
    else if (!rows.known && this.#shown) {
      this.#failed = true;
      this.#answers(this.#shown);
      this.counts.textContent = 'What is asked for could not be had yet: these are the rows from before.';
    } else if (err.status !== 401 && err.status !== undefined) this.counts.textContent = err.message;
  }

  // Shows the filter of the rows.
  #answers(filter) {
    this.bar.applied = filter;
    this.grid.ordered = filter.sort;
  }

  // A narrow screen has no check box for all rows.
  #showPickAll() {
    const { selected, rows } = this.grid;
    this.pickAll.hidden = selected.size === 0 || selected.size >= rows.matched;
    this.pickAll.textContent = `Select all ${number(rows.matched)}`;
  }

  // The question names the command of a single task. The selection ends after the action.
  async #act(name, ids) {
    const { rows } = this.grid;
    const command = ids.length === 1 ? rows.row(rows.find(ids[0]))?.command : '';
    if (await act[name](ids, command)) this.grid.unpick();
  }

  #selected() {
    const ids = [...this.grid.selected];
    this.#showPickAll();
    this.picked.hidden = ids.length === 0;
    if (!ids.length) return;
    const queued = ids.some((id) => inQueue(this.grid.rows.row(this.grid.rows.find(id)) ?? {}));
    this.picked.replaceChildren(
      h('strong', {}, `${number(ids.length)} selected`),
      this.pickAll,
      ...(live.readOnly ? [h('span', {}, 'This server is read-only.')] : [
        button('Run again', 'rerun', () => this.#act('rerun', ids)),
        ...(queued ? [button('Hold', 'hold', () => this.#act('hold', ids)), button('Release', 'release', () => this.#act('release', ids))] : []),
        button('Cancel', 'stop', () => this.#act('cancel', ids)),
        button('Delete', 'trash', () => this.#act('remove', ids), { kind: 'danger' })]),
      button('Clear selection', 'close', () => this.grid.unpick(), { shown: false, kind: 'quiet' }));
  }
}

customElements.define('qme-tasks', TasksPage);
