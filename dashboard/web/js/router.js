// Pages by address, with the history of the browser.

const routes = [];
let outlet;
let shown;

/** Adds a page: open(match, url) makes its element. */
export function route(pattern, name, open) {
  routes.push({ pattern, name, open });
}

/**
 * Goes to an address on this server. replace puts it in the place of the present one, and
 * quiet leaves the page that is shown alone, which has changed its own state.
 */
export function go(to, { replace = false, quiet = false } = {}) {
  const url = new URL(to, location.href);
  if (replace) history.replaceState(history.state, '', url);
  else if (url.href !== location.href) {
    keepPlace();
    history.pushState(null, '', url);
  }
  if (!quiet) show(true);
}

/** Notes on the present entry where its page was scrolled to. */
export function keepPlace() {
  const place = shown?.place?.();
  if (place !== undefined) history.replaceState({ place }, '', location.href);
}

/** What keepPlace noted, when the way back leads here. */
export const place = () => history.state?.place;

function show(fresh) {
  const url = new URL(location.href);
  for (const { pattern, name, open } of routes) {
    const match = pattern.exec(url.pathname);
    if (!match) continue;
    const element = open(match, url);
    shown = element;
    outlet.replaceChildren(element);
    document.body.dataset.page = name;
    for (const link of document.querySelectorAll('nav [data-page]')) {
      if (link.dataset.page === name) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    document.querySelector('dialog[open]')?.close(); // it was about the page before
    if (fresh) outlet.focus({ preventScroll: true });
    scrollTo(0, 0);
    return;
  }
}

function follow(event) {
  const link = event.target.closest?.('a[href]');
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  if (link.pathname.startsWith('/api/') || (link.hash && link.pathname === location.pathname)) return;
  event.preventDefault();
  go(link.href);
}

export function start(element) {
  outlet = element;
  history.scrollRestoration = 'manual';
  document.addEventListener('click', follow);
  addEventListener('popstate', () => show(true));
  addEventListener('pagehide', keepPlace);
  show(false);
}
