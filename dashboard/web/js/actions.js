// <qme-actions>: the actions of a task's executor as buttons, with their results.

import * as api from './api.js';
import { h } from './dom.js';
import { live } from './live.js';
import { agreeing } from './task-actions.js';

const flag = ({ name }) => `--${name}`;

/** @returns an option as arguments of "qme exec ID ACTION", none for an empty one. */
function typed(option, input) {
  if (!option.value) return input.checked ? [flag(option)] : [];
  return input.value ? [`${flag(option)}=${input.value}`] : [];
}

/** Set task (its id) and hides (the names of actions without a button) before it is connected. */
class Actions extends HTMLElement {
  task = '';
  hides = [];

  #off = new AbortController();

  connectedCallback() {
    this.buttons = h('div.buttons', { role: 'group', 'aria-label': 'Actions of the executor' });
    this.form = h('div.options', { hidden: true });
    this.result = h('section.result', { hidden: true, 'aria-live': 'polite' });
    this.append(this.buttons, this.form, this.result);
    this.load();
  }

  disconnectedCallback() {
    this.#off.abort();
  }

  async load() {
    try {
      const { actions } = await api.actions(this.task, this.#off.signal);
      const shown = actions.filter((action) => !this.hides.includes(action.name));
      this.hidden = shown.length === 0;
      this.buttons.replaceChildren(...shown.map((action) => h('button', { type: 'button', title: action.summary || null, disabled: live.readOnly && action.alters, onclick: () => this.#choose(action) }, action.name)));
    } catch (err) {
      if (err.name !== 'AbortError') this.buttons.replaceChildren(h('p.problem', {}, err.message));
    }
  }

  /** Performs an action and shows its result. */
  async act(name, args = []) {
    this.result.hidden = false;
    const title = h('h3', {}, [name, ...args].join(' '));
    this.result.replaceChildren(title, h('p.dim.busy', {}, 'Waiting…'));
    try {
      const result = await agreeing((agreed) => api.act(this.task, name, args, agreed));
      if (!result) {
        this.result.hidden = true;
        return;
      }
      const { exit, stdout, stderr, cut } = result;
      const lines = document.createElement('div');
      lines.className = 'text';
      const { Lines } = await import('./lines.js');
      new Lines(lines).add([...stdout, ...stderr]);
      title.append(' ', h('span.outcome', { 'data-outcome': exit === 0 ? 'ok' : 'failed' }, exit === 0 ? 'ok' : `exit ${exit}`));
      this.result.replaceChildren(title, h('div.scroller.wrap', { tabindex: 0, role: 'region', 'aria-label': `Result of ${name}` }, lines), cut ? h('p.dim', {}, 'A part is left out, since it is long.') : '');
    } catch (err) {
      this.result.replaceChildren(title, h('p.problem', {}, err.message));
    }
  }

  #choose(action) {
    this.form.hidden = true;
    if (action.options.length === 0) return this.act(action.name);
    const inputs = action.options.map((option) => [option, option.value ? h('input', { type: 'text', placeholder: option.value, spellcheck: 'false', autocomplete: 'off' }) : h('input', { type: 'checkbox' })]);
    const run = (event) => {
      event.preventDefault();
      this.form.hidden = true;
      this.act(action.name, inputs.flatMap(([option, input]) => typed(option, input)));
    };
    this.form.replaceChildren(h('form', { onsubmit: run },
      ...inputs.map(([option, input]) => h('label', {}, option.value ? '' : input, h('code', {}, flag(option)), ' ', option.summary, option.value ? input : '')),
      h('div.buttons', {}, h('button', { type: 'button', onclick: () => { this.form.hidden = true; } }, 'Back'), h('button.primary', { type: 'submit' }, action.name))));
    this.form.hidden = false;
    inputs[0][1].focus();
    return undefined;
  }
}

customElements.define('qme-actions', Actions);
