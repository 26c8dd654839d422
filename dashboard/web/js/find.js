// <qme-find>: searches outputs, marks every hit and steps through them.

import { button, debounce, h, icon } from './dom.js';
import { number } from './format.js';

// Without the CSS Custom Highlight API hits are counted and stepped through, but not marked.
const highlight = (name, priority) => {
  const set = globalThis.Highlight ? new Highlight() : new Set();
  set.priority = priority;
  CSS.highlights?.set(name, set);
  return set;
};
const all = highlight('qme-hit', 0);
const current = highlight('qme-hit-current', 1);

/** @returns the ranges in an element for pairs of offsets in its text, which are in order. */
function ranges(el, spots) {
  const walker = document.createTreeWalker(el, NodeFilter.SHOW_TEXT);
  const found = [];
  let node = walker.nextNode();
  let before = 0;
  const seek = (at, inclusive) => {
    while (node && (inclusive ? at > before + node.length : at >= before + node.length)) {
      before += node.length;
      node = walker.nextNode();
    }
    return node && [node, at - before];
  };
  for (const [start, end] of spots) {
    const from = seek(start, false);
    const to = from && seek(end, true);
    if (!to) break;
    const range = new Range();
    range.setStart(...from);
    range.setEnd(...to);
    found.push(range);
  }
  return found;
}

/** Set outputs, a function that returns the <qme-output> elements. It fires "find" with the text as detail. */
class Find extends HTMLElement {
  outputs = () => [];

  #pattern = null;
  #hits = new Map(); // chunk -> [[start, end], ...]
  #marked = new Map(); // chunk -> ranges, of the chunks in sight
  #total = 0;
  #at = null; // {chunk, n}
  #search = 0;
  #sight = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: '300px' });

  connectedCallback() {
    if (this.box) return;
    this.box = h('input', { type: 'search', placeholder: 'Find in output', 'aria-label': 'Find in output', autocomplete: 'off', spellcheck: 'false' });
    this.count = h('span.hits', { role: 'status' });
    const step = (name, picture, by) => button(name, picture, () => this.step(by), { shown: false, kind: 'quiet' });
    this.append(h('div.searchbox', {}, icon('search'), this.box, h('kbd', { 'aria-hidden': 'true' }, '/')), this.count, step('Previous hit (N)', 'up', -1), step('Next hit (n)', 'down', 1));
    this.typed = debounce(120, () => this.find(this.box.value));
    this.box.addEventListener('input', this.typed);
    this.box.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') {
        event.preventDefault();
        this.step(event.shiftKey ? -1 : 1);
      }
    });
  }

  disconnectedCallback() {
    this.typed.cancel();
    this.#reset();
  }

  /** Follows the changes of an output. */
  attend(output) {
    output.lines.addEventListener('chunk', (event) => this.#changed(event.detail));
    output.lines.addEventListener('gone', (event) => this.#forget(event.detail));
  }

  /** Searches for a text; "" ends the search. */
  async find(text) {
    this.box.value = text;
    this.#reset();
    const search = ++this.#search;
    this.dispatchEvent(new CustomEvent('find', { detail: text }));
    if (!text) return;
    this.#pattern = new RegExp(text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), 'giu');
    for (const output of this.outputs()) for (const chunk of output.lines.chunks) this.#look(chunk);
    // Fetches the rest of the output, to count all hits.
    for (const output of this.outputs()) {
      await output.fromStart();
      let more = true;
      while (more) {
        // Goes to the first hit once it is certain that none comes before it.
        if (!this.#at && output.lines.chunks.some((chunk) => this.#hits.has(chunk))) this.step(1);
        this.#show(output.progress);
        more = await output.more();
        if (search !== this.#search) return;
      }
    }
    if (!this.#at && this.#total) this.step(1);
    this.#show();
  }

  /** Goes to the next hit (1) or the previous one (-1), and wraps around. */
  step(by) {
    const chunks = this.#order();
    if (!chunks.length) return;
    let i = this.#at ? chunks.indexOf(this.#at.chunk) : -1;
    let n = this.#at ? this.#at.n + by : 0;
    if (i < 0) [i, n] = by > 0 ? [0, 0] : [chunks.length - 1, this.#hits.get(chunks.at(-1)).length - 1];
    if (n < 0) {
      i = (i - 1 + chunks.length) % chunks.length;
      n = this.#hits.get(chunks[i]).length - 1;
    } else if (n >= this.#hits.get(chunks[i]).length) {
      i = (i + 1) % chunks.length;
      n = 0;
    }
    this.#at = { chunk: chunks[i], n };
    this.#reveal();
    this.#show();
  }

  #order() {
    return this.outputs().flatMap((output) => output.lines.chunks.filter((chunk) => this.#hits.has(chunk)));
  }

  #reveal() {
    const { chunk, n } = this.#at;
    const output = chunk.closest('qme-output');
    if (output.watching) output.following = false;
    const range = this.#mark();
    if (!range) return;
    // A chunk has no layout before it is in sight.
    chunk.scrollIntoView({ block: 'nearest' });
    const to = () => {
      const box = range.getBoundingClientRect();
      const view = output.scroller.getBoundingClientRect();
      if (box.height && (box.top < view.top + 24 || box.bottom > view.bottom - 24)) output.scroller.scrollTop += box.top - view.top - view.height / 3;
      if (box.width && (box.left < view.left || box.right > view.right)) output.scroller.scrollLeft += box.left - view.left - view.width / 3;
    };
    requestAnimationFrame(() => {
      to();
      requestAnimationFrame(to);
    });
  }

  // Marks the current hit, and returns its range.
  #mark() {
    current.clear();
    const [range] = this.#at ? ranges(this.#at.chunk, [this.#hits.get(this.#at.chunk)[this.#at.n]]) : [];
    if (range) current.add(range);
    return range;
  }

  #look(chunk) {
    this.#drop(chunk);
    const spots = [];
    for (const match of chunk.textContent.matchAll(this.#pattern)) spots.push([match.index, match.index + match[0].length]);
    if (!spots.length) return;
    this.#hits.set(chunk, spots);
    this.#total += spots.length;
    this.#sight.observe(chunk);
  }

  #changed(chunk) {
    if (!this.#pattern) return;
    const at = this.#at?.chunk === chunk ? this.#at : null;
    this.#look(chunk);
    if (at) {
      this.#at = this.#hits.get(chunk)?.[at.n] ? at : null;
      this.#mark();
    }
    this.#show();
  }

  #forget(chunk) {
    if (!this.#pattern) return;
    this.#drop(chunk);
    if (this.#at?.chunk === chunk) this.#at = null;
    this.#show();
  }

  #drop(chunk) {
    const spots = this.#hits.get(chunk);
    if (!spots) return;
    this.#total -= spots.length;
    this.#hits.delete(chunk);
    this.#sight.unobserve(chunk);
    this.#unmark(chunk);
  }

  #seen(entries) {
    for (const { target, isIntersecting } of entries) {
      this.#unmark(target);
      if (!isIntersecting || !this.#hits.has(target)) continue;
      const marks = ranges(target, this.#hits.get(target));
      this.#marked.set(target, marks);
      for (const range of marks) all.add(range);
    }
  }

  #unmark(chunk) {
    for (const range of this.#marked.get(chunk) ?? []) all.delete(range);
    this.#marked.delete(chunk);
  }

  #show(progress = 1) {
    if (!this.#pattern) {
      this.count.textContent = '';
      return;
    }
    let text = this.#total ? `${number(this.#total)} hit${this.#total === 1 ? '' : 's'}` : 'no hits';
    if (this.#at && this.#total) text = `${number(this.#index())} of ${number(this.#total)}`;
    if (progress < 1) text += ` · ${Math.round(progress * 100)}% searched`;
    this.count.textContent = text;
    this.box.setAttribute('aria-invalid', this.#total === 0 && progress === 1);
  }

  #index() {
    let before = 0;
    for (const chunk of this.#order()) {
      if (chunk === this.#at.chunk) break;
      before += this.#hits.get(chunk).length;
    }
    return before + this.#at.n + 1;
  }

  #reset() {
    this.#search++;
    this.#pattern = null;
    this.#hits.clear();
    this.#marked.clear();
    this.#total = 0;
    this.#at = null;
    this.#sight.disconnect();
    all.clear();
    current.clear();
    this.#show();
  }
}

customElements.define('qme-find', Find);
