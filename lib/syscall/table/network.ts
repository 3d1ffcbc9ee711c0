import { type Call, callsOf } from "./row.ts";

const call = callsOf("network");

/** Calls on sockets. */
export const networkCalls: readonly Call[] = [
  call("socket", [41, 198], "family type protocol", "descriptor repeatable forwardable"),
  call("socketpair", [53, 199], "family type protocol ends:out=ints"),
  call("bind", [49, 200], "fd:fd address:inSized size"),
  call("listen", [50, 201], "fd:fd backlog"),
  call("accept", [43, 202], "fd:fd address:pointer size:pointer", "descriptor"),
  call("accept4", [288, 242], "fd:fd address:pointer size:pointer flags", "descriptor"),
  call("connect", [42, 203], "fd:fd address:inSized size"),
  call("getsockname", [51, 204], "fd:fd address:pointer size:pointer"),
  call("getpeername", [52, 205], "fd:fd address:pointer size:pointer"),
  call("sendto", [44, 206], "fd:fd data:inSized size flags address:inSized addressSize"),
  call("recvfrom", [45, 207], "fd:fd data:outSized size flags address:pointer addressSize:pointer"),
  call("sendmsg", [46, 211], "fd:fd message:pointer flags"),
  call("recvmsg", [47, 212], "fd:fd message:pointer flags"),
  call("sendmmsg", [307, 269], "fd:fd messages:pointer count flags"),
  call("recvmmsg", [299, 243], "fd:fd messages:pointer count flags timeout:pointer"),
  call("setsockopt", [54, 208], "fd:fd level option value:inSized size"),
  call("getsockopt", [55, 209], "fd:fd level option value:pointer size:pointer"),
  call("shutdown", [48, 210], "fd:fd how"),
];
