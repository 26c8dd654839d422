// The columns of the table of tasks: all that is to be said of one is said here.

import { h } from './dom.js';
import { many, moment, number, oneLine, outcomeText, stamps, took, whyWaits } from './format.js';
import { label } from './tags.js';

const clipped = (name, title = (task) => task[name]) => (task) => [h('span.clip', { title: title(task) }, task[name])];

export const says = (task) => h('span.says', { title: task.last_line }, h('span.offscreen', {}, 'last printed: '), task.last_line);

const why = (task) => h('span.why', { title: `waits: ${whyWaits(task)}` }, h('span.offscreen', {}, 'waits: '), whyWaits(task));

const labels = ({ tags = [], more_tags: more, notes }) => (tags.length || notes) && h('span.labels', {},
  notes && h('span.noted', { title: many(notes, 'note') }, h('span', { 'aria-hidden': 'true' }, '✎'), h('span.offscreen', {}, many(notes, 'note'))),
  ...tags.map((tag) => label(tag, { tabindex: -1 })),
  more && h('span.dim', { title: `${many(more, 'more tag')}` }, `+${number(more)}`));

const command = (task) => [
  task.name && h('span.called', { title: `the task is named ${task.name}` }, task.name),
  h('a.name', { href: `/tasks/${task.id}`, tabindex: -1, title: task.command }, oneLine(task.command) || '(empty)'),
  task.run > 1 && h('span.times', { title: `run ${task.run} of this task` }, `×${number(task.run)}`),
  labels(task),
  task.last_line && says(task),
  task.waits && why(task),
];

/*
 * name: by which the server sorts, and the class of its cells. first: "-" where the first press of its head sorts
 * downwards. widths: in pages from 1640, from 1180, from 900 and of less pixels; "" is none, and the last one counts on.
 */
const list = [
  { name: 'status', label: 'Status', widths: ['104px', '104px', '104px', '96px'], content: (task) => [h('span.outcome', { 'data-outcome': task.outcome, title: outcomeText(task) }, h('span.clip', {}, outcomeText(task)))] },
  { name: 'command', label: 'Command', widths: ['minmax(200px, 3fr)', 'minmax(200px, 3fr)', 'minmax(160px, 3fr)', 'minmax(120px, 1fr)'], content: command },
  { name: 'message', label: 'Message', widths: ['minmax(80px, 1.3fr)', 'minmax(80px, 1.3fr)', 'minmax(60px, 1fr)', ''], content: clipped('message', (task) => task.message || null) },
  { name: 'pwd', label: 'Directory', widths: ['minmax(80px, 1.2fr)', '', '', ''], content: clipped('pwd') },
  { name: 'started', label: 'Started', first: '-', widths: ['118px', '118px', '112px', '106px'], content: (task) => [h('time', { datetime: task.started, title: stamps(task.started) }, moment(task.started))] },
  { name: 'duration', label: 'Duration', first: '-', widths: ['82px', '82px', '80px', '76px'], content: (task) => [h('span', {}, took(task))] },
  { name: 'executor', label: 'Executor', widths: ['72px', '72px', '', ''], content: clipped('executor') },
  { name: 'user', label: 'User', widths: ['84px', '84px', '', ''], content: clipped('user') },
  { name: 'host', label: 'Host', widths: ['104px', '104px', '84px', ''], content: clipped('host') },
];

const sizes = ['widest', 'wide', 'middle', 'narrow'];

/** hides: classes for the sizes of the page in which a column is not there. */
export const columns = list.map((column) => ({ ...column, hides: sizes.filter((_, i) => !column.widths[i]).map((size) => `.no-${size}`).join('') }));

/** The grid-template-columns for each size, as custom properties. */
export const templates = Object.fromEntries(sizes.map((size, i) => [`--${size}`, ['16px', ...list.map(({ widths }) => widths[i]).filter(Boolean), '64px'].join(' ')]));
