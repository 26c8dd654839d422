// <qme-notes>: the name, the tags and the notes of a task, and forms that change them.

import * as api from './api.js';
import { button, h } from './dom.js';
import { shortId, stamp, stamps } from './format.js';
import { ask, failure } from './notice.js';
import { label } from './tags.js';

/** Set task (its id) before it is connected. */
class Notes extends HTMLElement {
  task = '';

  #off = new AbortController();
  #asked = 0; // the number of the last request: the answers of earlier ones are old
  #editors = new Map(); // the id of a note that is being edited -> its element
  #naming = false;

  connectedCallback() {
    this.setAttribute('role', 'region');
    this.ariaLabel = 'Notes';
    this.load();
  }

  disconnectedCallback() {
    this.#off.abort();
  }

  /** Fetches what is shown. What the user is writing stays. */
  async load() {
    const asked = ++this.#asked;
    try {
      const notes = await api.notes(this.task, this.#off.signal);
      if (asked === this.#asked) this.#show(notes);
    } catch (err) {
      if (err.name !== 'AbortError' && asked === this.#asked && !this.list) this.replaceChildren(failure(err, () => this.load()));
    }
  }

  #build() {
    this.problem = h('p.problem', { role: 'alert' });
    this.called = h('div.called-as');
    this.tags = h('ul.labels', { 'aria-label': 'Tags' });
    this.list = h('ol.notes', { 'aria-label': 'Notes' });
    this.left = h('p.dim', { hidden: true });
    const tag = h('input', { type: 'text', placeholder: 'Add a tag', 'aria-label': 'A tag to add', maxlength: 60, spellcheck: 'false', autocomplete: 'off', autocapitalize: 'none' });
    const tagForm = this.#form('tag-form', tag, 'Tag', async () => {
      if (tag.value.trim() && await this.#change(() => api.tag(this.task, { add: [tag.value.trim()] }))) tag.value = '';
    });
    const text = this.#area('A note', 'What should be known of this task?');
    const noteForm = this.#form('note-form', text, 'Add note', async () => {
      if (text.value.trim() && await this.#change(() => api.addNote(this.task, text.value))) text.value = '';
    });
    this.tagBox = tag;
    this.noteBox = text;
    this.replaceChildren(h('h2', {}, 'Notes'), this.called, this.tags, tagForm, this.list, this.left, noteForm, this.problem);
  }

  #form(kind, field, submit, run) {
    let busy = false;
    return h(`form.${kind}.change`, {
      onsubmit: async (event) => {
        event.preventDefault();
        if (busy) return; // a second press is not a second note
        busy = true;
        await run();
        busy = false;
      },
    }, field, h('button', { type: 'submit' }, submit));
  }

  #area(name, placeholder = null) {
    return h('textarea', {
      'aria-label': name, placeholder, rows: 1, 'aria-keyshortcuts': 'Control+Enter', title: 'Ctrl+Enter saves it',
      onkeydown: (event) => {
        if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
        event.preventDefault();
        event.target.form.requestSubmit();
      },
    });
  }

  /** Awaits a change, and shows what is said then, or why not. @returns whether it was made. */
  async #change(run) {
    const asked = ++this.#asked;
    try {
      const notes = await run();
      this.problem.textContent = '';
      if (asked === this.#asked) this.#show(notes);
      return true;
    } catch (err) {
      this.problem.textContent = err.message;
      return false;
    }
  }

  #show(notes) {
    if (!this.list) this.#build();
    this.noted = notes;
    const focused = document.activeElement?.closest?.('[data-key]');
    const inside = focused && this.contains(focused) ? focused.dataset.key : '';
    if (!this.#naming) this.#showName();
    this.tags.replaceChildren(...notes.tags.map((tag) => this.#tag(tag)));
    this.tags.hidden = notes.tags.length === 0;
    const gone = [...this.#editors].filter(([id]) => !notes.notes.some((note) => note.id === id)).map(([, el]) => el);
    this.#fill([...notes.notes.map((note) => this.#editors.get(note.id) ?? this.#note(note)), ...gone]);
    this.list.hidden = this.list.childElementCount === 0;
    this.left.hidden = !notes.left_out;
    this.left.textContent = notes.left_out ? `${notes.left_out} more notes and tags were left out when histories were merged.` : '';
    if (inside) this.#at(inside)?.focus();
  }

  // An element that is being written in must not be moved: it would lose the focus.
  #fill(items) {
    for (const el of [...this.list.children]) if (!items.includes(el)) el.remove();
    items.forEach((el, i) => this.list.children[i] !== el && this.list.insertBefore(el, this.list.children[i] ?? null));
  }

  #at(key) {
    return [...this.querySelectorAll('[data-key]')].find((el) => el.dataset.key === key);
  }

  #button(name, picture, key, run) {
    const el = button(name, picture, run, { shown: false, kind: 'quiet' });
    el.classList.add('change');
    el.dataset.key = key;
    return el;
  }

  /* The name. */

  #showName() {
    const { name } = this.noted;
    if (name) {
      this.called.replaceChildren(h('span.called', { title: `given by ${name.by}, ${stamps(name.at)}` }, name.text),
        this.#button('Change the name', 'edit', 'name', () => this.#rename()), this.#button('Remove the name', 'close', 'unname', () => this.#setName('')));
      return;
    }
    const el = button('Give it a name', 'edit', () => this.#rename(), { kind: 'quiet' });
    el.classList.add('change');
    el.dataset.key = 'name';
    this.called.replaceChildren(el);
  }

  #rename() {
    this.#naming = true;
    const input = h('input', { type: 'text', 'aria-label': 'The name of the task', placeholder: 'such as baseline', maxlength: 60, spellcheck: 'false', autocomplete: 'off', autocapitalize: 'none' });
    input.value = this.noted.name?.text ?? '';
    const form = this.#form('name-form', input, 'Save', () => this.#setName(input.value.trim()));
    form.append(button('Back', 'close', () => this.#endNaming(), { shown: false, kind: 'quiet' }));
    form.addEventListener('keydown', (event) => this.#escape(event, () => this.#endNaming()));
    this.called.replaceChildren(form);
    input.focus();
    input.select();
  }

  #endNaming() {
    this.#naming = false;
    this.problem.textContent = '';
    this.#showName();
    this.#at('name')?.focus();
  }

  async #setName(text, move = false) {
    const taken = [];
    const done = await this.#change(async () => {
      try {
        return await api.name(this.task, text, move);
      } catch (err) {
        if (err.code === 'name-taken') taken.push(err);
        throw err;
      }
    });
    if (done) this.#endNaming();
    else if (taken.length && await ask(`Take the name ${text}?`, `${taken[0].message}. It has none then (${shortId(taken[0].task)}).`, 'Take it', 'primary')) await this.#setName(text, true);
  }

  #escape(event, run) {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    run();
  }

  /* The tags. */

  #tag(tag) {
    const remove = this.#button(`Remove the tag ${tag}`, 'close', `tag ${tag}`, async () => {
      const at = this.noted.tags.indexOf(tag);
      if (!await this.#change(() => api.tag(this.task, { remove: [tag] }))) return;
      // The button is gone: the next one has the focus, or the field.
      (this.tags.children[at]?.querySelector('button') ?? this.tagBox).focus();
    });
    return h('li.tagged', {}, label(tag, { 'data-key': `label ${tag}` }), remove);
  }

  /* The notes. */

  #note(note) {
    return h('li', {},
      h('p.note-text', {}, note.text),
      h('div.note-foot', {},
        h('span.by', {}, note.by), ' ', h('time', { datetime: note.at, title: stamps(note.at) }, stamp(note.at)),
        note.edited && h('span', { title: stamps(note.edited) }, ' · edited ', stamp(note.edited)),
        this.#button('Edit this note', 'edit', `edit ${note.id}`, () => this.#edit(note)),
        this.#button('Remove this note', 'trash', `remove ${note.id}`, () => this.#remove(note))));
  }

  #edit(note) {
    const area = this.#area('The text of the note');
    area.value = note.text;
    area.rows = Math.min(12, note.text.split('\n').length + 1);
    const end = () => {
      this.#editors.delete(note.id);
      this.problem.textContent = '';
      this.#show(this.noted);
      (this.#at(`edit ${note.id}`) ?? this.noteBox).focus();
    };
    const form = this.#form('edit-form', area, 'Save', async () => {
      if (area.value.trim() && await this.#change(() => api.editNote(this.task, note.id, area.value))) end();
    });
    form.append(h('button.quiet', { type: 'button', onclick: end }, 'Back'));
    form.addEventListener('keydown', (event) => this.#escape(event, end));
    this.#editors.set(note.id, h('li', {}, form));
    this.#show(this.noted);
    area.focus();
  }

  async #remove(note) {
    if (!await ask('Remove this note?', [{ code: note.text.slice(0, 200) }, 'It stays in earlier versions of the history.'], 'Remove')) return;
    if (await this.#change(() => api.removeNote(this.task, note.id))) this.noteBox.focus();
  }
}

customElements.define('qme-notes', Notes);
