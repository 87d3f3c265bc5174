// Stands between a mount and a sheep in a process of its own, which can be stopped or killed:
// a second and third gateway to a cluster of one node. Its port is the first line it prints.
import { connect, createServer, type Socket } from "node:net";

const [host = "", port = ""] = (process.argv[2] ?? "").split(":");

const server = createServer((client) => {
  const sheep = connect(Number(port), host);
  join(client, sheep);
  join(sheep, client);
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address !== null && typeof address === "object") console.log(`port ${address.port}`);
});

function join(from: Socket, to: Socket): void {
  from.setNoDelay(true);
  from.on("error", () => to.destroy());
  from.on("close", () => to.destroy());
  from.pipe(to);
}
