/* Where the paths of calls end: at a symbolic link, or behind it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/syscall.h>

#include "serve.h"

uint64_t follow_flags(const struct call *call) {
        switch (call->number) {
        case SYS_statx:
        case 465: /* listxattrat */
        case 466: /* removexattrat */
                return call->given[2];
        case SYS_newfstatat:
        case SYS_faccessat2:
        case SYS_utimensat:
        case 452: /* fchmodat2 */
                return call->given[3];
        case SYS_fchownat:
        case SYS_linkat:
        case 469: /* file_setattr */
                return call->given[4];
        default:
                return 0;
        }
}

int follow_last(const struct call *call, int path) {
        switch (call->number) {
#ifdef SYS_stat
        case SYS_lstat:
        case SYS_mkdir:
        case SYS_mknod:
        case SYS_rmdir:
        case SYS_unlink:
        case SYS_rename:
        case SYS_link:
        case SYS_symlink:
        case SYS_readlink:
        case SYS_lchown:
#endif
#ifdef SYS_renameat
        case SYS_renameat:
#endif
        case SYS_renameat2:
        case SYS_mkdirat:
        case SYS_mknodat:
        case SYS_unlinkat:
        case SYS_symlinkat:
        case SYS_readlinkat:
        case SYS_lsetxattr:
        case SYS_lgetxattr:
        case SYS_llistxattr:
        case SYS_lremovexattr:
                return 0;
        case SYS_linkat:
                return path == 1 && follow_flags(call) & AT_SYMLINK_FOLLOW;
#ifdef SYS_stat
        case SYS_stat:
        case SYS_access:
        case SYS_chmod:
        case SYS_chown:
        case SYS_utime:
        case SYS_utimes:
        case SYS_futimesat:
#endif
        case SYS_statfs:
        case SYS_faccessat:
        case SYS_fchmodat:
        case SYS_truncate:
        case SYS_setxattr:
        case SYS_getxattr:
        case SYS_listxattr:
        case SYS_removexattr:
                return 1;
        case SYS_newfstatat:
        case SYS_statx:
        case SYS_faccessat2:
        case SYS_fchownat:
        case SYS_utimensat:
        case 452: /* fchmodat2 */
        case 465: /* listxattrat */
        case 466: /* removexattrat */
        case 469: /* file_setattr */
                return !(follow_flags(call) & AT_SYMLINK_NOFOLLOW);
        default:
                return -1;
        }
}
