// Runs before the SDK: what is registered here is known to the browser alone.
"use strict";
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
window.nativeContext = document.modelContext;
window.nativeContext?.registerTool({
  name: "early.add",
  description: "Adds two numbers.",
  inputSchema: { type: "object", properties: { a: { type: "number" }, b: { type: "number" } } },
  execute: ({ a, b }) => ({ sum: a + b }),
});
