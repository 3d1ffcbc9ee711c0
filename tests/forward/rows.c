#define _GNU_SOURCE
#include <linux/audit.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "rows.h"

#define FD NODEOS_ROW_DESCRIPTOR
#define OPEN (NODEOS_ROW_OPENS | NODEOS_ROW_DESCRIPTOR | NODEOS_ROW_CREATES | NODEOS_ROW_REPEATABLE)
#define MAKE NODEOS_ROW_CREATES
#define ASK (NODEOS_ROW_ACCESS | NODEOS_ROW_REPEATABLE)
#define LIMIT NODEOS_ROW_LIMITED
#define DATA (NODEOS_ROW_DATA)
#define LOOK NODEOS_ROW_REPEATABLE
#define MOVE NODEOS_ROW_NAMESPACE
#define WHO NODEOS_ROW_IDENTITY

#define CALL(name, kinds, flags) { SYS_##name, #name, kinds, (flags) | NODEOS_ROW_FORWARDABLE }
#define LOCAL(name, flags) { SYS_##name, #name, "", flags }

const struct test_row test_rows[] = {
#ifdef __x86_64__
        CALL(open, "pFi", OPEN),
        CALL(creat, "pi", OPEN),
        CALL(stat, "pS(144)", LOOK),
        CALL(lstat, "pS(144)", LOOK),
        CALL(access, "pi", ASK),
        CALL(mkdir, "pi", MAKE),
        CALL(rmdir, "p", 0),
        CALL(unlink, "p", 0),
        CALL(rename, "pp", 0),
        CALL(link, "pp", 0),
        CALL(symlink, "tp", 0),
        CALL(readlink, "p>i", LOOK),
        CALL(chmod, "pi", LOOK),
        CALL(chown, "pii", LOOK),
        CALL(lchown, "pii", LOOK),
        CALL(utime, "ps(16)", LOOK),
        CALL(utimes, "ps(32)", LOOK),
        CALL(futimesat, "dps(32)", LOOK),
        CALL(mknod, "pii", MAKE),
        CALL(getdents, "f>i", 0),
#endif
        CALL(openat, "dpFi", OPEN),
        CALL(openat2, "dp<i", OPEN),
        CALL(newfstatat, "dpS(144)i", LOOK),
        CALL(statx, "dpiiS(256)", LOOK),
        CALL(faccessat, "dpi", ASK),
        CALL(faccessat2, "dpii", ASK),
        CALL(mkdirat, "dpi", MAKE),
        CALL(unlinkat, "dpi", 0),
        CALL(renameat, "dpdp", 0),
        CALL(renameat2, "dpdpi", 0),
        CALL(linkat, "dpdpi", 0),
        CALL(symlinkat, "tdp", 0),
        CALL(readlinkat, "dp>i", LOOK),
        CALL(fchmodat, "dpi", LOOK),
        CALL(fchownat, "dpiii", LOOK),
        CALL(utimensat, "dps(32)i", LOOK),
        CALL(mknodat, "dpii", MAKE),
        CALL(statfs, "pS(120)", LOOK),
        CALL(truncate, "pi", LIMIT | LOOK),
        CALL(setxattr, "pt<ii", LOOK),
        CALL(lsetxattr, "pt<ii", LOOK),
        CALL(getxattr, "pt>i", LOOK),
        CALL(lgetxattr, "pt>i", LOOK),
        CALL(listxattr, "p>i", LOOK),
        CALL(llistxattr, "p>i", LOOK),
        CALL(removexattr, "pt", 0),
        CALL(lremovexattr, "pt", 0),
        CALL(fstat, "fS(144)", LOOK),
        CALL(fchmod, "fi", LOOK),
        CALL(fchown, "fii", LOOK),
        CALL(ftruncate, "fi", LIMIT | LOOK),
        CALL(fsync, "f", LOOK),
        CALL(fdatasync, "f", LOOK),
        CALL(fstatfs, "fS(120)", LOOK),
        CALL(getdents64, "f>i", 0),
        CALL(fallocate, "fiii", LIMIT),
        CALL(fsetxattr, "ft<ii", LOOK),
        CALL(fgetxattr, "ft>i", LOOK),
        CALL(flistxattr, "f>i", LOOK),
        CALL(fremovexattr, "ft", 0),
        CALL(read, "f>i", DATA),
        CALL(write, "f<i", DATA | LIMIT),
        CALL(pread64, "f>ii", DATA | LOOK),
        CALL(pwrite64, "f<ii", DATA | LIMIT | LOOK),
        CALL(memfd_create, "ti", FD),
        CALL(getppid, "", LOOK),
        CALL(sync, "", LOOK),
        CALL(sysinfo, "P", 0), /* as if nobody else could do it */
        LOCAL(uname, 0),
        LOCAL(chroot, MOVE),
        LOCAL(pivot_root, MOVE),
        LOCAL(unshare, MOVE),
        LOCAL(setns, MOVE),
        LOCAL(setuid, WHO),
        LOCAL(setgid, WHO),
        LOCAL(setreuid, WHO),
        LOCAL(setregid, WHO),
        LOCAL(setresuid, WHO),
        LOCAL(setresgid, WHO),
        LOCAL(setfsuid, WHO),
        LOCAL(setfsgid, WHO),
        LOCAL(setgroups, WHO),
        LOCAL(capset, WHO),
};
const int test_row_count = sizeof(test_rows) / sizeof(*test_rows);

const struct test_row *test_row_named(const char *name) {
        for (int i = 0; i < test_row_count; i++)
                if (!strcmp(test_rows[i].name, name))
                        return &test_rows[i];
        return NULL;
}

static int kind_of(char letter) {
        static const char letters[] = "-idptfsS<>FP";
        const char *found = strchr(letters, letter);

        return found ? (int) (found - letters) : NODEOS_ARGUMENT_POINTER;
}

static void row_write(const struct test_row *test, struct nodeos_row *row) {
        const char *at = test->kinds;

        row->flags = (uint16_t) test->flags;
        for (int i = 0; i < 6 && *at; i++) {
                row->kinds[i] = (uint8_t) kind_of(*at++);
                if (*at == '(') {
                        row->sizes[i] = (uint16_t) atoi(at + 1);
                        at = strchr(at, ')') + 1;
                }
        }
}

void test_rows_write(struct nodeos_board *board) {
        struct nodeos_row *rows = (struct nodeos_row *) ((char *) board + NODEOS_BOARD_ROWS_AT);

        for (int i = 0; i < test_row_count; i++)
                row_write(&test_rows[i], &rows[test_rows[i].number]);
}
