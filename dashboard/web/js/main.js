// Begins: the pages, the connection and what all pages share.

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
  page.ref = decodeURIComponent(match[1]);
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

function showBanner() {
  clearTimeout(bannerTimer);
  const banner = document.getElementById('banner');
  const retry = h('button', { type: 'button', onclick: () => live.now() }, 'Try now');
  switch (live.state) {
    case 'behind':
      return banner.replaceChildren(h('p', {}, h('strong', {}, 'What you see may be old. '), 'The history cannot be read: ', live.detail));
    case 'refused':
      return banner.replaceChildren(h('p', {}, h('strong', {}, 'The server does not accept this browser’s key any more. '),
        'Open the address that ', h('code', {}, 'qme start'), ' printed.'));
    case 'offline':
      // A restart takes a moment: only what lasts is worth a line.
      bannerTimer = setTimeout(() => banner.replaceChildren(
        h('p', {}, h('strong', {}, 'No connection to the server. '), 'What you see may be old; it is tried again by itself.'), retry), 1500);
      return undefined;
    default:
      return banner.replaceChildren();
  }
}

async function showWhere() {
  try {
    const info = await api.info();
    const where = document.getElementById('where');
    where.textContent = `${info.user}@${info.host}`;
    where.title = `${info.home} (qme ${info.qme})`;
  } catch {
    // The page that is shown says what is wrong; here is only an ornament.
  }
}

live.addEventListener('state', showState);
live.start();
themeSwitch(document.getElementById('theme'));
document.getElementById('help').append(icon('help'));
keys(document.getElementById('help'));
router.start(document.getElementById('main'));
showWhere();
