/** When to try again: from half a second, doubling to half a minute, with full jitter, for ever (P9). */

/** @import { Environment } from "./environment.js" */

const FIRST_MS = 500;
const LONGEST_MS = 30_000;

/** The only timer of reconnecting: one attempt at a time. */
export class Retry {
  #environment;
  #attempt;
  #failures = 0;
  /** @type {unknown} */
  #timer;
  #mayHurry = true;

  /**
   * @param {Environment} environment
   * @param {() => void} attempt
   */
  constructor(environment, attempt) {
    this.#environment = environment;
    this.#attempt = attempt;
  }

  /**
   * Tries again later.
   *
   * @param {{ leastMs?: number, failures?: number }} [rule] Wait at least so long; count at least so many failures.
   */
  later({ leastMs = 0, failures = 0 } = {}) {
    const { clock, random } = this.#environment;
    this.#failures = Math.max(this.#failures, failures);
    const mostMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#mayHurry = leastMs === 0;
    this.cancel();
    this.#timer = clock.after(() => this.#fire(), leastMs + random() * mostMs);
  }

  /**
   * Tries at once if it waits, unless the hub asked for the wait.
   *
   * @param {number} [withinMs] Or at some moment of this time, when every document of the browser hurries.
   */
  hurry(withinMs = 0) {
    if (this.#timer === undefined || !this.#mayHurry) return;
    if (withinMs === 0) return this.#fire();
    const { clock, random } = this.#environment;
    this.cancel();
    this.#timer = clock.after(() => this.#fire(), random() * withinMs);
  }

  cancel() {
    this.#environment.clock.cancel(this.#timer);
    this.#timer = undefined;
  }

  /** The connection was good for a while. */
  reset() {
    this.#failures = 0;
  }

  #fire() {
    this.cancel();
    this.#attempt();
  }
}
