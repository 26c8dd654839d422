// Tags of tasks as labels, which lead to the tasks that have them.

import { h } from './dom.js';
import { all, toAddress, usual } from './filter.js';

/** @returns the condition of a search for a tag. */
const condition = (tag) => (/^[\p{L}\p{N}_.-]+$/u.test(tag) ? `tag:${tag}` : `tag:"${tag.replaceAll(/["\\]/g, '\\$&')}"`);

/** @returns a query that finds of the tasks of another one those with a tag. */
export function withTag(query, tag) {
  const wanted = condition(tag);
  if (query.split(/\s+/).includes(wanted)) return query;
  return query.trim() ? `${/\bOR\b|\|/.test(query) ? `(${query.trim()})` : query.trim()} ${wanted}` : wanted;
}

/** @returns the address of the tasks with a tag. */
const address = (tag) => toAddress({ ...all({ sort: usual }), q: condition(tag) });

/** @returns a label. */
export const label = (tag, attributes = {}) => h('a.label', { href: address(tag), 'data-tag': tag, title: `Show the tasks that are tagged ${tag}`, ...attributes }, tag);
