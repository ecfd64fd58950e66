import { connect } from "https://hub.acme.example/sdk/deputy.js";

connect({
  hub: "https://hub.acme.example",
  ticket: async () => (await fetch("/deputy-ticket", { method: "POST" })).json(),
  session: async () => (await fetch("/me")).json(),
});

await document.modelContext.registerTool({
  name: "find_customer",
  description: "Finds a customer by number.",
  inputSchema: { type: "object", properties: { number: { type: "integer" } }, required: ["number"], additionalProperties: false },
  annotations: { readOnlyHint: true },
  execute: async ({ number }, client) => (await fetch(`/api/customers/${number}`, { signal: client.signal })).json(),
});
