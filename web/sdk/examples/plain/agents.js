import { connect } from "https://hub.acme.example/sdk/deputy.js";

const tab = connect({
  hub: "https://hub.acme.example",
  ticket: async () => (await fetch("/deputy-ticket", { method: "POST" })).json(),
  session: async () => (await fetch("/me")).json(),
});

await document.modelContext.registerTool({
  name: "find_customer",
  title: "Find a customer",
  description: "Finds a customer by number.",
  inputSchema: { type: "object", properties: { number: { type: "integer" } }, required: ["number"], additionalProperties: false },
  annotations: { readOnlyHint: true },
  async execute({ number }, client) {
    const headers = client.assertion === null ? {} : { "Deputy-Assertion": client.assertion };
    const answer = await fetch(`/api/customers/${number}`, { signal: client.signal, headers });
    if (!answer.ok) throw new Error(`there is no customer ${number}`);
    return answer.json();
  },
});

await document.modelContext.registerTool({
  name: "rename_customer",
  title: "Rename a customer",
  description: "Changes a customer's name, after the user has confirmed it in the page.",
  inputSchema: {
    type: "object",
    properties: { number: { type: "integer" }, name: { type: "string", maxLength: 100 } },
    required: ["number", "name"],
    additionalProperties: false,
  },
  async execute({ number, name }, client) {
    const agreed = await client.requestUserInteraction(() => confirm(`Rename customer ${number} to ${name}?`));
    return agreed ? { number, name } : { refused: true };
  },
});

let calls = 0;
tab.addEventListener("call", ({ detail }) => {
  if (detail.phase === "started") document.querySelector("#calls").textContent = String(++calls);
});
document.querySelector("#sign-out").addEventListener("click", () => tab.signOut());
