"use strict";
document.modelContext?.registerTool({ name: "frame.tool", description: "d", execute: () => null });
