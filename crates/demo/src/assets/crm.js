// The CRM's own script: the form of a contact, and showing what changed.
// @ts-check

/**
 * Calls the CRM's JSON API.
 * @param {string} path
 * @param {{ method?: string, body?: object, signal?: AbortSignal, assertion?: string }} [options]
 * @returns {Promise<any>}
 */
export async function call(path, { method = "GET", body, signal, assertion } = {}) {
  const headers = new Headers();
  if (body) headers.set("content-type", "application/json");
  if (assertion) headers.set("Deputy-Assertion", assertion);
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal });
  const answer = await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
  return answer;
}

/**
 * Puts a contact's data where the page shows them.
 * @param {{ id: string, notes: string[] } & Record<string, unknown>} contact
 */
export function show(contact) {
  for (const place of document.querySelectorAll(`[data-contact="${CSS.escape(contact.id)}"]`)) {
    for (const field of place.querySelectorAll("[data-field]")) {
      field.textContent = String(contact[field.getAttribute("data-field") ?? ""]);
    }
    place.querySelector("[data-notes]")?.replaceChildren(...contact.notes.map((note) => item(note)));
  }
}

/**
 * Takes a contact off the page.
 * @param {string} id
 */
export function forget(id) {
  for (const place of document.querySelectorAll(`[data-contact="${CSS.escape(id)}"]`)) place.remove();
  const count = document.querySelector("#count");
  if (count) count.textContent = String(document.querySelectorAll("tr[data-contact]").length);
}

/**
 * A list item with nothing but text in it.
 * @param {string} text
 */
export function item(text) {
  const element = document.createElement("li");
  element.textContent = text;
  return element;
}

const form = document.querySelector("form#change");
if (form instanceof HTMLFormElement) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const saved = document.querySelector("#saved");
    const fields = new FormData(form);
    const path = `/api/contacts/${encodeURIComponent(form.dataset.id ?? "")}`;
    try {
      let contact = await call(path, { method: "PATCH", body: { phone: fields.get("phone") } });
      if (fields.get("text")) {
        contact = await call(`${path}/notes`, { method: "POST", body: { text: fields.get("text") } });
      }
      show(contact);
      if (saved) saved.textContent = "Saved.";
    } catch (error) {
      if (saved) saved.textContent = error instanceof Error ? error.message : String(error);
    }
  });
}
