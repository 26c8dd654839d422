// Keyboard shortcuts. The page that is shown handles them in its method key(name, event).

import { h } from './dom.js';
import { tell } from './notice.js';

const list = [
  ['/', 'search'],
  ['j, k or ↓, ↑', 'next, previous task'],
  ['Enter', 'open the task'],
  ['x', 'select the task'],
  ['r', 'run the task again'],
  ['f', 'follow running output'],
  ['n, N', 'next, previous hit'],
  ['Esc', 'leave the search; clear the selection'],
  ['?', 'these shortcuts'],
];

function help() {
  if (document.querySelector('dialog[open]')) return;
  tell('Keyboard shortcuts', h('dl.keys', {}, ...list.flatMap(([key, what]) => [
    h('dt', {}, ...key.split(/( or |, )/).map((part, i) => (i % 2 ? part : h('kbd', {}, part)))),
    h('dd', {}, what),
  ])));
}

const writing = (el) => el.closest?.('input:not([type=checkbox]), textarea, select, [contenteditable]') !== null;

/** Starts to listen for keys. The button shows the list of shortcuts, too. */
export function keys(button) {
  button.addEventListener('click', help);
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector('dialog[open]') || (writing(event.target) && event.key !== 'Escape')) return;
    if (event.repeat && event.key === 'r') return; // a held key means one run
    if (event.key === '?') help();
    else if (!document.getElementById('main').firstElementChild?.key?.(event.key, event)) return;
    event.preventDefault();
  });
}
