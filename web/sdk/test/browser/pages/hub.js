/** The hub as the suite plays it, over a real socket; see `hub.py`. */

import { hashDefinition } from "/sdk/src/definition.js";

const listeners = new Set();
const log = [];
const control = new WebSocket(`${location.origin.replace("http", "ws")}/control`);
control.onmessage = ({ data }) => {
  log.push(JSON.parse(data));
  for (const listener of listeners) listener();
};
await new Promise((resolve) => (control.onopen = resolve));

/** Waits for something that comes with a message of the hub, from `start` on. */
export function heard(find, start = 0) {
  return new Promise((resolve) => {
    const look = () => {
      const found = log.slice(start).find(find);
      if (found === undefined) return;
      listeners.delete(look);
      resolve(found);
    };
    listeners.add(look);
    look();
  });
}

let calls = 0;

/** One socket of the SDK, seen from the hub. */
export class HubSocket {
  #seq = 1;
  hashes = {};

  constructor(number) {
    this.number = number;
  }

  /** The next socket that opens. */
  static async next() {
    const number = sockets++;
    await heard((news) => news.socket === number && news.opened);
    return new HubSocket(number);
  }

  get frames() {
    return log.filter((news) => news.socket === this.number && news.frame).map((news) => news.frame);
  }

  async said(type, id) {
    const match = ({ socket, frame }) => socket === this.number && frame?.type === type && (id === undefined || frame.id === id);
    return (await heard(match)).frame;
  }

  async answer(id) {
    const ends = ["result", "error", "cancelled"];
    return (await heard(({ socket, frame }) => socket === this.number && frame?.id === id && ends.includes(frame.type))).frame;
  }

  async closed() {
    return (await heard((news) => news.socket === this.number && news.closed)).closed;
  }

  say(type, id, members = {}) {
    control.send(JSON.stringify({ socket: this.number, text: JSON.stringify({ v: 1, type, id, seq: this.#seq++, ...members }) }));
  }

  close(code) {
    control.send(JSON.stringify({ socket: this.number, close: code }));
  }

  /** Answers `hello`, and learns the tools. */
  async welcome(subject = "alice") {
    const hello = await this.said("hello");
    this.say("welcome", hello.id, {
      version: 1,
      user: { issuer: "https://idp.acme.example", subject },
      app: "crm",
      origin: location.origin,
      toolsKnown: false,
      sessionExpiresAt: Date.now() + 3_600_000,
      limits: { frameBytes: 1_000_000, tools: 256, definitionBytes: 16_384, callsInFlight: 32, queue: 64, framesPerSecond: 500 },
      heartbeat: { intervalMs: 15_000, deadMs: 40_000 },
    });
    await this.learn((await this.said("tools")).tools);
    return this;
  }

  async learn(tools) {
    this.tools = tools;
    for (const tool of tools) this.hashes[tool.name] = await hashDefinition(location.origin, tool);
  }

  call(name, input = {}, more = {}) {
    const id = more.id ?? `call_${String(++calls).padStart(16, "0")}`;
    this.say("call", id, {
      tool: { name, hash: more.hash ?? this.hashes[name] ?? `sha256:${"0".repeat(64)}` },
      arguments: input,
      timeoutMs: 60_000,
      agent: { type: "automated_agent", name: "Robot", origin: "https://robot.example", verification: "verified" },
      client: "mcp-client",
      class: ["read"],
      assertion: "a.b.c",
    });
    return id;
  }
}

let sockets = 0;
