// The days of the tasks that a filter finds, each a button that chooses it.

import { h } from './dom.js';
import { dayName, many, nextDay, number } from './format.js';

const steps = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -Infinity, End: Infinity };

/**
 * @returns the list of days {value: "YYYY-MM-DD", tasks}, the latest first; more days are left out. choose gets
 * {after, before} of a day, or of none when the day is left again.
 */
export function dayList(days, more, { after, before }, choose) {
  const most = Math.max(1, ...days.map((day) => day.tasks));
  const list = h('ol', {}, ...days.map(({ value, tasks }) => {
    const only = after === value && before === nextDay(value);
    const within = Boolean(!only && (after || before) && (!after || value >= after.slice(0, 10)) && (!before || value < before.slice(0, 10)));
    const day = h('button', {
      type: 'button', 'data-day': value, 'data-within': within, 'aria-pressed': String(only), tabindex: -1, title: `${dayName(value)}: ${many(tasks, 'task')}`,
      onclick: () => choose(only ? { after: '', before: '' } : { after: value, before: nextDay(value) }),
    }, h('span.date', {}, value), ' ', h('span.count', {}, number(tasks)), h('span.offscreen', {}, ` task${tasks === 1 ? '' : 's'}${within ? ', in the time that is chosen' : ''}`));
    day.style.setProperty('--part', tasks / most);
    return h('li', {}, day);
  }));
  // One day is in the tab order (roving tabindex); keys go to the others.
  const all = [...list.querySelectorAll('button')];
  const rove = (to) => {
    for (const one of all) one.tabIndex = one === to ? 0 : -1;
  };
  rove(list.querySelector('[aria-pressed="true"], [data-within]') ?? all[0]);
  list.addEventListener('focusin', (event) => rove(event.target));
  list.addEventListener('keydown', (event) => {
    const at = all.indexOf(event.target);
    if (!(event.key in steps) || at < 0) return;
    event.preventDefault();
    event.stopPropagation();
    all[Math.min(all.length - 1, Math.max(0, at + steps[event.key]))].focus();
  });
  return h('div.field.days', { role: 'group', 'aria-label': 'Days, the latest first; the arrow keys go from day to day' },
    h('span.title', { 'aria-hidden': 'true' }, 'Days'), days.length ? list : h('p.dim', {}, 'none'),
    more > 0 && h('p.dim', {}, `and ${many(more, 'earlier day')}`));
}
