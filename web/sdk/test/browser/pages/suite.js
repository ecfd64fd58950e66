/** Runs every case and leaves a report in `window.report`; the same on the browser's own WebMCP and on the polyfill. */

import { cases as registration } from "./cases-registration.js";
import { cases as execution } from "./cases-execution.js";
import { cases as connection } from "./cases-connection.js";

const CASE_MS = 10_000;

/** @param {() => Promise<void>} run */
async function outcome(run) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`took longer than ${CASE_MS} ms`)), CASE_MS));
  try {
    await Promise.race([run(), late]);
    return { passed: true };
  } catch (error) {
    return { passed: false, error: error instanceof Error ? `${error.message}\n${error.stack}` : String(error) };
  }
}

const report = [];
for (const [name, run] of Object.entries({ ...registration, ...execution, ...connection })) {
  report.push({ name, ...(await outcome(run)) });
}
window.report = { native: window.nativeContext !== undefined, cases: report };
document.documentElement.dataset.done = "";
