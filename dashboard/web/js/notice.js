// Messages to the user: short notices, questions, empty and failed states.

import { button, h } from './dom.js';
import { Problem } from './api.js';

/** Shows a notice that disappears by itself. kind "bad" is an error, which stays longer. link: {href, text}. */
export function toast(text, kind = '', link = null) {
  const el = h(`div.toast${kind && `.${kind}`}`, {}, h('span', {}, text));
  if (link) el.append(h('a', { href: link.href }, link.text));
  el.append(button('Dismiss', 'close', () => el.remove(), { shown: false, kind: 'quiet' }));
  document.getElementById('toasts').append(el);
  let timer = setTimeout(() => el.remove(), kind === 'bad' ? 12_000 : 5000);
  el.addEventListener('pointerenter', () => clearTimeout(timer));
  el.addEventListener('pointerleave', () => {
    timer = setTimeout(() => el.remove(), 3000);
  });
}

/** Awaits run(), and shows its error. @returns whether it succeeded. */
export async function attempt(run) {
  try {
    await run();
    return true;
  } catch (err) {
    toast(err.message, 'bad');
    return false;
  }
}

/**
 * Asks a question. text is a list of paragraphs, of which {code} is shown as a command. The button that
 * declines has the focus: a user who is typing has not read the question.
 * @returns a promise of whether the user agreed.
 */
export function ask(title, text, yes, kind = 'danger', no = kind === 'danger' ? 'Keep' : 'Not now') {
  const { promise, resolve } = Promise.withResolvers();
  const agree = h(`button.${kind}`, { type: 'button', onclick: () => dialog.close('yes') }, yes);
  const dialog = h('dialog.ask', { 'aria-labelledby': 'ask-title', 'aria-describedby': 'ask-text' },
    h('h2', { id: 'ask-title' }, title),
    h('div', { id: 'ask-text' }, ...[text].flat().map((line) => h('p', {}, line.code ? h('code', {}, line.code) : line))),
    h('div.buttons', {}, h('button', { type: 'button', autofocus: true, onclick: () => dialog.close() }, no), agree));
  dialog.addEventListener('close', () => {
    dialog.remove();
    resolve(dialog.returnValue === 'yes');
  });
  document.body.append(dialog);
  dialog.showModal();
  return promise;
}

/** Shows a dialog without a question. */
export function tell(title, ...content) {
  const dialog = h('dialog.tell', { 'aria-labelledby': 'tell-title' },
    h('div.dialog-head', {}, h('h2', { id: 'tell-title' }, title), button('Close', 'close', () => dialog.close(), { shown: false, kind: 'quiet' })),
    ...content);
  dialog.addEventListener('close', () => dialog.remove());
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** @returns an element for content that could not be loaded. again() tries once more. */
export function failure(err, again) {
  const locked = err instanceof Problem && err.status === 401;
  // The banner at the top of the page has the way out.
  if (locked) return h('div.empty.failed', {}, h('h2', {}, 'This browser has no key'));
  return h('div.empty.failed', { role: 'alert' },
    h('h2', {}, 'That did not work'),
    h('p', {}, err.message),
    again && h('button', { type: 'button', onclick: again }, 'Try again'));
}

/** @returns an element for content that is empty. */
export function empty(title, ...content) {
  return h('div.empty', {}, h('h2', {}, title), ...content);
}
