/** Sets the limit of an emulated package, says what came of it, and waits to be killed: `power_writer.ts DIRECTORY`. */
import { PowerSession } from "../../lib/power/access/session.ts";
import { guestSession } from "./power_machine.ts";

const session = await PowerSession.open(guestSession(Deno.args[0]));
try {
  session.set("package0/power-limit", 100);
  console.log("set");
} catch (error) {
  console.log(`${error}`);
}
await new Promise((resolve) => setTimeout(resolve, 600_000));
