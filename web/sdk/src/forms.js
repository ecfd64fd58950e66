/** Forms as tools: one call at a time per form (P14), since overlapping submissions get each other's data; nothing old in it. */

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

/**
 * Puts every field back to what the page's markup says, also where the page hinders `reset`: a listener that prevents it,
 * or a field of that name.
 *
 * @param {HTMLFormElement} form
 */
export function blank(form) {
  const { prototype } = /** @type {{ prototype: HTMLFormElement }} */ ({ prototype: Object.getPrototypeOf(form) });
  Reflect.apply(prototype.reset, form, []);
  for (const field of /** @type {Iterable<any>} */ (Reflect.get(prototype, "elements", form))) {
    if ("options" in field) for (const option of field.options) option.selected = option.defaultSelected;
    else if (["checkbox", "radio"].includes(field.type)) field.checked = field.defaultChecked;
    else if ("defaultValue" in field && field.value !== field.defaultValue) field.value = field.type === "file" ? "" : field.defaultValue;
  }
}
