// <qme-compare>: two runs side by side.

import * as api from './api.js';
import { button, h } from './dom.js';
import { outcomeText, stamp, stamps } from './format.js';
import { failure } from './notice.js';

/**
 * @returns the rows of a unified diff: {gap: text} between hunks, else {a, b, na, nb},
 * where a or b is null if the line is on one side only.
 */
export function sideBySide(diff) {
  const rows = [];
  let [na, nb] = [0, 0];
  let [gone, come] = [[], []];
  const flush = () => {
    for (let i = 0; i < Math.max(gone.length, come.length); i++) {
      const a = gone[i] ?? null;
      const b = come[i] ?? null;
      rows.push({ a, b, na: a === null ? '' : ++na, nb: b === null ? '' : ++nb });
    }
    [gone, come] = [[], []];
  };
  let inside = false;
  for (const line of diff.split('\n')) {
    const hunk = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/.exec(line);
    if (hunk) {
      flush();
      rows.push({ gap: line });
      [na, nb] = [Number(hunk[1]) - 1, Number(hunk[2]) - 1];
      inside = true;
    } else if (!inside || line === '') continue;
    else if (line[0] === '-') gone.push(line.slice(1));
    else if (line[0] === '+') come.push(line.slice(1));
    else if (line[0] === ' ') {
      flush();
      rows.push({ a: line.slice(1), b: line.slice(1), na: ++na, nb: ++nb, same: true });
    }
  }
  flush();
  return rows;
}

/** Set task, a and b. It fires "close". */
class Compare extends HTMLElement {
  #off = new AbortController();

  connectedCallback() {
    this.load();
  }

  disconnectedCallback() {
    this.#off.abort();
  }

  async load() {
    this.replaceChildren(this.#head(), h('p.dim.busy', {}, 'Comparing…'));
    try {
      const found = await api.compareRuns(this.task, this.a, this.b, this.#off.signal);
      this.replaceChildren(this.#head(), this.#sides(found), this.#fields(found.fields), ...found.streams.map((stream) => this.#stream(stream)));
    } catch (err) {
      if (err.name !== 'AbortError') this.replaceChildren(this.#head(), failure(err, () => this.load()));
    }
    this.querySelector('h2').focus();
  }

  #head() {
    return h('header.pane-head', {}, h('h2', { tabindex: -1 }, `Run ${this.a} and run ${this.b}`),
      button('Close the comparison', 'close', () => this.dispatchEvent(new Event('close')), { shown: false, kind: 'quiet' }));
  }

  #sides({ a, b }) {
    const side = ({ number, summary }) => h('div', {}, h('strong', {}, `Run ${number}`), ' ', h('span.outcome', { 'data-outcome': summary.outcome }, outcomeText(summary)), ' ', h('time', { datetime: summary.started, title: stamps(summary.started) }, stamp(summary.started)));
    return h('div.sides', {}, side(a), side(b));
  }

  #fields(fields) {
    if (!fields.length) return h('p.dim', {}, 'Nothing but the output differs, if that.');
    return h('table.fields', {}, h('caption.offscreen', {}, 'What differs'),
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Differs'), h('th', { scope: 'col' }, `Run ${this.a}`), h('th', { scope: 'col' }, `Run ${this.b}`))),
      h('tbody', {}, ...fields.map(({ name, a, b }) => h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, a || '–'), h('td', {}, b || '–')))));
  }

  #stream({ name, same, diff, note }) {
    const title = h('h3', {}, name === 'stdout' ? 'Output' : 'Error output');
    if (same) return h('section', {}, title, h('p.dim', {}, 'The same in both.'));
    const rows = sideBySide(diff);
    const table = h('div.diff', { role: 'table', tabindex: 0, 'aria-label': `${title.textContent} of both runs` });
    for (const row of rows) table.append(this.#row(row));
    return h('section', {}, title, note && h('p.dim', {}, note), rows.length ? table : '');
  }

  #row({ gap, a, b, na, nb, same }) {
    if (gap !== undefined) return h('div.diff-row.gap', { role: 'row' }, h('span', { role: 'cell' }, gap));
    const cell = (text, kind) => h(`span.line${text === null ? '.none' : same ? '' : `.${kind}`}`, { role: 'cell' }, text ?? '');
    const no = (n) => h('span.no', { role: 'cell' }, String(n));
    return h('div.diff-row', { role: 'row' }, no(na), cell(a, 'gone'), no(nb), cell(b, 'come'));
  }
}

customElements.define('qme-compare', Compare);
