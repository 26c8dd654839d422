// Elements. Text becomes text nodes only, so that nothing of a record can become markup.

/**
 * @returns an element. spec is a tag with classes ("p.note"). Attributes and children that are null,
 * undefined or false are left out; a function is a listener for the event in its name ("onclick").
 */
export function h(spec, attributes = {}, ...children) {
  const [tag, ...classes] = spec.split('.');
  const el = document.createElement(tag);
  if (classes.length) el.className = classes.join(' ');
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') el.addEventListener(name.slice(2), value);
    else el.setAttribute(name, value === true ? '' : value);
  }
  el.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return el;
}

const paths = {
  rerun: 'M13 8a5 5 0 1 1-1.6-3.7M13 2v3.200h-3.200',
  stop: 'M4.500 4.500h7v7h-7z',
  hold: 'M5.500 3.500v9M10.500 3.500v9',
  release: 'M5 3.500 12 8l-7 4.500z',
  trash: 'M3 4.500h10M6.500 4.500V3h3v1.500M4.500 4.500l.5 8.500h6l.5-8.500',
  copy: 'M6 6h7v7H6zM10 6V3H3v7h3',
  check: 'M3.500 8.500 6.500 11.500 12.500 5',
  download: 'M8 2.500v7M5 7l3 3 3-3M3 13h10',
  up: 'M4 10l4-4 4 4',
  down: 'M4 6l4 4 4-4',
  bottom: 'M4 3l4 4 4-4M4 7.500l4 4 4-4M3 13.500h10',
  left: 'M10 4 6 8l4 4',
  right: 'M6 4l4 4-4 4',
  close: 'M4 4l8 8M12 4l-8 8',
  search: 'M7 2.500a4.500 4.500 0 1 0 0 9 4.500 4.500 0 0 0 0-9zM10.300 10.300 13.500 13.500',
  filter: 'M2.500 4h11M4.500 8h7M6.500 12h3',
  sun: 'M8 5.200a2.800 2.800 0 1 0 0 5.600 2.800 2.800 0 0 0 0-5.600zM8 1.500v1.200M8 13.300v1.200M1.500 8h1.200M13.300 8h1.200M3.400 3.400l.9.9M11.700 11.700l.9.9M3.400 12.600l.9-.9M11.700 4.300l.9-.9',
  moon: 'M13 9.500A5.500 5.500 0 0 1 6.500 3a5.500 5.500 0 1 0 6.500 6.500z',
  help: 'M5.800 6a2.200 2.200 0 1 1 3.200 2c-.7.4-1 .8-1 1.500M8 12v.1',
  wrap: 'M2.500 4h11M2.500 8h9a2 2 0 0 1 0 4H8M9.500 10.500 8 12l1.500 1.500M2.500 12h2.500',
  edit: 'M3 13l.7-3L10.500 3.200l2.300 2.300L6 12.300zM9 4.700 11.300 7',
  compare: 'M8 2v12M2.500 5h3M2.500 8h3M2.500 11h3M10.500 5h3M10.500 8h3M10.500 11h3',
};

/** @returns an icon of 16 by 16 pixels, which is hidden from screen readers. */
export function icon(name) {
  const ns = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(ns, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(ns, 'path');
  path.setAttribute('d', paths[name]);
  svg.append(path);
  return svg;
}

/** @returns a button with an icon. Without shown, its name is a tooltip and for screen readers. */
export function button(name, picture, onclick, { shown = true, kind = '' } = {}) {
  const el = h(`button${kind && `.${kind}`}`, { type: 'button', onclick });
  el.append(icon(picture));
  if (shown) el.append(h('span', {}, name));
  else {
    el.classList.add('icon');
    el.ariaLabel = el.title = name;
  }
  return el;
}

/** @returns a button that copies the result of text() and confirms it. */
export function copyButton(name, text, options) {
  const el = button(name, 'copy', async () => {
    const { toast } = await import('./notice.js');
    try {
      await copy(await text());
      el.firstChild.replaceWith(icon('check'));
      toast('Copied');
      setTimeout(() => el.firstChild.replaceWith(icon('copy')), 1500);
    } catch (err) {
      toast(`Not copied: ${err.message}`, 'bad');
    }
  }, options);
  return el;
}

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Plain http on another host than localhost has no clipboard interface.
  const was = document.activeElement;
  const area = h('textarea', { readonly: true, class: 'offscreen', 'aria-hidden': 'true' });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  was?.focus({ preventScroll: true });
  if (!done) throw new Error('the browser does not allow it here');
}

/** @returns a function that calls run at most once in ms milliseconds: at once if the last call is longer ago, else later. */
export function throttle(ms, run) {
  let last = -Infinity;
  let timer = 0;
  const fire = () => {
    timer = 0;
    last = performance.now();
    run();
  };
  const call = () => {
    if (timer) return;
    timer = setTimeout(fire, Math.max(0, last + ms - performance.now()));
  };
  call.cancel = () => {
    clearTimeout(timer);
    timer = 0;
  };
  return call;
}

/** @returns a function that calls run once it has not been called for ms milliseconds. */
export function debounce(ms, run) {
  let timer = 0;
  const call = (...args) => {
    clearTimeout(timer);
    timer = setTimeout(run, ms, ...args);
  };
  call.cancel = () => clearTimeout(timer);
  return call;
}
