/** Linux's error names in the order of their numbers, from 1; both architectures have the same. `-` is a number without a name. */
const names = `EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD
EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR
EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS
EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP
- ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI
EL2HLT EBADE EBADR EXFULL ENOANO EBADRQC EBADSLT - EBFONT ENOSTR
ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT ECOMM
EPROTO EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD
ELIBSCN ELIBMAX ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE
EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN
ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT
ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL EISNAM
EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD
ENOTRECOVERABLE ERFKILL EHWPOISON`.split(/\s/);

const numbers: ReadonlyMap<string, number> = new Map([
  ...names.map((name, index) => [name, index + 1] as const).filter(([name]) => name !== "-"),
  ["EWOULDBLOCK", 11],
  ["EDEADLOCK", 35],
  ["ENOTSUP", 95],
]);

/** The names of all errors, second names too. */
export const errnoNames: readonly string[] = [...numbers.keys()];

/**
 * The number of an error, `undefined` when there is none of that name.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { errnoName, errnoNumber } from "./errno.ts";
 *
 * assert.equal(errnoNumber("ENOSYS"), 38);
 * assert.equal(errnoName(38), "ENOSYS");
 * ```
 */
export function errnoNumber(name: string): number | undefined {
  return numbers.get(name);
}

/** The name of an error number; `E41` where the kernel has none. */
export function errnoName(number: number): string {
  const name = names[number - 1] ?? "-";
  return name === "-" ? `E${number}` : name;
}
