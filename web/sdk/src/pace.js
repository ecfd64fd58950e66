/** Frames per second: the hub closes a tab that sends too many (P18), so the tab waits instead. */

/** @import { Clock } from "./environment.js" */

/** A bucket: half of the hub's burst may go out at once, then a fifth less than the allowed rate. */
export class Pace {
  #clock;
  #perMs;
  #most;
  #left;
  #refilled;

  /**
   * @param {Clock} clock
   * @param {number} framesPerSecond
   */
  constructor(clock, framesPerSecond) {
    this.#clock = clock;
    this.#perMs = Math.max(1, framesPerSecond * 0.8) / 1000;
    this.#most = Math.max(1, framesPerSecond);
    this.#left = this.#most;
    this.#refilled = clock.now();
  }

  /** Takes one frame if there is one. */
  take() {
    this.#refill();
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }

  /** Whether there is room for frames that may as well be left out. */
  get isRelaxed() {
    this.#refill();
    return this.#left > this.#most / 2;
  }

  /** How long until the next frame is free. */
  get waitMs() {
    return Math.max(1, Math.ceil((1 - this.#left) / this.#perMs));
  }

  #refill() {
    const now = this.#clock.now();
    this.#left = Math.min(this.#most, this.#left + (now - this.#refilled) * this.#perMs);
    this.#refilled = now;
  }
}
