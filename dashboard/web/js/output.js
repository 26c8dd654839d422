// <qme-output>: one stream of a run, fetched in pieces, and live while it grows.

import * as api from './api.js';
import { button, copyButton, h } from './dom.js';
import { bytes, many, number } from './format.js';
import { Lines } from './lines.js';
import { live } from './live.js';

/** The number of lines of a live stream that are kept; the raw download has them all. */
const keepLive = 50_000;

/** The size of pieces in bytes. The first one is small, so that it shows soon. */
const firstPiece = 256 * 1024;
const nextPiece = 512 * 1024;

/** The number of bytes up to which a stream is fetched in order to be copied. */
const copyMost = 8 * 1024 * 1024;

/** Of a running command that has written more than far bytes, only the last lastPiece are shown at first. */
const far = 2 * 1024 * 1024;
const lastPiece = 128 * 1024;

const names = { stdout: 'Output', stderr: 'Error output', 'job-stdout': 'Output of the job', 'job-stderr': 'Error output of the job' };

/** Set task (its id), stream and run (null: the latest) before it is connected. */
class Output extends HTMLElement {
  task = '';
  stream = 'stdout';
  run = null;

  #off = null;
  #piece = null; // the last piece that was fetched
  #loading = null;
  #base = 0; // the number of lines at the beginning of the subscription
  #gone = 0; // the number of lines dropped at the beginning
  #mark = null; // where another subscription can continue: {end, style, lines}
  #failed = false; // a piece could not be fetched
  #ended = false; // the run has ended while it was watched
  #watching = false;
  #follow = true;
  #top = 0; // the last scroll position
  #tail = false; // only the end is shown

  connectedCallback() {
    this.#off = new AbortController();
    if (!this.text) this.#build();
    live.addEventListener('output', (event) => this.#live(event.detail), { signal: this.#off.signal });
    live.addEventListener('hello', () => this.#resume(), { signal: this.#off.signal });
    this.load();
  }

  disconnectedCallback() {
    this.#off.abort();
    this.#unwatch();
  }

  /** Fetches the stream again, from its beginning; of a long running one only the end, unless whole is true. */
  async load(whole = false) {
    this.#clear();
    this.whole = whole;
    this.#follow = !whole;
    await this.#more();
  }

  /** Makes sure that the stream is shown from its beginning. */
  async fromStart() {
    if (this.#tail || this.#gone) await this.load(true);
  }

  #clear() {
    this.#unwatch();
    this.lines.clear();
    this.#piece = null;
    this.#gone = 0;
    this.#failed = false;
    this.#ended = false;
    this.#tail = false;
    this.note.replaceChildren();
  }

  /** Fetches the next piece. @returns whether there may be another one. */
  async more() {
    if (this.#piece && !this.#piece.more) return false;
    await this.#more();
    return Boolean(this.#piece?.more && !this.#failed);
  }

  // Fetches and returns the whole text, to be copied.
  async #all() {
    if (this.#piece?.stored > copyMost) throw new Error(`it has ${bytes(this.#piece.stored)}; download it`);
    await this.fromStart();
    while (await this.more());
    return this.text.textContent;
  }

  /** The fetched part of the stored bytes, from 0 to 1. */
  get progress() {
    return this.#piece?.stored ? this.#piece.end / this.#piece.stored : 1;
  }

  /** Whether the run has ended while it was watched, so that all output is here. */
  get complete() {
    return this.#ended;
  }

  get following() {
    return this.#watching && this.#follow;
  }

  set following(on) {
    this.#follow = on;
    this.#showFollow();
    if (on) this.#toEnd();
  }

  get watching() {
    return this.#watching;
  }

  #build() {
    const name = names[this.stream];
    this.size = h('span.size');
    this.followButton = button('Follow', 'down', () => {
      this.following = !this.#follow;
    }, { kind: 'toggle' });
    this.followButton.hidden = true;
    this.endButton = button('Go to the end', 'bottom', () => this.#toLast(), { shown: false, kind: 'quiet' });
    this.endButton.hidden = true;
    this.wrapButton = button('Wrap long lines', 'wrap', () => this.#wrap(!this.scroller.classList.contains('wrap')), { shown: false, kind: 'quiet' });
    this.raw = h('a.button.quiet.icon', { href: api.rawAddress(this.task, this.stream, this.run), download: true, title: 'Download as written', 'aria-label': `Download ${name.toLowerCase()}` });
    this.raw.append(button('', 'download').firstChild);
    this.text = h('div.text');
    this.end = h('div.end');
    this.scroller = h('div.scroller.wrap', { tabindex: 0, role: 'region', 'aria-label': name, onscroll: () => this.#scrolled() }, this.text, this.end);
    this.note = h('p.cut', { role: 'status' });
    this.append(
      h('header.pane-head', {}, h('h2', {}, name), this.size, this.followButton, this.endButton,
        copyButton(`Copy ${name.toLowerCase()}`, () => this.#all(), { shown: false, kind: 'quiet' }), this.wrapButton, this.raw),
      this.note, this.scroller);
    this.#wrap(true);
    this.lines = new Lines(this.text);
    // A chunk that comes into sight for the first time may be taller than estimated.
    new ResizeObserver(() => this.#keepUp()).observe(this.text);
    new IntersectionObserver((entries) => entries.at(-1).isIntersecting && this.#piece?.more && !this.#failed && this.#more(), { root: this.scroller, rootMargin: '1500px' }).observe(this.end);
  }

  #wrap(on) {
    this.scroller.classList.toggle('wrap', on);
    this.wrapButton.setAttribute('aria-pressed', on);
  }

  async #more() {
    this.#loading ??= this.#fetch().finally(() => {
      this.#loading = null;
    });
    return this.#loading;
  }

  async #fetch() {
    const { end = 0, style = '' } = this.#piece ?? {};
    this.#failed = false;
    this.end.classList.add('busy');
    try {
      const piece = await this.#get(end, style, end ? nextPiece : firstPiece);
      if (!end && !this.whole && piece.running && piece.stored > far) await this.#getLast(piece);
      else this.#take(piece);
    } catch (err) {
      if (err.name === 'AbortError') return;
      this.#failed = true;
      this.end.replaceChildren(h('p.problem', { role: 'alert' }, err.message, ' '), h('button', { type: 'button', onclick: () => this.#more() }, 'Try again'));
      return;
    } finally {
      this.end.classList.remove('busy');
    }
    // The observer does not fire again while the end stays in sight.
    if (this.#piece.more && ((this.#piece.running && this.#follow) || this.end.getBoundingClientRect().top < this.scroller.getBoundingClientRect().bottom + 500)) await this.#fetch();
  }

  #get(offset, style, limit) {
    return api.output(this.task, this.stream, { run: this.run, offset, style, limit }, this.#off.signal);
  }

  // Fetches the last lines alone.
  async #getLast({ stored, cut }) {
    const offset = stored - lastPiece;
    const piece = await this.#get(offset, '', lastPiece);
    this.#clear();
    this.#tail = true;
    // The first line is most likely a part of one.
    this.#take({ ...piece, lines: piece.lines.slice(1), cut });
    this.#lacks(`Only the end is shown: ${bytes(offset)} come before it. `);
  }

  #lacks(text) {
    if (this.note.firstChild?.nodeType === Node.TEXT_NODE && this.note.lastElementChild) this.note.firstChild.data = text;
    else this.note.replaceChildren(text, h('button', { type: 'button', onclick: () => this.load(true) }, 'Show from the beginning'));
  }

  async #toLast() {
    try {
      if (this.#piece?.more && this.#piece.stored - this.#piece.end > far) await this.#getLast(this.#piece);
      while (this.#piece?.more) {
        await this.#more();
        if (this.#failed) return;
      }
      this.scroller.scrollTop = this.scroller.scrollHeight;
      // Chunks that come into sight for the first time may be taller than estimated.
      requestAnimationFrame(() => {
        this.scroller.scrollTop = this.scroller.scrollHeight;
      });
    } catch (err) {
      if (err.name !== 'AbortError') this.end.replaceChildren(h('p.problem', { role: 'alert' }, err.message));
    }
  }

  #take(piece) {
    const first = !this.#piece;
    this.#piece = piece;
    this.lines.add(piece.lines, piece.open);
    this.end.replaceChildren();
    if (first) this.#showCut(piece.cut);
    this.#showSize(piece.size);
    this.endButton.hidden = this.lines.count < 100 || piece.running;
    if (piece.running && !piece.more && !this.#watching) this.#watch(piece);
    this.#showEmpty();
  }

  #showCut(cut) {
    if (cut) this.note.replaceChildren(`${number(cut.bytes)} bytes in the middle, from byte ${number(cut.offset)} on, were not kept: the command wrote more than is stored of a run.`);
  }

  #showSize(size) {
    this.size.textContent = size ? bytes(size) : '';
    this.dataset.empty = String(size === 0 && !this.#watching);
  }

  #showEmpty() {
    this.text.dataset.empty = this.lines.count ? '' : this.#watching ? 'Nothing yet' : 'Nothing was written';
    this.dispatchEvent(new Event('state', { bubbles: true }));
  }

  #watch({ end, style }) {
    this.#base = this.#gone + this.lines.count;
    this.#mark = { end, style, lines: this.#base };
    this.#watching = true;
    live.watch(this.task, this.stream, end, style);
    this.#showFollow();
    if (this.#follow) this.#toEnd();
  }

  // Continues over a new connection from the mark. The run may have ended in between.
  #resume() {
    if (this.#watching) {
      if (this.lines.truncate(this.#mark.lines - this.#gone)) this.#watch(this.#mark);
      else this.load();
    } else if (this.#failed) this.#more();
  }

  #unwatch() {
    if (this.#watching) live.unwatch(this.task, this.stream);
    this.#watching = false;
    if (this.text) this.#showFollow();
  }

  #live(message) {
    if (!this.#watching || message.id !== this.task || message.stream !== this.stream) return;
    const other = message.started && new Date(message.started).getTime() !== new Date(this.#piece.started).getTime();
    this.#scrolled(); // a user who has just scrolled up is not to be moved down
    if (other || !this.lines.truncate(this.#base - this.#gone + message.line)) {
      this.load();
      return;
    }
    const reading = this.#follow ? null : this.#inSight();
    this.lines.add(message.lines);
    this.#gone += this.lines.trim(keepLive);
    this.#mark = { end: message.end, style: message.style, lines: this.#base + message.kept };
    if (message.skipped) this.#lacks(`It is written faster than it can be shown: ${bytes(message.skipped)} were left out here. `);
    else if (this.#gone) this.#lacks(`The first ${many(this.#gone, 'line')} are not shown any more. `);
    this.#showSize(message.size);
    if (this.#follow) this.#toEnd();
    else this.#backTo(reading);
    if (message.done) {
      this.#watching = false;
      this.#ended = true;
      this.#showFollow();
    }
    this.#showEmpty();
  }

  #showFollow() {
    this.followButton.hidden = !this.#watching;
    this.followButton.setAttribute('aria-pressed', this.#follow);
    this.followButton.lastChild.textContent = this.#follow ? 'Following' : 'Follow';
    this.dataset.watching = String(this.#watching);
  }

  // The first chunk in sight and its position: chunks that go above it must not move it.
  #inSight() {
    const { top } = this.scroller.getBoundingClientRect();
    const chunk = this.lines.chunks.find((one) => one.getBoundingClientRect().bottom > top);
    return chunk && { chunk, y: chunk.getBoundingClientRect().top - top };
  }

  #backTo(place) {
    if (place?.chunk.isConnected) this.scroller.scrollTop += place.chunk.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top - place.y;
    this.#top = this.scroller.scrollTop;
  }

  #keepUp() {
    // A user who has just scrolled up is not to be moved down.
    this.#scrolled();
    if (this.following) this.#toEnd();
  }

  #toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.#top = this.scroller.scrollTop;
  }

  // Scrolling up pauses following; scrolling to the end resumes it.
  #scrolled() {
    if (!this.#watching) return;
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const up = scrollTop < this.#top;
    this.#top = scrollTop;
    let follow = this.#follow && !up;
    if (scrollHeight - clientHeight - scrollTop < 4) follow = true;
    if (follow !== this.#follow) {
      this.#follow = follow;
      this.#showFollow();
    }
  }
}

customElements.define('qme-output', Output);
