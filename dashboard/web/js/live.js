// The websocket (docs/dashboard.md). It reconnects by itself, at growing intervals.

import * as api from './api.js';

const firstWait = 300;
const longestWait = 10_000;

/** After so many milliseconds without a message a request checks that the server responds: a connection can hang. */
const silence = 20_000;
const answerTime = 10_000;

/**
 * Live fires an event of the message's type for each message, with the message as detail, and
 * "state" when state, detail or retryAt has changed.
 */
class Live extends EventTarget {
  /** "connecting" at first; "live", "behind": connected; "offline"; "refused": the key is not accepted. */
  state = 'connecting';
  detail = '';
  retryAt = 0;
  readOnly = false;
  version = '';

  #socket = null;
  #wait = firstWait;
  #timer = 0;
  #heard = 0; // the time of the last message

  start() {
    this.#connect();
    api.refusals.addEventListener('refused', ({ detail }) => this.#refused(detail));
    setInterval(() => this.#check(), 5000);
    addEventListener('online', () => this.now());
    document.addEventListener('visibilitychange', () => document.hidden || this.now());
    // A page in the back-forward cache must not have a connection.
    addEventListener('pagehide', () => this.#socket?.close());
    addEventListener('pageshow', (event) => event.persisted && this.now());
  }

  /** Connects at once, unless there is a connection. */
  now() {
    if (this.#socket) return;
    this.#wait = firstWait;
    this.#connect();
  }

  /**
   * Subscribes to the output of a run in progress, from a byte on, until unwatch, the end of the run
   * or that of the connection. Subscribe again after "hello".
   */
  watch(id, stream, offset, style) {
    this.#send({ type: 'watch', id, stream, offset, style });
  }

  unwatch(id, stream) {
    this.#send({ type: 'unwatch', id, stream });
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #connect() {
    clearTimeout(this.#timer);
    const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/live`);
    this.#socket = socket;
    socket.addEventListener('message', (event) => this.#message(JSON.parse(event.data)));
    this.#heard = Date.now();
    socket.addEventListener('close', () => this.#gone(socket));
  }

  #gone(socket) {
    if (this.#socket !== socket) return; // another one has replaced it
    this.#socket = null;
    this.#again();
  }

  // The pings of the server are invisible to a page.
  async #check() {
    const socket = this.#socket;
    if (!socket || document.hidden || Date.now() - this.#heard < silence) return;
    this.#heard = Date.now();
    try {
      await api.info(AbortSignal.timeout(answerTime));
    } catch (err) {
      if (err.status) return; // it responds
      socket.close();
      this.#gone(socket);
    }
  }

  async #again() {
    const wait = this.#wait * (0.75 + Math.random() / 2);
    this.#wait = Math.min(this.#wait * 2, longestWait);
    this.#timer = setTimeout(() => this.#connect(), wait);
    this.retryAt = Date.now() + wait;
    if (this.state !== 'refused') this.#set('offline', '');
    // A page does not see why a websocket was refused; a plain request does.
    try {
      await api.info();
    } catch (err) {
      if (!this.#socket) this.#set(err.status === 401 || err.status === 403 ? 'refused' : 'offline', err.message);
    }
  }

  // The key is not valid any more, while a connection that was made with it may go on. It is not shown as live.
  #refused(err) {
    const socket = this.#socket;
    if (!socket || this.state === 'connecting' || this.state === 'refused') return;
    this.#socket = null;
    socket.close();
    this.#set('refused', err.message);
    this.#again();
  }

  #set(state, detail) {
    this.state = state;
    this.detail = detail;
    this.dispatchEvent(new Event('state'));
  }

  #message(message) {
    this.#heard = Date.now();
    if (message.version) this.version = message.version;
    if (message.type === 'hello') {
      this.readOnly = message.read_only;
      this.#wait = firstWait;
      this.#set('live', '');
    }
    if (message.type === 'behind') this.#set(message.behind ? 'behind' : 'live', message.detail);
    this.dispatchEvent(new CustomEvent(message.type, { detail: message }));
  }
}

/** The one connection of the page. */
export const live = new Live();
