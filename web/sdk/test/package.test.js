/** What is published: small, with types, and nothing that is not meant to be. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { buildSync } from "esbuild";
import { SDK } from "../src/version.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const MOST_BYTES = 30 * 1024;
const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

const USE = `
import { connect, manifest, provideContext } from "@deputy/sdk";
import "@deputy/sdk/proposal.js";

const tab = connect({
  hub: "https://hub.example",
  ticket: async () => ({ ticket: "tkt_1" }),
  session: async () => null,
  policy: { allowAgentTypes: ["browser_agent"], requireVerification: true },
  tools: [{ name: "a", description: "A", execute: async (input, client) => client.agentType }],
});
const status: "connecting" | "open" | "frozen" | "signed_out" | "closed" = tab.status;
tab.addEventListener("error", ({ detail }) => detail.code.toUpperCase());
tab.addEventListener("call", ({ detail }) => detail.phase === "started" && detail.agent.type, { once: true });
tab.addEventListener("status", (event) => { const now: typeof status = event.detail.status; void now; });
await provideContext({ tools: [] });
const { origin, tools } = await manifest();
const hash: string | undefined = tools[0]?.hash;
// @ts-expect-error a hub is an address
connect({ hub: 7, ticket: () => null, session: () => null });
export { hash, origin, status };
`;

test("the SDK is at most 30 KB, minified and gzipped", (context) => {
  const { outputFiles } = buildSync({ entryPoints: [join(ROOT, "deputy.js")], bundle: true, minify: true, format: "esm", write: false });
  const size = gzipSync(outputFiles[0].contents, { level: 9 }).length;
  context.diagnostic(`${size} bytes`);
  assert.ok(size <= MOST_BYTES, `${size} bytes`);
});

test("the package has no dependency, and its version is the one of `hello`", () => {
  assert.equal(manifest.dependencies, undefined);
  assert.equal(manifest.version, SDK.version);
});

test("what is packed has modules, types, the command and the licence, and an application gets types from it", () => {
  const folder = mkdtempSync(join(tmpdir(), "deputy-sdk-"));
  try {
    const npm = process.env.npm_execpath;
    const [command, first] = npm === undefined ? ["npm", []] : [process.execPath, [npm]];
    const packed = execFileSync(command, [...first, "pack", "--json", "--pack-destination", folder], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    const text = String(packed);
    const [{ filename, files }] = JSON.parse(text.slice(text.indexOf("[\n")));
    const paths = files.map(({ path }) => path);
    for (const wanted of ["deputy.js", "proposal.js", "src/tab.js", "types/deputy.d.ts", "types/src/tab.d.ts", "bin/deputy-manifest.js", "README.md", "LICENSE"]) {
      assert.ok(paths.includes(wanted), wanted);
    }
    assert.deepEqual(paths.filter((path) => /test|example|node_modules|tsconfig/.test(path)), []);
    const home = join(folder, "node_modules", "@deputy", "sdk");
    mkdirSync(home, { recursive: true });
    execFileSync("tar", ["-xzf", join(folder, filename), "-C", home, "--strip-components", "1"]);
    writeFileSync(join(folder, "use.ts"), USE);
    writeFileSync(join(folder, "package.json"), '{"type":"module"}');
    for (const [kind, resolution] of [["esnext", "bundler"], ["nodenext", "nodenext"]]) {
      const options = ["--strict", "--noEmit", "--skipLibCheck", "false", "--target", "es2024", "--lib", "es2024,dom", "--module", kind, "--moduleResolution", resolution];
      execFileSync(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), ...options, "use.ts"], { cwd: folder, stdio: "pipe" });
    }
  } catch (error) {
    throw new Error(`${error.message}\n${error.stdout ?? ""}\n${error.stderr ?? ""}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
