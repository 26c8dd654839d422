// <qme-actions>: what the executor of a task can do with it, as buttons with their results.

import * as api from './api.js';
import { h } from './dom.js';
import { live } from './live.js';

const flag = (name) => (name.startsWith('-') ? name : `--${name}`);

/** Set task and hides (names without a button). */
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
      this.buttons.replaceChildren(...shown.map((action) => h('button', { type: 'button', title: action.summary || null, onclick: () => this.#choose(action) }, action.name)));
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
      const { exit, stdout, stderr, cut } = await api.act(this.task, name, args);
      const lines = document.createElement('div');
      lines.className = 'text';
      const { Lines } = await import('./lines.js');
      new Lines(lines).add([...stdout, ...stderr]);
      title.append(' ', h('span.outcome', { 'data-outcome': exit === 0 ? 'succeeded' : 'failed' }, exit === 0 ? 'ok' : `exit ${exit}`));
      this.result.replaceChildren(title, h('div.scroller.wrap', { tabindex: 0, role: 'region', 'aria-label': `Result of ${name}` }, lines), cut ? h('p.dim', {}, 'A part is left out, since it is long.') : '');
    } catch (err) {
      this.result.replaceChildren(title, h('p.problem', {}, err.message));
    }
  }

  #choose(action) {
    this.form.hidden = true;
    if (action.options.length === 0) return this.act(action.name);
    const boxes = action.options.map((option) => {
      const box = h('input', { type: 'checkbox', id: `option-${option.name}` });
      return [box, option];
    });
    const more = h('input', { type: 'text', placeholder: 'further arguments', 'aria-label': 'Further arguments', spellcheck: 'false' });
    const run = () => {
      const chosen = boxes.filter(([box]) => box.checked).map(([, option]) => flag(option.name));
      this.form.hidden = true;
      this.act(action.name, [...chosen, ...more.value.split(/\s+/).filter(Boolean)]);
    };
    this.form.replaceChildren(
      ...boxes.map(([box, option]) => h('label', {}, box, h('code', {}, flag(option.name)), ' ', option.summary)),
      more, h('div.buttons', {}, h('button', { type: 'button', onclick: () => { this.form.hidden = true; } }, 'Back'), h('button.primary', { type: 'button', onclick: run, disabled: live.readOnly }, action.name)));
    this.form.hidden = false;
    boxes[0][0].focus();
    return undefined;
  }
}

customElements.define('qme-actions', Actions);
