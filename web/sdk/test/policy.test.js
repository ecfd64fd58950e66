/** `provideContext({ tools, policy })` and the page's own policy: it may refuse, and never allows more than the hub. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { AGENT_TYPES, readPolicy, refusal } from "../src/policy.js";
import { World, gate, until } from "./world.js";

const agent = (type, verification = "none") => ({ type, verification });
const words = (policy, ...rest) => refusal(readPolicy(policy), ...rest);

test("R20 deny beats allow", () => {
  const policy = { allowAgentTypes: ["browser_agent"], denyAgentTypes: ["browser_agent"] };
  assert.match(words(policy, agent("browser_agent")), /denies/);
});

test("R20 an empty policy lets agents read, and no more", () => {
  assert.equal(words({}, agent("browser_agent"), ["read"]), null);
  assert.match(words({}, agent("browser_agent"), ["write"]), /does not allow/);
  assert.match(words({}, agent("browser_agent"), ["read", "egress"]), /does not allow/);
  assert.match(words({}, agent("browser_agent")), /does not allow/, "of an unknown class");
});

test("R20 unknown members, types and shapes fail at load", () => {
  for (const wrong of [null, [], "allow", { allow: [] }, { allowAgentTypes: "browser_agent" }, { denyAgentTypes: ["crawler"] }, { requireVerification: 1 }]) {
    assert.throws(() => readPolicy(wrong), TypeError);
  }
  assert.equal(words({ allowAgentTypes: ["browser-agent"] }, agent("browser_agent")), null, "the proposal writes types with a hyphen");
});

test("R21 every refusal says which rule it was", () => {
  const policy = { allowAgentTypes: ["browser_agent", "automated_agent"], denyAgentTypes: ["search_crawler"], requireVerification: ["automated_agent"] };
  assert.equal(words(policy, agent("browser_agent")), null);
  assert.equal(words(policy, agent("automated_agent", "verified")), null);
  assert.match(words(policy, agent("automated_agent", "unverified")), /verified/);
  assert.match(words(policy, agent("search_crawler", "verified")), /denies/);
  assert.match(words(policy, agent("user_session")), /does not allow/);
  assert.match(words(policy, agent("browser_agent", "invalid")), /evidence failed/);
  assert.match(words(policy, agent("a_new_type")), /`unknown`/);
});

test("requireVerification true is for all types, and evidence that failed is never enough", () => {
  const policy = { allowAgentTypes: AGENT_TYPES, requireVerification: true };
  for (const type of AGENT_TYPES) {
    assert.equal(words(policy, agent(type, "verified")), null);
    for (const verification of ["none", "unverified", "invalid"]) assert.notEqual(words(policy, agent(type, verification)), null);
  }
});

test("provideContext registers a set in place of the one before, and leaves other tools alone", async () => {
  const world = new World();
  const { context, shared } = world;
  await context.registerTool(gate("other"));
  await shared.provideContext({ tools: [gate("a"), gate("b")] });
  await shared.provideContext({ tools: [gate("b"), gate("c")] });
  assert.deepEqual((await context.getTools()).map(({ name }) => name), ["b", "c", "other"]);
  await shared.provideContext();
  assert.deepEqual((await context.getTools()).map(({ name }) => name), ["other"]);
});

test("provideContext registers all or none, and a policy that cannot be read changes nothing", async () => {
  const world = new World();
  const { context, shared } = world;
  await shared.provideContext({ tools: [gate("a")] });
  for (const wrong of [null, { tool: [] }, { tools: {} }, { tools: [gate("b")], policy: { deny: [] } }]) {
    await assert.rejects(shared.provideContext(wrong), TypeError);
  }
  assert.deepEqual((await context.getTools()).map(({ name }) => name), ["a"]);
  await assert.rejects(shared.provideContext({ tools: [gate("b"), { name: "no description" }] }), TypeError);
  assert.deepEqual(await context.getTools(), []);
});

test("R3 the policy of provideContext is asked before execute: a call of the hub does not start", async () => {
  const world = new World();
  const tool = gate("read");
  await world.shared.provideContext({ tools: [tool], policy: { denyAgentTypes: ["automated_agent"] } });
  const socket = await world.open(gate("free"));
  const id = world.call(socket, "read");
  const { code, message } = await socket.answer(id);
  assert.deepEqual([code, socket.of("started", id).length, tool.runs.length], ["not_started", 0, 0]);
  assert.match(message, /denies agents of type `automated_agent`/);
  await socket.said("started", world.call(socket, "free"));
});

test("R3 the policy of provideContext is asked for the browser's own agents too, who say nothing of themselves", async (context) => {
  // The polyfill writes what a tool throws to the console, as the platform does.
  context.mock.method(console, "error", () => {});
  const world = new World();
  await world.shared.provideContext({ tools: [{ name: "pay", description: "d", execute: () => "paid" }], policy: { allowAgentTypes: ["unknown"] } });
  const [open] = await world.context.getTools();
  assert.equal(await world.context.executeTool(open, {}), "paid");
  let ran = false;
  await world.shared.provideContext({ tools: [{ name: "pay", description: "d", execute: () => (ran = true) }], policy: { allowAgentTypes: ["user_session"] } });
  const [closed] = await world.context.getTools();
  await assert.rejects(world.context.executeTool(closed, {}), { name: "UnknownError" });
  assert.equal(ran, false);
});

test("the policy of connect holds for every tool of the tab", async () => {
  const world = new World();
  await world.context.registerTool(gate("read"));
  world.connect({ policy: { allowAgentTypes: ["automated_agent"], requireVerification: ["automated_agent"] } });
  const socket = await world.greeted();
  const { tools } = await socket.said("tools");
  const { hashDefinition } = await import("../src/definition.js");
  const hash = await hashDefinition(world.origin, tools[0]);
  assert.match((await socket.answer(world.call(socket, "read", {}, { hash }))).message, /verified/);
});

test("a policy allows nothing that the hub refuses: the page's session is still asked first", async () => {
  const world = new World();
  const tool = gate("read");
  await world.shared.provideContext({ tools: [tool], policy: { allowAgentTypes: AGENT_TYPES } });
  const socket = await world.open();
  world.subject = "bob";
  assert.equal((await socket.answer(world.call(socket, "read"))).code, "session_changed");
  assert.equal(tool.runs.length, 0);
});

test("a page written to the proposal's form gets its methods only when it asks for them", async () => {
  const world = new World();
  assert.equal(world.context.provideContext, undefined);
  const { proposal } = await import("../src/proposal.js");
  const navigator = {};
  proposal(world.document, navigator, world.shared);
  assert.equal(navigator.modelContext, world.context);
  await navigator.modelContext.provideContext({ tools: [gate("a"), gate("b")] });
  navigator.modelContext.unregisterTool("a");
  assert.deepEqual((await world.context.getTools()).map(({ name }) => name), ["b"]);
  navigator.modelContext.clearContext();
  assert.deepEqual(await world.context.getTools(), []);
});
