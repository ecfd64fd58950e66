import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeForm, World, gate, until } from "./world.js";

const echo = { name: "echo", description: "Says it again.", execute: (input) => input };
const phases = (socket, id) => socket.frames.filter((frame) => frame.id === id).map(({ type }) => type);

test("P10 a call is accepted, started, and answered exactly once", async () => {
  const world = new World();
  const socket = await world.open(echo);
  const id = world.call(socket, "echo", { a: 1 });
  assert.deepEqual((await socket.answer(id)).result, { kind: "json", value: { a: 1 } });
  assert.deepEqual(phases(socket, id), ["accepted", "started", "result"]);
  assert.deepEqual(socket.frames.map(({ seq }) => seq), socket.frames.map((_, index) => index + 1));
});

test("execute learns who asks, and cannot change it", async () => {
  const world = new World();
  const tool = gate("ask");
  const socket = await world.open(tool);
  const id = world.call(socket, "ask");
  const { client, resolve } = await until(() => tool.runs[0]);
  assert.ok(Object.isFrozen(client) && client.signal instanceof AbortSignal);
  const { agentType, agentName, agentOrigin, verification, assertion, callId } = client;
  assert.deepEqual(
    { agentType, agentName, agentOrigin, verification, assertion, callId },
    { agentType: "automated_agent", agentName: "Robot", agentOrigin: null, verification: "none", assertion: "a.b.c", callId: id },
  );
  assert.equal(await client.requestUserInteraction(async () => "yes"), "yes");
  await assert.rejects(client.requestUserInteraction("no function"), TypeError);
  resolve("done");
  assert.deepEqual((await socket.answer(id)).result, { kind: "text", text: "done" });
});

test("results of every kind", async () => {
  const results = {
    text: ["x", { kind: "text", text: "x" }],
    empty: ["", { kind: "text", text: "" }],
    number: [5, { kind: "json", value: 5 }],
    digits: ["5", { kind: "text", text: "5" }],
    nothing: [undefined, { kind: "json", value: null }],
    null: [null, { kind: "json", value: null }],
    function: [() => 1, { kind: "json", value: null }],
    array: [[1, { a: undefined }], { kind: "json", value: [1, {}] }],
    content: [{ content: [{ type: "text", text: "x" }], isError: true }, { kind: "content", content: [{ type: "text", text: "x" }], isError: true }],
    structured: [{ content: [], structuredContent: { a: 1 } }, { kind: "content", content: [], structuredContent: { a: 1 } }],
    lookalike: [{ content: "x" }, { kind: "json", value: { content: "x" } }],
    surrogate: ["\ud800", { kind: "text", text: "\ufffd" }],
  };
  const world = new World();
  const socket = await world.open({ name: "give", description: "d", execute: ({ which }) => results[which][0] });
  for (const which of Object.keys(results)) {
    const id = world.call(socket, "give", { which });
    assert.deepEqual((await socket.answer(id)).result, results[which][1], which);
  }
});

test("a tool that throws fails with its words; one that throws the SDK's own errors cannot speak for it", async () => {
  const { DeputyError } = await import("../src/error.js");
  const thrown = { error: new Error("boom"), text: "plain", long: new Error("x".repeat(5000)), own: new DeputyError("session_changed", "I lie"), cyclic: null };
  const cycle = {};
  cycle.self = cycle;
  const world = new World();
  const socket = await world.open({
    name: "fail",
    description: "d",
    execute: ({ which }) => {
      if (which === "cyclic") return cycle;
      throw thrown[which];
    },
  });
  for (const [which, message] of [["error", "boom"], ["text", "plain"], ["long", "x".repeat(2000)], ["own", "I lie"]]) {
    const id = world.call(socket, "fail", { which });
    const { code, message: said } = await socket.answer(id);
    assert.deepEqual({ code, said }, { code: "tool_failed", said: message });
  }
  const { code, message } = await socket.answer(world.call(socket, "fail", { which: "cyclic" }));
  assert.equal(code, "tool_failed");
  assert.match(message, /not JSON/);
  assert.equal(world.tab.status, "open");
});

test("P13 a call that is sent again never runs twice, while it runs and after", async () => {
  const world = new World();
  const tool = gate("once");
  const socket = await world.open(tool);
  const id = world.call(socket, "once");
  await socket.said("started", id);
  world.call(socket, "once", {}, { id });
  assert.deepEqual(phases(socket, id), ["accepted", "started", "started"]);
  tool.runs[0].resolve("done");
  await socket.answer(id);
  world.call(socket, "once", {}, { id });
  assert.deepEqual(phases(socket, id), ["accepted", "started", "started", "result", "started", "result"]);
  assert.equal(tool.runs.length, 1);
});

test("P13 an answer is kept for five minutes, on the next connection too", async () => {
  const world = new World();
  const tool = gate("once");
  const socket = await world.open(tool);
  const id = world.call(socket, "once");
  (await until(() => tool.runs[0])).resolve("done");
  await socket.answer(id);
  socket.drop();
  world.clock.pass(30_000);
  const next = await world.greeted(2);
  world.call(next, "once", {}, { id });
  assert.deepEqual((await next.answer(id)).result, { kind: "text", text: "done" });
  assert.deepEqual(phases(next, id), ["started", "result"], "the hub may never have heard that it started");
  assert.equal(tool.runs.length, 1);
});

test("P13 a call that runs when the connection is lost is answered on the next one", async () => {
  const world = new World();
  const tool = gate("slow");
  const socket = await world.open(tool);
  const id = world.call(socket, "slow");
  await socket.said("started", id);
  socket.drop();
  world.clock.pass(500);
  const next = await world.greeted(2);
  world.call(next, "slow", {}, { id });
  await next.said("started", id);
  tool.runs[0].resolve("done");
  assert.deepEqual((await next.answer(id)).result, { kind: "text", text: "done" });
});

test("P13 a call that waits when the connection is lost does not start by itself", async () => {
  const world = new World({ limits: { callsInFlight: 1 } });
  const tool = gate("slow");
  const socket = await world.open(tool);
  const first = world.call(socket, "slow");
  const second = world.call(socket, "slow");
  await socket.said("started", first);
  socket.drop();
  world.clock.pass(500);
  const next = await world.greeted(2);
  tool.runs[0].resolve("done");
  world.call(next, "slow", {}, { id: first });
  await next.answer(first);
  assert.equal(tool.runs.length, 1);
  world.call(next, "slow", {}, { id: second });
  await next.said("started", second);
  assert.equal(tool.runs.length, 2);
});

test("P11 cancel reaches the signal, frees the call at once, and a late result is not sent", async () => {
  const world = new World();
  const tool = gate("slow");
  const socket = await world.open(tool);
  const id = world.call(socket, "slow");
  const { client, resolve } = await until(() => tool.runs[0]);
  socket.say("cancel", id, { reason: "the client left" });
  assert.deepEqual(phases(socket, id), ["accepted", "started", "cancelled"]);
  assert.ok(client.signal.aborted);
  assert.equal(client.signal.reason.name, "AbortError");
  assert.match(client.signal.reason.message, /the client left/);
  resolve("too late");
  await assert.rejects(client.requestUserInteraction(() => 1), { name: "AbortError" });
  assert.equal((await socket.answer(id)).type, "cancelled");
  assert.equal(socket.of("result", id).length, 0);
});

test("P11 a cancelled call that waits never starts", async () => {
  const world = new World({ limits: { callsInFlight: 1 } });
  const tool = gate("slow");
  const socket = await world.open(tool);
  const first = world.call(socket, "slow");
  const second = world.call(socket, "slow");
  await socket.said("started", first);
  socket.say("cancel", second, { reason: "policy_denied" });
  assert.deepEqual(phases(socket, second), ["accepted", "cancelled"]);
  tool.runs[0].resolve("done");
  await socket.answer(first);
  await socket.answer(world.call(socket, "absent", {}, { hash: "sha256:0" }));
  assert.equal(tool.runs.length, 1);
});

test("P12 a deadline aborts what runs and ends what waits", async () => {
  const world = new World({ limits: { callsInFlight: 1 } });
  const tool = gate("slow");
  const socket = await world.open(tool);
  const first = world.call(socket, "slow", {}, { timeoutMs: 1_000 });
  const second = world.call(socket, "slow", {}, { timeoutMs: 900 });
  const { client } = await until(() => tool.runs[0]);
  world.clock.pass(1_000);
  assert.equal((await socket.answer(second)).code, "not_started");
  assert.equal((await socket.answer(first)).code, "upstream_timeout");
  assert.equal(client.signal.reason.name, "TimeoutError");
});

test("P12 progress is told, but not faster than four times a second", async () => {
  const world = new World();
  const tool = gate("slow");
  const socket = await world.open(tool);
  const id = world.call(socket, "slow");
  const { client } = await until(() => tool.runs[0]);
  client.reportProgress(0.1);
  client.reportProgress(0.2);
  world.clock.pass(250);
  client.reportProgress(0.5, { total: 2, message: "half" });
  assert.deepEqual(socket.of("progress", id).map(({ progress, total, message }) => ({ progress, total, message })), [
    { progress: 0.1, total: undefined, message: undefined },
    { progress: 0.5, total: 2, message: "half" },
  ]);
  assert.throws(() => client.reportProgress(NaN), TypeError);
});

test("P14 so many calls run, so many wait, the next one is told that the tab is busy", async () => {
  const world = new World({ limits: { callsInFlight: 2, queue: 1 } });
  const tool = gate("slow");
  const socket = await world.open(tool);
  const ids = [1, 2, 3, 4].map(() => world.call(socket, "slow"));
  assert.equal((await socket.answer(ids[3])).code, "busy");
  await until(() => tool.runs.length === 2);
  tool.runs[0].resolve("done");
  await until(() => tool.runs.length === 3);
  for (const { resolve } of tool.runs) resolve("done");
  for (const id of ids.slice(0, 3)) assert.equal((await socket.answer(id)).type, "result");
});

test("P17 a result that is too large or too deep fails only its call", async () => {
  const world = new World({ limits: { frameBytes: 100_000 } });
  let deep = [];
  for (let level = 0; level < 150; level += 1) deep = [deep];
  const socket = await world.open({ name: "give", description: "d", execute: ({ deep: d }) => (d ? deep : "ä".repeat(50_000)) }, echo);
  assert.equal((await socket.answer(world.call(socket, "give"))).code, "too_large");
  assert.equal((await socket.answer(world.call(socket, "give", { deep: true }))).code, "too_large");
  assert.equal((await socket.answer(world.call(socket, "echo"))).type, "result");
});

test("P18 a tab keeps to the allowed pace instead of losing its connection", async () => {
  const world = new World({ limits: { framesPerSecond: 10, callsInFlight: 32 } });
  const socket = await world.open(echo);
  const sent = socket.frames.length;
  const ids = Array.from({ length: 10 }, () => world.call(socket, "echo"));
  await until(() => socket.of("started").length > 0 || socket.frames.length - sent >= 9);
  assert.ok(socket.frames.length - sent <= 10);
  socket.say("ping", "p1");
  assert.equal(socket.frames.at(-1).type, "pong", "a pong does not wait");
  for (const id of ids) {
    await until(() => world.clock.pass(125) ?? socket.of("result", id).length === 1);
  }
});

test("P26 another definition under the same name is refused", async () => {
  const world = new World();
  const first = new AbortController();
  await world.context.registerTool({ ...gate("swap"), description: "Reads." }, { signal: first.signal });
  const socket = await world.open();
  const id1 = world.call(socket, "swap", {}, { hash: `sha256:${"0".repeat(64)}` });
  assert.equal((await socket.answer(id1)).code, "tool_changed");
  first.abort();
  const id2 = world.call(socket, "swap");
  assert.equal((await socket.answer(id2)).code, "tool_unknown");
  const second = gate("swap");
  await world.context.registerTool({ ...second, description: "Pays." });
  const id3 = world.call(socket, "swap");
  assert.equal((await socket.answer(id3)).code, "tool_changed");
  assert.equal(second.runs.length, 0);
  assert.deepEqual(phases(socket, id3), ["accepted", "error"]);
});

test("P14 one call at a time per form", async () => {
  const world = new World();
  const running = [];
  const form = new FakeForm("search");
  world.document.forms.push(form);
  const shown = { name: "search", title: "", description: "d", origin: world.origin, window: world.window };
  world.context.getTools = async () => [shown];
  world.context.executeTool = (tool, input, { signal }) =>
    new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      running.push({ input, resolve });
    });
  const socket = await world.open();
  assert.equal((await socket.said("tools")).tools[0].kind, "form");
  const started = async (count) => until(() => socket.of("started").length === count, `${count} started`);
  const ids = [1, 2, 3].map((n) => world.call(socket, "search", { n }));
  // Which of them is first is open: their hashes are computed at the same time.
  await started(1);
  socket.say("cancel", socket.of("started")[0].id, { reason: "x" });
  await started(2);
  assert.equal(running.length, 2, "one at a time");
  running[1].resolve("found");
  await started(3);
  running[2].resolve("found");
  for (const id of ids) await socket.answer(id);
  assert.deepEqual(running.map(({ input }) => input.n).sort(), [1, 2, 3]);
  assert.equal(form.resets, 3, "what an earlier call left in the fields is gone");
});

test("P13 answers are forgotten after five minutes", async () => {
  const world = new World();
  const socket = await world.open(echo);
  const id = world.call(socket, "echo");
  await socket.answer(id);
  for (let minute = 0; minute < 5; minute += 1) {
    world.clock.pass(30_000);
    socket.say("ping", `p_${minute}`);
    world.clock.pass(30_001);
    socket.say("ping", `q_${minute}`);
  }
  world.call(socket, "echo", {}, { id });
  await until(() => socket.of("accepted", id).length === 2);
});

test("P13 the eldest answers lose their words when they are too large to keep, and still never run twice", async () => {
  const world = new World({ limits: { frameBytes: 40_000_000 } });
  let runs = 0;
  const socket = await world.open({ name: "large", description: "d", execute: () => ((runs += 1), "x".repeat(30_000_000)) });
  const ids = [];
  for (let count = 0; count < 3; count += 1) {
    ids.push(world.call(socket, "large"));
    await socket.answer(ids.at(-1));
  }
  socket.frames.length = 0;
  for (const id of ids) world.call(socket, "large", {}, { id });
  const answers = await Promise.all(ids.map((id) => socket.answer(id)));
  assert.deepEqual(answers.map(({ type, code }) => code ?? type), ["outcome_unknown", "result", "result"]);
  assert.equal(runs, 3);
});
