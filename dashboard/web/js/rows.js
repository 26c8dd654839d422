// The rows of a listing, of which only windows have been fetched.

import * as api from './api.js';

/** How many rows one request brings. */
const pageSize = 100;
const atOnce = 2;

/** When there are more rows, those out of sight are forgotten. */
const keptMost = 5000;

/** What begins later than this from now, in milliseconds, is the work of a wrong clock and listed last. */
const skew = 5 * 60_000;

/**
 * Rows fires "change" when rows or counts have changed, and "failure" with the error as
 * detail. A row that has not been fetched yet is undefined.
 */
export class Rows extends EventTarget {
  matched = 0;
  total = 0;
  loaded = null;
  /** Whether an answer to the present query has come. */
  known = false;

  #query = {};
  #rows = new Map();
  #fetching = new Map(); // page -> AbortController
  #range = [0, 50];
  #refreshing = null;
  #again = false;

  /** Says which rows are to be fetched first. */
  begin(first, last) {
    this.#range = [first, last];
  }

  /** Asks for another listing. What was fetched is shown until the first answer comes. */
  set query(query) {
    this.#query = query;
    this.#abort();
    this.known = false;
    this.refresh();
  }

  row(index) {
    return this.#rows.get(index);
  }

  /** @returns the index of a task among the rows that are here, or -1. */
  find(id) {
    for (const [index, row] of this.#rows) if (row.id === id) return index;
    return -1;
  }

  /** Says which rows are in sight: those that are missing are fetched. */
  want(first, last) {
    this.#range = [first, last];
    if (this.known) this.#pump();
  }

  /** Puts tasks that have changed in the place of what was known of them. @returns how many. */
  patch(tasks) {
    const changed = new Map(tasks.map((task) => [task.id, task]));
    let n = 0;
    for (const [index, row] of this.#rows) {
      if (!changed.has(row.id)) continue;
      this.#rows.set(index, changed.get(row.id));
      n++;
    }
    if (n) this.dispatchEvent(new CustomEvent('change', { detail: { shift: 0 } }));
    return n;
  }

  /**
   * Puts new tasks, the newest first, before all others of a listing without a filter. Nothing is
   * fetched. @returns whether it could: they have to begin later than the first row, which has to be here.
   */
  prepend(tasks, total) {
    const first = this.#rows.get(0);
    const begun = (task) => new Date(task.started).getTime();
    if (!this.known || this.#refreshing || this.#fetching.size || !first || this.#rows.size > keptMost || tasks.some((task) => begun(task) <= begun(first) || begun(task) > Date.now() + skew)) return false;
    const before = this.#rows;
    this.#rows = new Map(tasks.map((task, i) => [i, task]));
    for (const [index, row] of before) this.#rows.set(index + tasks.length, row);
    this.matched += tasks.length;
    this.total = total;
    this.dispatchEvent(new CustomEvent('change', { detail: { before } }));
    return true;
  }

  /** Takes what tasks have printed last: {id, line} each. */
  say(lines) {
    const said = new Map(lines.map(({ id, line }) => [id, line]));
    this.patch([...this.#rows.values()].filter((row) => said.has(row.id) && row.outcome === 'running').map((row) => ({ ...row, last_line: said.get(row.id) })));
  }

  /**
   * Fetches what is in sight again, and forgets the rest. shift says by how many rows what
   * is in sight has probably moved. Calls while one is under way become one.
   */
  async refresh(shift = 0) {
    if (this.#refreshing && !this.#refreshing.signal.aborted) {
      this.#again = true;
      return;
    }
    const control = new AbortController();
    this.#refreshing = control;
    const offset = Math.max(0, this.#range[0] + shift - pageSize / 2);
    const limit = Math.min(1000, this.#range[1] - this.#range[0] + pageSize);
    try {
      const page = await api.listTasks({ ...this.#query, offset, limit }, control.signal);
      for (const fetching of this.#fetching.values()) fetching.abort();
      this.#fetching.clear();
      const before = this.#rows;
      this.#rows = new Map();
      this.known = true;
      this.#take(page, before);
    } catch (err) {
      if (err.name !== 'AbortError') this.dispatchEvent(new CustomEvent('failure', { detail: err }));
    } finally {
      if (this.#refreshing === control) {
        this.#refreshing = null;
        if (this.#again) {
          this.#again = false;
          this.refresh();
        }
      }
    }
  }

  /** @returns the ids of all tasks that match, limit at the most. */
  async ids(limit) {
    const ids = [];
    while (ids.length < limit) {
      const page = await api.listTasks({ ...this.#query, offset: ids.length, limit: Math.min(1000, limit - ids.length) });
      ids.push(...page.tasks.map((task) => task.id));
      if (page.tasks.length === 0 || ids.length >= page.matched) break;
    }
    return ids;
  }

  close() {
    this.#abort();
  }

  #abort() {
    this.#refreshing?.abort();
    this.#refreshing = null;
    this.#again = false;
    for (const control of this.#fetching.values()) control.abort();
    this.#fetching.clear();
  }

  #take(page, before) {
    this.matched = page.matched;
    this.total = page.total;
    this.loaded = page.loaded;
    page.tasks.forEach((task, i) => this.#rows.set(page.offset + i, task));
    this.dispatchEvent(new CustomEvent('change', { detail: { before } }));
  }

  #pump() {
    const first = Math.max(0, Math.floor(this.#range[0] / pageSize));
    const last = Math.floor(Math.min(this.#range[1], this.matched - 1) / pageSize);
    for (let page = first; page <= last && this.#fetching.size < atOnce; page++) {
      if (!this.#fetching.has(page) && this.#missing(page)) this.#fetch(page);
    }
  }

  #missing(page) {
    const end = Math.min((page + 1) * pageSize, this.matched);
    for (let i = page * pageSize; i < end; i++) if (!this.#rows.has(i)) return true;
    return false;
  }

  async #fetch(number) {
    const control = new AbortController();
    this.#fetching.set(number, control);
    let short = false;
    try {
      const page = await api.listTasks({ ...this.#query, offset: number * pageSize, limit: pageSize }, control.signal);
      if (this.#fetching.get(number) !== control) return;
      // The listing has moved between two windows: they do not fit together.
      short = page.matched !== this.matched;
      this.#take(page, null);
    } catch (err) {
      if (err.name !== 'AbortError') this.dispatchEvent(new CustomEvent('failure', { detail: err }));
      return;
    } finally {
      if (this.#fetching.get(number) === control) this.#fetching.delete(number);
    }
    if (short) this.refresh();
    else this.#pump();
  }
}
