import type { ToolInit } from "../src/tools.js";

// Browsers' types do not know WebMCP yet.
declare global {
  interface Document {
    modelContext: { registerTool(tool: ToolInit, options?: { signal?: AbortSignal }): Promise<undefined> };
  }
}
