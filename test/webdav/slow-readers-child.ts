// 200 clients that ask for all of a file and take what comes a piece at a time. In a process of
// their own, so that what they cost is not taken for what the server costs.
//   slow-readers-child.ts PORT PATH COUNT
import { connect } from "node:net";
import { requestHead } from "../support/raw-http.ts";

const [port = "", path = "", count = ""] = process.argv.slice(2);
const everyMs = 1_000;
let started = 0;

for (let index = 0; index < Number(count); index += 1) {
  const socket = connect({ port: Number(port), host: "127.0.0.1" });
  let first = true;
  socket.on("connect", () => socket.write(requestHead(`GET ${path}`, {})));
  socket.on("data", () => {
    socket.pause();
    setTimeout(() => socket.resume(), everyMs);
    if (!first) return;
    first = false;
    started += 1;
    if (started === Number(count)) console.log("all have begun");
  });
  socket.on("error", ({ message }) => console.log(`cut off: ${message}`));
  socket.on("end", () => console.log("cut off: the end"));
}
