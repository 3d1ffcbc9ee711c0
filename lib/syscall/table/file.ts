import { type Call, callsOf } from "./row.ts";

const fd = callsOf("fd");
const data = callsOf("data");
const descriptors = callsOf("descriptors");

/** Calls on open files. */
export const fileCalls: readonly Call[] = [
  fd("fstat", [5, 80], "fd:fd status:out=stat", "repeatable forwardable"),
  fd("fstatfs", [138, 44], "fd:fd status:out=statfs", "repeatable forwardable"),
  fd("fchmod", [91, 52], "fd:fd mode", "repeatable forwardable"),
  fd("fchown", [93, 55], "fd:fd user group", "repeatable forwardable"),
  fd("ftruncate", [77, 46], "fd:fd length", "limited forwardable"),
  fd("fallocate", [285, 47], "fd:fd mode offset length", "limited forwardable"),
  fd("getdents", [78], "fd:fd entries:outSized size", "forwardable"),
  fd("getdents64", [217, 61], "fd:fd entries:outSized size", "forwardable"),
  fd("fsync", [74, 82], "fd:fd", "repeatable forwardable"),
  fd("fdatasync", [75, 83], "fd:fd", "repeatable forwardable"),
  fd("sync_file_range", [277, 84], "fd:fd offset length flags", "repeatable forwardable"),
  fd("syncfs", [306, 267], "fd:fd", "repeatable forwardable"),
  fd("sync", [162, 81], "", "repeatable forwardable"),
  fd("fsetxattr", [190, 7], "fd:fd name:text value:inSized size flags", "forwardable"),
  fd("fgetxattr", [193, 10], "fd:fd name:text value:outSized size", "repeatable forwardable"),
  fd("flistxattr", [196, 13], "fd:fd list:outSized size", "repeatable forwardable"),
  fd("fremovexattr", [199, 16], "fd:fd name:text", "forwardable"),
  fd("cachestat", [451, 451], "fd:fd range:in=cachestatRange statistics:out=cachestat flags"),
  fd("fadvise64", [221, 223], "fd:fd offset length advice"),
  fd("readahead", [187, 213], "fd:fd offset length"),

  data("read", [0, 63], "fd:fd data:outSized size", "data forwardable"),
  data("write", [1, 64], "fd:fd data:inSized size", "data limited forwardable"),
  data("pread64", [17, 67], "fd:fd data:outSized size offset", "data repeatable forwardable"),
  // Not repeatable: with O_APPEND it appends, and somebody else may have written meanwhile.
  data("pwrite64", [18, 68], "fd:fd data:inSized size offset", "data limited forwardable"),
  data("readv", [19, 65], "fd:fd parts:pointer count"),
  data("writev", [20, 66], "fd:fd parts:pointer count"),
  data("preadv", [295, 69], "fd:fd parts:pointer count offset offsetHigh"),
  data("pwritev", [296, 70], "fd:fd parts:pointer count offset offsetHigh"),
  data("preadv2", [327, 286], "fd:fd parts:pointer count offset offsetHigh flags"),
  data("pwritev2", [328, 287], "fd:fd parts:pointer count offset offsetHigh flags"),
  data("sendfile", [40, 71], "to:fd from:fd offset:pointer size"),
  data("copy_file_range", [326, 285], "from:fd fromOffset:pointer to:fd toOffset:pointer size flags"),
  data("splice", [275, 76], "from:fd fromOffset:pointer to:fd toOffset:pointer size flags"),
  data("tee", [276, 77], "from:fd to:fd size flags"),
  data("vmsplice", [278, 75], "fd:fd parts:pointer count flags"),

  descriptors("close", [3, 57], "fd:fd", "neverNotified"),
  descriptors("close_range", [436, 436], "first last flags", "neverNotified"),
  descriptors("dup", [32, 23], "fd:fd", "descriptor neverNotified"),
  descriptors("dup2", [33], "fd:fd to", "descriptor neverNotified"),
  descriptors("dup3", [292, 24], "fd:fd to flags", "descriptor neverNotified"),
  descriptors("fcntl", [72, 25], "fd:fd command argument:pointer"),
  descriptors("ioctl", [16, 29], "fd:fd command argument:pointer"),
  descriptors("flock", [73, 32], "fd:fd command"),
  descriptors("lseek", [8, 62], "fd:fd offset whence"),
  descriptors("pipe", [22], "ends:out=ints"),
  descriptors("pipe2", [293, 59], "ends:out=ints flags"),
  descriptors("memfd_create", [319, 279], "name:text flags", "descriptor repeatable forwardable"),
  descriptors("memfd_secret", [447, 447], "flags", "descriptor"),
  descriptors("open_by_handle_at", [304, 265], "mount:fd handle:pointer flags:openFlags", "descriptor"),
];
