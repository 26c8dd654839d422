// <qme-overview>: counts and plots of the whole history, and the running tasks.

import * as api from './api.js';
import { h, throttle } from './dom.js';
import { duration, many, number, oneLine, took, whyWaits } from './format.js';
import { live } from './live.js';
import { empty, failure } from './notice.js';
import { theme, themes } from './theme.js';
import './calendar.js';

class Overview extends HTMLElement {
  #off = new AbortController();
  #known = null;

  connectedCallback() {
    document.title = 'Overview – QueueMe';
    this.append(h('p.dim.busy.wait', {}, 'Loading…'));
    this.refresh = throttle(1000, () => this.#load());
    for (const type of ['tasks', 'reload', 'loading', 'hello']) live.addEventListener(type, this.refresh, { signal: this.#off.signal });
    live.addEventListener('printed', (event) => this.#say(event.detail.printed), { signal: this.#off.signal });
    themes.addEventListener('change', () => this.#showPlots(), { signal: this.#off.signal });
    this.clock = setInterval(() => this.#tick(), 1000);
    this.refresh();
  }

  disconnectedCallback() {
    this.#off.abort();
    this.refresh.cancel();
    clearInterval(this.clock);
  }

  async #load() {
    try {
      this.#show(await api.overview(this.#off.signal));
    } catch (err) {
      if (err.name !== 'AbortError' && !this.#known) this.replaceChildren(h('h1', {}, 'Overview'), failure(err, () => this.#load()));
    }
  }

  #show(found) {
    if (found.total === 0 && found.loaded.complete) {
      this.#known = null;
      this.replaceChildren(h('h1', {}, 'Overview'), empty('No tasks yet', h('p', {}, 'Once commands have been run, this page shows when, how often and how well:'), h('pre', {}, 'qme run echo hello')));
      return;
    }
    if (!this.#known) this.#build();
    this.#known = found;
    this.#showNumbers(found);
    this.#showRunning(found.running, found.outcomes.running + found.outcomes.queued);
    this.calendar.days = found.days;
    this.#showCommands(this.frequent, found.frequent, 'tasks');
    this.#showCommands(this.slowest, found.slowest, 'longest');
    this.#showPlots();
  }

  #build() {
    const section = (name, title, ...content) => h(`section.card.${name}`, { 'aria-labelledby': `title-${name}` }, h('h2', { id: `title-${name}` }, title), ...content);
    this.numbers = h('ul.numbers', { 'aria-label': 'Tasks' });
    this.running = h('ul.now');
    this.calendar = document.createElement('qme-calendar');
    this.frequent = h('ol.commands');
    this.slowest = h('ol.commands');
    this.plots = h('div.plots');
    this.replaceChildren(h('h1', {}, 'Overview'), this.numbers,
      section('running-now', 'Running now', this.running),
      section('days', 'Tasks by day of their last run', this.calendar),
      this.plots,
      section('frequent', 'Most frequent', this.frequent), section('slowest', 'Slowest', this.slowest));
    for (const name of ['days', 'success']) this.plots.append(h('img.plot', { 'data-plot': name, alt: name === 'days' ? 'Tasks by day of their last run, as bars' : 'Success rate by week of the last run, as a curve' }));
  }

  #showNumbers({ total, outcomes, loaded }) {
    const ended = outcomes.ok + outcomes.failed;
    const rate = ended ? `${((100 * outcomes.ok) / ended).toFixed(1)} %` : '–';
    const one = (value, text, href, outcome) => h('li', { 'data-outcome': outcome }, h('a', { href }, h('strong', {}, value), h('span', {}, text)));
    this.numbers.replaceChildren(
      one(number(total), `${total === 1 ? 'task' : 'tasks'}${loaded.complete ? '' : ' so far'}`, '/'),
      one(rate, `of ${number(ended)} are ok`, '/?status=ok', 'ok'),
      one(number(outcomes.failed), 'failed', '/?status=failed', 'failed'),
      one(number(outcomes.cancelled), 'cancelled', '/?status=cancelled', 'cancelled'),
      one(number(outcomes.running), 'running', '/?status=running', 'running'),
      ...(outcomes.queued ? [one(number(outcomes.queued), 'queued', '/?status=queued', 'queued')] : []));
  }

  #showRunning(tasks, all) {
    this.running.replaceChildren(...tasks.slice(0, 12).map((task) => {
      const time = h('span.took', {}, took(task));
      time.task = task;
      const says = h('span.says', { 'data-says': task.id }, task.last_line ?? whyWaits(task));
      return h('li', {}, h('span.dot', { 'data-outcome': task.outcome, 'aria-hidden': 'true' }), h('a', { href: `/tasks/${task.id}`, title: task.command }, oneLine(task.command) || '(empty)'), says, h('span.dim', {}, task.host), time);
    }));
    if (all > 12) this.running.append(h('li', {}, h('a', { href: '/?status=running&status=queued' }, `and ${many(all - 12, 'other')}`)));
    if (tasks.length === 0) this.running.append(h('li.dim', {}, 'Nothing at present.'));
  }

  #say(lines) {
    for (const { id, line } of lines) {
      const el = this.querySelector(`[data-says="${id}"]`);
      if (el) el.textContent = line;
    }
  }

  // A list that has not changed stays, since it may have the focus.
  #showCommands(list, commands, by) {
    const text = JSON.stringify(commands);
    if (list.shown === text) return;
    list.shown = text;
    list.replaceChildren(...this.#commands(commands, by));
  }

  #commands(commands, by) {
    const most = Math.max(...commands.map((one) => one[by]), 1e-9);
    return commands.map((one) => {
      const bar = h('span.bar', { 'aria-hidden': 'true' });
      bar.style.setProperty('--part', one[by] / most);
      const what = by === 'tasks'
        ? [many(one.tasks, 'task'), one.failed ? `${number(one.failed)} failed` : '']
        : [duration(one.longest), one.tasks > 1 ? `${duration(one.mean)} on average of ${many(one.tasks, 'task')}` : ''];
      return h('li', {}, bar, h('a', { href: by === 'tasks' ? api.address('/', { command: one.command }) : `/tasks/${one.slowest}`, title: one.command }, oneLine(one.command) || '(empty)'), h('span.dim', {}, what.filter(Boolean).join(', ')));
    });
  }

  #showPlots() {
    for (const img of this.querySelectorAll('[data-plot]')) {
      const address = `${api.plot(img.dataset.plot, theme())}&v=${this.#known?.version}`; // else the browser shows its cached image
      if (img.getAttribute('src') !== address) img.src = address;
    }
  }

  #tick() {
    for (const el of this.querySelectorAll('.now .took')) el.textContent = took(el.task);
  }
}

customElements.define('qme-overview', Overview);
