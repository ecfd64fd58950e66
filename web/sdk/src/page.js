/** What happens to the page: frozen, shown, focused, back online, its tools changed. */

/** @import { Environment } from "./environment.js" */

/**
 * @typedef {object} PageEvents
 * @property {() => void} frozen It goes into the back-forward cache, or the browser puts it to sleep.
 * @property {() => void} thawed It came back from there.
 * @property {() => void} left It is left for good: another page, a reload, closed.
 * @property {() => void} reachable A good moment to connect, for this document.
 * @property {() => void} online A good moment to connect, for every document of this browser.
 * @property {() => void} shown It became visible.
 * @property {(focused: boolean) => void} focused
 * @property {() => void} toolsChanged
 */

/**
 * @param {Environment} environment
 * @param {EventTarget} context Of the tools.
 * @param {PageEvents} events
 * @returns {() => void} Stops watching.
 */
export function watchPage({ window, document }, context, events) {
  const watching = new AbortController();
  const { signal } = watching;
  let focused = document.hasFocus();
  const focus = () => {
    if (focused === document.hasFocus()) return;
    focused = !focused;
    events.focused(focused);
  };
  window.addEventListener("pagehide", (event) => (event.persisted ? events.frozen() : events.left()), { signal });
  window.addEventListener("pageshow", (event) => event.persisted && events.thawed(), { signal });
  // The Page Lifecycle's: the browser stops the page's timers and tasks, for the back-forward cache or to save energy.
  document.addEventListener("freeze", () => events.frozen(), { signal });
  document.addEventListener("resume", () => events.thawed(), { signal });
  window.addEventListener("online", () => (document.visibilityState === "visible" ? events.reachable() : events.online()), { signal });
  window.addEventListener("focus", focus, { signal });
  window.addEventListener("blur", focus, { signal });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    events.reachable();
    events.shown();
  }, { signal });
  context.addEventListener("toolchange", () => events.toolsChanged(), { signal });
  return () => watching.abort();
}
