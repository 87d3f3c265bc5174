import { writeFileSync } from "node:fs";
import { must } from "../support/process.ts";

/** A self-signed certificate of `localhost` and 127.0.0.1, in two files. */
export async function makeCertificate(
  certFile: string,
  keyFile: string,
  name = "localhost",
): Promise<void> {
  const alternatives = `subjectAltName=DNS:localhost,DNS:${name},IP:127.0.0.1`;
  const line = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
  const files = ["-keyout", keyFile, "-out", certFile];
  await must([...line.split(" "), ...files, "-subj", `/CN=${name}`, "-addext", alternatives]);
}

/** Puts the pair of other files in the place of these. */
export async function replaceCertificate(
  from: { readonly cert: string; readonly key: string },
  to: { readonly cert: string; readonly key: string },
): Promise<void> {
  for (const which of ["cert", "key"] as const) {
    writeFileSync(to[which], await Bun.file(from[which]).text());
  }
}
