/** What the SDK reports: an error with a stable code. */

/** An error with a `code` that scripts may rely on; `message` is for people. */
export class DeputyError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {unknown} [cause]
   */
  constructor(code, message, cause) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "DeputyError";
    this.code = code;
  }
}
