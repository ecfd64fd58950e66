/** One SDK per document (P21): a second copy finds the first one's state and uses it. */

import { DeputyError } from "./error.js";
import { manifestOf } from "./manifest.js";
import { checkOptions } from "./options.js";
import { Provided } from "./provided.js";
import { Tab } from "./tab.js";
import { Tools } from "./tools.js";

/** @import { Environment } from "./environment.js" */
/** @import { ConnectOptions } from "./options.js" */

/** @import { Manifest } from "./manifest.js" */
/** @import { ContextInit } from "./provided.js" */

/**
 * @typedef {object} Shared
 * @property {(options: ConnectOptions) => Tab} connect
 * @property {(context?: ContextInit) => Promise<void>} provideContext
 * @property {(name: string) => void} withdraw One tool of what `provideContext` registered.
 * @property {() => Promise<Manifest>} manifest
 */

const KEY = Symbol.for("dev.deputy.sdk.v1");

/**
 * @param {Environment} environment
 * @returns {Shared}
 */
export function share(environment) {
  const document = /** @type {Document & { [KEY]?: Shared }} */ (environment.document);
  const there = document[KEY];
  if (there !== undefined) return there;
  const shared = environment.secure ? start(environment) : refuse();
  Object.defineProperty(document, KEY, { value: Object.freeze(shared) });
  return shared;
}

/**
 * @param {Environment} environment
 * @returns {Shared}
 */
function start(environment) {
  const tools = new Tools(environment);
  // Made for this document load and never stored: a copied tab must not carry it (P20).
  const docId = `doc_${environment.uuid()}`;
  /** @type {Map<string, Tab>} */
  const tabs = new Map();
  const provided = new Provided(tools);
  const { window } = environment;
  return {
    provideContext: (context) => provided.replace(context),
    withdraw: (name) => provided.withdraw(name),
    manifest: () => manifestOf(tools, window.location.origin),
    connect(given) {
      const options = checkOptions(given);
      // What embeds a document may show it as it likes and listen in its own way: connecting there takes its author's word.
      if (window.parent !== window && !options.frame) {
        throw new DeputyError("framed", "this document is in a frame: pass `frame: true` if it is to be connected there too");
      }
      const there = tabs.get(options.url);
      if (there !== undefined && there.status !== "closed") {
        there.renew(options);
        return there;
      }
      const tab = new Tab(options, tools, docId, environment);
      tabs.set(options.url, tab);
      return tab;
    },
  };
}

/** @returns {Shared} */
function refuse() {
  const insecure = () => new DeputyError("insecure_context", "the page is not in a secure context: use https");
  return {
    connect() {
      throw insecure();
    },
    provideContext: () => Promise.reject(insecure()),
    withdraw() {},
    manifest: () => Promise.reject(insecure()),
  };
}
