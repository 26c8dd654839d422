// The filter of the listing. It is stored in the address alone.

/** The outcomes by which tasks are filtered, as in the REST interface. */
export const outcomes = ['running', 'queued', 'ok', 'failed', 'cancelled', 'unknown'];

/** The default order: the latest run first. */
export const usual = '-started';

const lists = ['status', 'executor', 'host', 'user'];
const single = ['q', 'pwd', 'command', 'after', 'before'];

/** @returns the filter in an address: lists and texts by the names of parameters. */
export function fromAddress(url) {
  const filter = {};
  for (const name of lists) filter[name] = url.searchParams.getAll(name);
  for (const name of single) filter[name] = url.searchParams.get(name) ?? '';
  filter.sort = url.searchParams.get('sort') ?? usual;
  return filter;
}

/** @returns the address of the listing with a filter. */
export function toAddress(filter) {
  const query = new URLSearchParams();
  for (const name of single) if (filter[name]) query.set(name, filter[name]);
  for (const name of lists) for (const value of filter[name]) query.append(name, value);
  if (filter.sort !== usual) query.set('sort', filter.sort);
  const text = query.toString();
  return text ? `/?${text}` : '/';
}

/** @returns whether all tasks are listed, in any order. */
export const open = (filter) => lists.every((name) => filter[name].length === 0) && single.every((name) => !filter[name]);

/** @returns whether all tasks are listed in the default order. */
export const plain = (filter) => open(filter) && filter.sort === usual;

/** @returns the parts of a filter that a user can remove: {name, value, text}. */
export function parts(filter) {
  const found = [];
  for (const name of lists) {
    if (name !== 'status') for (const value of filter[name]) found.push({ name, value, text: `${name}: ${value}` });
  }
  if (filter.pwd) found.push({ name: 'pwd', text: `in ${filter.pwd}` });
  if (filter.command) found.push({ name: 'command', text: `command: ${filter.command.replaceAll(/\s+/g, ' ')}` });
  if (filter.after) found.push({ name: 'after', text: `since ${filter.after}` });
  if (filter.before) found.push({ name: 'before', text: `before ${filter.before}` });
  return found;
}

/** @returns the filter without one of its parts. */
export function without(filter, { name, value }) {
  return { ...filter, [name]: value === undefined ? '' : filter[name].filter((one) => one !== value) };
}

/** @returns the filter without any part; the order stays. */
export function all(filter) {
  const next = { sort: filter.sort };
  for (const name of lists) next[name] = [];
  for (const name of single) next[name] = '';
  return next;
}
