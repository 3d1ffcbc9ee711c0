/* Files of others by every call that takes a path, and every way to name them. */
#define _GNU_SOURCE
#include "attack.h"

#include <linux/openat2.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <utime.h>

/* How the forbidden thing is named. */
enum way { ABSOLUTE, RELATIVE, BY_LINK, BY_DIRECTORY, BY_ROOT_LINK, WAYS };

static const char *const ways[WAYS] = { "absolute", "relative", "by a link", "by a directory", "by /proc/self/root" };

/* Something that must fail on a path; `directory` is AT_FDCWD, or where the path starts. */
struct operation {
        const char *name;
        const char *target; /* in the arena */
        long (*run)(int directory, const char *path);
        bool takes_directory;
};

static long raw_open(int flags, const char *path) {
#ifdef SYS_open
        return syscall(SYS_open, path, flags, 0666);
#else
        return open(path, flags, 0666);
#endif
}

#define PLAIN(name, call)                                     \
        static long name(int directory, const char *path) {   \
                (void) directory;                             \
                return call;                                  \
        }
#define AT(name, call)                                        \
        static long name(int directory, const char *path) {   \
                return call;                                  \
        }

static const struct timeval long_ago[2] = { { 86400, 0 }, { 86400, 0 } };
static const struct timespec long_ago_ns[2] = { { 86400, 0 }, { 86400, 0 } };
static char buffer[4096];
/* Where we may put what we take. */
static char taken[1024];

static long open_how(int directory, const char *path, uint64_t flags, uint64_t resolve) {
        struct open_how how = { .flags = flags, .resolve = resolve, .mode = flags & (O_CREAT | __O_TMPFILE) ? 0600 : 0 };

        return syscall(SYS_openat2, directory, path, &how, sizeof(how));
}

PLAIN(open_to_read, raw_open(O_RDONLY, path))
PLAIN(open_to_write, raw_open(O_WRONLY, path))
PLAIN(open_to_cut, raw_open(O_RDONLY | O_TRUNC, path))
PLAIN(open_to_append, raw_open(O_WRONLY | O_APPEND, path))
PLAIN(open_both, raw_open(O_RDWR, path))
PLAIN(open_unseen, raw_open(O_RDONLY | O_NOATIME, path))
PLAIN(open_new, raw_open(O_WRONLY | O_CREAT | O_EXCL, path))
PLAIN(create, creat(path, 0666))
AT(openat_to_read, syscall(SYS_openat, directory, path, O_RDONLY))
AT(openat_to_write, syscall(SYS_openat, directory, path, O_WRONLY | O_NONBLOCK))
AT(openat_unnamed, syscall(SYS_openat, directory, path, O_TMPFILE | O_RDWR, 0600))
AT(openat_to_list, syscall(SYS_openat, directory, path, O_RDONLY | O_DIRECTORY))
AT(openat2_to_read, open_how(directory, path, O_RDONLY, 0))
AT(openat2_to_write, open_how(directory, path, O_RDWR | O_CREAT, 0))
AT(openat2_new, open_how(directory, path, O_RDWR | O_CREAT | O_EXCL, 0))
PLAIN(stat_it, stat(path, (struct stat *) buffer))
PLAIN(lstat_it, lstat(path, (struct stat *) buffer))
AT(fstatat_it, fstatat(directory, path, (struct stat *) buffer, 0))
AT(statx_it, syscall(SYS_statx, directory, path, 0, 0x7ff, buffer))
PLAIN(statfs_it, statfs(path, (struct statfs *) buffer))
PLAIN(access_it, access(path, F_OK))
PLAIN(access_to_read, access(path, R_OK))
AT(faccessat_to_write, syscall(SYS_faccessat, directory, path, W_OK))
AT(faccessat2_to_read, syscall(SYS_faccessat2, directory, path, R_OK, AT_EACCESS))
AT(faccessat2_to_write, syscall(SYS_faccessat2, directory, path, W_OK, 0))
PLAIN(readlink_it, readlink(path, buffer, sizeof(buffer)))
AT(readlinkat_it, readlinkat(directory, path, buffer, sizeof(buffer)))
PLAIN(mkdir_it, mkdir(path, 0777))
AT(mkdirat_it, mkdirat(directory, path, 0777))
PLAIN(mknod_fifo, mknod(path, S_IFIFO | 0666, 0))
AT(mknodat_file, mknodat(directory, path, S_IFREG | 0666, 0))
PLAIN(rmdir_it, rmdir(path))
PLAIN(unlink_it, unlink(path))
AT(unlinkat_it, unlinkat(directory, path, 0))
AT(unlinkat_directory, unlinkat(directory, path, AT_REMOVEDIR))
PLAIN(rename_away, rename(path, taken))
AT(renameat_away, renameat(directory, path, AT_FDCWD, taken))
AT(renameat2_away, syscall(SYS_renameat2, directory, path, AT_FDCWD, taken, 1u))
PLAIN(symlink_there, symlink("/etc/passwd", path))
AT(symlinkat_there, symlinkat("/etc/passwd", directory, path))
PLAIN(link_away, link(path, taken))
AT(linkat_away, linkat(directory, path, AT_FDCWD, taken, 0))
AT(linkat_followed, linkat(directory, path, AT_FDCWD, taken, AT_SYMLINK_FOLLOW))
PLAIN(chmod_it, chmod(path, 04777))
AT(fchmodat_it, syscall(SYS_fchmodat, directory, path, 0666))
AT(fchmodat2_it, syscall(452, directory, path, 0666, 0))
PLAIN(chown_it, chown(path, getuid(), getgid()))
PLAIN(lchown_it, lchown(path, getuid(), getgid()))
AT(fchownat_it, fchownat(directory, path, getuid(), (gid_t) -1, 0))
PLAIN(truncate_it, truncate(path, 0))
PLAIN(utime_it, utime(path, &(struct utimbuf){ 1, 1 }))
PLAIN(utimes_it, utimes(path, long_ago))
AT(futimesat_it, futimesat(directory, path, long_ago))
AT(utimensat_it, utimensat(directory, path, long_ago_ns, 0))
AT(utimensat_now, syscall(SYS_utimensat, directory, path, NULL, 0))
PLAIN(setxattr_it, syscall(SYS_setxattr, path, "user.taken", "1", 1, 0))
PLAIN(lsetxattr_it, syscall(SYS_lsetxattr, path, "user.taken", "1", 1, 0))
PLAIN(setxattr_trusted, syscall(SYS_setxattr, path, "trusted.taken", "1", 1, 0))
PLAIN(getxattr_it, syscall(SYS_getxattr, path, "user.mark", buffer, sizeof(buffer)))
PLAIN(lgetxattr_it, syscall(SYS_lgetxattr, path, "user.mark", buffer, sizeof(buffer)))
PLAIN(listxattr_it, syscall(SYS_listxattr, path, buffer, sizeof(buffer)))
PLAIN(llistxattr_it, syscall(SYS_llistxattr, path, buffer, sizeof(buffer)))
PLAIN(removexattr_it, syscall(SYS_removexattr, path, "user.mark"))
PLAIN(lremovexattr_it, syscall(SYS_lremovexattr, path, "user.mark"))
AT(removexattrat_it, syscall(466, directory, path, 0, "user.mark"))
AT(listxattrat_it, syscall(465, directory, path, 0, buffer, sizeof(buffer)))
PLAIN(chdir_it, chdir(path))

/* secret: 0600 of root. readable: 0644 of root. hidden/: 0700 of root, with open (0666), link and empty/ in it. shut/: 0755 of
 * root, with file and empty/ in it. sticky/: 1777 of root, with victim of root in it. theirs: 0600 of another user. */
static const struct operation operations[] = {
        { "open to read", "secret", open_to_read, false },
        { "open to write", "readable", open_to_write, false },
        { "open with O_TRUNC", "readable", open_to_cut, false },
        { "open with O_APPEND", "readable", open_to_append, false },
        { "open to read and write", "theirs", open_both, false },
        { "open with O_NOATIME", "readable", open_unseen, false },
        { "open a new file", "shut/new", open_new, false },
        { "creat over a file", "readable", create, false },
        { "creat a new file", "shut/new", create, false },
        { "openat to read", "hidden/open", openat_to_read, true },
        { "openat to write", "shut/file", openat_to_write, true },
        { "openat with O_TMPFILE", "shut", openat_unnamed, true },
        { "openat to list", "hidden", openat_to_list, true },
        { "openat2 to read", "theirs", openat2_to_read, true },
        { "openat2 to write", "readable", openat2_to_write, true },
        { "openat2 a new file", "shut/new", openat2_new, true },
        { "stat", "hidden/open", stat_it, false },
        { "lstat", "hidden/link", lstat_it, false },
        { "newfstatat", "hidden/open", fstatat_it, true },
        { "statx", "hidden/open", statx_it, true },
        { "statfs", "hidden/open", statfs_it, false },
        { "access", "hidden/open", access_it, false },
        { "access to read", "secret", access_to_read, false },
        { "faccessat to write", "readable", faccessat_to_write, true },
        { "faccessat2 to read", "secret", faccessat2_to_read, true },
        { "faccessat2 to write", "shut/file", faccessat2_to_write, true },
        { "readlink", "hidden/link", readlink_it, false },
        { "readlinkat", "hidden/link", readlinkat_it, true },
        { "mkdir", "shut/new", mkdir_it, false },
        { "mkdirat", "shut/new", mkdirat_it, true },
        { "mknod of a FIFO", "shut/new", mknod_fifo, false },
        { "mknodat of a file", "shut/new", mknodat_file, true },
        { "rmdir", "shut/empty", rmdir_it, false },
        { "rmdir in a sticky directory", "sticky/empty", rmdir_it, false },
        { "unlink", "shut/file", unlink_it, false },
        { "unlink in a sticky directory", "sticky/victim", unlink_it, false },
        { "unlinkat", "shut/file", unlinkat_it, true },
        { "unlinkat in a sticky directory", "sticky/victim", unlinkat_it, true },
        { "unlinkat of a directory", "shut/empty", unlinkat_directory, true },
        { "rename", "shut/file", rename_away, false },
        { "rename from a sticky directory", "sticky/victim", rename_away, false },
        { "renameat", "shut/file", renameat_away, true },
        { "renameat2", "sticky/victim", renameat2_away, true },
        { "symlink", "shut/new", symlink_there, false },
        { "symlinkat", "shut/new", symlinkat_there, true },
        { "link of a secret", "secret", link_away, false },
        { "link of a setuid program", "setuid", link_away, false },
        { "linkat", "hidden/open", linkat_away, true },
        { "linkat that follows", "secret", linkat_followed, true },
        { "chmod", "secret", chmod_it, false },
        { "fchmodat", "theirs", fchmodat_it, true },
        { "fchmodat2", "secret", fchmodat2_it, true },
        { "chown", "secret", chown_it, false },
        { "lchown", "theirs", lchown_it, false },
        { "fchownat", "setuid", fchownat_it, true },
        { "truncate", "readable", truncate_it, false },
        { "utime", "readable", utime_it, false },
        { "utimes", "readable", utimes_it, false },
        { "futimesat", "readable", futimesat_it, true },
        { "utimensat", "readable", utimensat_it, true },
        { "utimensat to now", "readable", utimensat_now, true },
        { "setxattr", "readable", setxattr_it, false },
        { "lsetxattr", "readable", lsetxattr_it, false },
        { "setxattr of trusted", "readable", setxattr_trusted, false },
        { "getxattr", "secret", getxattr_it, false },
        { "lgetxattr", "hidden/open", lgetxattr_it, false },
        { "listxattr", "hidden/open", listxattr_it, false },
        { "llistxattr", "hidden/open", llistxattr_it, false },
        { "removexattr", "readable", removexattr_it, false },
        { "lremovexattr", "readable", lremovexattr_it, false },
        { "removexattrat", "readable", removexattrat_it, true },
        { "listxattrat", "hidden/open", listxattrat_it, true },
        { "chdir", "hidden", chdir_it, false },
};

enum { OPERATIONS = sizeof(operations) / sizeof(*operations) };

static void try_operation(const struct attack *attack) {
        const struct operation *operation = &operations[attack->which];
        int directory = AT_FDCWD;
        char path[1024];

        MUST(getcwd(taken, sizeof(taken) - 8) ? 0 : -1);
        strcat(taken, "/taken");
        switch ((enum way) attack->how) {
        case RELATIVE:
                MUST(chdir(arena("")));
                snprintf(path, sizeof(path), "./shut/..//%s", operation->target);
                break;
        case BY_LINK:
                MUST(symlink(arena(""), "link"));
                snprintf(path, sizeof(path), "link/%s", operation->target);
                break;
        case BY_DIRECTORY:
                directory = (int) MUST(open(arena(""), O_PATH | O_DIRECTORY | O_CLOEXEC));
                snprintf(path, sizeof(path), "%s", operation->target);
                break;
        case BY_ROOT_LINK:
                snprintf(path, sizeof(path), "/proc/self/root%s", arena(operation->target));
                break;
        default:
                snprintf(path, sizeof(path), "%s", arena(operation->target));
        }
        REFUSED(operation->run(directory, path));
}

/* --- the same on what is ours --------------------------------------------------------------------------------------------- */

static void make_own_file(const char *path) {
        make_file(path, 0644, "text");
        MUST(syscall(SYS_setxattr, path, "user.mark", "x", 1, 0));
}

/* Everything that an attempt aims at, in the directory where it runs. */
void make_own_arena(void) {
        static const char *const directories[] = { "own", "own/hidden", "own/shut", "own/sticky", "own/shut/empty", "own/sticky/empty" };
        static const char *const names[] = {
                "own/secret", "own/readable", "own/setuid", "own/theirs", "own/hidden/open", "own/shut/file", "own/sticky/victim",
        };

        for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
                MUST(mkdir(directories[i], 0755));
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
                make_own_file(names[i]);
        MUST(symlink("target", "own/hidden/link"));
}

static void try_own(const struct attack *attack) {
        const struct operation *operation = &operations[attack->which];
        char path[64];

        make_own_arena();
        strcpy(taken, "own/taken");
        snprintf(path, sizeof(path), "own/%s", operation->target);
        REFUSED(operation->run(AT_FDCWD, path));
}

static struct attack controls[OPERATIONS];

struct family controls_family = { "controls", OPERATIONS, controls };

static struct attack attacks[OPERATIONS * WAYS];
static char names[OPERATIONS * WAYS][80];

struct family files_family = { "files", 0, attacks };

__attribute__((constructor)) static void list(void) {
        for (int which = 0; which < OPERATIONS; which++) {
                controls[which] = (struct attack){ operations[which].name, try_own, which, 0 };
                for (int how = 0; how < WAYS; how++) {
                        size_t at = files_family.count;

                        if (how == BY_DIRECTORY && !operations[which].takes_directory)
                                continue;
                        snprintf(names[at], sizeof(names[at]), "%s, %s", operations[which].name, ways[how]);
                        attacks[at] = (struct attack){ names[at], try_operation, which, how };
                        files_family.count++;
                }
        }
}
