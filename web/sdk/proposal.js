/**
 * `import "/sdk/proposal.js"`, for pages written to the proposal's form: `navigator.modelContext.provideContext({ tools, policy })`
 * and its like work as they did. Not part of `deputy.js`, since a page may tell browsers apart by whether they are there.
 */

import { browserEnvironment } from "./src/environment.js";
import { proposal } from "./src/proposal.js";
import { share } from "./src/share.js";

if (globalThis.document !== undefined && window.isSecureContext) proposal(document, navigator, share(browserEnvironment()));
