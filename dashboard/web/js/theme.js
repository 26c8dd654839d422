// The theme: the system's, light or dark.

import { icon } from './dom.js';

const dark = matchMedia('(prefers-color-scheme: dark)');

/** Fires "change" when the user or the system changes the theme. */
export const themes = new EventTarget();

/** @returns {'light' | 'dark'} the theme that is shown. */
export function theme() {
  return document.documentElement.dataset.theme ?? (dark.matches ? 'dark' : 'light');
}

function show(button) {
  const next = theme() === 'dark' ? 'light' : 'dark';
  button.replaceChildren(icon(next === 'dark' ? 'moon' : 'sun'));
  button.ariaLabel = button.title = `Switch to ${next} colours`;
}

function choose(next) {
  const system = dark.matches ? 'dark' : 'light';
  // Choosing the system's theme follows the system again, also when it changes later.
  if (next === system) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    if (next === system) localStorage.removeItem('qme.theme');
    else localStorage.setItem('qme.theme', next);
  } catch {
    // Without storage the choice is for this page alone.
  }
}

/** Makes a button switch the theme. */
export function themeSwitch(button) {
  const changed = () => {
    show(button);
    themes.dispatchEvent(new Event('change'));
  };
  button.addEventListener('click', () => {
    choose(theme() === 'dark' ? 'light' : 'dark');
    changed();
  });
  dark.addEventListener('change', changed);
  show(button);
}
