import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { SheepfsError } from "../base/errors.ts";

/** A certificate chain and its private key, both PEM. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
  /** When the certificate stops being valid, ms since 1970. */
  readonly validToMs: number;
}

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** @throws not_found | denied when a file cannot be read | invalid when they are no pair */
export function readTlsFiles({ certFile, keyFile }: TlsFiles): TlsIdentity {
  const cert = readText(certFile, "certificate");
  const key = readText(keyFile, "key");
  const certificate = parsed(`'${certFile}' is no certificate in PEM`, () => {
    return new X509Certificate(cert);
  });
  const privateKey = parsed(`'${keyFile}' is no private key in PEM without a passphrase`, () => {
    return createPrivateKey(key);
  });
  if (!belongs(certificate, privateKey)) {
    throw new SheepfsError("invalid", `the key '${keyFile}' does not belong to '${certFile}'`);
  }
  return { cert, key, validToMs: Date.parse(certificate.validTo) };
}

/** @throws not_found | denied naming the file */
export function readText(file: string, what: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? thrown.code : null;
    if (code === "ENOENT") throw new SheepfsError("not_found", `${what} '${file}' does not exist`);
    const why = code === "EACCES" ? "it is closed to this user" : String(code ?? thrown);
    throw new SheepfsError("denied", `${what} '${file}' cannot be read: ${why}`);
  }
}

function parsed<T>(complaint: string, parse: () => T): T {
  try {
    return parse();
  } catch (thrown) {
    throw new SheepfsError("invalid", complaint, { cause: thrown });
  }
}

function belongs(certificate: X509Certificate, key: KeyObject): boolean {
  try {
    return certificate.checkPrivateKey(key);
  } catch {
    // Keys of another kind.
    return false;
  }
}
