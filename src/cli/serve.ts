import type { Command } from "./command.ts";

export const serveCommand: Command = {
  meta: { name: "sheepfs serve", description: "Serve a cluster over WebDAV" },
  args: {
    webdav: {
      type: "string",
      valueHint: "[ADDR]:PORT",
      description:
        "where it listens; without ADDR on every address of this machine; may be repeated",
      required: true,
    },
    sheep: {
      type: "string",
      alias: "s",
      valueHint: "HOST:PORT[,HOST:PORT]...",
      description:
        "sheep to talk to; the first that answers is used (SHEEPFS_SHEEP, else 127.0.0.1:7000)",
    },
    attach: {
      type: "string",
      valueHint: "NAME",
      description: "attach this VDI at once; may be repeated",
    },
    "read-only": { type: "boolean", description: "refuse every write" },
    user: {
      type: "string",
      valueHint: "NAME",
      description: "who may log in, with the password of --password-file",
    },
    "password-file": {
      type: "string",
      valueHint: "FILE",
      description: "its first line is the password of --user",
    },
    htpasswd: {
      type: "string",
      valueHint: "FILE",
      description: "who may log in: a file of Apache's htpasswd (bcrypt, apr1 MD5, SHA)",
    },
    anonymous: { type: "boolean", description: "whoever can connect may do everything" },
    "tls-cert": {
      type: "string",
      valueHint: "FILE",
      description: "certificate chain in PEM: serve over https; read again on SIGHUP",
    },
    "tls-key": { type: "string", valueHint: "FILE", description: "its private key in PEM" },
    "base-path": {
      type: "string",
      valueHint: "/PATH",
      description: "serve the tree under this path instead of /",
    },
    cors: {
      type: "string",
      valueHint: "ORIGIN",
      description: "let scripts of pages from this origin use the server; may be repeated",
    },
    "allow-host": {
      type: "string",
      valueHint: "NAME",
      description: "answer requests for this host name too when none logs in; may be repeated",
    },
    mount: {
      type: "string",
      valueHint: "MOUNTPOINT",
      description: "mount the same tree here, from the same process",
    },
    options: {
      type: "string",
      alias: "o",
      valueHint: "OPTS",
      description: "options of --mount, as 'sheepfs mount' takes them",
    },
    "access-log": {
      type: "string",
      valueHint: "FILE",
      description:
        "a line for each request, in the common format; opened again on SIGHUP; - for stdout",
    },
    scratch: {
      type: "boolean",
      description: "an empty directory scratch/ where anything can be made, in memory",
    },
    "pid-file": {
      type: "string",
      valueHint: "FILE",
      description: "holds the number of the process while it serves",
    },
    "log-file": {
      type: "string",
      valueHint: "FILE",
      description: "log of the daemon (default: syslog); opened again on SIGHUP",
    },
    foreground: {
      type: "boolean",
      alias: "f",
      description: "stay in front and log to stderr instead of becoming a daemon",
    },
    json: { type: "boolean", description: "print addresses, login and process as JSON" },
  },
  repeatable: ["webdav", "sheep", "attach", "cors", "allow-host", "options"],
  examples: `  sheepfs serve --webdav :8080 -s node1:7000
      serves the cluster to every host; makes a password at the first start and says where it is
  sheepfs serve --webdav 127.0.0.1:8080 --attach test -f
      serves it to this machine alone, without a login, and stays in front: Ctrl-C ends it
  sheepfs serve --webdav :443 --tls-cert cert.pem --tls-key key.pem --htpasswd users
      over https, to the users of that file
  kill PID
      ends it in order: it takes nothing new, finishes what it does, flushes and detaches`,
  run: async (values) => {
    const { serveRequest } = await import("./serve-request.ts");
    const { runServe } = await import("./run-serve.ts");
    await runServe(await serveRequest(values, process.env));
  },
};
