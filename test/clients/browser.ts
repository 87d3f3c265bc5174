import { join } from "node:path";
import { type Child, start, TemporaryFolder } from "../support/process.ts";

const callDeadlineMs = 15_000;

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

/** What a page said or could not load, in words. */
type Complaint = string;

/** Headless Chromium with one page, driven through its debugging protocol. */
export class Browser implements AsyncDisposable {
  readonly folder: TemporaryFolder;
  readonly complaints: Complaint[] = [];
  readonly #child: Child;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (message: Message) => void>();
  readonly #events: Message[] = [];
  #wake = Promise.withResolvers<void>();
  #session = "";
  #calls = 0;

  private constructor(folder: TemporaryFolder, child: Child, socket: WebSocket) {
    this.folder = folder;
    this.#child = child;
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.#take(JSON.parse(String(data))));
  }

  static async start(): Promise<Browser> {
    const folder = new TemporaryFolder();
    const child = start([
      ...["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"],
      ...["--disable-dev-shm-usage", "--disable-background-networking", "--hide-scrollbars"],
      ...["--remote-debugging-port=0", `--user-data-dir=${join(folder.path, "profile")}`],
      "about:blank",
    ]);
    try {
      const url = await child.until(
        ({ stderr }) => /DevTools listening on (ws:\S+)/.exec(stderr)?.[1] ?? null,
        "debugging address",
        30_000,
      );
      const socket = new WebSocket(url);
      await new Promise<void>((resolve, reject) => {
        socket.addEventListener("open", () => resolve());
        socket.addEventListener("error", () => reject(new Error(`no connection to ${url}`)));
      });
      const browser = new Browser(folder, child, socket);
      await browser.#openPage();
      return browser;
    } catch (error) {
      await child[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
      throw error;
    }
  }

  /** Loads an address as if typed in. */
  async goto(url: string): Promise<void> {
    const { errorText } = await this.call("Page.navigate", { url });
    if (errorText !== undefined) throw new Error(`${url}: ${String(errorText)}`);
    await this.loaded();
  }

  /** Waits until the page that is being loaded is there. */
  async loaded(): Promise<void> {
    await this.event("Page.loadEventFired");
  }

  /** The value of an expression in the page, as JSON carries it. */
  async evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", {
      expression,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) throw new Error(`${expression}: threw`);
    return typeof result === "object" && result !== null && "value" in result ? result.value : null;
  }

  async text(expression: string): Promise<string> {
    return String(await this.evaluate(expression));
  }

  async press(key: "Tab" | "Enter"): Promise<void> {
    const code = key === "Tab" ? 9 : 13;
    const which = { key, code: key, windowsVirtualKeyCode: code };
    const text = key === "Enter" ? { text: "\r" } : {};
    await this.call("Input.dispatchKeyEvent", { type: "keyDown", ...which, ...text });
    await this.call("Input.dispatchKeyEvent", { type: "keyUp", ...which });
  }

  async setSize(width: number, height: number, mobile: boolean): Promise<void> {
    const metrics = { width, height, deviceScaleFactor: mobile ? 2 : 1, mobile };
    await this.call("Emulation.setDeviceMetricsOverride", metrics);
  }

  async screenshot(path: string): Promise<void> {
    const { data } = await this.call("Page.captureScreenshot", { format: "png" });
    await Bun.write(path, Buffer.from(String(data), "base64"));
  }

  /** Downloads go into `folder` from now on. */
  async takeDownloads(): Promise<string> {
    const downloadPath = this.folder.path;
    await this.call("Browser.setDownloadBehavior", {
      behavior: "allow",
      downloadPath,
      eventsEnabled: true,
    });
    return downloadPath;
  }

  async call(
    method: string,
    params: Readonly<Record<string, unknown>>,
  ): Promise<Readonly<Record<string, unknown>>> {
    this.#calls += 1;
    const id = this.#calls;
    const answered = new Promise<Message>((resolve) => this.#waiting.set(id, resolve));
    const session = this.#session === "" ? {} : { sessionId: this.#session };
    this.#socket.send(JSON.stringify({ id, method, params, ...session }));
    const { result, error } = await within(method, answered);
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result ?? {};
  }

  /** The next event of this name that has not been waited for. */
  async event(
    method: string,
    isIt: (params: Readonly<Record<string, unknown>>) => boolean = () => true,
  ): Promise<Readonly<Record<string, unknown>>> {
    const find = async (): Promise<Readonly<Record<string, unknown>>> => {
      for (;;) {
        const at = this.#events.findIndex((one) => one.method === method && isIt(one.params ?? {}));
        if (at >= 0) return this.#events.splice(at, 1)[0]?.params ?? {};
        await this.#wake.promise;
      }
    };
    return await within(method, find());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await this.#child[Symbol.asyncDispose]();
    this.folder[Symbol.dispose]();
  }

  async #openPage(): Promise<void> {
    const { targetId } = await this.call("Target.createTarget", { url: "about:blank" });
    const attached = await this.call("Target.attachToTarget", { targetId, flatten: true });
    this.#session = String(attached["sessionId"]);
    for (const domain of ["Page", "Runtime", "Log", "Network"]) {
      await this.call(`${domain}.enable`, {});
    }
  }

  #take(message: Message): void {
    if (message.id !== undefined) {
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
      return;
    }
    const said = JSON.stringify(message.params);
    if (message.method === "Runtime.consoleAPICalled") this.complaints.push(`console: ${said}`);
    if (message.method === "Runtime.exceptionThrown") this.complaints.push(`exception: ${said}`);
    if (message.method === "Log.entryAdded") this.complaints.push(`log: ${said}`);
    this.#events.push(message);
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

async function within<T>(what: string, wanted: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`${what}: nothing within ${callDeadlineMs} ms`)),
    callDeadlineMs,
  );
  try {
    return await Promise.race([wanted, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
