/** What makes of a wish for system calls what a keeper needs, in a file of its own: most commands do not. */
export { compileWish } from "../lib/container/wish_compiler.ts";
