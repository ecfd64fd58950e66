/** What the SDK takes from the browser, in one place, so that a test can give it something else. */

/**
 * @typedef {object} Clock
 * @property {() => number} now Milliseconds; only differences count. It may stand still while the computer sleeps.
 * @property {() => number} wall Milliseconds; goes on while the computer sleeps, and may be set.
 * @property {(run: () => void, delayMs: number) => unknown} after
 * @property {(timer: any) => void} cancel
 */

/**
 * @typedef {object} Environment
 * @property {Document} document
 * @property {Window} window
 * @property {boolean} secure Whether the context is secure: no `modelContext` and no digests elsewhere.
 * @property {typeof WebSocket} WebSocket
 * @property {typeof BroadcastChannel | undefined} BroadcastChannel
 * @property {() => string} uuid
 * @property {() => number} random From 0 to 1.
 * @property {Clock} clock
 */

/**
 * The browser's own.
 *
 * @returns {Environment}
 */
export function browserEnvironment() {
  return {
    document,
    window,
    secure: window.isSecureContext,
    WebSocket,
    BroadcastChannel: globalThis.BroadcastChannel,
    uuid: () => crypto.randomUUID(),
    random: () => Math.random(),
    clock: {
      now: () => performance.now(),
      wall: () => Date.now(),
      after: (run, delayMs) => setTimeout(run, delayMs),
      cancel: (timer) => clearTimeout(timer),
    },
  };
}
