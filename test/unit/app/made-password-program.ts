// Asks for the password that is made once: `made-password-program.ts FILE`.
import { madePassword } from "../../../src/app/made-password.ts";

console.log(JSON.stringify(madePassword(process.argv[2] ?? "")));
