// The entry point: it registers the pages, connects, and fills the parts that all pages share.

import * as api from './api.js';
import { h, icon } from './dom.js';
import { live } from './live.js';
import { keys } from './keys.js';
import * as router from './router.js';
import { themeSwitch } from './theme.js';
import './term.js';
import './tasks-page.js';
import './task-page.js';
import './overview-page.js';

router.route(/^\/$/, 'tasks', () => document.createElement('qme-tasks'));
router.route(/^\/overview\/?$/, 'overview', () => document.createElement('qme-overview'));
router.route(/^\/tasks\/([^/]+)\/?$/, 'task', (match) => {
  const page = document.createElement('qme-task');
  try {
    page.ref = decodeURIComponent(match[1]);
  } catch {
    page.ref = match[1]; // not the id of a task
  }
  return page;
});

const words = { connecting: 'Connecting', live: 'Live', behind: 'Behind', offline: 'Offline', refused: 'No key' };

function showState() {
  const el = document.getElementById('live');
  el.dataset.state = live.state;
  const text = live.state === 'live' && live.readOnly ? 'Live, read-only' : words[live.state];
  const shown = el.querySelector('.live-text');
  if (shown.textContent !== text) shown.textContent = text;
  document.body.toggleAttribute('data-read-only', live.readOnly);
  showBanner();
}

let bannerTimer = 0;
let bannerShown = '';

function showBanner() {
  const key = `${live.state} ${live.detail}`;
  if (key === bannerShown) return; // the banner is read aloud and may have the focus
  bannerShown = key;
  clearTimeout(bannerTimer);
  // A restart of the server takes a moment.
  if (live.state === 'offline') bannerTimer = setTimeout(() => setBanner(live.state), 1500);
  else setBanner(live.state);
}

function setBanner(state) {
  const say = (strong, ...rest) => h('p', {}, h('strong', {}, strong), ' ', ...rest);
  const lines = {
    behind: () => [say('What you see may be old.', 'The history cannot be read: ', live.detail)],
    refused: () => [say('The server does not accept this browser’s key any more.', 'It was started again, or has another key. Open the address that ', h('code', {}, 'qme start'), ' printed; this page then goes on.')],
    offline: () => [say('No connection to the server.', 'Is ', h('code', {}, 'qme start'), ' still running? What you see may be old; it is tried again by itself.'), h('button', { type: 'button', onclick: () => live.now() }, 'Try now')],
  };
  document.getElementById('banner').replaceChildren(...(lines[state]?.() ?? []));
}

async function showWhere() {
  try {
    const info = await api.info();
    const where = document.getElementById('where');
    where.textContent = `${info.user}@${info.host}`;
    where.title = `${info.home} (qme ${info.qme})`;
  } catch {
    // The page that is shown reports the error.
  }
}

live.addEventListener('state', showState);
live.start();
themeSwitch(document.getElementById('theme'));
document.getElementById('help').append(icon('help'));
keys(document.getElementById('help'));
router.start(document.getElementById('main'));
showWhere();
