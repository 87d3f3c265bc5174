import type { LoginReport, ServeReport } from "../app/serve.ts";
import { printJson, printOutput } from "./output.ts";
import { runService } from "./run-service.ts";
import type { ServeRequest } from "./serve-request.ts";

/**
 * Serves. In front it returns when that is over; else as soon as the daemon can be reached.
 * @throws whatever keeps it from being reached; nothing is left then
 */
export async function runServe(request: ServeRequest): Promise<void> {
  const { foreground, log, json } = request;
  await runService({
    ...{ what: "server", foreground, log },
    mountpoint: request.mount?.mountpoint ?? null,
    serve: async (log, ready) => {
      const { serve } = await import("../app/serve.ts");
      await serve(request, log, (report) => ready(JSON.stringify(report)));
    },
    announce: async (said) => {
      // Our own report, through the daemon's pipe.
      const report = JSON.parse(said) as ServeReport;
      if (json) return await printJson(withoutPassword(report));
      await printOutput(reportText(report, { terminal: process.stdout.isTTY, foreground }));
    },
  });
}

/** What may be kept by whoever collects the output of a program. */
function withoutPassword(report: ServeReport): unknown {
  if (report.login.by !== "made-password") return report;
  const { password, ...login } = report.login;
  return { ...report, login: { ...login, isNew: password !== null } };
}

/** What a user needs to know to use it. */
export function reportText(
  report: ServeReport,
  how: { readonly terminal: boolean; readonly foreground: boolean },
): string {
  const { urls, mountpoint, login, warnings, pid } = report;
  const url = urls[0] ?? "";
  const lines = [
    ...urls.map((one) => `serving ${one}`),
    ...(mountpoint === null ? [] : [`mounted on ${mountpoint}`]),
    ...loginLines(login, url, how.terminal),
    ...warnings.map((warning) => `warning: ${warning}`),
    ...(how.foreground ? [] : [`to end it: kill ${pid}`]),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function loginLines(login: LoginReport, url: string, terminal: boolean): string[] {
  switch (login.by) {
    case "nobody":
      return login.why === "loopback"
        ? ["no login is asked for: only this machine can connect"]
        : ["no login is asked for"];
    case "password":
      return [`log in as '${login.user}' with the password in ${login.file}`];
    case "htpasswd":
      return [`log in as one of the ${login.users} users in ${login.file}`];
    case "made-password": {
      const { user, file, password } = login;
      return [
        `log in as '${user}' with the password in ${file}`,
        // A terminal forgets; where else the output goes may be a log.
        ...(password !== null && terminal ? [`made now, the password is: ${password}`] : []),
        `  curl -u "${user}:$(cat ${file})" ${url}cluster/info`,
      ];
    }
  }
}
