import { connect } from "/sdk/deputy.js";

document.modelContext.registerTool({ name: "life.tool", description: "d", execute: () => null });
connect({ hub: location.origin, ticket: async () => "tkt_1", session: async () => ({ subject: "alice" }) });
