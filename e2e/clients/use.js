// Uses a server through the hub by MCP's own TypeScript clients, step by step, and prints what came of each step as JSON.
//
//   DEPUTY_TOKEN=… node use.js --sdk client|sdk --era modern|legacy --url URL [--prefix everything__] [--wants TOOL] STEP…
//
// `client` is the SDK of both eras (@modelcontextprotocol/client), `sdk` the one before it, of the legacy era alone.
// The prefix is what `/mcp` puts before names; before addresses it puts the same source and a `+`.
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import * as modern from "@modelcontextprotocol/client";
import { Client as LegacyClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as LegacyTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

const { values: options, positionals: steps } = parseArgs({
  allowPositionals: true,
  options: {
    sdk: { type: "string" },
    era: { type: "string" },
    url: { type: "string" },
    prefix: { type: "string", default: "" },
    wants: { type: "string", default: "echo" },
  },
});
const named = (name) => options.prefix + name;
const addressed = (uri) => (options.prefix ? options.prefix.replace("__", "+") : "") + uri;

/** How often each method was asked for on the wire. */
const asked = {};

/** The platform's own `fetch`, which also counts. */
async function counting(url, init) {
  const body = init?.body && JSON.parse(init.body);
  if (body?.method) asked[body.method] = (asked[body.method] ?? 0) + 1;
  return fetch(url, init);
}

const information = { name: "deputy-typescript", version: "1.0.0" };
const capabilities = { elicitation: { form: {} } };
const transportOptions = {
  requestInit: { headers: { authorization: `Bearer ${process.env.DEPUTY_TOKEN}` } },
  fetch: counting,
};
const questions = [];

/** What the person says: their name. */
async function answered({ params }) {
  questions.push(params.message);
  return { action: "accept", content: { name: "Ada Lovelace", check: true } };
}

async function connected() {
  const url = new URL(options.url);
  if (options.sdk === "sdk") {
    const client = new LegacyClient(information, { capabilities });
    client.setRequestHandler(ElicitRequestSchema, answered);
    const transport = new LegacyTransport(url, transportOptions);
    await client.connect(transport);
    return { client, version: transport.protocolVersion, call: (params, more) => client.callTool(params, undefined, more) };
  }
  const versionNegotiation = { mode: options.era === "modern" ? "auto" : "legacy" };
  const client = new modern.Client(information, { capabilities, versionNegotiation });
  client.setRequestHandler("elicitation/create", answered);
  await client.connect(new modern.StreamableHTTPClientTransport(url, transportOptions));
  const version = client.getNegotiatedProtocolVersion();
  return { client, version, call: (params, more) => client.callTool(params, more) };
}

const texts = (result) => result.content.filter((part) => part.type === "text").map((part) => part.text);

async function allNames(client) {
  const names = [];
  let cursor;
  do {
    const page = await client.listTools(cursor ? { cursor } : undefined);
    names.push(...page.tools.map((tool) => tool.name));
    cursor = page.nextCursor;
  } while (cursor);
  return names;
}

const does = {
  /** Until a tool is in it: a server that takes its time to start is missing at `/mcp` until it has started. */
  async list({ client }) {
    for (let tries = 0; ; tries++) {
      const before = asked["tools/list"] ?? 0;
      const names = await allNames(client);
      if (names.includes(named(options.wants)) || tries === 30) return { names, pages: asked["tools/list"] - before };
      await setTimeout(500);
    }
  },

  async call({ call }) {
    const result = await call({ name: named("echo"), arguments: { message: "Grüße" } });
    return { isError: result.isError ?? false, texts: texts(result) };
  },

  async refused({ call }) {
    const result = await call({ name: named("echo"), arguments: { message: "no" } });
    return { isError: result.isError ?? false, reason: result._meta?.["dev.deputy/reason"] };
  },

  async resources({ client }) {
    const { resources } = await client.listResources();
    const uri = addressed("demo://resource/static/document/features.md");
    const { contents } = await client.readResource({ uri });
    return { uris: resources.map((resource) => resource.uri), uri: contents[0].uri, text: contents[0].text };
  },

  async prompts({ client }) {
    const { prompts } = await client.listPrompts();
    const { messages } = await client.getPrompt({ name: named("args-prompt"), arguments: { city: "Turin" } });
    return { names: prompts.map((prompt) => prompt.name), text: messages[0].content.text };
  },

  async progress({ call }) {
    const seen = [];
    const wanted = { name: named("trigger-long-running-operation"), arguments: { duration: 1, steps: 4 } };
    const result = await call(wanted, { onprogress: ({ progress, total }) => seen.push([progress, total]) });
    return { seen, texts: texts(result) };
  },

  async elicitation({ call }) {
    const result = await call({ name: named("trigger-elicitation-request"), arguments: {} });
    return { questions, texts: texts(result) };
  },

  /** Given up at the first sign of life; the next call is not held up by it. */
  async cancel({ call }) {
    const controller = new AbortController();
    const wanted = { name: named("trigger-long-running-operation"), arguments: { duration: 300, steps: 3000 } };
    const began = Date.now();
    const error = await call(wanted, { signal: controller.signal, onprogress: () => controller.abort() }).then(
      () => null,
      (error) => error,
    );
    const next = await call({ name: named("echo"), arguments: { message: "next" } });
    return { rejected: error !== null, took: Date.now() - began, next: texts(next) };
  },
};

const connection = await connected();
const done = { version: connection.version };
for (const step of steps) done[step] = await does[step](connection);
await connection.client.close();
console.log(JSON.stringify(done));
