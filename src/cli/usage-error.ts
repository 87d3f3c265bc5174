/** A command line that cannot be understood: one line, exit code 64. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
