// The REST interface (/api/openapi.json) as functions. They throw Problem, Offline or an AbortError.

/** An error response (RFC 9457). The message says what is wrong and the way out. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `the server answered ${status}`);
    this.status = status;
    this.code = body.code;
    this.position = body.position;
    this.foreign = body.foreign;
    this.task = body.task;
  }
}

/** There was no response. */
export class Offline extends Error {
  constructor() {
    super('The server does not answer.');
  }
}

/** It fires "refused", with the Problem as detail, when the server does not accept the key. */
export const refusals = new EventTarget();

async function request(method, path, { body, signal } = {}) {
  const init = { method, signal, cache: 'no-cache', headers: {} };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers['Content-Type'] = 'application/json';
  }
  let response;
  try {
    response = await fetch(path, init);
  } catch (err) {
    if (err.name === 'AbortError') throw err;
    throw new Offline();
  }
  if (response.status === 204) return null;
  const type = response.headers.get('Content-Type') ?? '';
  const json = type.includes('json') ? await response.json() : {};
  if (response.ok) return json;
  const problem = new Problem(response.status, json);
  if (response.status === 401) refusals.dispatchEvent(new CustomEvent('refused', { detail: problem }));
  throw problem;
}

/** @returns path with a query of the parameters that are set; lists are repeated. */
export function address(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== '') query.append(name, one);
    }
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

const task = (id, rest = '') => `/api/tasks/${encodeURIComponent(id)}${rest}`;
const get = (path, parameters, signal) => request('GET', address(path, parameters), { signal });

/** The browser's time zone, in which days are counted; '' if the server does not know it and uses its own. */
let zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? '';

async function zoned(path, parameters, signal) {
  try {
    return await get(path, { ...parameters, tz: zone }, signal);
  } catch (err) {
    if (err.code !== 'unknown-zone') throw err;
    zone = '';
    return get(path, parameters, signal);
  }
}

export const info = (signal) => get('/api/info', {}, signal);
export const listTasks = (parameters, signal) => zoned('/api/tasks', parameters, signal);
/** The values that filters can take, counted among the tasks of a filter. */
export const facets = ({ sort, ...parameters }, signal) => zoned('/api/facets', parameters, signal);
export const overview = (signal) => zoned('/api/overview', {}, signal);
/** The record of a run, with its summary as listings have it. */
export const getTask = (id, run, signal) => get(task(id), { run, summary: 1 }, signal);
export const listRuns = (id, signal) => get(task(id, '/runs'), {}, signal);
export const compareRuns = (id, a, b, signal) => get(task(id, '/diff'), { a, b }, signal);
export const output = (id, stream, parameters, signal) => get(task(id, `/output/${stream}`), parameters, signal);
export const actions = (id, signal) => get(task(id, '/actions'), {}, signal);
export const act = (id, action, args, agreed) => request('POST', task(id, `/actions/${encodeURIComponent(action)}`), { body: { args, ...agreed } });
export const rerun = (id, agreed) => request('POST', task(id, '/rerun'), { body: agreed });
export const cancel = (id, agreed) => request('POST', task(id, '/cancel'), { body: agreed });
export const hold = (id) => request('POST', task(id, '/hold'));
export const release = (id) => request('POST', task(id, '/release'));
/** What people say of a task: {name, tags, notes}. The functions that change it return it as it is then. */
export const notes = (id, signal) => get(task(id, '/notes'), {}, signal);
export const addNote = (id, text) => request('POST', task(id, '/notes'), { body: { text } });
export const editNote = (id, note, text) => request('POST', task(id, `/notes/${encodeURIComponent(note)}`), { body: { text } });
export const removeNote = (id, note) => request('DELETE', task(id, `/notes/${encodeURIComponent(note)}`));
export const tag = (id, changes) => request('POST', task(id, '/tags'), { body: changes });
export const name = (id, text, move = false) => request('POST', task(id, '/name'), { body: { name: text, move } });
export const clear = (ids) => request('POST', '/api/tasks/clear', { body: { ids } });

export const rawAddress = (id, stream, run) => address(task(id, `/raw/${stream}`), { run });
export const durationPlot = (id, theme) => address(task(id, '/plots/duration.svg'), { theme });
export const memoryPlot = (id, run, theme) => address(task(id, '/plots/memory.svg'), { run, theme });
export const plot = (name, theme) => address(`/api/plots/${name}.svg`, { theme, tz: zone });
