// <qme-calendar>: the days of a year, darker where more tasks began.

import { h } from './dom.js';
import { date, dayName, many, nextDay } from './format.js';

const weeks = 53;
const weekdays = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
const month = new Intl.DateTimeFormat('en-GB', { month: 'short' });

/** @returns the limits of four shades: the quartiles of the counts. */
function bounds(counts) {
  const sorted = counts.toSorted((a, b) => a - b);
  return [0.25, 0.5, 0.75].map((part) => sorted[Math.floor(part * (sorted.length - 1))] ?? 0);
}

class Calendar extends HTMLElement {
  #at = '';

  /** A list of {day: "YYYY-MM-DD", tasks, failed}, in order. */
  set days(days) {
    const known = new Map(days.map((one) => [one.day, one]));
    const limits = bounds(days.map((one) => one.tasks));
    const first = new Date();
    first.setHours(12, 0, 0, 0);
    first.setDate(first.getDate() - ((first.getDay() + 6) % 7) - 7 * (weeks - 1));
    const today = date(new Date());
    const rows = weekdays.map((name, i) => h('tr', {}, h('th', { scope: 'row' }, h(i % 2 ? 'span.offscreen' : 'span', {}, name))));
    const months = h('tr', { 'aria-hidden': 'true' }, h('td'));
    let last = '';
    for (let week = 0; week < weeks; week++) {
      const name = month.format(first);
      // The first month may be narrower than its name.
      if (name !== last && week === 1) months.lastChild.replaceChildren();
      months.append(h('td', {}, name !== last ? name : ''));
      last = name;
      for (let weekday = 0; weekday < 7; weekday++) {
        const day = date(first);
        rows[weekday].append(h('td', {}, day <= today ? this.#day(day, known.get(day), limits) : ''));
        first.setDate(first.getDate() + 1);
      }
    }
    const scrolled = this.firstChild ? this.scrollLeft : null;
    const focused = this.contains(document.activeElement) ? document.activeElement.dataset.day : null;
    this.replaceChildren(h('table', {}, h('caption.offscreen', {}, 'Tasks by day of their last run, in the last year; the arrow keys go from day to day'), h('thead', {}, months), h('tbody', {}, ...rows)), this.#legend());
    this.onkeydown = (event) => this.#key(event);
    this.#rove(focused ?? (this.#at || today), Boolean(focused));
    this.scrollLeft = scrolled ?? this.scrollWidth;
  }

  #day(day, one, limits) {
    if (!one) return h('a', { href: `/?after=${day}&before=${nextDay(day)}`, 'data-day': day, 'data-shade': 0, tabindex: -1, 'aria-label': `${dayName(day)}: nothing`, title: `${dayName(day)}: nothing` });
    const text = `${dayName(day)}: ${many(one.tasks, 'task')}${one.failed ? `, ${one.failed} failed` : ''}`;
    const shade = 1 + limits.filter((limit) => one.tasks > limit).length;
    const el = h('a', { href: `/?after=${day}&before=${nextDay(day)}`, 'data-day': day, 'data-shade': shade, tabindex: -1, 'aria-label': text, title: text });
    if (one.failed * 2 > one.tasks) el.dataset.bad = '';
    return el;
  }

  #legend() {
    const shade = (n) => h('span', { 'data-shade': n, 'aria-hidden': 'true' });
    return h('p.legend-line', {}, 'few', ...[1, 2, 3, 4].map(shade), 'many', h('span', { 'data-shade': 3, 'data-bad': true, 'aria-hidden': 'true' }), 'most failed');
  }

  // One day is in the tab order (roving tabindex); the arrow keys go to the others.
  #rove(day, focus) {
    const el = this.querySelector(`[data-day="${day}"]`) ?? this.querySelector('tbody tr:last-child [data-day]:last-child') ?? [...this.querySelectorAll('[data-day]')].at(-1);
    if (!el) return;
    this.querySelector('[tabindex="0"]')?.setAttribute('tabindex', '-1');
    el.tabIndex = 0;
    this.#at = el.dataset.day;
    if (focus) el.focus();
  }

  #key(event) {
    const by = { ArrowLeft: -7, ArrowRight: 7, ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!by || !event.target.dataset.day) return;
    event.preventDefault();
    event.stopPropagation();
    const time = new Date(`${event.target.dataset.day}T12:00`);
    time.setDate(time.getDate() + by);
    const day = date(time);
    if (this.querySelector(`[data-day="${day}"]`)) this.#rove(day, true);
  }
}

customElements.define('qme-calendar', Calendar);
