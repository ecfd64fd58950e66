/**
 * Deputy's browser SDK: `import { connect } from "/sdk/deputy.js"`.
 *
 * Importing it gives the document a `modelContext` where the browser has none, and from then on knows each tool that
 * the page registers. Two copies in one document share the first one's state, so that no call runs twice (P21).
 */

import { browserEnvironment } from "./src/environment.js";
import { share } from "./src/share.js";
import { DeputyError } from "./src/error.js";

/** @import { ConnectOptions } from "./src/options.js" */
/** @import { Manifest } from "./src/manifest.js" */
/** @import { ContextInit } from "./src/provided.js" */
/** @import { Tab } from "./src/tab.js" */

// Importing on a server (rendering ahead) must not fail; only connecting needs a document.
const shared = globalThis.document === undefined ? null : share(browserEnvironment());

/**
 * Connects this document to the hub. A second call with the same hub returns the tab that is already there.
 *
 * @param {ConnectOptions} options
 * @returns {Tab}
 * @throws {TypeError} An option is missing, wrong or unknown.
 * @throws {DeputyError} `insecure_context`: the page is not in a secure context, or has no document. `framed`: the document
 *   is in a frame, and `frame` is not `true`.
 */
export function connect(options) {
  return here().connect(options);
}

/**
 * Registers a whole set of tools in place of the one before, for pages written to the proposal's form. Of `policy` this is
 * the page's copy, asked before each `execute`; the hub's policy is the one that binds.
 *
 * @param {ContextInit} [context]
 * @returns {Promise<void>} When all are registered; rejects, and registers none, if one is wrong.
 */
export async function provideContext(context) {
  return here().provideContext(context);
}

/**
 * The tools of this document as a manifest, for `/.well-known/deputy-tools.json`.
 *
 * @returns {Promise<Manifest>}
 */
export async function manifest() {
  return here().manifest();
}

function here() {
  if (shared === null) throw new DeputyError("insecure_context", "this needs a document in a secure context");
  return shared;
}
