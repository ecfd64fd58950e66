/** A small world for tests: a document, a clock that stands still, and a hub at the other end of the socket. */

import { share } from "../src/share.js";

/** Waits for a condition, with a deadline. */
export async function until(condition, what = String(condition)) {
  const deadline = performance.now() + 5_000;
  for (;;) {
    const value = condition();
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`never came true: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Time that passes only when told to. */
export class StillClock {
  #now = 1_000;
  #slept = 0;
  #timers = new Map();
  #next = 1;

  now = () => this.#now;

  wall = () => this.#now + this.#slept;

  /** The computer sleeps: no timer runs, and only the time on the wall goes on. */
  sleep(ms) {
    this.#slept += ms;
  }

  after = (run, delayMs) => {
    this.#timers.set(this.#next, { run, at: this.#now + delayMs });
    return this.#next++;
  };

  cancel = (timer) => this.#timers.delete(timer);

  /** When the timers are due, from now. */
  get dueMs() {
    return [...this.#timers.values()].map(({ at }) => at - this.#now).sort((a, b) => a - b);
  }

  pass(ms) {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (due === undefined) break;
      this.#timers.delete(due[0]);
      this.#now = Math.max(this.#now, due[1].at);
      due[1].run();
    }
    this.#now = end;
  }
}

/** A form with a name for agents. */
export class FakeForm {
  resets = 0;

  constructor(toolname) {
    this.toolname = toolname;
  }

  get elements() {
    return [];
  }

  reset() {
    this.resets += 1;
  }
}

class FakeDocument extends EventTarget {
  title = "CRM";
  forms = [];
  visibilityState = "visible";
  focused = true;
  hasFocus = () => this.focused;
  querySelector = (selector) => this.forms.find(({ toolname }) => selector === `form[toolname="${toolname}"]`) ?? null;
}

class FakeWindow extends EventTarget {
  constructor(origin) {
    super();
    this.parent = this;
    this.location = { origin, pathname: "/customers", search: "?reset=secret", href: `${origin}/customers?reset=secret` };
  }
}

/** The hub's end of one socket. */
class FakeSocket {
  readyState = 0;
  protocol = "";
  frames = [];
  closedWith;
  #seq = 1;

  constructor(hub, url, protocols) {
    this.url = url;
    this.protocols = protocols;
    hub.sockets.push(this);
  }

  send(text) {
    this.frames.push(JSON.parse(text));
  }

  close(code = 1005, reason = "") {
    this.readyState = 3;
    this.closedWith ??= { code, reason };
  }

  open(protocol = this.protocols[0]) {
    this.readyState = 1;
    this.protocol = protocol;
    this.onopen?.({});
  }

  /** The hub says something. */
  say(type, id, members = {}) {
    this.hear(JSON.stringify({ v: 1, type, id, seq: this.#seq++, ...members }));
  }

  hear(text) {
    this.onmessage?.({ data: text });
  }

  /** The connection ends on the hub's side. */
  drop(code = 1006, reason = "") {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  of(type, id) {
    return this.frames.filter((frame) => frame.type === type && (id === undefined || frame.id === id));
  }

  /** The frame of that type, when it came. */
  said(type, id) {
    return until(() => this.of(type, id)[0], `the tab says ${type} ${id ?? ""}`);
  }

  /** How a call ended, when it did. */
  answer(id) {
    const ends = ["result", "error", "cancelled"];
    return until(() => this.frames.find((f) => f.id === id && ends.includes(f.type)), `an answer to ${id}`);
  }
}

const LIMITS = { frameBytes: 10_000_000, tools: 256, definitionBytes: 16_384, callsInFlight: 32, queue: 64, framesPerSecond: 1_000 };

/** A document with the SDK, and a hub. */
export class World {
  origin = "https://crm.acme.example";
  clock = new StillClock();
  document = new FakeDocument();
  window = new FakeWindow(this.origin);
  sockets = [];
  subject = "alice";
  tickets = 0;
  random = 1;
  errors = [];
  #calls = 0;

  constructor({ limits = {}, secure = true, Channel } = {}) {
    const world = this;
    this.limits = { ...LIMITS, ...limits };
    this.environment = {
      document: this.document,
      window: this.window,
      secure,
      WebSocket: class {
        constructor(url, protocols) {
          return new FakeSocket(world, url, protocols);
        }
      },
      BroadcastChannel: Channel,
      uuid: () => crypto.randomUUID(),
      random: () => this.random,
      clock: this.clock,
    };
    this.shared = share(this.environment);
    this.options = {
      hub: "https://hub.example",
      ticket: async () => `tkt_${++this.tickets}`,
      session: async () => (this.subject === null ? null : { subject: this.subject }),
    };
  }

  get context() {
    return this.document.modelContext;
  }

  connect(more = {}) {
    const tab = this.shared.connect({ ...this.options, ...more });
    if (this.tab !== tab) {
      tab.addEventListener("error", (event) => {
        event.preventDefault();
        this.errors.push(event.detail);
      });
    }
    this.tab = tab;
    return tab;
  }

  /** The next socket, opened and greeted. */
  async greeted(number = 1, { subject = "alice", toolsKnown = false } = {}) {
    const socket = await until(() => this.sockets[number - 1], `socket ${number}`);
    socket.open();
    const hello = await socket.said("hello");
    socket.say("welcome", hello.id, {
      version: 1,
      user: { issuer: "https://idp.acme.example", subject },
      app: "crm",
      origin: this.origin,
      toolsKnown,
      sessionExpiresAt: 1_900_000_000_000,
      limits: this.limits,
      heartbeat: { intervalMs: 15_000, deadMs: 40_000 },
    });
    return socket;
  }

  /** Connected, with these tools registered and told; gives the socket and the hashes by name. */
  async open(...tools) {
    for (const tool of tools) await this.context.registerTool(tool);
    this.connect();
    const socket = await this.greeted();
    const { tools: told } = await socket.said("tools");
    const { hashDefinition } = await import("../src/definition.js");
    this.hashes = Object.fromEntries(await Promise.all(told.map(async (d) => [d.name, await hashDefinition(this.origin, d)])));
    return socket;
  }

  /** Sends a call; gives its id. */
  call(socket, name, input = {}, more = {}) {
    const id = more.id ?? `call_${String(++this.#calls).padStart(16, "0")}`;
    socket.say("call", id, {
      tool: { name, hash: more.hash ?? this.hashes[name] },
      arguments: input,
      timeoutMs: more.timeoutMs ?? 60_000,
      agent: { type: "automated_agent", name: "Robot", verification: "none" },
      client: "mcp-client",
      class: ["read"],
      assertion: "a.b.c",
    });
    return id;
  }
}

/** A tool that waits until it is told to go on, and counts its runs. */
export function gate(name) {
  const runs = [];
  const execute = (input, client) =>
    new Promise((resolve, reject) => runs.push({ input, client, resolve, reject }));
  return { name, description: "Waits.", execute, runs };
}
