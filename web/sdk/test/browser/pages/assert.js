/** A few assertions that say what they found. */

export function equal(found, wanted, what = "") {
  const [a, b] = [found, wanted].map((value) => JSON.stringify(sorted(value)));
  if (a !== b) throw new Error(`${what} found ${a}, wanted ${b}`);
}

export function ok(value, what) {
  if (!value) throw new Error(`not true: ${what}`);
}

/** The error of a promise that has to reject; one that is thrown at once counts as wrong. */
export async function rejection(call, what = "") {
  const promise = call();
  ok(promise instanceof Promise, `${what} gives a promise`);
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`${what} was not rejected`);
}

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value === undefined ? "(undefined)" : value;
  return Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]));
}
