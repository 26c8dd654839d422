// Actions on tasks, with the questions before and the notices after.

import * as api from './api.js';
import { inputName, many, oneLine, shortId } from './format.js';
import { ask, attempt, toast } from './notice.js';

const link = (id) => ({ href: `/tasks/${id}`, text: 'View' });

/** Awaits run(id) for one id after the other. A conflict is reported and skipped, another error ends it. @returns whether all went well. */
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

/** Awaits run(agreed), and asks the user where the server wants a confirmation. @returns its result, null if the user declines. */
export async function agreeing(run, agreed) {
  try {
    return await run(agreed);
  } catch (err) {
    if (err.code !== 'unconfirmed') throw err;
    const { user, host, directory, command, digest, action, target } = err.foreign;
    const whose = `It came with a pull: by its record it is of ${user} on ${host}.`;
    const yes = action
      ? await ask(`Do “${action}” with ${target}?`, [`${whose} This home has not started it, and ${target} may be another one of yours.`, { code: command }], 'Do it', 'danger', 'Not now')
      : await ask('Run a command that was not given here?', [{ code: command }, `${whose} It would run here, as you, in ${directory}.`], 'Run it', 'danger', 'Not now');
    return yes ? agreeing(run, { confirm: true, digest }) : null;
  }
}

/** Runs a task again. @returns false if the user declines. */
const again = async (id) => Boolean(await agreeing((agreed) => api.rerun(id, agreed)));

// The input that a rerun from here lacks: it has no terminal, and nothing is redirected to it. An
// input that was kept is given to it.
function lostInput({ stdin, parts }) {
  return !parts?.stdin && !parts?.script && ['file', 'pipe', 'socket'].includes(stdin?.kind) ? [`Its input was ${inputName(stdin)}; now it gets none. “qme rerun --stdin FILE” gives it a file.`] : [];
}

/** @returns paragraphs about the input of tasks, for the question before a rerun. */
async function aboutInput(ids) {
  if (ids.length === 1) return lostInput((await api.getTask(ids[0])).data);
  return ['None of them gets any input, also where it has read a file or a pipe, unless that was kept.'];
}

let asking = false; // a question about a rerun is being prepared

// The subject of a question: the command of a single task, since rows move.
const about = (command) => (command ? [{ code: oneLine(command).slice(0, 200) }] : []);

/**
 * Runs tasks again, in the background, after the user has agreed; command is that of a single one.
 * It ends when the user declines a question. @returns whether all were started.
 */
export async function rerun(ids, command = '') {
  if (asking) return false;
  asking = true;
  const text = ids.length === 1 ? about(command) : ['They are started one after the other and run at the same time.'];
  try {
    text.push(...await aboutInput(ids));
  } catch (err) {
    toast(err.message, 'bad');
    return false;
  } finally {
    asking = false;
  }
  if (!(await ask(`Run ${ids.length === 1 ? 'this task' : many(ids.length, 'task')} again?`, text, 'Run again', 'primary'))) return false;
  const started = [];
  let kept = false;
  const done = await each(ids, async (id) => {
    if (kept || !(await again(id))) kept = true;
    else started.push(id);
  });
  if (started.length === 1) toast(`Running again: ${command ? oneLine(command).slice(0, 60) : shortId(started[0])}`, '', link(started[0]));
  else if (started.length) toast(`Running ${many(started.length, 'task')} again`);
  return done && !kept;
}

/** Ends runs after the user has agreed; command is that of a single one. @returns whether all are being ended. */
export async function cancel(ids, command = '') {
  const what = ids.length === 1 ? 'this run' : many(ids.length, 'run');
  if (!(await ask(`End ${what}?`, [...about(command), 'The command gets SIGTERM and, where that does not end it, SIGKILL, as by “qme cancel”; a job is cancelled by its scheduler. The output so far is kept. What waits in the queue is taken out of it.'], 'End'))) return false;
  let kept = false;
  const done = await each(ids, async (id) => {
    if (kept || !(await agreeing((agreed) => api.cancel(id, agreed)))) kept = true;
  });
  if (done && !kept) toast(ids.length === 1 ? 'It is being cancelled' : `${many(ids.length, 'run')} are being cancelled`);
  return done && !kept;
}

/** Has tasks of the queue wait until they are released. @returns whether all do. */
export async function hold(ids) {
  const done = await each(ids, api.hold);
  if (done) toast(ids.length === 1 ? 'Held: it does not start before it is released' : `Held ${many(ids.length, 'task')}`);
  return done;
}

/** Lets tasks of the queue start that are held. @returns whether all may. */
export async function release(ids) {
  const done = await each(ids, api.release);
  if (done) toast(ids.length === 1 ? 'Released: it starts when its turn comes' : `Released ${many(ids.length, 'task')}`);
  return done;
}

/** Deletes tasks from the listing after the user has agreed; command is that of a single one. @returns whether it did. */
export async function remove(ids, command = '') {
  const what = ids.length === 1 ? 'this task' : many(ids.length, 'task');
  const text = 'It goes from the listing, as by “qme clear”. Its runs stay in earlier versions of the history.';
  if (!(await ask(`Delete ${what}?`, [...about(command), ids.length === 1 ? text : text.replace('It goes', 'They go').replace('Its', 'Their')], 'Delete'))) return false;
  const done = await attempt(() => api.clear(ids));
  if (done) toast(`Deleted ${ids.length === 1 ? shortId(ids[0]) : many(ids.length, 'task')}`);
  return done;
}
