import { connect } from "/sdk/deputy.js";

await document.modelContext.registerTool({ name: "outer.tool", description: "d", execute: () => null });
const [host, how] = location.hash.slice(1).split(",");
const frame = document.createElement("iframe");
frame.allow = "tools";
frame.src = `http://${host}:${location.port}/inner.html#${how}`;
const loaded = new Promise((resolve) => (frame.onload = resolve));
document.body.append(frame);
await loaded;
connect({ hub: location.origin, ticket: async () => "tkt_outer", session: async () => ({ subject: "alice" }) });
