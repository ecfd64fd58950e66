/** One SDK per document (P21): a second copy finds the first one's state and uses it. */

import { DeputyError } from "./error.js";
import { checkOptions } from "./options.js";
import { Tab } from "./tab.js";
import { Tools } from "./tools.js";

/** @import { Environment } from "./environment.js" */
/** @import { ConnectOptions } from "./options.js" */

/** @typedef {{ connect(options: ConnectOptions): Tab }} Shared */

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
  return {
    connect(given) {
      const options = checkOptions(given);
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
  return {
    connect() {
      throw new DeputyError("insecure_context", "the page is not in a secure context: use https");
    },
  };
}
