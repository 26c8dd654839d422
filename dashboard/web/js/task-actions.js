// What can be done with tasks, with the questions before and the notices after.

import * as api from './api.js';
import { many, shortId } from './format.js';
import { ask, attempt, toast } from './notice.js';

const link = (id) => ({ href: `/tasks/${id}`, text: 'View' });

/** Runs tasks again, in the background. */
export async function rerun(ids) {
  let started = 0;
  const done = await attempt(async () => {
    for (const id of ids) {
      await api.rerun(id);
      started++;
    }
  });
  if (started === 1) toast(`Running ${shortId(ids[0])} again`, '', link(ids[0]));
  else if (started) toast(`Running ${many(started, 'task')} again`);
  return done;
}

/** Ends runs, once the user has agreed. */
export async function cancel(ids) {
  const what = ids.length === 1 ? 'this run' : many(ids.length, 'run');
  if (!(await ask(`End ${what}?`, 'The command is told to end, as by Ctrl-C; the output so far is kept.', 'End'))) return false;
  const done = await attempt(async () => {
    for (const id of ids) await api.cancel(id);
  });
  if (done) toast(ids.length === 1 ? 'The run is being cancelled' : `${many(ids.length, 'run')} are being cancelled`);
  return done;
}

/** Deletes tasks from the listing, once the user has agreed. */
export async function remove(ids) {
  const what = ids.length === 1 ? 'this task' : many(ids.length, 'task');
  const text = 'It goes from the listing, as by “qme clear”. Its runs stay in earlier versions of the history.';
  if (!(await ask(`Delete ${what}?`, ids.length === 1 ? text : text.replace('It goes', 'They go').replace('Its', 'Their'), 'Delete'))) return false;
  const done = await attempt(() => api.clear(ids));
  if (done) toast(`Deleted ${ids.length === 1 ? shortId(ids[0]) : many(ids.length, 'task')}`);
  return done;
}
