#!/usr/bin/env node
/**
 * `deputy-manifest ADDRESS`: opens a page in Chromium and prints the manifest of its tools, for `/.well-known/deputy-tools.json`.
 *
 * Needs nothing but Node 22 and a Chromium. For a page behind a sign-in, run `await manifest()` in the page's console instead.
 */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const USAGE = `deputy-manifest ADDRESS [--chromium PROGRAM] [--flag CHROMIUM-FLAG]… [--wait SECONDS]

Opens the page, waits until it registers no more tools, and prints their manifest.
Forms count as tools in a Chromium that has WebMCP: add --flag=--enable-features=WebMCP where it is not on by itself.`;

/** Runs in the page: the SDK's own state, wherever the page loaded it from; a set that stood still for half a second. */
const READ = `(async (waitMs) => {
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const end = performance.now() + waitMs;
  let last;
  for (;;) {
    const shared = document[Symbol.for("dev.deputy.sdk.v1")];
    const now = shared && JSON.stringify(await shared.manifest(), null, 2);
    if (now !== undefined && now === last) return now;
    if (performance.now() > end) throw new Error(now === undefined ? "the page has not loaded the SDK" : "the page's tools do not stand still");
    last = now;
    await sleep(500);
  }
})`;

/** @param {string[]} words */
function options(words) {
  /** @type {{ address?: string, chromium: string, flags: string[], waitMs: number }} */
  const found = { chromium: "chromium", flags: [], waitMs: 10_000 };
  const rest = words.flatMap((word) => (/^--\w+=/.test(word) ? [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)] : [word]));
  for (let at = 0; at < rest.length; at += 1) {
    const word = String(rest[at]);
    if (word === "--chromium") found.chromium = String(rest[++at]);
    else if (word === "--flag") found.flags.push(String(rest[++at]));
    else if (word === "--wait") found.waitMs = Number(rest[++at]) * 1000;
    else if (word.startsWith("-") || found.address !== undefined || !URL.canParse(word)) return undefined;
    else found.address = word;
  }
  return found.address === undefined || !Number.isFinite(found.waitMs) ? undefined : { ...found, address: found.address };
}

/**
 * @param {string} chromium
 * @param {string[]} flags
 * @param {string} profile A folder of its own: no extension and no session of the developer takes part.
 * @returns {Promise<{ program: import("node:child_process").ChildProcess, address: string }>}
 */
function launch(chromium, flags, profile) {
  const own = ["--headless", "--remote-debugging-port=0", `--user-data-dir=${profile}`, "--no-first-run", "--disable-background-networking"];
  const program = spawn(chromium, [...own, ...flags, "about:blank"], { stdio: ["ignore", "ignore", "pipe"] });
  return new Promise((resolve, reject) => {
    let said = "";
    program.on("error", reject);
    program.on("exit", () => reject(new Error(`\`${chromium}\` ended at once:\n${said.slice(-2000)}`)));
    program.stderr.on("data", (text) => {
      said += text;
      const [, address] = /DevTools listening on (ws:\S+)/.exec(said) ?? [];
      if (address !== undefined) resolve({ program, address });
    });
  });
}

/** The DevTools protocol: a request is a message, and its answer has the same id. */
class DevTools {
  /** @type {Map<number, (answer: any) => void>} */
  #waiting = new Map();
  /** @type {Map<string, () => void>} */
  #events = new Map();
  #last = 0;

  /** @param {WebSocket} socket */
  constructor(socket) {
    this.socket = socket;
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(String(data));
      if (message.id === undefined) this.#events.get(message.method)?.();
      else this.#waiting.get(message.id)?.(message);
    };
  }

  /** @param {string} address */
  static async open(address) {
    const socket = new WebSocket(address);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Error("Chromium does not answer"));
    });
    return new DevTools(socket);
  }

  /**
   * @param {string} method
   * @param {object} [params]
   * @param {string} [sessionId]
   * @returns {Promise<any>}
   */
  async send(method, params = {}, sessionId) {
    this.#last += 1;
    const id = this.#last;
    const answer = new Promise((resolve) => this.#waiting.set(id, resolve));
    this.socket.send(JSON.stringify({ id, method, params, sessionId }));
    const { result, error } = await answer;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  /**
   * @param {string} method
   * @returns {Promise<void>}
   */
  event(method) {
    return new Promise((resolve) => this.#events.set(method, resolve));
  }
}

/**
 * @param {DevTools} browser
 * @param {string} address
 * @param {number} waitMs
 * @returns {Promise<string>}
 */
async function read(browser, address, waitMs) {
  const { targetId } = await browser.send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await browser.send("Target.attachToTarget", { targetId, flatten: true });
  await browser.send("Page.enable", {}, sessionId);
  const loaded = browser.event("Page.loadEventFired");
  const { errorText } = await browser.send("Page.navigate", { url: address }, sessionId);
  if (errorText !== undefined) throw new Error(`${address}: ${errorText}`);
  await loaded;
  const expression = `${READ}(${waitMs})`;
  const { result, exceptionDetails } = await browser.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true }, sessionId);
  if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  return result.value;
}

const wanted = options(process.argv.slice(2));
if (wanted === undefined) {
  console.error(USAGE);
  process.exit(2);
}
const profile = mkdtempSync(join(tmpdir(), "deputy-manifest-"));
/** @type {import("node:child_process").ChildProcess | undefined} */
let program;
try {
  const launched = await launch(wanted.chromium, wanted.flags, profile);
  program = launched.program;
  const browser = await DevTools.open(launched.address);
  console.log(await read(browser, wanted.address, wanted.waitMs));
  await browser.send("Browser.close");
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
} finally {
  if (program !== undefined && program.exitCode === null) {
    const gone = new Promise((resolve) => program?.once("exit", resolve));
    program.kill();
    await gone;
  }
  rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
