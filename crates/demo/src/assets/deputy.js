// What the CRM offers to agents: its own functions as WebMCP tools, and the connection to the hub.
// @ts-check
import { call, forget, item, show } from "./crm.js";

const text = { type: "string" };
const id = { ...text, description: "The contact's id, as `list_contacts` gives it" };

/** @param {Record<string, object>} properties @param {string[]} [required] */
const object = (properties, required = Object.keys(properties)) => ({
  type: "object",
  properties,
  required,
  additionalProperties: false,
});

/** @param {string} contact */
const path = (contact) => `/api/contacts/${encodeURIComponent(contact)}`;

const tools = [
  {
    name: "list_contacts",
    title: "List contacts",
    description: "Lists all contacts of the user's organisation, with deals and notes.",
    inputSchema: object({}),
    annotations: { readOnlyHint: true },
    run: (_input, options) => call("/api/contacts", options),
  },
  {
    name: "find_contact",
    title: "Find a contact",
    description: "Finds contacts whose name, company or e-mail address contains the query.",
    inputSchema: object({ query: text }),
    annotations: { readOnlyHint: true },
    run: ({ query }, options) => call(`/api/contacts?query=${encodeURIComponent(query)}`, options),
  },
  {
    name: "update_contact",
    title: "Change a contact",
    description: "Changes name, company, e-mail address or phone number of one contact.",
    inputSchema: object({ id, name: text, company: text, email: text, phone: text }, ["id"]),
    async run({ id, ...body }, options) {
      const contact = await call(path(id), { ...options, method: "PATCH", body });
      show(contact);
      return contact;
    },
  },
  {
    name: "add_note",
    title: "Add a note",
    description: "Adds a note to one contact.",
    inputSchema: object({ id, text }),
    async run({ id, text }, options) {
      const contact = await call(`${path(id)}/notes`, { ...options, method: "POST", body: { text } });
      show(contact);
      return contact;
    },
  },
  {
    name: "delete_contact",
    title: "Delete a contact",
    description: "Deletes one contact for good.",
    inputSchema: object({ id }),
    annotations: { consequentialHint: true },
    async run({ id }, options) {
      const answer = await call(path(id), { ...options, method: "DELETE" });
      forget(id);
      return answer;
    },
  },
  {
    name: "slow_report",
    title: "Sum up the pipeline, slowly",
    description: "Sums up the deals of all contacts. Takes as many seconds as it is told.",
    inputSchema: object({ seconds: { type: "integer", minimum: 0, maximum: 600 } }),
    annotations: { readOnlyHint: true },
    run: ({ seconds }, options) => call(`/api/report?seconds=${seconds}`, options),
  },
];

/** Who is signed in in this browser now; nobody is `null`. */
async function session() {
  const response = await fetch("/session");
  return response.status === 204 ? null : response.json();
}

/** A fresh ticket for the hub, from our own back end; nobody signed in is `null`. */
async function ticket() {
  try {
    return (await call("/deputy/ticket", { method: "POST" })).ticket;
  } catch (error) {
    if (error.code === "signed_out") return null;
    throw error;
  }
}

/** Registers every tool with the page's `document.modelContext`. */
async function offer() {
  for (const { run, ...definition } of tools) {
    await document.modelContext.registerTool({
      ...definition,
      async execute(input, client) {
        const entry = record(`${definition.name} ${JSON.stringify(input)}`, client?.agentName);
        try {
          return await run(input, { signal: client?.signal, assertion: client?.assertion });
        } catch (error) {
          entry.classList.add("refused");
          entry.textContent += ` — ${error.message}`;
          throw error;
        }
      },
    });
  }
}

/** @param {string} what @param {string} [who] */
function record(what, who) {
  const list = document.querySelector("#activity");
  const entry = item(who ? `${who}: ${what}` : what);
  list?.querySelector(".quiet")?.remove();
  list?.prepend(entry);
  return entry;
}

/** @param {string} state */
function tell(state) {
  const place = document.querySelector("#deputy-status");
  if (!(place instanceof HTMLElement)) return;
  place.dataset.state = state;
  place.textContent = state === "open" ? "agents can reach this tab" : `agents: ${state.replace("_", " ")}`;
}

const hub = document.querySelector('meta[name="deputy-hub"]')?.getAttribute("content");
if (hub) {
  try {
    const { connect } = await import(`${hub}/sdk/deputy.js`);
    const tab = connect({ hub, ticket, session });
    tell(tab.status);
    tab.addEventListener("status", () => tell(tab.status));
    document.querySelector("form.sign-out")?.addEventListener("submit", () => tab.signOut());
    await offer();
  } catch (error) {
    tell("unavailable");
    console.warn("deputy:", error);
  }
}
