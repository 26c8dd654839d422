// <qme-task>: one task, with one of its runs.

import * as api from './api.js';
import { button, copyButton, h, icon, throttle } from './dom.js';
import { viewOf } from './executors/index.js';
import { bytes, duration, goesOn, inputName, inQueue, isHeld, many, outcomeText, shortId, stamp, stamps, took, whyWaits } from './format.js';
import { queueFacts } from './queue-facts.js';
import { live } from './live.js';
import { empty, failure } from './notice.js';
import * as router from './router.js';
import * as act from './task-actions.js';
import { theme, themes } from './theme.js';
import './actions.js';
import './compare.js';
import './find.js';
import './notes.js';
import './output.js';
import './runs.js';

/** Set ref, the task's id or the beginning of it, before it is connected. */
class TaskPage extends HTMLElement {
  #off = new AbortController();
  #record = null;
  #latest = 0;

  connectedCallback() {
    const url = new URL(location.href);
    this.run = Number(url.searchParams.get('run')) || null;
    document.title = 'Task – QueueMe';
    this.append(h('p.dim.busy.wait', {}, 'Loading…'));
    this.#listen();
    this.clock = setInterval(() => this.#tick(), 1000);
    const y = router.place()?.y;
    if (y) this.addEventListener('state', () => scrollTo(0, y), { once: true }); // when there is output
    this.#load();
  }

  disconnectedCallback() {
    this.#off.abort();
    this.changed.cancel();
    clearInterval(this.clock);
  }

  key(name) {
    const find = this.querySelector('qme-find');
    switch (name) {
      case '/':
        find?.box.focus();
        find?.box.select();
        return true;
      case 'n':
      case 'N':
        find?.step(name === 'n' ? 1 : -1);
        return true;
      case 'f':
        for (const output of this.outputs) output.following = !output.following;
        return true;
      case 'r':
        if (!live.readOnly && this.#record && !goesOn(this.#record.summary)) act.rerun([this.#record.uid], this.#record.command);
        return true;
      case 'Escape':
        if (find?.box.value) find.find('');
        document.activeElement?.blur();
        return true;
      default:
        return false;
    }
  }

  /** Where it is scrolled to: for the way back. */
  place() {
    return { y: Math.round(scrollY) };
  }

  get outputs() {
    return [...this.querySelectorAll('qme-output')];
  }

  #listen() {
    const on = (type, run) => live.addEventListener(type, run, { signal: this.#off.signal });
    this.changed = throttle(200, () => this.#load());
    on('tasks', ({ detail: { added, changed, removed } }) => {
      const id = this.#record?.uid;
      if (removed.includes(id)) this.#cleared();
      else if ([...added, ...changed].some((task) => task.id === id)) this.changed();
    });
    on('reload', () => this.changed());
    let first = live.state === 'connecting';
    on('hello', () => {
      if (!first) this.changed();
      first = false;
    });
    on('state', () => this.#record && this.#showHead());
    themes.addEventListener('change', () => this.#record && this.#showFacts(), { signal: this.#off.signal });
  }

  #cleared() {
    this.changed.cancel();
    this.replaceChildren(h('h1.offscreen', {}, 'Task'), empty('This task was deleted',
      h('p', {}, 'Its runs stay in earlier versions of the history: ', h('code', {}, 'qme git log'), '.'), h('a.button', { href: '/' }, 'All tasks')));
  }

  async #load() {
    try {
      const record = await api.getTask(this.ref, this.run, this.#off.signal);
      this.#take(record);
    } catch (err) {
      if (err.name === 'AbortError') return;
      if (err.status === 404 || err.status === 400) this.#missing(err);
      else if (!this.#record) this.replaceChildren(h('h1.offscreen', {}, 'Task'), failure(err, () => this.#load()));
    }
  }

  #missing(err) {
    this.replaceChildren(h('h1.offscreen', {}, 'Task'), empty('There is no such task', h('p', {}, err.message), h('a.button', { href: '/' }, 'All tasks')));
  }

  #take(record) {
    const before = this.#record;
    this.#record = record;
    this.ref = record.uid;
    document.title = `${record.command.slice(0, 80)} – QueueMe`;
    if (!before) this.#build();
    else this.notes.load();
    this.#showHead();
    this.#showFacts();
    this.#showJob();
    this.#showWaiting();
    if (this.view) this.view.record = record;
    else this.#showOwn();
    if (!before) return;
    // A task that has left the queue has a run now.
    const other = before.data.timestamp !== record.data.timestamp || (before.data.status === null) !== (record.data.status === null);
    const ended = before.data.status === 'running' && record.data.status !== 'running';
    const jobEnded = record.data.job?.final && !before.data.job?.final;
    // A run that has ended while it was watched has told its last words by itself.
    for (const output of this.outputs) if (other || (ended && !output.watching && !output.complete)) output.load();
    if (other || ended || jobEnded) {
      this.runs.shown = record.data.run;
      this.runs.load();
      this.actions.load();
    }
  }

  #build() {
    const { uid, executor } = this.#record;
    this.head = h('header.task-head');
    this.facts = h('section.panel-facts', { 'aria-label': 'Details' });
    this.runs = document.createElement('qme-runs');
    Object.assign(this.runs, { task: uid, shown: this.#record.data.run });
    this.runs.addEventListener('compare', (event) => this.#compare(...event.detail));
    this.actions = document.createElement('qme-actions');
    const view = viewOf(executor);
    Object.assign(this.actions, { task: uid, hides: view.hides });
    this.own = h('section.own', { hidden: true });
    this.notes = document.createElement('qme-notes');
    this.notes.task = uid;
    this.aside = h('div.aside', {}, this.own, this.notes, this.actions, this.facts, this.runs);
    this.find = document.createElement('qme-find');
    this.panes = h('div.panes', {}, this.#output('stdout'), this.#output('stderr'));
    this.jobPanes = h('div.panes', { hidden: true });
    this.jobNote = h('p.job-note', { hidden: true });
    this.waits = h('p.job-note', { hidden: true });
    this.right = h('section.right', { 'aria-label': 'What it printed' }, this.find, this.waits, this.jobNote, this.jobPanes, this.panes);
    this.comparison = h('section.comparison', { hidden: true, 'aria-label': 'Comparison' });
    this.replaceChildren(this.head, h('div.columns', {}, this.aside, h('div.main-column', {}, this.comparison, this.right)));
    this.find.outputs = () => this.outputs;
    for (const output of this.outputs) this.find.attend(output);
    this.#fromAddress();
  }

  #output(stream) {
    const output = document.createElement('qme-output');
    Object.assign(output, { task: this.#record.uid, stream, run: this.run });
    return output;
  }

  // What its job printed is what people look for: it stands before what the command did.
  #showJob() {
    const { job } = this.#record.data;
    const recorded = this.#record.data.status !== 'running' && ['output', 'error'].some((name) => job?.[name]);
    this.jobPanes.hidden = !recorded;
    this.jobNote.hidden = !job?.final || !job.output_error;
    this.jobNote.textContent = job?.output_error ? `Of its job's output not all could be brought: ${job.output_error}` : '';
    if (!recorded) {
      this.jobPanes.replaceChildren();
      return;
    }
    for (const [name, stream] of [['output', 'job-stdout'], ['error', 'job-stderr']]) {
      if (!job[name] || this.jobPanes.querySelector(`[data-stream="${stream}"]`)) continue;
      const output = this.#output(stream);
      output.dataset.stream = stream;
      this.jobPanes.append(output);
      this.find.attend(output);
    }
  }

  // What waits in the queue has printed nothing.
  #showWaiting() {
    const { summary } = this.#record;
    const waits = inQueue(summary);
    this.panes.hidden = waits;
    this.waits.hidden = !waits;
    this.waits.textContent = waits ? `It waits in the queue${whyWaits(summary) && ` (${whyWaits(summary)})`}, and has not printed anything yet.` : '';
  }

  // A job may come when the command has ended.
  #showOwn() {
    const { executor, data } = this.#record;
    const view = viewOf(executor, Boolean(data.job));
    if (!view.tag || this.viewing) return;
    this.viewing = true;
    this.#showView(view);
  }

  async #showView(view) {
    try {
      await view.load();
    } catch (err) {
      this.own.append(failure(err));
      this.own.hidden = false;
      return;
    }
    this.view = document.createElement(view.tag);
    this.view.act = (name, args) => this.actions.act(name, args);
    this.view.record = this.#record;
    this.own.append(this.view);
    this.own.hidden = false;
  }

  // The search and the comparison are in the address, so that they can be sent to somebody.
  #fromAddress() {
    const query = new URL(location.href).searchParams;
    const [a, b] = (query.get('compare') ?? '').split(',').map(Number);
    if (a > 0 && b > 0) this.#compare(a, b);
    if (query.get('find')) this.find.find(query.get('find'));
    this.find.addEventListener('find', ({ detail }) => this.#note('find', detail));
  }

  #note(name, value) {
    const url = new URL(location.href);
    if (value) url.searchParams.set(name, value);
    else url.searchParams.delete(name);
    router.go(url, { replace: true, quiet: true });
  }

  #compare(a, b) {
    const compare = document.createElement('qme-compare');
    Object.assign(compare, { task: this.#record.uid, a, b });
    compare.addEventListener('close', () => {
      this.comparison.hidden = true;
      this.comparison.replaceChildren();
      this.#note('compare', '');
      this.runs.compareButton?.focus();
    });
    this.comparison.hidden = false;
    this.comparison.replaceChildren(compare);
    this.#note('compare', `${a},${b}`);
  }

  #showHead() {
    const { uid, command, data } = this.#record;
    const summary = this.#record.summary;
    const focused = document.activeElement?.dataset?.act;
    const does = (name, label, picture, kind = '') => {
      const el = button(label, picture, () => act[name]([uid], command), { kind });
      el.dataset.act = name;
      el.classList.add('change');
      return el;
    };
    this.took = h('span.took', {}, took(summary));
    const queued = isHeld(summary) ? does('release', 'Release', 'release', 'primary') : does('hold', 'Hold', 'hold');
    const changes = inQueue(summary) ? [queued, does('cancel', 'Cancel', 'stop')] : goesOn(summary) ? [does('cancel', 'Cancel', 'stop')] : [does('rerun', 'Run again', 'rerun', 'primary'), does('remove', 'Delete', 'trash', 'danger')];
    const crumb = h('a', { href: '/' });
    crumb.append(icon('left'), 'Tasks');
    this.head.replaceChildren(
      h('nav.crumb', { 'aria-label': 'Path' }, crumb),
      h('div.command-line', {}, h('h1', {}, command || '(empty)'), copyButton('Copy the command', () => command, { shown: false, kind: 'quiet' })),
      h('div.under', {},
        h('span.outcome.big', { 'data-outcome': summary.outcome }, outcomeText(summary)), this.took,
        summary.waits && h('span.why', {}, whyWaits(summary)),
        data.message && h('span.said', {}, data.message),
        live.readOnly ? '' : h('div.buttons', {}, ...changes)),
      this.run ? h('p.older', { role: 'note' }, `This is run ${data.run ?? this.run}. `, h('a', { href: `/tasks/${uid}` }, 'Show the latest run')) : '');
    // What scrolls has to be within reach of the keyboard.
    const title = this.head.querySelector('h1');
    if (title.scrollHeight > title.clientHeight) title.tabIndex = 0;
    // The button that was pressed may have become another one.
    if (focused) (this.head.querySelector(`[data-act="${focused}"]`) ?? this.head.querySelector('[data-act]'))?.focus();
  }

  #tick() {
    if (this.#record && goesOn(this.#record.summary)) this.took.textContent = took(this.#record.summary);
  }

  #showFacts() {
    const { uid, executor, data } = this.#record;
    const { git = {}, usage = {}, env = {} } = data;
    const facts = [
      ['Return code', data.returncode], ['Signal', data.signal],
      ['Started', data.status === null ? '' : this.#time(data.timestamp)], ['Finished', this.#time(data.finished)], ['Duration', duration(data.duration)],
      ['Directory', this.#code(data.pwd)], ['Input', inputName(data.stdin) && `${inputName(data.stdin)}${data.stdin.size ? `, ${bytes(data.stdin.size)}` : ''}`], ['User', data.user], ['Host', data.host], ['Executor', executor],
      ['Run', data.run], ['Process', data.pid || ''],
      ['CPU time', usage.user === undefined ? '' : `${duration(usage.user)} user, ${duration(usage.system)} system`],
      ['Memory', usage.peak_memory ? `${bytes(usage.peak_memory)} at most, ${bytes(usage.mean_memory)} on average` : usage.max_rss ? `${bytes(usage.max_rss)} at most` : usage.user === undefined ? '' : h('span.dim', {}, 'not recorded: less than qme itself needs, some 20 MiB')],
      ['Git', git.commit || git.branch ? h('span', {}, h('code', { title: git.commit ?? null }, [git.branch, git.commit?.slice(0, 10)].filter(Boolean).join(' ')), git.dirty ? ' with changes' : '') : ''],
      ...queueFacts(data),
      ['Message', data.message],
    ];
    const list = h('dl.facts', {}, ...facts.filter(([, value]) => value !== '' && value !== null && value !== undefined).flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));
    list.append(h('dt', {}, 'Id'), h('dd.path', {}, h('code', { title: uid }, shortId(uid)), copyButton('Copy the id', () => uid, { shown: false, kind: 'quiet' })));
    const variables = Object.entries(env ?? {});
    const more = variables.length ? h('details', { open: this.facts.querySelector('details')?.open }, h('summary', {}, `Environment (${variables.length})`),
      h('dl.facts.env', {}, ...variables.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, h('code', {}, String(value)))]))) : '';
    this.facts.replaceChildren(h('h2.offscreen', {}, 'Details'), list, this.#memory(), more);
  }

  // The samples can be in another home.
  #memory() {
    const { uid, data: { run, usage, parts } } = this.#record;
    if (!parts?.usage || !usage?.peak_memory) return '';
    const img = h('img.plot', {
      alt: `Memory over time: ${bytes(usage.peak_memory)} at most, ${bytes(usage.mean_memory)} on average, in ${many(usage.samples, 'sample')}`,
      src: `${api.memoryPlot(uid, run, theme())}&v=${parts.usage.sha256}`, onerror: () => img.remove(),
    });
    return img;
  }

  #time(text) {
    return text ? h('time', { datetime: text, title: stamps(text) }, stamp(text)) : '';
  }

  #code(text) {
    return text ? h('span.path', {}, h('code', {}, text), copyButton('Copy the directory', () => text, { shown: false, kind: 'quiet' })) : '';
  }
}

customElements.define('qme-task', TaskPage);
