// The views of executors. docs/dashboard.md says how to add one.

/**
 * By the name of an executor:
 *   load   imports the module that defines the custom element
 *   tag    the element; it gets the property record (the whole record, again whenever it
 *          has changed) and the property act: act(name, args) performs an action and shows
 *          its result
 *   hides  names of actions that need no button, since the page shows what they print
 */
const views = {
  shell: { hides: ['output', 'error', 'cancel'] },
  slurm: { tag: 'qme-slurm', load: () => import('./slurm.js'), hides: [] },
};

/** @returns the view of an executor: for an unknown one with a job, the view of Slurm's jobs. */
export function viewOf(executor, hasJob = false) {
  if (Object.hasOwn(views, executor)) return views[executor];
  return hasJob ? views.slurm : { hides: [] };
}
