/** Registering tools: the errors, the list, the events. Measured on the browser's own WebMCP, held by the polyfill. */

import "/sdk/deputy.js";
import { equal, ok, rejection } from "./assert.js";

const context = document.modelContext;
const tool = (more = {}) => ({ name: "r.tool", description: "d", execute: () => null, ...more });
const cyclic = {};
cyclic.self = cyclic;

const REFUSED = {
  "no tool": [undefined, "TypeError"],
  "null": [null, "TypeError"],
  "nothing in it": [{}, "TypeError"],
  "no name": [{ description: "d", execute() {} }, "TypeError"],
  "an empty name": [tool({ name: "" }), "InvalidStateError", "Invalid tool name"],
  "a name of 129 characters": [tool({ name: "x".repeat(129) }), "InvalidStateError", "Invalid tool name"],
  "a name with a space": [tool({ name: "a b" }), "InvalidStateError", "Invalid tool name"],
  "a name with a slash": [tool({ name: "a/b" }), "InvalidStateError", "Invalid tool name"],
  "a name beyond ASCII": [tool({ name: "ä" }), "InvalidStateError", "Invalid tool name"],
  "no description": [{ name: "r.x", execute() {} }, "TypeError"],
  "an empty description": [tool({ description: "" }), "InvalidStateError"],
  "no execute": [{ name: "r.x", description: "d" }, "TypeError"],
  "execute that is no function": [tool({ execute: 5 }), "TypeError"],
  "a schema that is text": [tool({ inputSchema: "{}" }), "TypeError"],
  "a schema that is null": [tool({ inputSchema: null }), "TypeError"],
  "a cyclic schema": [tool({ inputSchema: cyclic }), "TypeError"],
  "a schema with a BigInt": [tool({ inputSchema: { a: 1n } }), "TypeError"],
  "annotations that are a number": [tool({ annotations: 5 }), "TypeError"],
};

const OPTIONS_REFUSED = {
  "an aborted signal": [{ signal: AbortSignal.abort() }, "AbortError"],
  "a signal that is none": [{ signal: 5 }, "TypeError"],
  "options that are a number": [5, "TypeError"],
  "an insecure origin": [{ exposedTo: ["http://x.example"] }, "SecurityError"],
};

export const cases = {
  async "a wrong tool is refused by a rejection with the platform's error"() {
    for (const [what, [wrong, name, message]] of Object.entries(REFUSED)) {
      const error = await rejection(() => context.registerTool(wrong), what);
      equal(error.name, name, `${what} (${error.message})`);
      if (message !== undefined) equal(error.message, message, what);
    }
    for (const [what, [options, name]] of Object.entries(OPTIONS_REFUSED)) {
      equal((await rejection(() => context.registerTool(tool(), options), what)).name, name, what);
    }
    equal((await context.getTools()).some(({ name }) => name.startsWith("r.")), false, "none is listed");
  },

  async "the reason of an aborted signal is the error"() {
    const error = await rejection(() => context.registerTool(tool(), { signal: AbortSignal.abort(new Error("mine")) }));
    equal(error.message, "mine");
  },

  async "a name can be there once, and again after its signal was aborted"() {
    const first = new AbortController();
    equal(await context.registerTool(tool(), { signal: first.signal }), undefined);
    const error = await rejection(() => context.registerTool(tool()));
    equal([error.name, error.message], ["InvalidStateError", "Duplicate tool name"]);
    first.abort();
    const second = new AbortController();
    await context.registerTool(tool({ description: "again" }), { signal: second.signal });
    equal((await context.getTools()).find(({ name }) => name === "r.tool").description, "again");
    second.abort();
  },

  async "the list is sorted and has a snapshot of each tool"() {
    const gone = new AbortController();
    const inputSchema = { type: "object", properties: { b: {}, a: {} } };
    await context.registerTool(tool({ name: "r.z", title: "Z", inputSchema, annotations: { readOnlyHint: 1, destructiveHint: true } }), gone);
    await context.registerTool(tool({ name: "r.a", annotations: {} }), gone);
    await context.registerTool(tool({ name: "r.M" }), gone);
    inputSchema.type = "changed";
    const listed = (await context.getTools()).filter(({ name }) => name.startsWith("r."));
    equal(listed.map(({ name }) => name), ["r.M", "r.a", "r.z"]);
    const [plain, , full] = listed;
    equal([plain.title, plain.inputSchema, "annotations" in plain], ["", undefined, false]);
    equal([full.title, full.inputSchema], ["Z", { type: "object", properties: { b: {}, a: {} } }]);
    equal(full.annotations, { consequentialHint: false, debugging: false, readOnlyHint: true, untrustedContentHint: false });
    ok(full.window === window && full.origin === location.origin, "it says where it lives");
    gone.abort();
  },

  async "a registration and a removal are an event each"() {
    let events = 0;
    let waiting = () => {};
    const listener = () => {
      events += 1;
      waiting();
    };
    const oneMore = (act) => {
      const wanted = events + 1;
      const heard = new Promise((resolve) => (waiting = () => events >= wanted && resolve()));
      return Promise.all([act(), heard]);
    };
    context.addEventListener("toolchange", listener);
    const gone = new AbortController();
    await oneMore(() => context.registerTool(tool(), { signal: gone.signal }));
    await oneMore(() => gone.abort());
    context.removeEventListener("toolchange", listener);
  },
};
