/** What happens to a document: it is frozen, sleeps, is left, is copied, and comes back with a hundred others. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { World, gate, until } from "./world.js";

function pageEvent(type, persisted) {
  return Object.assign(new Event(type), { persisted });
}

const RESTART = 1012;

test("P8 a page that is frozen while it connects lets the attempt go, and makes a new one when it is back", async () => {
  const world = new World();
  world.connect();
  const first = await until(() => world.sockets[0]);
  world.window.dispatchEvent(pageEvent("pagehide", true));
  assert.deepEqual([first.closedWith.code, world.tab.status], [4001, "frozen"]);
  world.window.dispatchEvent(pageEvent("pageshow", true));
  await world.greeted(2);
  assert.deepEqual([world.tab.status, world.sockets.length, world.tickets], ["open", 2, 2]);
});

test("P8 a page whose ticket is on its way when it is frozen opens no connection in the cache", async () => {
  const world = new World();
  let give;
  world.connect({ ticket: () => new Promise((resolve) => (give = resolve)) });
  await until(() => give !== undefined);
  world.window.dispatchEvent(pageEvent("pagehide", true));
  give("tkt_late");
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([world.sockets.length, world.tab.status], [0, "frozen"]);
});

test("P8 a user who signed out while the page was in the back-forward cache is signed out when it is back", async () => {
  const world = new World();
  let signedIn = true;
  world.options.ticket = async () => (signedIn ? "tkt_1" : null);
  await world.open(gate("read"));
  world.window.dispatchEvent(pageEvent("pagehide", true));
  signedIn = false;
  world.window.dispatchEvent(pageEvent("pageshow", true));
  await until(() => world.tab.status === "signed_out");
  assert.equal(world.sockets.length, 1);
});

test("P8 the channel between documents is closed while the page is in the cache, and open again after", async () => {
  let open = 0;
  class Channel {
    constructor() {
      open += 1;
    }
    postMessage() {}
    close() {
      open -= 1;
    }
  }
  const world = new World({ Channel });
  await world.open(gate("read"));
  world.tab.signOut();
  world.window.dispatchEvent(pageEvent("pagehide", true));
  assert.equal(open, 0, "an open one would keep the page out of the cache");
  world.window.dispatchEvent(pageEvent("pageshow", true));
  assert.deepEqual([open, world.tab.status], [1, "signed_out"]);
});

test("P8 a tab that the browser puts to sleep says so, and comes back once when it wakes", async () => {
  const world = new World();
  const socket = await world.open(gate("read"));
  world.document.dispatchEvent(new Event("freeze"));
  assert.deepEqual([socket.of("bye")[0].reason, socket.closedWith.code, world.tab.status], ["frozen", 4001, "frozen"]);
  world.document.dispatchEvent(new Event("resume"));
  world.window.dispatchEvent(pageEvent("pageshow", true));
  await world.greeted(2);
  assert.deepEqual([world.tab.status, world.sockets.length], ["open", 2]);
});

test("P6 pings are answered while no timer runs", async () => {
  const world = new World({ limits: { framesPerSecond: 1 } });
  const socket = await world.open(gate("read"));
  for (let number = 0; number < 5; number += 1) socket.say("ping", `p_${number}`);
  assert.equal(socket.of("pong").length, 5);
});

test("P6 after a sleep the connection is known to be dead at once, not after another forty seconds", async () => {
  for (const wake of [(w) => w.document.dispatchEvent(new Event("visibilitychange")), (w) => w.window.dispatchEvent(new Event("online"))]) {
    const world = new World();
    const socket = await world.open(gate("read"));
    world.clock.sleep(40_001);
    wake(world);
    assert.equal(socket.readyState, 3);
    await world.greeted(2);
    assert.equal(world.tab.status, "open");
  }
});

test("P6 a sleep that is shorter than the hub's patience costs no connection", async () => {
  const world = new World();
  await world.open(gate("read"));
  world.clock.sleep(39_000);
  world.document.dispatchEvent(new Event("visibilitychange"));
  assert.deepEqual([world.tab.status, world.sockets.length], ["open", 1]);
});

test("P12 a call that was sent before a long sleep and is read after it does not run", async () => {
  const world = new World();
  const tool = gate("pay");
  const socket = await world.open(tool);
  world.clock.sleep(3_600_000);
  world.call(socket, "pay");
  assert.equal(world.tab.status, "connecting");
  world.clock.pass(500);
  await world.greeted(2);
  assert.equal(tool.runs.length, 0, "the hub gave it up long ago");
});

test("P23 a page that is left in mid-call says what ran, what did not, and why, and does not sign off", async () => {
  const world = new World({ limits: { callsInFlight: 1 } });
  const tool = gate("slow");
  const socket = await world.open(tool);
  const [running, waiting] = [world.call(socket, "slow"), world.call(socket, "slow")];
  const { client } = await until(() => tool.runs[0]);
  world.window.dispatchEvent(pageEvent("pagehide", false));
  const said = (id) => socket.frames.find((frame) => frame.id === id && frame.type === "error");
  assert.deepEqual([said(running).code, said(waiting).code], ["outcome_unknown", "not_started"]);
  assert.match(said(running).message, /left in mid-call/);
  assert.ok(client.signal.aborted);
  assert.equal(socket.of("bye").length, 0, "a reload looks alike: the hub waits two seconds (P24)");
});

test("P23 a page that goes into the back-forward cache in mid-call says so too", async () => {
  const world = new World();
  const tool = gate("slow");
  const socket = await world.open(tool);
  const id = world.call(socket, "slow");
  await until(() => tool.runs[0]);
  world.window.dispatchEvent(pageEvent("pagehide", true));
  assert.deepEqual([socket.of("error", id)[0].code, socket.of("bye")[0].reason], ["outcome_unknown", "frozen"]);
});

/** So many documents of one browser, each with its own luck. */
async function crowd(size) {
  let seed = 42;
  const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
  const worlds = Array.from({ length: size }, () => new World());
  for (const world of worlds) {
    world.environment.random = random;
    await world.open();
  }
  return worlds;
}

/** When each of them first tries again (and fetches a ticket for it), in milliseconds. */
async function attempts(worlds, forMs) {
  const at = new Map();
  for (let ms = 0; ms <= forMs; ms += 50) {
    for (const world of worlds) {
      assert.ok(world.sockets.filter(({ readyState }) => readyState < 3).length <= 1, "one attempt at a time");
      if (world.tickets > 1 && !at.has(world)) at.set(world, ms);
    }
    for (const world of worlds) world.clock.pass(50);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return [...at.values()];
}

const busiest = (times, within) => Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + within).length));

test("P9 a hundred tabs come back to a restarted hub over four seconds, one attempt each", async () => {
  const worlds = await crowd(100);
  for (const world of worlds) world.sockets[0].drop(RESTART);
  assert.ok(worlds.every(({ clock }) => clock.dueMs.length === 1));
  const times = await attempts(worlds, 4_200);
  assert.equal(times.length, 100);
  assert.ok(busiest(times, 250) <= 20, `at most ${busiest(times, 250)} in a quarter of a second`);
  await until(() => worlds.every(({ sockets }) => sockets.length === 2));
});

test("P9 while the hub is gone a hundred tabs try ever more seldom", async () => {
  const worlds = await crowd(100);
  for (const world of worlds) world.sockets[0].drop(RESTART);
  for (let second = 0; second < 120; second += 1) {
    for (const world of worlds) {
      world.clock.pass(1_000);
      for (const socket of world.sockets) if (socket.readyState === 0) socket.drop();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  const last = worlds.flatMap(({ clock }) => clock.dueMs);
  assert.ok(worlds.every(({ clock }) => clock.dueMs.length <= 1), "one timer each, or none in mid-attempt");
  assert.ok(worlds.every(({ sockets }) => sockets.length <= 25), "two minutes, at most some twenty attempts each");
  assert.ok(Math.max(...last) <= 30_000);
});

test("P9 when the browser comes online, the tabs that nobody looks at take four seconds", async () => {
  const worlds = await crowd(100);
  const [shown, ...hidden] = worlds;
  for (const world of hidden) world.document.visibilityState = "hidden";
  for (const world of worlds) {
    world.sockets[0].drop();
    world.window.dispatchEvent(new Event("online"));
  }
  await until(() => shown.sockets.length === 2);
  assert.ok(hidden.every(({ sockets }) => sockets.length === 1));
  const times = await attempts(hidden, 4_200);
  assert.equal(times.length, 99);
  assert.ok(busiest(times, 250) <= 20);
});
