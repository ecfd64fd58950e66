/** The tools of this document: what the browser lists, joined with what the SDK saw when they were registered. */

import { STRANGER, clientOf } from "./client.js";
import { definitionOf, hashDefinition } from "./definition.js";
import { DeputyError } from "./error.js";
import { blank } from "./forms.js";
import { ModelContext } from "./model-context.js";
import { refusal } from "./policy.js";

/** @import { Environment } from "./environment.js" */
/** @import { Definition } from "./definition.js" */
/** @import { Client } from "./client.js" */
/** @import { Policy } from "./policy.js" */

/**
 * @typedef {object} ToolInit
 * @property {string} name
 * @property {string} [title]
 * @property {string} description
 * @property {object} [inputSchema]
 * @property {object} [outputSchema] Browsers drop it; the SDK keeps it.
 * @property {Record<string, boolean>} [annotations]
 * @property {(input: any, client: Client) => unknown} execute
 */

/** @typedef {{ name: string, title: string, description: string, inputSchema?: object, annotations?: Record<string, boolean>, origin: string, window: Window }} RegisteredTool */

/**
 * @typedef {EventTarget & {
 *   registerTool(tool: ToolInit, options?: { signal?: AbortSignal, exposedTo?: string[] }): Promise<undefined>,
 *   getTools(): Promise<RegisteredTool[]>,
 *   executeTool(tool: RegisteredTool, input?: object, options?: { signal?: AbortSignal }): Promise<string | null | undefined>,
 * }} Context
 */

/** @typedef {{ execute: ToolInit["execute"], outputSchema: unknown, hints: Record<string, boolean>, policy: Policy | undefined }} Seen */
/** @typedef {{ definition: Definition, hash: string, listed: RegisteredTool, seen: Seen | undefined }} Tool */

/** Hints of MCP that browsers drop, and those of WebMCP that some builds do not know. */
const HINTS = [
  "consequentialHint",
  "debugging",
  "destructiveHint",
  "idempotentHint",
  "openWorldHint",
  "readOnlyHint",
  "untrustedContentHint",
];

/** All tools of one document. */
export class Tools {
  /** @type {Map<string, Seen>} */
  #seen = new Map();
  #document;
  #window;
  /** @type {Context["registerTool"]} The browser's, or the polyfill's. */
  #native;
  /** @type {Context} */
  context;

  /**
   * Gives the document a `modelContext` if it has none, and watches registrations from now on.
   *
   * @param {Environment} environment
   */
  constructor({ document, window }) {
    this.#document = document;
    this.#window = window;
    this.context = contextOf(document, window);
    this.#native = this.context.registerTool;
    this.#watch();
  }

  /**
   * Registers a tool that only some agents may call. Without a policy it is as `document.modelContext.registerTool`.
   *
   * @param {ToolInit} tool
   * @param {{ signal?: AbortSignal, exposedTo?: string[] }} options
   * @param {Policy} [policy]
   */
  register(tool, options, policy) {
    return this.#register(tool, [options], policy);
  }

  /**
   * Asked fresh each time: a tool may have been replaced since (P26). Frames have their own documents and ties.
   *
   * @param {string} [name] Only this one.
   * @returns {Promise<Tool[]>}
   */
  async list(name) {
    const { origin } = this.#window.location;
    const listed = await this.context.getTools();
    const wanted = listed.filter((tool) => (tool.window ?? this.#window) === this.#window && (name ?? tool.name) === tool.name);
    return Promise.all(wanted.map((tool) => this.#tool(tool, origin)));
  }

  /**
   * Runs a tool: directly if its code is known, else through the browser, which gives text only.
   *
   * @param {Tool} tool
   * @param {Record<string, unknown>} input
   * @param {Client} client
   * @returns {Promise<unknown>}
   */
  async run(tool, input, client) {
    if (tool.seen !== undefined) return Reflect.apply(tool.seen.execute, undefined, [input, client]);
    // What an earlier call or a half-done visit left in the fields would be sent along (it even satisfies `required`).
    const form = tool.definition.kind === "form" ? this.#form(tool.definition.name) : null;
    if (form !== null) blank(form);
    return this.context.executeTool(tool.listed, input, { signal: client.signal });
  }

  /**
   * @param {RegisteredTool} listed
   * @param {string} origin
   * @returns {Promise<Tool>}
   */
  async #tool(listed, origin) {
    const seen = this.#seen.get(listed.name);
    const kind = seen === undefined && this.#form(listed.name) !== null ? "form" : "imperative";
    const definition = definitionOf(listed, seen, kind);
    // Text that is no Unicode has no hash; the tab says so when it leaves the tool out.
    const hash = await hashDefinition(origin, definition).catch(() => "");
    return { definition, hash, listed, seen };
  }

  /**
   * By a selector: the members of a form are hidden by its fields' names.
   *
   * @param {string} name
   * @returns {HTMLFormElement | null}
   */
  #form(name) {
    return this.#document.querySelector(`form[toolname=${JSON.stringify(name)}]`);
  }

  #watch() {
    const registerTool = (/** @type {ToolInit} */ tool, /** @type {any[]} */ ...rest) => this.#register(tool, rest);
    Object.defineProperty(this.context, "registerTool", { value: registerTool, writable: true, configurable: true });
  }

  /**
   * @param {ToolInit} tool
   * @param {any[]} rest
   * @param {Policy} [policy]
   * @returns {Promise<undefined>}
   */
  async #register(tool, rest, policy) {
    if (typeof tool !== "object" || tool === null || typeof tool.execute !== "function") {
      return Reflect.apply(this.#native, this.context, [tool, ...rest]);
    }
    const { execute } = tool;
    const seen = { execute, outputSchema: copyOf(tool.outputSchema), hints: hintsOf(tool.annotations), policy };
    // A browser before Chromium 153 passes no second argument.
    const forOthers = (/** @type {object} */ input, { signal = new AbortController().signal } = {}) => {
      const why = policy === undefined ? null : refusal(policy, STRANGER);
      if (why !== null) throw new DeputyError("not_started", why);
      return Reflect.apply(execute, undefined, [input, clientOf({ signal, agent: STRANGER })]);
    };
    // The browser reads every other member from the page's own object, also those that this version does not know.
    const passed = new Proxy({}, { get: (_, member) => (member === "execute" ? forOthers : Reflect.get(tool, member)) });
    await Reflect.apply(this.#native, this.context, [passed, ...rest]);
    this.#remember(String(tool.name), seen, rest[0]?.signal);
  }

  /**
   * @param {string} name
   * @param {Seen} seen
   * @param {AbortSignal | undefined} signal
   */
  #remember(name, seen, signal) {
    if (signal?.aborted) return;
    this.#seen.set(name, seen);
    const forget = () => this.#seen.get(name) === seen && this.#seen.delete(name);
    signal?.addEventListener("abort", forget, { once: true });
  }
}

/**
 * The browser's own, if it has all that is needed; else the polyfill.
 *
 * @param {Document} document
 * @param {Window} window
 * @returns {Context}
 */
function contextOf(document, window) {
  const native = /** @type {any} */ (document).modelContext;
  const methods = ["registerTool", "getTools", "executeTool", "addEventListener"];
  if (methods.every((method) => typeof native?.[method] === "function")) return native;
  const context = /** @type {Context} */ (/** @type {unknown} */ (new ModelContext(window)));
  Object.defineProperty(document, "modelContext", { value: context, configurable: true, enumerable: true });
  return context;
}

/** @param {unknown} schema */
function copyOf(schema) {
  if (schema === undefined) return undefined;
  const text = typeof schema === "object" && schema !== null ? JSON.stringify(schema) : undefined;
  if (text === undefined) throw new TypeError("outputSchema is not a JSON object");
  return JSON.parse(text);
}

/** @param {Record<string, unknown> | undefined} annotations */
function hintsOf(annotations) {
  return Object.fromEntries(HINTS.map((name) => [name, Boolean(annotations?.[name])]));
}
