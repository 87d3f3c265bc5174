/** Where messages for the operator go; consola is behind it in `cli/`. */
export interface Logger {
  error(message: string, cause?: unknown): void;
  warn(message: string): void;
  info(message: string): void;
  debug(message: string): void;
  /** Tested before a debug message is built on a path that runs often. */
  readonly debugging: boolean;
}

/** The log of something that goes on while its file is moved away. */
export interface ServiceLog extends Logger {
  /** Goes on in the file that has the log's name now. */
  reopen(): void;
}

export const silentLogger: Logger = {
  error() {},
  warn() {},
  info() {},
  debug() {},
  debugging: false,
};
