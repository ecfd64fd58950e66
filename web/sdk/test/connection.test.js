import assert from "node:assert/strict";
import { test } from "node:test";
import { World, gate, until } from "./world.js";

/** An event of the page's life. */
function pageEvent(type, persisted) {
  return Object.assign(new Event(type), { persisted });
}

test("P2 the ticket is in the first frame only, never in the address or the subprotocol", async () => {
  const world = new World();
  world.connect();
  const socket = await until(() => world.sockets[0]);
  assert.deepEqual([socket.url, socket.protocols], ["wss://hub.example/tab", ["deputy.tab.v1"]]);
  socket.open();
  const hello = await socket.said("hello");
  assert.deepEqual([hello.v, hello.seq, hello.ticket, hello.versions], [1, 1, "tkt_1", [1]]);
  assert.match(hello.docId, /^[A-Za-z0-9_-]{16,80}$/);
  assert.deepEqual([hello.page, hello.focused, hello.sdk.name], [{ url: "https://crm.acme.example/customers", title: "CRM" }, true, "deputy.js"]);
});

test("a server that does not choose the subprotocol gets no ticket", async () => {
  const world = new World();
  world.connect();
  const socket = await until(() => world.sockets[0]);
  socket.open("");
  assert.deepEqual([socket.frames, socket.readyState, world.tab.status], [[], 3, "connecting"]);
});

test("P20 the document keeps its id over connections, and each document has its own", async () => {
  const [world, other] = [new World(), new World()];
  const socket = await world.open();
  socket.drop();
  world.clock.pass(500);
  const next = await world.greeted(2);
  assert.equal(next.of("hello")[0].docId, socket.of("hello")[0].docId);
  assert.notEqual((await other.open()).of("hello")[0].docId, socket.of("hello")[0].docId);
});

test("P9 it tries again with full jitter, doubling to thirty seconds, one attempt at a time", async () => {
  const world = new World();
  world.connect();
  const waits = [];
  for (let number = 1; number <= 9; number += 1) {
    const socket = await until(() => world.sockets[number - 1]);
    socket.drop();
    assert.equal(world.clock.dueMs.length, 1);
    waits.push(world.clock.dueMs[0]);
    world.clock.pass(30_000);
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  world.random = 0.5;
  (await until(() => world.sockets[9])).drop();
  assert.deepEqual(world.clock.dueMs, [15_000]);
});

test("P8 online and visible try again at once, and never twice", async () => {
  const world = new World();
  world.connect();
  (await until(() => world.sockets[0])).drop();
  world.window.dispatchEvent(new Event("online"));
  world.document.dispatchEvent(new Event("visibilitychange"));
  await world.greeted(2);
  assert.equal(world.sockets.length, 2);
  world.window.dispatchEvent(new Event("online"));
  assert.equal(world.sockets.length, 2);
});

test("P8 a frozen page says so, and comes back when it is shown", async () => {
  const world = new World();
  const tool = gate("slow");
  const socket = await world.open(tool);
  world.call(socket, "slow");
  const { client } = await until(() => tool.runs[0]);
  world.window.dispatchEvent(pageEvent("pagehide", true));
  assert.deepEqual([socket.of("bye")[0].reason, socket.closedWith.code, world.tab.status], ["frozen", 4001, "frozen"]);
  assert.ok(client.signal.aborted);
  world.window.dispatchEvent(new Event("online"));
  assert.equal(world.clock.dueMs.length, 0, "nothing happens while it is frozen");
  world.window.dispatchEvent(pageEvent("pageshow", true));
  await world.greeted(2);
  assert.equal(world.tab.status, "open");
});

test("P6 a ping is answered with its id; a hub that is silent for too long is given up", async () => {
  const world = new World();
  const socket = await world.open();
  socket.say("ping", "p_1");
  assert.equal(socket.frames.at(-1).type, "pong");
  assert.equal(socket.frames.at(-1).id, "p_1");
  world.clock.pass(39_999);
  assert.equal(world.tab.status, "open");
  socket.say("ping", "p_2");
  world.clock.pass(39_999);
  assert.equal(world.tab.status, "open");
  world.clock.pass(1);
  assert.equal(world.tab.status, "connecting");
  assert.equal(socket.readyState, 3);
});

test("P9 a set of tools that the hub has already is not sent again", async () => {
  const world = new World();
  const socket = await world.open(gate("a"), gate("b"));
  assert.deepEqual((await socket.said("tools")).tools.map(({ name }) => name), ["a", "b"]);
  socket.drop();
  world.clock.pass(500);
  const next = await world.greeted(2, { toolsKnown: true });
  await world.context.registerTool(gate("c"));
  await until(() => world.clock.dueMs.includes(100));
  world.clock.pass(100);
  assert.deepEqual((await next.said("tools")).tools.map(({ name }) => name), ["a", "b", "c"]);
  assert.equal(next.of("tools").length, 1);
  assert.match(next.of("hello")[0].toolsHash, /^sha256:[0-9a-f]{64}$/);
});

test("P19 changes within 100 ms are told once, and none if it is the same set again", async () => {
  const world = new World();
  const socket = await world.open();
  const gone = new AbortController();
  for (const name of ["a", "b", "c"]) await world.context.registerTool(gate(name), { signal: gone.signal });
  await until(() => world.clock.dueMs.includes(100));
  world.clock.pass(100);
  await until(() => socket.of("tools").length === 2);
  gone.abort();
  for (const name of ["a", "b", "c"]) await world.context.registerTool(gate(name));
  await until(() => world.clock.dueMs.includes(100));
  world.clock.pass(100);
  const id = world.call(socket, "absent", {}, { hash: "sha256:0" });
  await socket.answer(id);
  assert.equal(socket.of("tools").length, 2);
});

test("P18 a tool that is too large is said to be left out; the others are offered", async () => {
  const world = new World();
  await world.context.registerTool({ ...gate("large"), description: "x".repeat(16_384) });
  await world.context.registerTool({ ...gate("broken"), description: "\ud800" });
  const socket = await world.open(gate("small"));
  assert.deepEqual((await socket.said("tools")).tools.map(({ name }) => name), ["small"]);
  assert.deepEqual(world.errors.map(({ code }) => code), ["tool_refused", "tool_refused"]);
});

test("tools may be frozen, or instances with private members", async () => {
  class Private {
    #name = "private";
    get name() {
      return this.#name;
    }
    description = "d";
    execute = () => "x";
  }
  const world = new World();
  const socket = await world.open(new Private(), Object.freeze(gate("frozen")));
  assert.deepEqual((await socket.said("tools")).tools.map(({ name }) => name), ["frozen", "private"]);
  assert.equal((await socket.answer(world.call(socket, "private"))).result.text, "x");
});

test("a connection that the browser refuses to open is reported and tried again", async () => {
  const world = new World();
  const { WebSocket } = world.environment;
  world.environment.WebSocket = class {
    constructor() {
      throw new DOMException("mixed content", "SecurityError");
    }
  };
  world.connect();
  await until(() => world.errors.length === 1);
  assert.equal(world.errors[0].code, "hub_unreachable");
  world.environment.WebSocket = WebSocket;
  world.clock.pass(500);
  await world.greeted();
  assert.equal(world.tab.status, "open");
});

test("a closed tab watches nothing, and the next connect makes a new one", async () => {
  const world = new World();
  const tab = world.connect({ tools: [gate("mine")] });
  const socket = await world.greeted();
  await socket.said("tools");
  socket.drop(4410);
  assert.deepEqual(await world.context.getTools(), []);
  world.window.dispatchEvent(new Event("online"));
  assert.equal(world.sockets.length, 1);
  assert.notEqual(world.connect({ tools: [gate("mine")] }), tab);
  await world.greeted(2);
  assert.deepEqual(world.errors.map(({ code }) => code), ["revoked"]);
});

test("P22 focus is told when it changes", async () => {
  const world = new World();
  const socket = await world.open();
  world.document.focused = false;
  world.window.dispatchEvent(new Event("blur"));
  world.window.dispatchEvent(new Event("blur"));
  assert.deepEqual(socket.of("focus").map(({ focused }) => focused), [false]);
});

test("P21 a second connect returns the same tab, and a second copy shares it", async () => {
  const world = new World();
  const socket = await world.open(gate("a"));
  const { share } = await import("../src/share.js?copy=2");
  const copy = share(world.environment);
  assert.equal(copy.connect(world.options), world.tab);
  assert.equal(copy.connect({ ...world.options, hub: "wss://hub.example/tab" }), world.tab);
  assert.equal(world.sockets.length, 1);
  assert.equal(world.tab.status, "open");
  await socket.answer(world.call(socket, "absent", {}, { hash: "sha256:0" }));
});

test("tools of the option are registered for as long as the tab is there", async () => {
  const world = new World();
  world.connect({ tools: [gate("mine"), { name: "no description" }] });
  const socket = await world.greeted();
  assert.deepEqual((await socket.said("tools")).tools.map(({ name }) => name), ["mine"]);
  assert.deepEqual(world.errors.map(({ code }) => code), ["tool_refused"]);
  world.tab.close();
  assert.deepEqual([socket.of("bye")[0].reason, socket.closedWith.code, world.tab.status], ["closed", 1000, "closed"]);
  assert.deepEqual(await world.context.getTools(), []);
  assert.equal(world.clock.dueMs.length, 0);
});

test("close codes mean what the protocol says", async () => {
  const after = async (code) => {
    const world = new World();
    const socket = await world.open();
    socket.drop(code);
    return [world.tab.status, world.clock.dueMs[0], world.errors.at(-1)?.code];
  };
  assert.deepEqual(await after(1000), ["closed", undefined, undefined]);
  assert.deepEqual(await after(1001), ["connecting", 500, undefined]);
  assert.deepEqual(await after(1006), ["connecting", 500, undefined]);
  assert.deepEqual(await after(1009), ["connecting", 500, undefined]);
  assert.deepEqual(await after(1012), ["connecting", 4000, undefined]);
  assert.deepEqual(await after(4400), ["connecting", 4000, "bad_frame"]);
  assert.deepEqual(await after(4401), ["connecting", 500, undefined]);
  assert.deepEqual(await after(4403), ["closed", undefined, "forbidden"]);
  assert.deepEqual(await after(4408), ["connecting", 500, undefined]);
  assert.deepEqual(await after(4409), ["closed", undefined, "superseded"]);
  assert.deepEqual(await after(4410), ["closed", undefined, "revoked"]);
  assert.deepEqual(await after(4426), ["closed", undefined, "version"]);
  assert.deepEqual(await after(4429), ["connecting", 30_500, "rate_limited"]);
});

test("P1 a hub that breaks the protocol is left with the right code", async () => {
  for (const [text, code] of [["{", 4400], ['{"v":2,"type":"ping","id":"p","seq":2}', 4426], ['{"v":1,"type":"ping","id":"p","seq":9}', 4400]]) {
    const world = new World();
    const socket = await world.open();
    socket.hear(text);
    assert.equal(socket.closedWith.code, code);
  }
});

test("a ticket() that fails is reported and tried again", async () => {
  const world = new World();
  let fails = true;
  world.connect({
    ticket: async () => {
      if (fails) throw new Error("503");
      return { ticket: "tkt_object" };
    },
  });
  await until(() => world.errors.length === 1);
  assert.equal(world.errors[0].code, "ticket_failed");
  fails = false;
  world.clock.pass(500);
  const socket = await world.greeted();
  assert.equal(socket.of("hello")[0].ticket, "tkt_object");
});

test("options are checked by name, and none is silently ignored", () => {
  const world = new World();
  const refused = (more) => assert.throws(() => world.connect(more), TypeError);
  refused({ policy: { allow: [] } });
  refused({ hubb: "x" });
  refused({ hub: "nowhere" });
  refused({ hub: "ftp://hub.example" });
  refused({ hub: "https://hub.example/?ticket=1" });
  refused({ hub: "https://user:pass@hub.example" });
  refused({ ticket: "tkt_1" });
  refused({ session: undefined });
  refused({ tools: {} });
  assert.throws(() => world.shared.connect(), TypeError);
  assert.throws(() => new World({ secure: false }).connect(), { code: "insecure_context" });
});

test("importing it without a document does not fail, connecting does", async () => {
  const { connect } = await import("../deputy.js");
  assert.throws(() => connect({}), { code: "insecure_context" });
});
