/** The page's one script for agents: connects it to the hub, and registers what the application can do. */

const hub = document.querySelector('meta[name="deputy-hub"]').content;
const csrf = document.querySelector('meta[name="csrf-token"]').content;
const { connect } = await import(`${hub}/sdk/deputy.js`);

const tab = connect({
  hub,
  ticket: async () => (await ask("/deputy-ticket", { method: "POST" })).json(),
  session: async () => (await ask("/me")).json(),
});

const status = document.querySelector("#deputy-status");
function tell() {
  status.dataset.state = tab.status;
  status.textContent = tab.status === "open" ? "agents can reach this tab" : `agents: ${tab.status.replace("_", " ")}`;
}
tab.addEventListener("status", tell);
tell();

// The server tells the hub as well. This is for the other tabs of this browser, and for a server that cannot.
document.querySelector("form.sign-out")?.addEventListener("submit", () => tab.signOut());

const schema = (properties) => ({ type: "object", properties, required: Object.keys(properties), additionalProperties: false });

await document.modelContext.registerTool({
  name: "list_expenses",
  description: "Lists the user's expenses, with amounts in euros.",
  inputSchema: schema({}),
  annotations: { readOnlyHint: true },
  execute: async (_, client) => (await ask("/expenses", of(client))).json(),
});

await document.modelContext.registerTool({
  name: "add_expense",
  description: "Adds one expense of the user's, in euros.",
  inputSchema: schema({ title: { type: "string", maxLength: 80 }, amount: { type: "number", exclusiveMinimum: 0 } }),
  async execute({ title, amount }, client) {
    const { signal, headers } = of(client);
    // The form's own route, with the form's own token: the server answers with the page as it is now.
    const body = new URLSearchParams({ title, amount: String(amount) });
    const answer = await ask("/expenses", { method: "POST", body, signal, headers: { ...headers, "X-CSRFToken": csrf } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.querySelector("#expenses").replaceWith(page.querySelector("#expenses"));
    return { added: title };
  },
});

/** What an agent's request carries: its end, and for whom it is. */
function of(client) {
  return { signal: client?.signal, headers: client?.assertion ? { "Deputy-Assertion": client.assertion } : {} };
}

async function ask(path, options) {
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `${path}: ${answer.status}`);
  return answer;
}
