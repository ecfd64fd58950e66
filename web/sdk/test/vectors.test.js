import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { canonical } from "../src/canonical.js";
import { definitionOf, hashDefinition, hashTools } from "../src/definition.js";
import { digest } from "../src/digest.js";
import { manifestOf } from "../src/manifest.js";
import { readFrame, writeFrame } from "../src/frame.js";
import { World } from "./world.js";

const read = (name) => JSON.parse(readFileSync(new URL(`../../../vectors/${name}`, import.meta.url), "utf8"));
const CLOSE = { bad_frame: 4400, version: 4426 };

test("canonical JSON is the one of the vectors", async () => {
  const { cases, refused } = read("canonical.json");
  for (const { name, text, canonical: wanted, sha256 } of cases) {
    assert.equal(canonical(JSON.parse(text)), wanted, name);
    assert.equal(await digest(JSON.parse(text)), sha256, name);
  }
  for (const { name, text } of refused) assert.throws(() => canonical(JSON.parse(text)), TypeError, name);
});

test("P26 definitions and sets have the hashes of the vectors", async () => {
  const { cases, sets } = read("definition.json");
  for (const { name, origin, definition, hash } of cases) {
    assert.equal(await hashDefinition(origin, definitionOf(definition, { hints: definition.annotations ?? {}, outputSchema: definition.outputSchema }, definition.kind)), hash, name);
  }
  for (const { name, hashes, toolsHash } of sets) assert.equal(await hashTools(hashes), toolsHash, name);
});

test("P26 what a page registers becomes the definition of the vectors", async () => {
  for (const { name, tool, definition, hash } of read("definition.json").registered) {
    const world = new World();
    const socket = await world.open({ ...tool, execute: () => null });
    assert.deepEqual((await socket.said("tools")).tools, [definition], name);
    assert.equal(world.hashes[tool.name], hash, name);
  }
});

test("P26 a manifest is made as the vectors say, and the hub reads the same", async () => {
  const { origin, definitions, manifest } = read("manifest.json");
  const list = () => Promise.all(definitions.map(async (definition) => ({ definition, hash: await hashDefinition(origin, definition) })));
  assert.deepEqual(JSON.parse(JSON.stringify(await manifestOf({ list }, origin))), manifest);
});

test("P1 frames of the hub are read or refused as the vectors say", () => {
  for (const { name, seq, text, type, close } of read("tab-frames.json").cases.filter(({ from }) => from === "hub")) {
    if (close === undefined) assert.equal(readFrame(text, seq).type, type, name);
    else assert.throws(() => readFrame(text, seq), (error) => CLOSE[error.code] === close, name);
  }
});

test("P1 frames of the tab are written as the vectors say", () => {
  for (const { text, close } of read("tab-frames.json").cases.filter(({ from }) => from === "tab")) {
    if (close !== undefined) continue;
    const { v, type, id, seq, ...body } = JSON.parse(text);
    assert.deepEqual(JSON.parse(writeFrame(type, id, seq, JSON.stringify(body))), { v, type, id, seq, ...body });
  }
});

test("a lone surrogate becomes a replacement character and costs no socket", () => {
  const text = writeFrame("result", "x", 1, JSON.stringify({ a: "\ud800", b: "\\ud800", c: "\\\ud800", d: "😀" }));
  assert.deepEqual(JSON.parse(text).a, "\ufffd");
  assert.deepEqual(JSON.parse(text).b, "\\ud800");
  assert.deepEqual(JSON.parse(text).c, "\\\ufffd");
  assert.deepEqual(JSON.parse(text).d, "😀");
});
