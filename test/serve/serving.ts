import { type Child, type RunOptions, sheepfsBinary, start } from "../support/process.ts";

/** `sheepfs serve -f` as a child process, and where it says that it is. */
export class Serving implements AsyncDisposable {
  readonly child: Child;
  /** In the order of `--webdav`, each with its slash at the end. */
  readonly urls: readonly string[];

  private constructor(child: Child, urls: readonly string[]) {
    this.child = child;
    this.urls = urls;
  }

  /** Returns when it is usable. @param wrap what runs the program, e.g. in another namespace */
  static async start(
    args: readonly string[],
    options: RunOptions & { readonly wrap?: readonly string[] } = {},
  ): Promise<Serving> {
    const { wrap = [], ...rest } = options;
    const child = start([...wrap, await sheepfsBinary(), "serve", "-f", ...args], rest);
    try {
      const urls = await child.until(({ stdout }) => {
        // The line behind the last address is there too.
        const [, lines] = /^((?:serving \S+\n)+)[^s]/.exec(stdout) ?? [];
        return lines === undefined ? null : lines.trimEnd().split("\n");
      }, "address");
      return new Serving(
        child,
        urls.map((line) => line.replace("serving ", "")),
      );
    } catch (thrown) {
      await child[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  get url(): string {
    return this.urls[0] ?? "";
  }

  /** Ends it as an operator does. @returns its exit code */
  async stop(): Promise<number> {
    this.child.kill("SIGTERM");
    return await this.child.exit();
  }

  /** Waits until its log has this. */
  async logged(text: string): Promise<void> {
    await this.child.until(({ stderr }) => (stderr.includes(text) ? true : null), text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.running) await this.stop();
    await this.child[Symbol.asyncDispose]();
  }
}

/** The header field of a Basic login. */
export function basic(user: string, password: string): { readonly authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
}
