// How values are shown. Everything returned is plain text.

const count = new Intl.NumberFormat('en');

/** A text of several lines on one. */
export const oneLine = (text) => text.replaceAll(/\r?\n/g, ' ↵ ');

/** 12345 as 12,345. */
export const number = (n) => count.format(n);

/** A number with its noun: "1 task", "2 tasks". */
export const many = (n, noun) => `${number(n)} ${noun}${n === 1 ? '' : 's'}`;

/** Seconds as a person would say them, in two units at most. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return '';
  if (seconds === 0) return '0 s';
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const s = Math.floor(seconds);
  const two = (n) => String(n).padStart(2, '0');
  if (s < 3600) return `${Math.floor(s / 60)}m ${two(s % 60)}s`;
  if (s < 86400) return `${Math.floor(s / 3600)}h ${two(Math.floor((s % 3600) / 60))}m`;
  return `${Math.floor(s / 86400)}d ${two(Math.floor((s % 86400) / 3600))}h`;
}

/** Bytes with a binary unit. */
export function bytes(n) {
  if (n < 1024) return `${n} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let unit = -1;
  do {
    n /= 1024;
    unit++;
  } while (n >= 1024 && unit < units.length - 1);
  return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dayClock = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const longDay = new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });

/** When something was, short: what is recent by its age, what is older by its date. */
export function moment(text, now = Date.now()) {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return String(text); // the browser counts fewer years
  const age = (now - time) / 1000;
  if (age >= 0 && age < 60) return age < 5 ? 'just now' : `${Math.floor(age)} s ago`;
  if (age >= 0 && age < 3600) return `${Math.floor(age / 60)} min ago`;
  const today = new Date(now);
  if (time.toDateString() === today.toDateString()) return clock.format(time);
  if (time.getFullYear() === today.getFullYear() || (age >= 0 && age < 180 * 86400)) return dayClock.format(time).replace(',', '');
  return date(time);
}

/** A Date as YYYY-MM-DD, in this machine's zone. */
export function date(time) {
  return [time.getFullYear(), time.getMonth() + 1, time.getDate()].map((n) => String(n).padStart(2, '0')).join('-');
}

/** A time of a record in the browser's zone, to the second. */
export function stamp(text) {
  const time = new Date(text ?? '');
  if (Number.isNaN(time.getTime())) return String(text ?? '');
  return `${date(time)} ${[time.getHours(), time.getMinutes(), time.getSeconds()].map((n) => String(n).padStart(2, '0')).join(':')}`;
}

/** The same, with the time on the clock of the machine that wrote it where that is another. */
export function stamps(text) {
  const m = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)[.\d]*(Z|[+-]\d\d:\d\d)?/.exec(text ?? '');
  const here = stamp(text);
  return !m || here === `${m[1]} ${m[2]}` ? here : `${here} – where it ran: ${m[1]} ${m[2]} (UTC${!m[3] || /^Z|[+-]00:00$/.test(m[3]) ? '' : m[3]})`;
}

/** A day YYYY-MM-DD in words. */
export const dayName = (day) => longDay.format(new Date(`${day}T12:00`));

/** The day after a day YYYY-MM-DD. */
export function nextDay(day) {
  const time = new Date(`${day}T12:00`);
  time.setDate(time.getDate() + 1);
  return date(time);
}

/** How a run, or the job that it has started, goes or ended, in a word or two. */
export function outcomeText(task) {
  if (task.job_state !== undefined) return jobText(task);
  switch (task.outcome) {
    case 'failed':
      return `exit ${task.returncode}`;
    case 'unknown':
      return 'not known';
    default:
      return task.outcome;
  }
}

// The scheduler's word says more than ours: "pending", "failed 3", "out of memory 137".
function jobText({ job_state: state, outcome, returncode }) {
  const word = state.replace(/ by \d+$/, '').toLowerCase().replaceAll('_', ' ') || 'queued';
  if (outcome === 'cancelled') return outcome;
  return outcome === 'failed' ? `${word} ${returncode}` : word;
}

/** Whether the task waits in the queue of this home. */
export const inQueue = (task) => task.outcome === 'queued' && task.status === null;

/** Why it waits there; '' if that is not known. */
export const whyWaits = ({ waits }) => (waits ? [waits.word, waits.text].filter(Boolean).join(': ') : '');

/** Whether the user has to release it. */
export const isHeld = ({ waits }) => waits?.word === 'held' || waits?.word === 'cannot start';

/** Whether the task waits, or the run, or the job that it has started, has not ended. */
export const goesOn = (task) => task.outcome === 'running' || task.outcome === 'queued';

const running = (seconds) => (seconds < 60 ? `${seconds} s` : duration(seconds));

/** How long a task took, or has been running; nothing while its job waits or its start is not known. */
export function took(task, now = Date.now()) {
  if (goesOn(task) && task.job_state !== undefined && (task.outcome === 'queued' || !task.job_started)) return '';
  if (task.outcome === 'running') return running(Math.max(0, Math.floor((now - new Date(task.job_started ?? task.started)) / 1000)));
  return duration(task.duration);
}

/** Where a run's standard input came from, as data.stdin of its record says; '' where that was not recorded. */
export function inputName(stdin) {
  switch (stdin?.kind) {
    case 'file':
      return stdin.path ? `the file ${stdin.path}` : 'a file';
    case 'null':
      return '/dev/null';
    case 'closed':
      return 'closed';
    case 'terminal': case 'pipe': case 'socket':
      return `a ${stdin.kind}`;
    default:
      return stdin ? 'something else' : '';
  }
}

/** The short name of a task, as every view has it: the 12 digits of its id that say when it was made. */
export function shortId(id) {
  return id.slice(-36).slice(0, 13);
}
