/** One call at a time per form (P14): overlapping submissions get each other's data. */

/** Who holds which form. */
export class Forms {
  /** @type {Map<string, { holder: object, freed: Promise<void>, free: () => void }>} */
  #held = new Map();

  /**
   * Takes the form if nobody holds it.
   *
   * @param {string} name
   * @param {object} holder
   */
  take(name, holder) {
    if (this.#held.has(name)) return false;
    let free = () => {};
    /** @type {Promise<void>} */
    const freed = new Promise((resolve) => {
      free = resolve;
    });
    this.#held.set(name, { holder, freed, free });
    return true;
  }

  /**
   * Waits until the form might be free.
   *
   * @param {string} name
   */
  async freed(name) {
    await this.#held.get(name)?.freed;
  }

  /** @param {object} holder */
  release(holder) {
    for (const [name, { holder: found, free }] of this.#held) {
      if (found !== holder) continue;
      this.#held.delete(name);
      free();
    }
  }
}
