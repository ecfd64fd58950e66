import { useEffect, useRef, useSyncExternalStore } from "react";
import { connect } from "@deputy/sdk";

type Tab = ReturnType<typeof connect>;
type Tool = NonNullable<Parameters<typeof connect>[0]["tools"]>[number];

/** Registers a tool for as long as the component is there. The newest render's `execute` runs; a new definition registers anew. */
export function useTool(tool: Tool) {
  const latest = useRef(tool.execute);
  useEffect(() => {
    latest.current = tool.execute;
  });
  const { execute, ...definition } = tool;
  const text = JSON.stringify(definition);
  useEffect(() => {
    const gone = new AbortController();
    // StrictMode mounts twice: the first registration ends by its signal before the second begins.
    document.modelContext
      .registerTool({ ...JSON.parse(text), execute: (input, client) => latest.current(input, client) }, { signal: gone.signal })
      .catch((error) => gone.signal.aborted || console.error(error));
    return () => gone.abort();
  }, [text]);
}

/** The tab's status, for a sign in the page that agents may act here. */
export function useStatus(tab: Tab) {
  return useSyncExternalStore(
    (changed) => {
      tab.addEventListener("status", changed);
      return () => tab.removeEventListener("status", changed);
    },
    () => tab.status,
  );
}
