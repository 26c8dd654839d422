// <qme-runs>: the runs of a task as a timeline; two of them can be compared.

import * as api from './api.js';
import { button, h } from './dom.js';
import { duration, many, outcomeText, stamp, stamps } from './format.js';
import { failure } from './notice.js';
import { theme, themes } from './theme.js';

/** The outcome whose colour a verdict has. */
function outcomeOfVerdict(verdict) {
  return { reproduced: 'ok', 'output reproduced': 'ok', differs: 'failed' }[verdict] ?? 'cancelled';
}

/** Set task (its id) and shown (the number of the run that is shown). It fires "compare" with [a, b] as detail. */
class Runs extends HTMLElement {
  task = '';
  shown = 0;

  #off = null;
  #picked = [];

  connectedCallback() {
    this.#off = new AbortController();
    themes.addEventListener('change', () => this.#showPlot(), { signal: this.#off.signal });
    this.load();
  }

  disconnectedCallback() {
    this.#off.abort();
  }

  async load() {
    try {
      const { runs, more } = await api.listRuns(this.task, this.#off.signal);
      this.#show(runs, more);
    } catch (err) {
      if (err.name !== 'AbortError') this.replaceChildren(failure(err, () => this.load()));
    }
  }

  #show(runs, more) {
    const own = runs.filter((run) => !run.check);
    this.runs = own.length > 0 ? own : runs;
    const longest = Math.max(...runs.map((run) => run.summary.duration ?? 0), 1e-9);
    const several = this.runs.length > 1;
    const list = h('ol.timeline', { reversed: true }, ...runs.map((run) => this.#run(run, longest, several)));
    this.compareButton = button('Compare', 'compare', () => this.#compare());
    this.replaceChildren(
      h('header.pane-head', {}, h('h2', {}, 'Runs'), h('span.size', {}, several ? String(this.runs.length) : ''), several && this.compareButton),
      several ? h('img.plot', { alt: `How long the last ${many(this.runs.length, 'run')} took` }) : '',
      list,
      more ? h('p.dim', {}, 'Earlier runs: see “qme log”.') : '');
    this.#picked = this.#picked.filter((n) => this.runs.some((run) => run.number === n));
    this.#showPicked();
    this.#showPlot();
  }

  #run({ number, check, verdict, summary }, longest, several) {
    if (check) {
      return h('li.check', {},
        h('span', { title: `qme show ${this.task}@${number}.${check}` }, `Check of run ${number}`),
        h('span.outcome', { 'data-outcome': outcomeOfVerdict(verdict) }, verdict),
        h('time', { datetime: summary.started, title: stamps(summary.started) }, stamp(summary.started)));
    }
    const pick = h('input', { type: 'checkbox', 'aria-label': `Compare run ${number}`, onchange: () => this.#pick(number, pick.checked) });
    pick.dataset.run = number;
    const bar = h('span.length', { 'aria-hidden': 'true' });
    bar.style.setProperty('--part', (summary.duration ?? 0) / longest);
    const latest = number === this.runs[0].number;
    return h('li', { 'data-outcome': summary.outcome, 'aria-current': number === this.shown ? 'true' : null },
      several && pick,
      h('a', { href: `/tasks/${this.task}${latest ? '' : `?run=${number}`}` }, `Run ${number}`),
      h('span.outcome', { 'data-outcome': summary.outcome }, outcomeText(summary)),
      h('time', { datetime: summary.started, title: stamps(summary.started) }, stamp(summary.started)),
      h('span.took', {}, bar, duration(summary.duration)));
  }

  #pick(number, on) {
    // A third one replaces the first.
    this.#picked = this.#picked.filter((n) => n !== number);
    if (on) this.#picked = [...this.#picked, number].slice(-2);
    this.#showPicked();
  }

  #showPicked() {
    for (const pick of this.querySelectorAll('[data-run]')) pick.checked = this.#picked.includes(Number(pick.dataset.run));
    this.compareButton.lastChild.textContent = this.#picked.length === 2 ? 'Compare these' : 'Compare last two';
    this.compareButton.disabled = this.#picked.length === 1;
    this.compareButton.title = this.#picked.length === 1 ? 'Choose one more run' : '';
  }

  #compare() {
    const [a, b] = this.#picked.length === 2 ? this.#picked : [this.runs[1].number, this.runs[0].number];
    this.dispatchEvent(new CustomEvent('compare', { detail: [Math.min(a, b), Math.max(a, b)] }));
  }

  #showPlot() {
    const img = this.querySelector('.plot');
    if (img) img.src = `${api.durationPlot(this.task, theme())}&v=${this.runs[0].number}-${this.runs[0].summary.outcome}`;
  }
}

customElements.define('qme-runs', Runs);
