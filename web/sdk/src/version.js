/** Who this is, told in `hello`. */
export const SDK = Object.freeze({ name: "deputy.js", version: "0.1.0" });
