/* Descriptors: numbers of the proxy's, of other threads, closed ones; and what a descriptor that somebody opened for us is
 * good for later. */
#define _GNU_SOURCE
#include "attack.h"

#include <linux/openat2.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static char buffer[4096];

/* Calls on a descriptor that we do not have, whatever the proxy has at that number. */
static long on_descriptor(int which, int fd) {
        switch (which) {
        case 0: return fstat(fd, (struct stat *) buffer);
        case 1: return syscall(SYS_fstatfs, fd, buffer);
        case 2: return fchmod(fd, 0666);
        case 3: return fchown(fd, getuid(), getgid());
        case 4: return ftruncate(fd, 0);
        case 5: return fallocate(fd, 0, 0, 4096);
        case 6: return syscall(SYS_getdents64, fd, buffer, sizeof(buffer));
        case 7: return fsync(fd);
        case 8: return syscall(SYS_fsetxattr, fd, "user.taken", "1", 1, 0);
        case 9: return syscall(SYS_fgetxattr, fd, "user.mark", buffer, sizeof(buffer));
        case 10: return read(fd, buffer, 1);
        case 11: return write(fd, "x", 1);
        case 12: return pread(fd, buffer, 1, 0);
        case 13: return pwrite(fd, "x", 1, 0);
        case 14: return syncfs(fd);
        case 15: return syscall(SYS_openat, fd, "x", O_RDONLY);
        case 16: return mkdirat(fd, "x", 0777);
        case 17: return unlinkat(fd, "x", 0);
        case 18: return renameat(fd, "x", fd, "y");
        case 19: return fstatat(fd, "", (struct stat *) buffer, AT_EMPTY_PATH);
        case 20: return fstatat(fd, ".", (struct stat *) buffer, 0);
        case 21: return linkat(fd, "", AT_FDCWD, "taken", AT_EMPTY_PATH);
        case 22: return readlinkat(fd, "", buffer, sizeof(buffer));
        case 23: return fchownat(fd, "", getuid(), getgid(), AT_EMPTY_PATH);
        case 24: return syscall(452, fd, "", 0666, AT_EMPTY_PATH);
        case 25: return syscall(SYS_utimensat, fd, NULL, NULL, 0);
        case 26: return syscall(SYS_faccessat2, fd, "", 0, AT_EMPTY_PATH);
        case 27: return syscall(SYS_statx, fd, "", AT_EMPTY_PATH, 0x7ff, buffer);
        case 28: return syscall(SYS_statx, fd, NULL, AT_EMPTY_PATH, 0x7ff, buffer);
        case 29: return symlinkat("x", fd, "y");
        case 30: return mknodat(fd, "x", S_IFREG | 0666, 0);
        case 31: return fchdir(fd);
        default: return -1;
        }
}

static void closed_numbers(const struct attack *attack) {
        static const int high[] = { 100, 512, 1023, 1024, 1025, 2048, 4096, 65535, -1, -99, -101, INT32_MIN, INT32_MAX };

        for (int fd = 3; fd < 40; fd++)
                if (fcntl(fd, F_GETFD) < 0 && on_descriptor(attack->which, fd) >= 0)
                        gained("descriptor %d", fd);
        for (size_t i = 0; i < sizeof(high) / sizeof(*high); i++)
                if (fcntl(high[i], F_GETFD) < 0 && on_descriptor(attack->which, high[i]) >= 0)
                        gained("descriptor %d", high[i]);
}

/* The upper half of a register is not a descriptor's. */
static void wide_numbers(const struct attack *attack) {
        long wide = (long) 0xffffffff00000003L;

        (void) attack;
        close(3);
        if (fcntl(3, F_GETFD) >= 0)
                skip("descriptor 3 is open");
        REFUSED(syscall(SYS_fstat, wide, buffer));
        REFUSED(syscall(SYS_openat, wide, "x", O_RDONLY));
}

/* --- another thread's table -------------------------------------------------------------------------------------------- */

static int shared_number = -1;

static void *other_table(void *argument) {
        (void) argument;
        if (unshare(CLONE_FILES) < 0)
                return NULL;
        close(shared_number);
        if (fstat(shared_number, (struct stat *) buffer) == 0)
                gained("the leader's descriptor, by its number");
        if (fstatat(shared_number, ".", (struct stat *) buffer, 0) == 0)
                gained("the leader's directory, by its number");
        return NULL;
}

static void leaders_table(const struct attack *attack) {
        pthread_t thread;

        (void) attack;
        shared_number = (int) MUST(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        MUST(-pthread_create(&thread, NULL, other_table, NULL));
        pthread_join(thread, NULL);
}

static void *late_table(void *argument) {
        (void) argument;
        if (unshare(CLONE_FILES) < 0)
                return NULL;
        shared_number = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        pause_ms(300);
        return NULL;
}

static void threads_table(const struct attack *attack) {
        (void) attack;
        start_thread(late_table, NULL);
        pause_ms(50);
        if (shared_number >= 0 && fcntl(shared_number, F_GETFD) < 0)
                REFUSED(fstat(shared_number, (struct stat *) buffer));
}

/* --- rights of a descriptor ---------------------------------------------------------------------------------------------- */

static void by_rights(const struct attack *attack) {
        int fd;

        switch (attack->which) {
        case 0:
                fd = (int) MUST(open(arena("readable"), O_RDONLY | O_CLOEXEC));
                REFUSED(write(fd, "x", 1));
                REFUSED(pwrite(fd, "x", 1, 0));
                break;
        case 1:
                fd = (int) MUST(open(arena("readable"), O_RDONLY | O_CLOEXEC));
                REFUSED(ftruncate(fd, 0));
                REFUSED(fallocate(fd, 0, 0, 4096));
                break;
        case 2:
                fd = (int) MUST(open(arena("readable"), O_RDONLY | O_CLOEXEC));
                REFUSED(fchmod(fd, 0666));
                REFUSED(fchown(fd, getuid(), getgid()));
                REFUSED(syscall(SYS_fsetxattr, fd, "user.taken", "1", 1, 0));
                REFUSED(syscall(SYS_fremovexattr, fd, "user.mark"));
                break;
        case 3:
                fd = (int) MUST(open(arena("shut/file"), O_PATH | O_CLOEXEC));
                REFUSED(read(fd, buffer, 1));
                REFUSED(fchmod(fd, 0666));
                break;
        case 4:
                fd = (int) MUST(open(arena("hidden"), O_PATH | O_CLOEXEC));
                REFUSED(openat(fd, "open", O_RDONLY));
                break;
        case 5:
                fd = (int) MUST(open(arena("hidden"), O_PATH | O_CLOEXEC));
                REFUSED(fstatat(fd, "open", (struct stat *) buffer, 0));
                break;
        case 6:
                fd = (int) MUST(open(arena("hidden"), O_PATH | O_CLOEXEC));
                REFUSED(linkat(fd, "", AT_FDCWD, "taken", AT_EMPTY_PATH));
                break;
        case 7:
                fd = (int) MUST(open(arena("secret"), O_PATH | O_CLOEXEC));
                snprintf(buffer, sizeof(buffer), "/proc/self/fd/%d", fd);
                REFUSED(open(buffer, O_RDONLY));
                break;
        case 8:
                fd = (int) MUST(open(arena("readable"), O_RDONLY | O_CLOEXEC));
                snprintf(buffer, sizeof(buffer), "/proc/self/fd/%d", fd);
                REFUSED(open(buffer, O_WRONLY));
                break;
        case 9:
                fd = (int) MUST(open(arena("readable"), O_RDONLY | O_CLOEXEC));
                snprintf(buffer, sizeof(buffer), "/dev/fd/%d", fd);
                REFUSED(open(buffer, O_RDWR));
                break;
        }
}

/* Who opened a file counts for what it is good for later. Of a group of processes that is ours (cgroup v1) the kernel asks
 * whether the opener was root: then any process may be moved. */
static void move_others(const struct attack *attack) {
        const char *group = getenv("ATTACK_CGROUP");
        pid_t pid = somebody(attack->which ? "root" : "other");
        char path[600], number[32];
        int fd;

        if (!group)
                skip("there is no cgroup v1");
        snprintf(path, sizeof(path), "%s/%s", group, attack->how ? "cgroup.procs" : "tasks");
        fd = (int) MUST(open(path, O_WRONLY | O_CLOEXEC));
        snprintf(number, sizeof(number), "%d", pid);
        REFUSED(write(fd, number, strlen(number)));
}

/* Who writes 0 moves itself: it must be us. */
static void move_ourselves(const struct attack *attack) {
        const char *group = getenv("ATTACK_CGROUP");
        char path[600], before[4096], after[4096];
        int fd;

        if (!group)
                skip("there is no cgroup v1");
        snprintf(path, sizeof(path), "%s/%s", group, attack->which ? "cgroup.procs" : "tasks");
        MUST(read_file("/proc/self/cgroup", before, sizeof(before)));
        fd = (int) MUST(open(path, O_WRONLY | O_CLOEXEC));
        if (write(fd, "0", 1) < 0)
                return;
        MUST(read_file("/proc/self/cgroup", after, sizeof(after)));
        if (!strcmp(before, after))
                gained("somebody else was moved");
        /* The group has to be empty in the end. */
        if (fork() == 0)
                _exit(0);
}

/* Where we confine ourselves, we stay. */
static void confined(const struct attack *attack) {
        static const struct {
                const char *path;
                uint64_t flags, resolve;
        } ways[] = {
                { "../outside", O_RDONLY, RESOLVE_BENEATH },
                { "in/../../outside", O_RDONLY, RESOLVE_BENEATH },
                { "up/outside", O_RDONLY, RESOLVE_BENEATH },
                { "/etc/passwd", O_RDONLY, RESOLVE_BENEATH },
                { "absolute", O_RDONLY, RESOLVE_BENEATH },
                { "link", O_RDONLY, RESOLVE_NO_SYMLINKS },
                { "in/../link", O_RDONLY, RESOLVE_NO_SYMLINKS },
                { "/proc/self/exe", O_RDONLY, RESOLVE_NO_MAGICLINKS },
                { "magic", O_RDONLY, RESOLVE_NO_MAGICLINKS },
                { "absolute", O_RDONLY, RESOLVE_IN_ROOT },
                { "../../../../etc/passwd", O_RDONLY, RESOLVE_IN_ROOT },
                { "proc/version", O_RDONLY, RESOLVE_NO_XDEV },
                { "link", O_RDONLY | O_NOFOLLOW, 0 },
                { "absolute", O_WRONLY | O_CREAT | O_NOFOLLOW, 0 },
                { "../outside", O_WRONLY | O_CREAT, RESOLVE_BENEATH },
                { "up/made", O_WRONLY | O_CREAT, RESOLVE_BENEATH },
        };
        struct open_how how = { .flags = ways[attack->which].flags, .resolve = ways[attack->which].resolve };
        int fd;

        how.mode = how.flags & O_CREAT ? 0600 : 0;
        make_file("outside", 0600, "text");
        MUST(mkdir("room", 0777));
        MUST(mkdir("room/in", 0777));
        MUST(symlink("..", "room/up"));
        MUST(symlink("/etc/passwd", "room/absolute"));
        MUST(symlink("in/mine", "room/link"));
        MUST(symlink("/proc/self/exe", "room/magic"));
        MUST(symlink("/proc", "room/proc"));
        make_file("room/in/mine", 0600, "text");
        fd = (int) MUST(open("room", O_PATH | O_DIRECTORY | O_CLOEXEC));
        REFUSED(syscall(SYS_openat2, fd, ways[attack->which].path, &how, sizeof(how)));
}

/* What is made gets no right that our umask takes. */
static void umasked(const struct attack *attack) {
        struct stat status;
        int fd;

        /* Known with another one. */
        umask(0);
        make_file("first", 0666, "");
        umask(077);
        switch (attack->which) {
        case 0: MUST(open("made", O_CREAT | O_WRONLY, 0777)); break;
        case 1: MUST(mkdir("made", 0777)); break;
        case 2: MUST(mknod("made", S_IFIFO | 0666, 0)); break;
        case 3: MUST(creat("made", 0666)); break;
        case 4: MUST(syscall(SYS_openat2, AT_FDCWD, "made", &(struct open_how){ .flags = O_CREAT | O_RDWR, .mode = 0666 }, sizeof(struct open_how))); break;
        case 5:
                fd = (int) MUST(open(".", O_TMPFILE | O_RDWR, 0666));
                MUST(fstat(fd, &status));
                if (status.st_mode & 077)
                        gained("mode %o", status.st_mode);
                return;
        }
        MUST(lstat("made", &status));
        if (status.st_mode & 077)
                gained("mode %o", status.st_mode);
}

static void raw_socket(const struct attack *attack) {
        static const int kinds[][3] = {
                { AF_INET, SOCK_RAW, IPPROTO_TCP }, { AF_INET, SOCK_RAW, IPPROTO_RAW }, { AF_INET6, SOCK_RAW, IPPROTO_UDP },
                { 17 /* AF_PACKET */, SOCK_RAW, 0x300 }, { AF_INET, SOCK_PACKET, 0x300 }, { AF_INET, SOCK_RAW, IPPROTO_ICMP },
        };

        REFUSED(socket(kinds[attack->which][0], kinds[attack->which][1], kinds[attack->which][2]));
}

/* The kernel lets some groups send echo requests. */
static void echo_socket(const struct attack *attack) {
        char range[64];
        unsigned int low, high;

        (void) attack;
        MUST(read_file("/proc/sys/net/ipv4/ping_group_range", range, sizeof(range)));
        if (sscanf(range, "%u %u", &low, &high) == 2 && low <= getegid() && getegid() <= high)
                return;
        REFUSED(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
}

static void socket_owner(const struct attack *attack) {
        struct stat status;
        int fd = (int) MUST(socket(AF_UNIX, SOCK_STREAM, 0));

        (void) attack;
        MUST(fstat(fd, &status));
        if (status.st_uid != geteuid())
                gained("a socket of user %u", status.st_uid);
}

/* How many there may be is counted for each user. */
static void inotify_limit(const struct attack *attack) {
        char text[32];
        long most;
        int count = 0;

        (void) attack;
        MUST(read_file("/proc/sys/fs/inotify/max_user_instances", text, sizeof(text)));
        most = atol(text);
        if (most > 900)
                skip("the limit is %ld", most);
        while (count <= most && inotify_init1(IN_CLOEXEC) >= 0)
                count++;
        if (count > most)
                gained("%d of %ld", count, most);
}

/* --- where a proxy stands -------------------------------------------------------------------------------------------------- */

/* Directories that the proxy entered for others are not where we start. */
static void leftover(const struct attack *attack) {
        struct stat own, seen;
        int fd;

        MUST(mkdir("a", 0777));
        MUST(mkdir("a/only-here", 0777));
        fd = (int) MUST(open("a", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        MUST(fstat(fd, &own));
        for (int i = 0; i < 200; i++) {
                MUST(fchdir(fd));
                MUST(access("only-here", F_OK));
                MUST(attack->which ? chdir("/") : chdir(".."));
                REFUSED(access("only-here", F_OK));
                MUST(stat(".", &seen));
                if (own.st_ino == seen.st_ino)
                        gained("we stand where we were before");
                if (attack->which)
                        MUST(fchdir(fd));
        }
}

static void removed_directory(const struct attack *attack) {
        (void) attack;
        MUST(mkdir("gone", 0777));
        MUST(chdir("gone"));
        MUST(rmdir("../gone"));
        REFUSED(mkdir("x", 0777));
        REFUSED(open("x", O_CREAT | O_WRONLY, 0666));
}

#define CLOSED(call, which) { "closed numbers: " call, closed_numbers, which, 0 }

static const struct attack attacks[] = {
        CLOSED("fstat", 0), CLOSED("fstatfs", 1), CLOSED("fchmod", 2), CLOSED("fchown", 3), CLOSED("ftruncate", 4),
        CLOSED("fallocate", 5), CLOSED("getdents64", 6), CLOSED("fsync", 7), CLOSED("fsetxattr", 8), CLOSED("fgetxattr", 9),
        CLOSED("read", 10), CLOSED("write", 11), CLOSED("pread64", 12), CLOSED("pwrite64", 13), CLOSED("syncfs", 14),
        CLOSED("openat", 15), CLOSED("mkdirat", 16), CLOSED("unlinkat", 17), CLOSED("renameat", 18),
        CLOSED("newfstatat of itself", 19), CLOSED("newfstatat", 20), CLOSED("linkat of itself", 21), CLOSED("readlinkat of itself", 22),
        CLOSED("fchownat of itself", 23), CLOSED("fchmodat2 of itself", 24), CLOSED("utimensat of itself", 25),
        CLOSED("faccessat2 of itself", 26), CLOSED("statx of itself", 27), CLOSED("statx without a path", 28), CLOSED("symlinkat", 29),
        CLOSED("mknodat", 30), CLOSED("fchdir", 31),
        { "numbers with an upper half", wide_numbers, 0, 0 },
        { "the leader's table from a thread without it", leaders_table, 0, 0 },
        { "a thread's table from the leader", threads_table, 0, 0 },
        { "write to what is open to read", by_rights, 0, 0 },
        { "cut what is open to read", by_rights, 1, 0 },
        { "change what is open to read", by_rights, 2, 0 },
        { "read what is open by O_PATH", by_rights, 3, 0 },
        { "open below a directory by O_PATH", by_rights, 4, 0 },
        { "stat below a directory by O_PATH", by_rights, 5, 0 },
        { "link a directory by O_PATH", by_rights, 6, 0 },
        { "open again what is open by O_PATH", by_rights, 7, 0 },
        { "open again to write", by_rights, 8, 0 },
        { "open again by /dev/fd", by_rights, 9, 0 },
        { "move a stranger's process by tasks", move_others, 0, 0 },
        { "move a process of root by tasks", move_others, 1, 0 },
        { "move a stranger's process by cgroup.procs", move_others, 0, 1 },
        { "move a process of root by cgroup.procs", move_others, 1, 1 },
        { "move somebody else by 0 in tasks", move_ourselves, 0, 0 },
        { "move somebody else by 0 in cgroup.procs", move_ourselves, 1, 0 },
        { "beneath by ..", confined, 0, 0 }, { "beneath by .. below", confined, 1, 0 }, { "beneath by a link to ..", confined, 2, 0 },
        { "beneath by an absolute path", confined, 3, 0 }, { "beneath by an absolute link", confined, 4, 0 },
        { "no links, by one", confined, 5, 0 }, { "no links, by one behind ..", confined, 6, 0 },
        { "no magic links, by one", confined, 7, 0 }, { "no magic links, by a link to one", confined, 8, 0 },
        { "in a root by an absolute link", confined, 9, 0 }, { "in a root by ..", confined, 10, 0 },
        { "on one device", confined, 11, 0 }, { "O_NOFOLLOW", confined, 12, 0 }, { "O_NOFOLLOW and O_CREAT", confined, 13, 0 },
        { "make a file beneath by ..", confined, 14, 0 }, { "make a file beneath by a link", confined, 15, 0 },
        { "past the umask by open", umasked, 0, 0 }, { "past the umask by mkdir", umasked, 1, 0 }, { "past the umask by mknod", umasked, 2, 0 },
        { "past the umask by creat", umasked, 3, 0 }, { "past the umask by openat2", umasked, 4, 0 }, { "past the umask by O_TMPFILE", umasked, 5, 0 },
        { "a raw socket for TCP", raw_socket, 0, 0 }, { "a raw socket", raw_socket, 1, 0 }, { "a raw socket of IPv6", raw_socket, 2, 0 },
        { "a packet socket", raw_socket, 3, 0 }, { "an old packet socket", raw_socket, 4, 0 }, { "a raw socket for ICMP", raw_socket, 5, 0 },
        { "a socket for echo requests", echo_socket, 0, 0 }, { "a socket of somebody else's", socket_owner, 0, 0 },
        { "more inotify instances than a user may have", inotify_limit, 0, 0 },
        { "a directory that was left", leftover, 0, 0 },
        { "a directory that was left for the root", leftover, 1, 0 },
        { "a directory that is gone", removed_directory, 0, 0 },
};

const struct family descriptors_family = { "descriptors", sizeof(attacks) / sizeof(*attacks), attacks };
