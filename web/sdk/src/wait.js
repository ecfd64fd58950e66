/** Waiting, with an end: every wait takes a signal. */

import { DeputyError } from "./error.js";

/** @import { Clock } from "./environment.js" */

/**
 * Settles as the promise does, or rejects with the signal's reason as soon as it is aborted.
 *
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal} signal
 * @returns {Promise<T>}
 */
export function abortable(promise, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

/**
 * Asks the application, which might never answer.
 *
 * @template T
 * @param {() => T | Promise<T>} ask
 * @param {Clock} clock
 * @param {number} limitMs
 * @param {string} code Of the error when the time is over.
 * @returns {Promise<T>}
 */
export function within(ask, clock, limitMs, code) {
  return new Promise((resolve, reject) => {
    const late = () => reject(new DeputyError(code, `no answer within ${limitMs} ms`));
    const timer = clock.after(late, limitMs);
    Promise.resolve()
      .then(ask)
      .then(resolve, reject)
      .finally(() => clock.cancel(timer));
  });
}
