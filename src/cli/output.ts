/** Writes a command's result to stdout; returns when it is out. */
export async function printOutput(text: string): Promise<void> {
  try {
    await Bun.write(Bun.stdout, text);
  } catch (error) {
    // A reader that has seen enough (`| head`) is no failure of ours.
    if (!(error instanceof Error && "code" in error && error.code === "EPIPE")) throw error;
  }
}

export async function printJson(value: unknown): Promise<void> {
  await printOutput(`${JSON.stringify(value, null, 2)}\n`);
}

/** One line on stderr, in the form that every Unix program has. */
export function printError(message: string): void {
  process.stderr.write(`sheepfs: ${message}\n`);
}
