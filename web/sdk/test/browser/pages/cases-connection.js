/** The SDK against a hub at the other end of a real socket. */

import { connect, manifest, provideContext } from "/sdk/deputy.js";
import { definitionOf, hashDefinition } from "/sdk/src/definition.js";
import { equal, ok, rejection } from "./assert.js";
import { HubSocket } from "./hub.js";

const context = document.modelContext;
const isNative = window.nativeContext !== undefined;
let subject = "alice";
/** Done while the session is asked. */
let swap;
const session = async () => {
  await swap?.();
  swap = undefined;
  return subject === null ? null : { subject };
};
const options = { hub: location.origin, ticket: async () => "tkt_1", session };

/** Registers, connects, runs, and leaves nothing behind. */
async function withTab(tools, run) {
  const gone = new AbortController();
  for (const tool of tools) await context.registerTool({ description: "d", ...tool }, { signal: gone.signal });
  const tab = connect(options);
  tab.addEventListener("error", (event) => event.preventDefault());
  try {
    const hub = await (await HubSocket.next()).welcome();
    equal(tab.status, "open");
    await run(hub, tab, gone);
  } finally {
    tab.close();
    gone.abort();
    subject = "alice";
  }
}

/** A tool that waits, and counts. */
function gate(name) {
  const runs = [];
  const execute = (input, client) => new Promise((resolve) => runs.push({ input, client, resolve }));
  return { name, execute, runs };
}

const phases = (hub, id) => hub.frames.filter((frame) => frame.id === id).map(({ type }) => type);

export const cases = {
  "a call runs directly, with the client of the hub": () =>
    withTab(
      [
        {
          name: "c.who",
          execute: ({ a }, client) => {
            const { agentType, agentName, agentOrigin, verification, assertion } = client;
            return { a, agentType, agentName, agentOrigin, verification, assertion, frozen: Object.isFrozen(client), signal: client.signal instanceof AbortSignal };
          },
        },
      ],
      async (hub) => {
        const id = hub.call("c.who", { a: 1 });
        const robot = { agentType: "automated_agent", agentName: "Robot", agentOrigin: "https://robot.example", verification: "verified", assertion: "a.b.c" };
        equal((await hub.answer(id)).result, { kind: "json", value: { a: 1, ...robot, frozen: true, signal: true } });
        equal(phases(hub, id), ["accepted", "started", "result"]);
      },
    ),

  "results of every kind": () => {
    const results = {
      text: ["5", { kind: "text", text: "5" }],
      number: [5, { kind: "json", value: 5 }],
      nothing: [undefined, { kind: "json", value: null }],
      object: [{ a: [null] }, { kind: "json", value: { a: [null] } }],
      content: [{ content: [{ type: "text", text: "x" }] }, { kind: "content", content: [{ type: "text", text: "x" }] }],
    };
    return withTab([{ name: "c.give", execute: ({ which }) => results[which][0] }], async (hub) => {
      for (const [which, [, wanted]] of Object.entries(results)) {
        equal((await hub.answer(hub.call("c.give", { which }))).result, wanted, which);
      }
    });
  },

  "a tool that throws fails with its words": () =>
    withTab([{ name: "c.fail", execute: async () => Promise.reject(new Error("boom")) }], async (hub) => {
      const { code, message } = await hub.answer(hub.call("c.fail"));
      equal([code, message], ["tool_failed", "boom"]);
    }),

  "P11 cancel reaches the signal": () => {
    const tool = gate("c.slow");
    return withTab([tool], async (hub) => {
      const id = hub.call("c.slow");
      await hub.said("started", id);
      hub.say("cancel", id, { reason: "the client left" });
      equal((await hub.answer(id)).type, "cancelled");
      equal([tool.runs[0].client.signal.aborted, tool.runs[0].client.signal.reason.name], [true, "AbortError"]);
    });
  },

  "P13 a call that is sent again does not run twice": () => {
    const tool = gate("c.once");
    return withTab([tool], async (hub) => {
      const id = hub.call("c.once");
      await hub.said("started", id);
      hub.call("c.once", {}, { id });
      hub.say("ping", "p1");
      await hub.said("pong", "p1");
      tool.runs[0].resolve("done");
      await hub.answer(id);
      hub.call("c.once", {}, { id });
      hub.say("ping", "p2");
      await hub.said("pong", "p2");
      equal(phases(hub, id), ["accepted", "started", "started", "result", "started", "result"]);
      equal(tool.runs.length, 1);
    });
  },

  "P17 a result that is too large fails only its call": () =>
    withTab([{ name: "c.large", execute: ({ size }) => "x".repeat(size) }], async (hub) => {
      equal((await hub.answer(hub.call("c.large", { size: 1_000_000 }))).code, "too_large");
      equal((await hub.answer(hub.call("c.large", { size: 900_000 }))).result.text.length, 900_000);
    }),

  "a tab whose browser belongs to another user refuses and closes": () => {
    const tool = gate("c.read");
    return withTab([tool], async (hub, tab) => {
      subject = "bob";
      equal((await hub.answer(hub.call("c.read"))).code, "session_changed");
      equal((await hub.said("bye")).reason, "session_changed");
      equal([await hub.closed(), tab.status, tool.runs.length], [1000, "signed_out", 0]);
    });
  },

  "a tab in which nobody is signed in refuses and closes": () => {
    const tool = gate("c.read");
    return withTab([tool], async (hub, tab) => {
      subject = null;
      equal((await hub.answer(hub.call("c.read"))).code, "session_ended");
      equal((await hub.said("bye")).reason, "signed_out");
      equal([await hub.closed(), tab.status, tool.runs.length], [1000, "signed_out", 0]);
    });
  },

  "sign-out is told to the other documents and by them": () =>
    withTab([], async (hub, tab) => {
      const news = new BroadcastChannel("deputy.session.v1");
      const told = new Promise((resolve) => (news.onmessage = ({ data }) => data.type === "signed_out" && resolve(data)));
      tab.signOut();
      equal(await told, { type: "signed_out" });
      equal((await hub.said("bye")).reason, "signed_out");
      news.postMessage({ type: "signed_in", subject: "alice" });
      const again = await (await HubSocket.next()).welcome();
      news.postMessage({ type: "signed_out" });
      equal((await again.said("bye")).reason, "signed_out");
      equal(tab.status, "signed_out");
      news.close();
    }),

  "an unregistered tool is gone from the list and refuses": () => {
    const tool = gate("c.gone");
    return withTab([tool], async (hub, tab, gone) => {
      gone.abort();
      equal((await hub.answer(hub.call("c.gone"))).code, "tool_unknown");
      while (hub.frames.filter(({ type }) => type === "tools").length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
      const { tools } = hub.frames.findLast(({ type }) => type === "tools");
      equal([tools.some(({ name }) => name === "c.gone"), tool.runs.length], [false, 0]);
    });
  },

  "P26 a tool that was replaced since is refused": () => {
    const [first, second] = [gate("c.swap"), gate("c.swap")];
    return withTab([first], async (hub, tab, gone) => {
      gone.abort();
      const again = new AbortController();
      await context.registerTool({ ...second, description: "another one" }, { signal: again.signal });
      equal((await hub.answer(hub.call("c.swap"))).code, "tool_changed");
      equal([first.runs.length, second.runs.length], [0, 0]);
      again.abort();
    });
  },

  "P21 two copies of the SDK are one tab, and no call runs twice": () => {
    const tool = gate("c.once");
    return withTab([tool], async (hub, tab) => {
      const copy = await import("/copy/deputy.js");
      ok(copy.connect !== connect, "it is another copy");
      ok(copy.connect(options) === tab, "it is the same tab");
      const id = hub.call("c.once");
      await hub.said("started", id);
      tool.runs[0].resolve("done");
      equal((await hub.answer(id)).result.text, "done");
      equal(tool.runs.length, 1);
      equal(await context.executeTool((await context.getTools()).find(({ name }) => name === "c.once"), {}, { signal: AbortSignal.abort() }).catch((e) => e.name), "AbortError");
    });
  },

  async "P26 definitions and hashes are those of the vectors"() {
    const { cases: known, registered } = await (await fetch("/vectors/definition.json")).json();
    for (const { name, origin, definition, hash } of known) {
      const seen = { hints: definition.annotations ?? {}, outputSchema: definition.outputSchema };
      equal(await hashDefinition(origin, definitionOf(definition, seen, definition.kind)), hash, name);
    }
    for (const { name, tool, definition, hash } of registered) {
      await withTab([{ ...tool, execute: () => null }], async (hub) => {
        const told = hub.tools.find((each) => each.name === tool.name);
        equal(told, definition, name);
        equal(await hashDefinition("https://crm.acme.example", told), hash, name);
      });
    }
  },

  "a tool from before the SDK goes through the browser; without WebMCP there is none": () =>
    withTab([], async (hub) => {
      if (!isNative) return equal([hub.tools, window.nativeContext], [[], undefined]);
      const id = hub.call("early.add", { a: 1, b: 2 });
      equal((await hub.answer(id)).result, { kind: "text", text: '{"sum":3}' });
    }),

  "a form is filled afresh, one call at a time; the polyfill leaves forms alone": () =>
    withTab([], async (hub) => {
      const form = document.forms[0];
      if (!isNative) return equal(hub.tools.some(({ kind }) => kind === "form"), false);
      equal(hub.tools.find(({ name }) => name === "form.search").kind, "form");
      const seen = [];
      form.onsubmit = (event) => {
        event.preventDefault();
        const fields = Object.fromEntries(new FormData(form));
        seen.push(fields);
        event.respondWith(new Promise((resolve) => setTimeout(() => resolve(fields), 30)));
      };
      const ids = [{ q: "one", most: 5 }, { q: "two" }, { q: "three" }].map((input) => hub.call("form.search", input));
      const answers = [];
      for (const id of ids) answers.push(JSON.parse((await hub.answer(id)).result.text).q);
      equal(answers, ["one", "two", "three"]);
      // Which of them the form takes first is open.
      const byName = Object.fromEntries(seen.map((fields) => [fields.q, fields]));
      equal(byName, { one: { q: "one", most: "5" }, two: { q: "two", most: "" }, three: { q: "three", most: "" } });
      equal((await hub.answer(hub.call("form.search", { most: 1 }))).code, "tool_failed", "what the last call left does not count");
    }),

  "P14 a form is blank for each call, also where the page hinders its reset": () =>
    withTab([], async (hub) => {
      if (!isNative) return;
      const form = document.forms[2];
      const seen = [];
      form.onreset = (event) => event.preventDefault();
      form.onsubmit = (event) => {
        event.preventDefault();
        const fields = Object.fromEntries(new FormData(form));
        seen.push(fields);
        event.respondWith(Promise.resolve(fields));
      };
      ok(hub.tools.find(({ name }) => name === "form.hard")?.kind === "form", "a field called `getAttribute` hides no form");
      const full = { getAttribute: "x", reset: "y", note: "mine", pick: "two", agree: true };
      for (const input of [full, { getAttribute: "z" }]) await hub.answer(hub.call("form.hard", input));
      equal(seen[0].note, "mine");
      equal(seen[1], { getAttribute: "z", reset: "", elements: "", note: "as it was", pick: "one" });
    }),

  "a form that waits for the person is let go when the call is cancelled": () =>
    withTab([], async (hub) => {
      if (!isNative) return equal(hub.tools.some(({ kind }) => kind === "form"), false);
      const form = document.forms[1];
      const filled = () => new Promise((resolve) => context.addEventListener("toolactivated", resolve, { once: true }));
      form.onsubmit = (event) => {
        event.preventDefault();
        event.respondWith(Promise.resolve(Object.fromEntries(new FormData(form))));
      };
      const activated = filled();
      const first = hub.call("form.ask", { what: "one" });
      await activated;
      const second = hub.call("form.ask", { what: "two" });
      const activatedAgain = filled();
      hub.say("cancel", first, { reason: "the client left" });
      equal((await hub.answer(first)).type, "cancelled");
      await activatedAgain;
      form.querySelector("button").click();
      equal(JSON.parse((await hub.answer(second)).result.text), { what: "two" });
    }),

  async "tools of a frame are not tools of this document"() {
    const frame = document.createElement("iframe");
    frame.src = "frame.html";
    const loaded = new Promise((resolve) => (frame.onload = resolve));
    document.body.append(frame);
    await loaded;
    const listed = async () => (await context.getTools()).some(({ name }) => name === "frame.tool");
    // The browser lists them soon after the frame has loaded; the polyfill never does.
    while (isNative && !(await listed())) await new Promise((resolve) => setTimeout(resolve, 10));
    equal(await listed(), isNative);
    await withTab([], async (hub) => {
      equal(hub.tools.some(({ name }) => name === "frame.tool"), false);
      equal((await hub.answer(hub.call("frame.tool"))).code, "tool_unknown");
    });
    frame.remove();
  },

  "it comes back when the hub restarts": () =>
    withTab([], async (hub, tab) => {
      hub.close(1012);
      await (await HubSocket.next()).welcome();
      equal(tab.status, "open");
    }),

  async "P26 a tool that is swapped while the session is asked does not run"() {
    const [first, second] = [gate("c.race"), gate("c.race")];
    await withTab([first], async (hub, tab, gone) => {
      const again = new AbortController();
      swap = async () => {
        gone.abort();
        await context.registerTool({ ...second, description: "Pays." }, { signal: again.signal });
      };
      equal((await hub.answer(hub.call("c.race"))).code, "tool_changed");
      equal([first.runs.length, second.runs.length], [0, 0]);
      again.abort();
    });
  },

  "P27 a tool with invisible characters is not offered": () =>
    withTab([{ name: "c.hidden", description: "Reads.\u{e0050}\u{e0061}\u{e0079}", execute: () => null }], async (hub) => {
      equal(hub.tools.some(({ name }) => name === "c.hidden"), false);
    }),

  "P28 hints that the page gives are told, also those that this browser does not know": () => {
    const annotations = { consequentialHint: true, untrustedContentHint: true, destructiveHint: true, readOnlyHint: false };
    return withTab([{ name: "c.hints", annotations, execute: () => null }], async (hub) => {
      const told = hub.tools.find(({ name }) => name === "c.hints").annotations;
      equal(told, { consequentialHint: true, untrustedContentHint: true, destructiveHint: true });
    });
  },

  async "provideContext replaces its set, and its policy is asked before execute"() {
    let ran = 0;
    const pay = { name: "c.pay", description: "d", execute: () => (ran += 1) };
    await provideContext({ tools: [pay], policy: { denyAgentTypes: ["automated_agent"], allowAgentTypes: ["user_session"] } });
    await withTab([], async (hub) => {
      const { code, message } = await hub.answer(hub.call("c.pay"));
      equal([code, /denies/.test(message), ran], ["not_started", true, 0]);
      const [listed] = (await context.getTools()).filter(({ name }) => name === "c.pay");
      equal([(await rejection(() => context.executeTool(listed, {}))).name, ran], ["UnknownError", 0], "the browser's own agents");
    });
    await provideContext({ tools: [pay], policy: { allowAgentTypes: ["automated-agent"] } });
    await withTab([], async (hub) => equal((await hub.answer(hub.call("c.pay"))).result, { kind: "json", value: 1 }));
    await provideContext();
    equal((await context.getTools()).some(({ name }) => name === "c.pay"), false);
  },

  async "the proposal's methods are there once a page asks for them"() {
    ok(!("provideContext" in context), "not before");
    await import("/sdk/proposal.js");
    ok(navigator.modelContext === context, "on navigator too");
    await navigator.modelContext.provideContext({ tools: [{ name: "c.old", description: "d", execute: () => "old" }] });
    await withTab([], async (hub) => equal((await hub.answer(hub.call("c.old"))).result.text, "old"));
    navigator.modelContext.clearContext();
    equal((await context.getTools()).some(({ name }) => name === "c.old"), false);
  },

  async "the manifest has the definitions that the hub is told, with their hashes"() {
    await withTab([{ name: "c.one", title: "One", annotations: { readOnlyHint: true }, execute: () => null }], async (hub) => {
      const { v, origin, tools } = await manifest();
      equal([v, origin], [1, location.origin]);
      equal(tools.map(({ hash, ...definition }) => definition), hub.tools);
      for (const { name, hash } of tools) equal(hash, hub.hashes[name], name);
    });
  },

  async "P2 no credential is in an address"() {
    equal(performance.getEntriesByType("resource").some(({ name }) => name.includes("tkt_")), false);
  },

  async "nothing of it breaks a strict content security policy with Trusted Types"() {
    equal(window.violations, []);
    let blocked = false;
    try {
      document.body.innerHTML = "<b></b>";
    } catch {
      blocked = true;
    }
    ok(blocked, "the policy is in force");
  },
};
