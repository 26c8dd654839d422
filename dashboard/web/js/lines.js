// Lines of output in chunks, so that the browser lays out the chunks in sight only.

import { h } from './dom.js';

const chunkLines = 200;
/** The number of chunks at the end whose lines can be replaced: more than the screen of the server has. */
const liveChunks = 4;

/**
 * Sets the content of an element to lines, which are the one text that the server sends as HTML. If
 * they hold any element but span, they are shown as text.
 */
function paint(el, lines) {
  const template = document.createElement('template');
  template.innerHTML = lines.length ? `${lines.join('\n')}\n` : '';
  if (template.content.querySelector(':not(span)')) el.textContent = `${lines.join('\n')}\n`;
  else el.replaceChildren(template.content);
}

/** Lines fills an element with lines of HTML. It fires "chunk" when the text of a chunk has changed and "gone" when one is removed, with the chunk as detail. */
export class Lines extends EventTarget {
  /** The elements, in order. */
  chunks = [];
  count = 0;

  #into;
  #open = false;

  constructor(into) {
    super();
    this.#into = into;
  }

  clear() {
    this.#into.replaceChildren();
    const gone = this.chunks;
    this.chunks = [];
    for (const chunk of gone) this.dispatchEvent(new CustomEvent('gone', { detail: chunk }));
    this.count = 0;
    this.#open = false;
  }

  /** Adds lines. open says that the last one continues in the next call. */
  add(lines, open = false) {
    let rest = lines;
    if (this.#open && rest.length && this.chunks.length) {
      const last = this.chunks.at(-1);
      const joined = last.lines.at(-1) + rest[0];
      last.lines[last.lines.length - 1] = joined;
      rest = rest.slice(1);
      this.#painted(last);
    }
    this.#open = lines.length ? open : this.#open;
    while (rest.length) {
      let last = this.chunks.at(-1);
      if (!last?.lines || last.lines.length >= chunkLines) last = this.#grow();
      const room = chunkLines - last.lines.length;
      last.lines.push(...rest.slice(0, room));
      this.count += Math.min(room, rest.length);
      rest = rest.slice(room);
      this.#painted(last);
    }
  }

  /** Drops the lines after the first count. @returns false, with the lines in an undefined state, if more would go than the last few hundred. */
  truncate(count) {
    this.#open = false;
    while (this.count > count) {
      const last = this.chunks.at(-1);
      if (!last?.lines) return false;
      const drop = Math.min(this.count - count, last.lines.length);
      last.lines.length -= drop;
      this.count -= drop;
      if (last.lines.length === 0) {
        this.chunks.pop();
        last.remove();
        this.dispatchEvent(new CustomEvent('gone', { detail: last }));
      } else this.#painted(last);
    }
    return true;
  }

  /** Drops the oldest chunks, so that about count lines stay. @returns the number of lines dropped. */
  trim(count) {
    let gone = 0;
    while (this.chunks.length > liveChunks && this.count - gone - chunkLines >= count) {
      const first = this.chunks.shift();
      first.remove();
      gone += first.height;
      this.dispatchEvent(new CustomEvent('gone', { detail: first }));
    }
    this.count -= gone;
    return gone;
  }

  #grow() {
    const chunk = h('div.chunk');
    chunk.lines = [];
    this.chunks.push(chunk);
    this.#into.append(chunk);
    const done = this.chunks.at(-1 - liveChunks);
    if (done) done.lines = null;
    return chunk;
  }

  #painted(chunk) {
    chunk.height = chunk.lines.length;
    chunk.style.setProperty('--lines', chunk.height);
    paint(chunk, chunk.lines);
    this.dispatchEvent(new CustomEvent('chunk', { detail: chunk }));
  }
}
