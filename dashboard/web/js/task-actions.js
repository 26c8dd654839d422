// What can be done with tasks, with the questions before and the notices after.

import * as api from './api.js';
import { many, oneLine, shortId } from './format.js';
import { ask, attempt, toast } from './notice.js';

const link = (id) => ({ href: `/tasks/${id}`, text: 'View' });

/** Does one thing after the other; one that is refused does not keep the others from it. */
async function each(ids, run) {
  const refused = [];
  for (const id of ids) {
    try {
      await run(id);
    } catch (err) {
      if (err.status !== 409) {
        toast(err.message, 'bad');
        return false;
      }
      refused.push(err);
    }
  }
  if (refused.length) toast(refused.length === 1 ? refused[0].message : `${many(refused.length, 'task')} left out: ${refused[0].message}`, 'bad');
  return refused.length === 0;
}

/** Runs tasks again, in the background. */
export async function rerun(ids) {
  if (ids.length > 1 && !(await ask(`Run ${many(ids.length, 'task')} again?`, 'They are started one after the other and run at the same time.', 'Run again', 'primary'))) return false;
  let started = 0;
  const done = await each(ids, async (id) => {
    await api.rerun(id);
    started++;
  });
  if (started === 1) toast(`Running ${shortId(ids[0])} again`, '', link(ids[0]));
  else if (started) toast(`Running ${many(started, 'task')} again`);
  return done;
}

// What a question is about: of one task its command, since rows move.
const about = (command) => (command ? [{ code: oneLine(command).slice(0, 200) }] : []);

/** Ends runs, once the user has agreed; command is that of a single one. */
export async function cancel(ids, command = '') {
  const what = ids.length === 1 ? 'this run' : many(ids.length, 'run');
  if (!(await ask(`End ${what}?`, [...about(command), 'The command is told to end, as by Ctrl-C; the output so far is kept.'], 'End'))) return false;
  const done = await each(ids, (id) => api.cancel(id));
  if (done) toast(ids.length === 1 ? 'The run is being cancelled' : `${many(ids.length, 'run')} are being cancelled`);
  return done;
}

/** Deletes tasks from the listing, once the user has agreed; command is that of a single one. */
export async function remove(ids, command = '') {
  const what = ids.length === 1 ? 'this task' : many(ids.length, 'task');
  const text = 'It goes from the listing, as by “qme clear”. Its runs stay in earlier versions of the history.';
  if (!(await ask(`Delete ${what}?`, [...about(command), ids.length === 1 ? text : text.replace('It goes', 'They go').replace('Its', 'Their')], 'Delete'))) return false;
  const done = await attempt(() => api.clear(ids));
  if (done) toast(`Deleted ${ids.length === 1 ? shortId(ids[0]) : many(ids.length, 'task')}`);
  return done;
}
