// Shows the page for an address, and uses the browser's history.

const routes = [];
let outlet;
let shown;

/** Adds a page for paths that match a pattern. open(match, url) returns its element. */
export function route(pattern, name, open) {
  routes.push({ pattern, name, open });
}

/**
 * Goes to an address on this server. replace replaces the current entry of the history; quiet keeps the
 * page that is shown, which has changed its own state.
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

/** Stores the scroll position of the page in the current entry of the history. */
export function keepPlace() {
  const place = shown?.place?.();
  if (place !== undefined) history.replaceState({ place }, '', location.href);
}

/** @returns what keepPlace has stored, after a return to this entry. */
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
    document.querySelector('dialog[open]')?.close(); // it belongs to the previous page
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

/** Shows the page for the current address in an element, and follows links from now on. */
export function start(element) {
  outlet = element;
  history.scrollRestoration = 'manual';
  document.addEventListener('click', follow);
  addEventListener('popstate', () => show(true));
  addEventListener('pagehide', keepPlace);
  show(false);
}
