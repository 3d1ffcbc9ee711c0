/** What forwards system calls, in a file of its own: commands that need it import it later. */
export { forwarding } from "../lib/container/forwarding.ts";
