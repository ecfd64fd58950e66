/**
 * `document.modelContext` for browsers that have none: the same tools, errors and events as Chromium's (measured there
 * by the suite in `test/browser/`), for scripts' tools of this document. Forms and frames are left to browsers.
 */

/** @import { RegisteredTool, ToolInit } from "./tools.js" */

/** @typedef {{ shown: Omit<RegisteredTool, "window" | "origin">, execute: Function }} Entry */

/** The polyfill. Its methods are as in the WebMCP draft. */
export class ModelContext extends EventTarget {
  /** @type {Map<string, Entry>} */
  #entries = new Map();
  /** @type {Window} */
  #window;
  /** @type {((event: Event) => unknown) | null} */
  #ontoolchange = null;

  /** @param {Window} window */
  constructor(window) {
    super();
    this.#window = window;
    this.addEventListener("toolchange", (event) => this.#ontoolchange?.call(this, event));
  }

  get ontoolchange() {
    return this.#ontoolchange;
  }

  set ontoolchange(handler) {
    this.#ontoolchange = typeof handler === "function" ? handler : null;
  }

  /**
   * @param {ToolInit} tool
   * @param {{ signal?: AbortSignal, exposedTo?: string[] }} [options]
   * @returns {Promise<undefined>}
   */
  async registerTool(tool, options = {}) {
    const { name, entry } = read(tool);
    const signal = checkOptions(options);
    if (this.#entries.has(name)) throw new DOMException("Duplicate tool name", "InvalidStateError");
    if (!/^[A-Za-z0-9_.-]{1,128}$/.test(name)) throw new DOMException("Invalid tool name", "InvalidStateError");
    if (entry.shown.description === "") throw new DOMException("Description is required", "InvalidStateError");
    signal?.throwIfAborted();
    this.#entries.set(name, entry);
    signal?.addEventListener("abort", () => this.#remove(name, entry), { once: true });
    this.#changed();
  }

  /** @returns {Promise<RegisteredTool[]>} */
  async getTools() {
    const names = [...this.#entries.keys()].sort();
    return names.flatMap((name) => {
      const entry = this.#entries.get(name);
      if (entry === undefined) return [];
      return [{ ...structuredClone(entry.shown), origin: this.#window.location.origin, window: this.#window }];
    });
  }

  /**
   * @param {RegisteredTool} tool
   * @param {object} [input]
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<string | undefined>}
   */
  async executeTool(tool, input = {}, options = {}) {
    if (typeof tool !== "object" || tool === null) throw wrong("executeTool", "The provided value is not of type 'RegisteredTool'.");
    if (typeof input !== "object" || input === null) throw wrong("executeTool", "invalid input object: value is not an object");
    const copy = JSON.parse(JSON.stringify(input));
    options.signal?.throwIfAborted();
    const entry = this.#entries.get(tool.name);
    if (entry === undefined) throw new DOMException("The operation failed for an unknown transient reason.", "UnknownError");
    return settleOrAbort(invoke(entry, copy, options.signal), options.signal);
  }

  /**
   * @param {string} name
   * @param {Entry} entry
   */
  #remove(name, entry) {
    if (this.#entries.get(name) !== entry) return;
    this.#entries.delete(name);
    this.#changed();
  }

  #changed() {
    queueMicrotask(() => this.dispatchEvent(new Event("toolchange")));
  }
}

/**
 * A snapshot of the tool (changing the object afterwards has no effect), read in the order of the platform.
 *
 * @param {ToolInit} tool
 */
function read(tool) {
  if (typeof tool !== "object" || tool === null) throw wrong("registerTool", "The provided value is not of type 'ModelContextTool'.");
  const annotations = hints(tool.annotations);
  const description = required(tool, "description");
  const execute = tool.execute;
  if (execute === undefined) throw missing("execute");
  if (typeof execute !== "function") throw wrong("registerTool", "Failed to read the 'execute' property from 'ModelContextTool': The given value is not a function.");
  const inputSchema = tool.inputSchema;
  if (inputSchema !== undefined && (inputSchema === null || !["object", "function"].includes(typeof inputSchema))) {
    throw wrong("registerTool", "Failed to read the 'inputSchema' property from 'ModelContextTool': Failed to convert value to 'object'.");
  }
  const name = required(tool, "name");
  const title = tool.title === undefined ? "" : String(tool.title);
  const schema = inputSchema === undefined ? {} : { inputSchema: copy(inputSchema) };
  const shown = { name, title, description, ...schema, ...(annotations === undefined ? {} : { annotations }) };
  return { name, entry: { shown, execute } };
}

/** @param {any} annotations */
function hints(annotations) {
  if (annotations === undefined) return undefined;
  if (typeof annotations !== "object" && typeof annotations !== "function") {
    throw wrong("registerTool", "Failed to read the 'annotations' property from 'ModelContextTool': The provided value is not of type 'ToolAnnotations'.");
  }
  const known = ["consequentialHint", "debugging", "readOnlyHint", "untrustedContentHint"];
  return Object.fromEntries(known.map((name) => [name, Boolean(annotations?.[name])]));
}

/**
 * @param {any} tool
 * @param {string} member
 */
function required(tool, member) {
  const value = tool[member];
  if (value === undefined) throw missing(member);
  return String(value);
}

/** @param {object} schema */
function copy(schema) {
  let text;
  try {
    text = JSON.stringify(schema);
  } catch (error) {
    throw wrong("registerTool", error instanceof Error ? error.message : String(error));
  }
  if (text === undefined) throw wrong("registerTool", "invalid input schema: toJSON() returns undefined");
  return JSON.parse(text);
}

/** @param {any} options */
function checkOptions(options) {
  if (options !== null && typeof options !== "object") throw wrong("registerTool", "The provided value is not of type 'ModelContextRegisterToolOptions'.");
  const signal = options?.signal;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw wrong("registerTool", "Failed to read the 'signal' property from 'ModelContextRegisterToolOptions': Failed to convert value to 'AbortSignal'.");
  }
  for (const origin of options?.exposedTo ?? []) {
    if (!isSecure(String(origin))) throw new DOMException("Only secure origins are allowed in the exposedTo list.", "SecurityError");
  }
  return signal;
}

/** @param {string} origin */
function isSecure(origin) {
  if (!URL.canParse(origin)) return false;
  const { protocol, hostname } = new URL(origin);
  return protocol === "https:" || (protocol === "http:" && /^(127\.0\.0\.1|\[::1\]|localhost|.+\.localhost)$/.test(hostname));
}

/**
 * @param {Entry} entry
 * @param {object} input
 * @param {AbortSignal | undefined} signal
 */
async function invoke(entry, input, signal) {
  const own = new AbortController();
  signal?.addEventListener("abort", () => own.abort(), { once: true });
  try {
    const result = await Reflect.apply(entry.execute, undefined, [input, { signal: own.signal }]);
    return typeof result === "string" ? result : JSON.stringify(result);
  } catch (error) {
    console.error(error);
    throw new DOMException("Tool was executed but the invocation failed. For example, the script function threw an error", "UnknownError");
  }
}

/**
 * The running code goes on after an abort, but its caller is let go at once, with the abort's own reason.
 *
 * @template T
 * @param {Promise<T>} running
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<T>}
 */
function settleOrAbort(running, signal) {
  return new Promise((resolve, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    running.then(resolve, reject);
  });
}

/** @param {string} member */
function missing(member) {
  return wrong("registerTool", `Failed to read the '${member}' property from 'ModelContextTool': Required member is undefined.`);
}

/**
 * @param {string} method
 * @param {string} why
 */
function wrong(method, why) {
  return new TypeError(`Failed to execute '${method}' on 'ModelContext': ${why}`);
}
