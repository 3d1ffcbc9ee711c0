import { type Call, callsOf } from "./row.ts";

const identity = callsOf("identity");
const namespace = callsOf("namespace");
const mount = callsOf("mount");
const keys = callsOf("keys");
const sandbox = callsOf("sandbox");

/** Calls about who the caller is, what it sees, and what it may do. */
export const identityCalls: readonly Call[] = [
  identity("getuid", [102, 174], ""),
  identity("geteuid", [107, 175], ""),
  identity("getgid", [104, 176], ""),
  identity("getegid", [108, 177], ""),
  identity("getresuid", [118, 148], "real:out=int effective:out=int saved:out=int"),
  identity("getresgid", [120, 150], "real:out=int effective:out=int saved:out=int"),
  identity("getgroups", [115, 158], "count groups:pointer"),
  identity("capget", [125, 90], "header:pointer data:pointer"),
  identity("setuid", [105, 146], "user", "identity"),
  identity("setgid", [106, 144], "group", "identity"),
  identity("setreuid", [113, 145], "real effective", "identity"),
  identity("setregid", [114, 143], "real effective", "identity"),
  identity("setresuid", [117, 147], "real effective saved", "identity"),
  identity("setresgid", [119, 149], "real effective saved", "identity"),
  identity("setfsuid", [122, 151], "user", "identity"),
  identity("setfsgid", [123, 152], "group", "identity"),
  identity("setgroups", [116, 159], "count groups:pointer", "identity"),
  identity("capset", [126, 91], "header:pointer data:pointer", "identity"),

  namespace("chroot", [161, 51], "path:path", "namespace"),
  namespace("pivot_root", [155, 41], "root:path oldRoot:path", "namespace"),
  namespace("setns", [308, 268], "fd:fd type", "namespace"),
  namespace("unshare", [272, 97], "flags", "namespace"),
  namespace("listns", [470, 470], "request:pointer ids:pointer count flags"),

  mount("mount", [165, 40], "source:text target:path type:text flags data:pointer"),
  mount("umount2", [166, 39], "target:path flags"),
  mount("fsopen", [430, 430], "type:text flags", "descriptor"),
  mount("fsconfig", [431, 431], "fd:fd command key:text value:pointer auxiliary"),
  mount("fsmount", [432, 432], "fd:fd flags attributes", "descriptor"),
  mount("fspick", [433, 433], "at:dirfd path:path flags", "descriptor"),
  mount("open_tree", [428, 428], "at:dirfd path:path flags", "descriptor"),
  mount("open_tree_attr", [467, 467], "at:dirfd path:path flags attributes:inSized size", "descriptor"),
  mount("move_mount", [429, 429], "fromAt:dirfd from:path toAt:dirfd to:path flags"),
  mount("mount_setattr", [442, 442], "at:dirfd path:path flags attributes:inSized size"),
  mount("statmount", [457, 457], "request:pointer buffer:outSized size flags"),
  mount("listmount", [458, 458], "request:pointer ids:pointer count flags"),

  keys("add_key", [248, 217], "type:text description:text payload:inSized size keyring"),
  keys("request_key", [249, 218], "type:text description:text information:text keyring"),
  keys("keyctl", [250, 219], "operation argument2:pointer argument3:pointer argument4:pointer argument5:pointer"),

  sandbox("seccomp", [317, 277], "operation flags argument:pointer"),
  sandbox("landlock_create_ruleset", [444, 444], "attributes:inSized size flags", "descriptor"),
  sandbox("landlock_add_rule", [445, 445], "ruleset:fd type attributes:pointer flags"),
  sandbox("landlock_restrict_self", [446, 446], "ruleset:fd flags"),
  sandbox("lsm_get_self_attr", [459, 459], "attribute context:pointer size:pointer flags"),
  sandbox("lsm_set_self_attr", [460, 460], "attribute context:inSized size flags"),
  sandbox("lsm_list_modules", [461, 461], "ids:pointer size:pointer flags"),
];
