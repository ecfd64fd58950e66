import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { connect } from "@deputy/sdk";
import { useStatus, useTool } from "./use-deputy.js";

// Once, outside of every component: rendering again must not connect again.
const tab = connect({
  hub: "https://hub.acme.example",
  ticket: async () => (await fetch("/deputy-ticket", { method: "POST" })).json(),
  session: async () => (await fetch("/me")).json(),
});

function Counter() {
  const [count, setCount] = useState(0);
  useTool({
    name: "count_up",
    description: "Adds to the counter in the page.",
    inputSchema: { type: "object", properties: { by: { type: "integer" } }, required: ["by"], additionalProperties: false },
    execute: ({ by }: { by: number }) => {
      setCount(count + by);
      return { count: count + by };
    },
  });
  return <output id="count">{count}</output>;
}

function Page() {
  const [shown, setShown] = useState(true);
  return (
    <main>
      <p id="status">{useStatus(tab)}</p>
      {shown && <Counter />}
      <button onClick={() => setShown(!shown)}>Show or hide</button>
    </main>
  );
}

createRoot(document.querySelector("#root")!).render(
  <StrictMode>
    <Page />
  </StrictMode>,
);
