import { connect } from "/sdk/deputy.js";

document.modelContext.registerTool({ name: "slow.tool", description: "d", execute: () => new Promise(() => {}) });
connect({ hub: location.origin, ticket: async () => "tkt_1", session: async () => ({ subject: "alice" }) });
