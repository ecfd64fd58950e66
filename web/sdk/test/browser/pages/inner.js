import { connect } from "/sdk/deputy.js";

// Exposed to whoever embeds it: still no tool of theirs.
const exposedTo = location.ancestorOrigins ? [...location.ancestorOrigins].filter((origin) => origin !== location.origin) : [];
await document.modelContext.registerTool({ name: "inner.tool", description: "d", execute: () => null }, { exposedTo });
const options = { hub: location.origin, ticket: async () => "tkt_inner", session: async () => ({ subject: "alice" }) };
try {
  connect(location.hash === "#connected" ? { ...options, frame: true } : options);
  document.documentElement.dataset.connected = "yes";
} catch (error) {
  document.documentElement.dataset.connected = error.code;
}
