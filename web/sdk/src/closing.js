/** What the tab does after a connection ended, by close code (docs/reference/tab-protocol.md). */

/** @typedef {{ then: "retry" | "stay" | "ticket", leastMs?: number, failures?: number, error?: string }} Next */

/** @type {Record<number, Next>} */
const NEXT = {
  1000: { then: "stay" },
  // Many tabs lose a restarting hub at the same moment: they come back over some seconds.
  1012: { then: "retry", failures: 3 },
  4400: { then: "retry", failures: 3, error: "bad_frame" },
  4401: { then: "ticket" },
  4403: { then: "stay", error: "forbidden" },
  4409: { then: "stay", error: "superseded" },
  4410: { then: "stay", error: "revoked" },
  4426: { then: "stay", error: "version" },
  4429: { then: "retry", leastMs: 30_000, error: "rate_limited" },
};

/**
 * @param {number} code
 * @returns {Next}
 */
export function afterClose(code) {
  return NEXT[code] ?? { then: "retry" };
}
