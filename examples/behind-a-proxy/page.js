/** The one page, written by the server. */

import * as settings from "./settings.js";

const escaped = (text) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** What is put in is escaped, unless it is a list of what was made here. */
const html = (parts, ...values) => String.raw({ raw: parts }, ...values.map((value) => (Array.isArray(value) ? value.join("") : escaped(value))));

/** @param {import("./people.js").Session} session @param {{ by: string, text: string }[]} lines */
export function page(session, lines) {
  return html`<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Wiki</title>
  <link rel="stylesheet" href="/static/style.css">
  <meta name="deputy-hub" content="${settings.hub}">
  <script type="module" src="/static/agents.js"></script>
</head>
<body>
<header>
  <strong>Wiki</strong>
  <output id="deputy-status">agents: off</output>
  <span id="who">${session.name}</span>
  <form class="sign-out" method="post" action="/sign-out"><button class="quiet">Sign out</button></form>
</header>
<main>
  <h1>What everybody should know</h1>
  <ul id="lines">${lines.map(({ by, text }) => html`<li>${text} <span class="quiet">${by}</span></li>`)}</ul>
  <form class="add" method="post" action="/lines"><label>One more <input name="text" required maxlength="200"></label><button>Add</button></form>
</main>
</body>
</html>
`;
}
