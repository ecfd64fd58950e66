import assert from "node:assert/strict";
import { test } from "node:test";
import { World, gate, until } from "./world.js";

/** The channel between documents, without waiting. */
function channels() {
  const open = new Set();
  return class {
    constructor(name) {
      this.name = name;
      open.add(this);
    }

    postMessage(data) {
      for (const other of open) if (other !== this && other.name === this.name) other.onmessage?.({ data: structuredClone(data) });
    }

    close() {
      open.delete(this);
    }
  };
}

const types = (socket) => socket.frames.map(({ type }) => type);

test("a call is refused and the tab closed when another user is signed in now", async () => {
  const world = new World();
  const tool = gate("read");
  const socket = await world.open(tool);
  world.subject = "bob";
  const id = world.call(socket, "read");
  assert.equal((await socket.answer(id)).code, "session_changed");
  await until(() => socket.closedWith);
  assert.deepEqual(types(socket).slice(-2), ["error", "bye"]);
  assert.deepEqual([socket.of("bye")[0].reason, socket.closedWith.code], ["session_changed", 1000]);
  assert.deepEqual([world.tab.status, tool.runs.length], ["signed_out", 0]);
  assert.equal(world.errors.at(-1).code, "session_changed");
});

test("a call is refused and the tab closed when nobody is signed in now", async () => {
  const world = new World();
  const tool = gate("read");
  const socket = await world.open(tool);
  world.subject = null;
  const id = world.call(socket, "read");
  assert.equal((await socket.answer(id)).code, "session_ended");
  await until(() => socket.closedWith);
  assert.equal(socket.of("bye")[0].reason, "signed_out");
  assert.deepEqual([world.tab.status, tool.runs.length], ["signed_out", 0]);
});

test("when another user is signed in, what runs is cancelled and what waits is refused", async () => {
  const world = new World({ limits: { callsInFlight: 2 } });
  const tool = gate("slow");
  const socket = await world.open(tool);
  const running = world.call(socket, "slow");
  const { client } = await until(() => tool.runs[0]);
  world.subject = "bob";
  const asks = world.call(socket, "slow");
  const waits = world.call(socket, "slow");
  assert.equal((await socket.answer(asks)).code, "session_changed");
  assert.equal((await socket.answer(waits)).code, "session_changed");
  assert.equal((await socket.answer(running)).type, "cancelled");
  assert.ok(client.signal.aborted);
  assert.equal(tool.runs.length, 1);
});

test("a session() that fails, lies or hangs stops the call but not the tab", async () => {
  const world = new World();
  let answer = async () => {
    throw new Error("offline");
  };
  world.options.session = () => answer();
  const tool = gate("read");
  const socket = await world.open(tool);
  for (const next of [answer, async () => undefined, async () => ({}), async () => ({ subject: 7 })]) {
    answer = next;
    const id = world.call(socket, "read");
    assert.equal((await socket.answer(id)).code, "not_started");
  }
  answer = () => new Promise(() => {});
  const id = world.call(socket, "read");
  await until(() => world.clock.dueMs.includes(5_000));
  world.clock.pass(5_000);
  assert.equal((await socket.answer(id)).code, "not_started");
  assert.deepEqual([world.tab.status, tool.runs.length], ["open", 0]);
});

test("sign-out in one document ends the others of the origin", async () => {
  const Channel = channels();
  const [here, there] = [new World({ Channel }), new World({ Channel })];
  const [mine, theirs] = [await here.open(gate("a")), await there.open(gate("b"))];
  here.tab.signOut();
  for (const [world, socket] of [[here, mine], [there, theirs]]) {
    assert.equal(world.tab.status, "signed_out");
    assert.equal(socket.of("bye")[0].reason, "signed_out");
    assert.equal(socket.closedWith.code, 1000);
  }
});

test("a sign-out is no error", async () => {
  const world = new World();
  await world.open(gate("a"));
  world.tab.signOut();
  assert.deepEqual(world.errors, []);
});

test("when the session runs out on the hub's side, what runs is aborted and a new ticket is fetched", async () => {
  const world = new World({ limits: { callsInFlight: 1 } });
  const tool = gate("slow");
  const socket = await world.open(tool);
  world.call(socket, "slow");
  world.call(socket, "slow");
  const { client } = await until(() => tool.runs[0]);
  socket.drop(4401);
  assert.ok(client.signal.aborted);
  assert.deepEqual([world.tab.status, world.errors], ["connecting", []]);
  world.clock.pass(500);
  await world.greeted(2);
  assert.deepEqual([world.tab.status, tool.runs.length], ["open", 1]);
});

test("a sign-in by another user in another document makes this one look, and leave", async () => {
  const Channel = channels();
  const alice = new World({ Channel });
  const socket = await alice.open(gate("a"));
  alice.subject = "bob";
  const bob = new World({ Channel });
  bob.subject = "bob";
  bob.connect();
  await bob.greeted(1, { subject: "bob" });
  await until(() => socket.closedWith);
  assert.equal(socket.of("bye")[0].reason, "session_changed");
  assert.equal(alice.tab.status, "signed_out");
});

test("a sign-in by the same user brings a signed-out document back, by another user it does not", async () => {
  const Channel = channels();
  const world = new World({ Channel });
  await world.open(gate("a"));
  world.tab.signOut();
  const news = new Channel("deputy.session.v1");
  news.postMessage({ type: "signed_in", subject: "bob" });
  assert.equal(world.tab.status, "signed_out");
  news.postMessage({ type: "signed_in", subject: "alice" });
  assert.equal(world.tab.status, "connecting");
  await world.greeted(2);
  assert.equal(world.tab.status, "open");
});

test("a tab that comes back as another user closes until the application connects again", async () => {
  const world = new World();
  const socket = await world.open(gate("a"));
  socket.drop();
  world.clock.pass(500);
  const next = await world.greeted(2, { subject: "bob" });
  assert.equal(next.of("bye")[0].reason, "session_changed");
  assert.equal(next.of("tools").length, 0);
  assert.equal(world.tab.status, "signed_out");
  world.subject = "bob";
  assert.equal(world.connect(), world.tab);
  await world.greeted(3, { subject: "bob" });
  assert.equal(world.tab.status, "open");
});

test("the page looks whose session it is when it is shown again", async () => {
  const world = new World();
  const socket = await world.open(gate("a"));
  world.subject = "bob";
  world.document.dispatchEvent(new Event("visibilitychange"));
  await until(() => socket.closedWith);
  assert.equal(socket.of("bye")[0].reason, "session_changed");
});

test("a ticket of null means that nobody is signed in", async () => {
  const world = new World();
  world.connect({ ticket: async () => null });
  await until(() => world.tab.status === "signed_out");
  assert.equal(world.sockets.length, 0);
});

test("a refused ticket is fetched anew, and after three in a row the tab waits for a sign-in", async () => {
  const world = new World();
  world.connect();
  for (const number of [1, 2, 3]) {
    const socket = await until(() => world.sockets[number - 1]);
    socket.open();
    assert.equal((await socket.said("hello")).ticket, `tkt_${number}`);
    socket.drop(4401);
    world.clock.pass(30_000);
  }
  assert.equal(world.tab.status, "signed_out");
  assert.equal(world.errors.at(-1).code, "session_ended");
  world.connect();
  await world.greeted(4);
  assert.equal(world.tab.status, "open");
});
