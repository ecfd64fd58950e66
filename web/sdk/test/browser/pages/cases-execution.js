/** Running tools by the platform's own way: what the browser's agents do, and what the SDK adds to it. */

import "/sdk/deputy.js";
import { equal, ok, rejection } from "./assert.js";

const context = document.modelContext;
const named = async (name) => (await context.getTools()).find((tool) => tool.name === name);

async function withTool(execute, run) {
  const gone = new AbortController();
  await context.registerTool({ name: "x.tool", description: "d", execute }, { signal: gone.signal });
  try {
    await run(await named("x.tool"));
  } finally {
    gone.abort();
  }
}

export const cases = {
  "executeTool copies the input and does not check it against a schema": () =>
    withTool(
      (input) => input,
      async (tool) => {
        equal(await context.executeTool(tool, { a: [1] }), '{"a":[1]}');
        equal(await context.executeTool(tool), "{}");
        equal(await context.executeTool(tool, [1]), "[1]");
        for (const wrong of [null, 5, "text"]) equal((await rejection(() => context.executeTool(tool, wrong))).name, "TypeError");
        equal((await rejection(() => context.executeTool(5, {}))).name, "TypeError");
      },
    ),

  "executeTool gives strings raw and the rest as JSON": () =>
    withTool(
      ({ which }) => ({ s: "x", n: 5, z: null, o: { a: 1 }, b: true })[which],
      async (tool) => {
        for (const [which, text] of Object.entries({ s: "x", n: "5", z: "null", o: '{"a":1}', b: "true" })) {
          equal(await context.executeTool(tool, { which }), text, which);
        }
      },
    ),

  "executeTool hides what a tool throws": () =>
    withTool(
      () => {
        throw new Error("secret");
      },
      async (tool) => {
        const error = await rejection(() => context.executeTool(tool, {}));
        equal(error.name, "UnknownError");
        ok(!error.message.includes("secret"), "the words are hidden");
      },
    ),

  "executeTool lets the caller go at once when it aborts, and tells the tool": () => {
    let told;
    const heard = new Promise((resolve) => (told = resolve));
    return withTool(
      (_, { signal }) => new Promise(() => signal.addEventListener("abort", () => told(signal.reason.name))),
      async (tool) => {
        const abort = new AbortController();
        const running = context.executeTool(tool, {}, { signal: abort.signal });
        await new Promise((resolve) => setTimeout(resolve, 20));
        abort.abort(new Error("enough"));
        equal((await rejection(() => running)).message, "enough");
        equal(await heard, "AbortError");
      },
    );
  },

  "a call that does not come from the hub has a client without a name": () =>
    withTool(
      (_, client) => {
        const { agentType, agentName, agentOrigin, verification, assertion, callId } = client;
        return { agentType, agentName, agentOrigin, verification, assertion, callId, frozen: Object.isFrozen(client) };
      },
      async (tool) => {
        const nobody = { agentType: "unknown", agentName: null, agentOrigin: null, verification: "none", assertion: null, callId: null };
        equal(JSON.parse(await context.executeTool(tool, {})), { ...nobody, frozen: true });
      },
    ),

  async "a tool that is gone cannot be run"() {
    let kept;
    await withTool(() => null, async (tool) => (kept = tool));
    equal((await rejection(() => context.executeTool(kept, {}))).name, "UnknownError");
  },
};
