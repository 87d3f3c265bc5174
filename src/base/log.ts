/** Where messages for the operator go; consola is behind it in `cli/`. */
export interface Logger {
  error(message: string, cause?: unknown): void;
  warn(message: string): void;
  info(message: string): void;
  debug(message: string): void;
  /** Tested before a debug message is built on a path that runs often. */
  readonly debugging: boolean;
}

export const silentLogger: Logger = {
  error() {},
  warn() {},
  info() {},
  debug() {},
  debugging: false,
};
