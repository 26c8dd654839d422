// <qme-slurm>: the job of a task: its state, the elements of its array, its files. It also shows jobs of
// executors without a view of their own.

import { copyButton, h } from '../dom.js';
import { bytes, duration, many, stamp, stamps } from '../format.js';

/** Slurm's states (squeue(1), JOB STATE CODES) by outcome. */
const kinds = {
  COMPLETED: 'ok',
  PENDING: 'queued', REQUEUED: 'queued', REQUEUE_HOLD: 'queued', REQUEUE_FED: 'queued', SPECIAL_EXIT: 'queued',
  RUNNING: 'running', SUSPENDED: 'running', CONFIGURING: 'running', STOPPED: 'running', COMPLETING: 'running', STAGE_OUT: 'running', SIGNALING: 'running', RESIZING: 'running',
  CANCELLED: 'cancelled',
  FAILED: 'failed', TIMEOUT: 'failed', PREEMPTED: 'failed', REVOKED: 'failed', LAUNCH_FAILED: 'failed', OUT_OF_MEMORY: 'failed', NODE_FAIL: 'failed', BOOT_FAIL: 'failed', DEADLINE: 'failed',
};

/** The number of elements of an array that are shown. */
const shownMost = 5000;

// "CANCELLED by 1000" is a state too.
const kindOf = (state) => kinds[String(state ?? '').split(' ')[0]] ?? 'unknown';

// The outcome of a state that is not Slurm's follows from the rest of the job.
function stage({ state, final, returncode, started }) {
  const kind = kindOf(state);
  if (kind !== 'unknown') return kind;
  if (!final) return started ? 'running' : 'queued';
  return typeof returncode === 'number' ? (returncode === 0 ? 'ok' : 'failed') : 'unknown';
}

/** What a job used of what it had asked for. */
const used = (most, asked) => [most ? bytes(most) : '', asked ? `${bytes(asked)} asked for` : ''].filter(Boolean).join(' of ');

const badge = (state, kind = kindOf(state)) => h('span.outcome', { 'data-outcome': kind }, String(state ?? 'not known').toLowerCase().replaceAll('_', ' '));

class Slurm extends HTMLElement {
  #record = null;

  set record(record) {
    this.#record = record;
    if (this.isConnected) this.#show();
  }

  connectedCallback() {
    this.#show();
  }

  #show() {
    const job = this.#record?.data.job;
    if (!job) {
      this.replaceChildren();
      return;
    }
    this.replaceChildren(
      h('header.pane-head', {}, h('h2', {}, this.#record.executor === 'slurm' ? 'Slurm job' : 'Job'), badge(job.state, stage(job))),
      this.#facts(job),
      job.history?.length ? this.#history(job.history) : '',
      job.elements?.length ? this.#elements(job.elements) : '');
  }

  #facts(job) {
    const facts = [
      ['Job', [job.id, job.cluster && `on ${job.cluster}`].filter(Boolean).join(' ')], ['Name', job.name], ['Partition', job.partition], ['Nodes', job.nodes],
      ['Reason', job.reason && job.reason !== 'None' ? job.reason : ''],
      ['Elapsed', job.time_limit ? `${duration(job.elapsed)} of ${duration(job.time_limit)}` : duration(job.elapsed)],
      ['Memory', used(job.max_rss, job.requested_memory)],
      ['Processor', job.cpu_time ? duration(job.cpu_time) : ''], ['CPUs', job.cpus], ['Exit code', job.returncode ?? ''],
    ];
    const list = h('dl.facts', {}, ...facts.filter(([, value]) => value !== '' && value !== null && value !== undefined)
      .flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, String(value))]));
    for (const [name, path] of [['Output file', job.stdout_file], ['Error file', job.stderr_file === job.stdout_file ? '' : job.stderr_file]]) {
      if (path) list.append(h('dt', {}, name), h('dd.path', {}, h('code', {}, path), copyButton(`Copy the path of the ${name.toLowerCase()}`, () => path, { shown: false, kind: 'quiet' })));
    }
    return list;
  }

  #history(history) {
    return h('ol.states', { 'aria-label': 'States of the job' }, ...history.map(({ state, at }) => h('li', { 'data-outcome': kindOf(state) }, badge(state), h('time', { datetime: at, title: stamps(at) }, stamp(at)))));
  }

  #elements(elements) {
    const counts = Map.groupBy(elements, (element) => kindOf(element.state));
    const grid = h('ul.elements', {}, ...elements.slice(0, shownMost).map((element) => {
      const exit = element.returncode === null || element.returncode === undefined ? '' : `, exit code ${element.returncode}`;
      const text = `${element.id}: ${element.state ?? 'not known'}${exit}`;
      return h('li', { 'data-outcome': kindOf(element.state), title: text }, h('span.offscreen', {}, text));
    }));
    const legend = [...counts].map(([kind, list]) => h('span.legend', { 'data-outcome': kind }, `${list.length} ${kind}`));
    const rest = elements.length > shownMost ? h('p.dim', {}, `The first ${many(shownMost, 'element')} are shown.`) : '';
    return h('section.array', {}, h('h3', {}, many(elements.length, 'array element')), grid, rest, h('p.legends', {}, ...legend));
  }
}

customElements.define('qme-slurm', Slurm);
