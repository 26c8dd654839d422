// Lines of output in chunks, so that the browser lays out only what is in sight.

import { h } from './dom.js';

const chunkLines = 200;
/** How many chunks at the end keep their lines, to be replaced: more than a server's screen has. */
const liveChunks = 4;

/**
 * Puts lines that the server has made into an element. They are the one kind of text that
 * comes as HTML; what is not a span there is shown as text.
 */
function paint(el, lines) {
  const template = document.createElement('template');
  template.innerHTML = lines.length ? `${lines.join('\n')}\n` : '';
  if (template.content.querySelector(':not(span)')) el.textContent = `${lines.join('\n')}\n`;
  else el.replaceChildren(template.content);
}

/** Lines fills an element with lines of HTML. It fires "chunk" (detail: the element) when one has another text. */
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

  /** Adds lines; open says that the last one goes on with what comes next. */
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

  /** Drops all lines from one on, which must be among the last few hundred. @returns whether it was. */
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

  /** Drops the oldest chunks, so that about so many lines stay. @returns how many lines went. */
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
