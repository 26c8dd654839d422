// What a record says of the queue, for the details of a task.

import { h } from './dom.js';
import { bytes, duration, many, shortId, stamp, stamps } from './format.js';

const mostAfter = 10;

const changed = ({ kind, name, from, to }) => h('li', {}, `the ${kind} `, h('code', {}, name), from || to ? ` (${from || 'not known'}, now ${to || 'not known'})` : '');

/** @returns pairs of a name and a value of data.queue, none if there is no such. */
export function queueFacts({ queue, status, pid, timestamp }) {
  if (!queue) return [];
  const waited = (new Date(timestamp) - new Date(queue.added)) / 1000;
  const asides = [queue.cpus && many(queue.cpus, 'CPU'), queue.memory && bytes(queue.memory), queue.gpus?.length && `${many(queue.gpus.length, 'GPU')} (${queue.gpus.join(', ')})`].filter(Boolean);
  const after = queue.after ?? [];
  return [
    ['Queue', queue.name ?? 'default'],
    ['Added', h('time', { datetime: queue.added, title: stamps(queue.added) }, stamp(queue.added))],
    ['Waited', status !== null && pid && waited > 0 ? duration(waited) : ''],
    ['Try', queue.tries > 1 ? `${queue.try} of ${queue.tries}` : ''],
    ['After', after.length ? h('span', {}, ...after.slice(0, mostAfter).flatMap((id, i) => [i ? ', ' : '', h('a', { href: `/tasks/${id}` }, shortId(id))]), after.length > mostAfter ? ` and ${after.length - mostAfter} more` : '') : ''],
    ['Set aside', asides.join(', ')],
    ['Time limit', queue.limit ? `${duration(queue.limit)}${queue.timed_out ? ', which ended it' : ''}` : ''],
    ['Stopped', queue.stopped ? duration(queue.stopped) : ''],
    ['Changed', queue.changed?.length ? h('ul.plain', { title: 'since it was added' }, ...queue.changed.map(changed)) : ''],
    ['Snapshot', queue.snapshot ? h('code', {}, queue.snapshot) : ''],
  ];
}
