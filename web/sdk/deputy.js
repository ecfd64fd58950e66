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
/** @import { Tab } from "./src/tab.js" */

// Importing on a server (rendering ahead) must not fail; only connecting needs a document.
const shared = globalThis.document === undefined ? null : share(browserEnvironment());

/**
 * Connects this document to the hub. A second call with the same hub returns the tab that is already there.
 *
 * @param {ConnectOptions} options
 * @returns {Tab}
 * @throws {TypeError} An option is missing, wrong or unknown.
 * @throws {DeputyError} `insecure_context`: the page is not in a secure context, or has no document.
 */
export function connect(options) {
  if (shared === null) throw new DeputyError("insecure_context", "connecting needs a document in a secure context");
  return shared.connect(options);
}
