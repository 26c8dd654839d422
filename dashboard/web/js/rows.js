// The rows of a listing, which are fetched as they come into sight.

import * as api from './api.js';

/** The number of rows of a request. */
const pageSize = 100;
const atOnce = 2;

/** The number of rows from which on those out of sight are dropped. */
const keptMost = 5000;

/** A run that begins further in the future, in milliseconds, comes from a wrong clock and is listed last. */
const skew = 5 * 60_000;

/** Rows fires "change" when rows or counts have changed, and "failure" with the error as detail. */
export class Rows extends EventTarget {
  matched = 0;
  total = 0;
  loaded = null;
  /** Whether the rows are those of the current query. */
  known = false;

  #query = {};
  #rows = new Map();
  #fetching = new Map(); // page -> AbortController
  #range = [0, 50];
  #refreshing = null;
  #again = false;

  /** Sets the range of rows that the first request fetches. */
  begin(first, last) {
    this.#range = [first, last];
  }

  /** Fetches another listing. The old rows stay until the first response. */
  set query(query) {
    this.#query = query;
    this.#abort();
    this.known = false;
    this.refresh();
  }

  /** @returns a row, undefined if it has not been fetched. */
  row(index) {
    return this.#rows.get(index);
  }

  /** @returns the index of a task among the fetched rows, or -1. */
  find(id) {
    for (const [index, row] of this.#rows) if (row.id === id) return index;
    return -1;
  }

  /** Sets the range of rows in sight, and fetches those that are missing. */
  want(first, last) {
    this.#range = [first, last];
    if (this.known) this.#pump();
  }

  /** Replaces rows of tasks that have changed. @returns the number of rows. */
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
   * Inserts new tasks, the newest first, at the top of a listing without a filter, without a request.
   * @returns whether it could: they have to begin later than the first row, which has to be fetched.
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

  /** Sets the last lines of running tasks: a list of {id, line}. */
  say(lines) {
    const said = new Map(lines.map(({ id, line }) => [id, line]));
    this.patch([...this.#rows.values()].filter((row) => said.has(row.id) && row.outcome === 'running').map((row) => ({ ...row, last_line: said.get(row.id) })));
  }

  /**
   * Fetches the rows in sight again, and drops the rest. shift is the number of rows by which these have
   * probably moved. Calls during a request become one.
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

  /** @returns the ids of up to limit tasks that match. */
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
      // The listing has changed between two requests.
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
