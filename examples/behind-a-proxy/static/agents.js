/** The page's one script for agents: connects it to the hub, and registers what the application can do. */

const hub = document.querySelector('meta[name="deputy-hub"]').content;
const { connect } = await import(`${hub}/sdk/deputy.js`);

const tab = connect({
  hub,
  ticket: async () => (await askMine("/deputy-ticket", { method: "POST" }))?.ticket ?? null,
  session: async () => askMine("/me"),
});

const status = document.querySelector("#deputy-status");
function tell() {
  status.dataset.state = tab.status;
  status.textContent = tab.status === "open" ? "agents can reach this tab" : `agents: ${tab.status.replace("_", " ")}`;
}
tab.addEventListener("status", tell);
tell();

// The server tells the hub as well. This is for the other tabs of this browser, and for a server that cannot.
document.querySelector("form.sign-out").addEventListener("submit", () => tab.signOut());

const schema = (properties) => ({ type: "object", properties, required: Object.keys(properties), additionalProperties: false });

await document.modelContext.registerTool({
  name: "read_wiki",
  description: "Reads all lines of the wiki.",
  inputSchema: schema({}),
  annotations: { readOnlyHint: true },
  execute: async (_, client) => (await ask("/lines", of(client))).json(),
});

await document.modelContext.registerTool({
  name: "add_line",
  description: "Adds one line to the wiki, in the user's name.",
  inputSchema: schema({ text: { type: "string", maxLength: 200 } }),
  async execute({ text }, client) {
    // The form's own route: the server answers with the page as it is now.
    const answer = await ask("/lines", { method: "POST", body: new URLSearchParams({ text }), ...of(client) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.querySelector("#lines").replaceWith(page.querySelector("#lines"));
    return { added: text };
  },
});

/** What an agent's request carries: its end, and for whom it is. */
function of(client) {
  return { signal: client?.signal, headers: client?.assertion ? { "Deputy-Assertion": client.assertion } : {} };
}

/** Without a session the proxy would send a page elsewhere to sign in; to a script it says 401. */
async function ask(path, options) {
  const headers = { accept: "application/json", ...options?.headers };
  const answer = await fetch(path, { ...options, headers });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `${path}: ${answer.status}`);
  return answer;
}

/** What the server says of who is signed in; nobody is null. */
async function askMine(path, options) {
  const answer = await fetch(path, { ...options, headers: { accept: "application/json" } });
  if (answer.status === 401) return null;
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}
