/* Races: another thread changes what a call refers to, between somebody's look at it and its use. Each attempt goes on for a
 * while; what natively never works must not work once. */
#define _GNU_SOURCE
#include "attack.h"

#include <linux/openat2.h>
#include <sys/mman.h>

/* Natively it is short: the kernel is not on trial. */
#define RACE_MS (is_forwarded() ? 100 : 25)

static char path[2][600];
static char *shared;         /* what a call points to */
static volatile int number;  /* a descriptor that changes */
static int numbers[2];
static struct open_how how;
static volatile size_t how_size;

/* --- who changes things ------------------------------------------------------------------------------------------------- */

static void *swap_text(void *argument) {
        (void) argument;
        for (unsigned int i = 0; has_time(RACE_MS + 100); i++)
                memcpy(shared, path[i & 1], sizeof(path[0]));
        return NULL;
}

/* "link" leads to what is ours and to what is not, in turns. */
static void *swap_link(void *argument) {
        (void) argument;
        for (unsigned int i = 0; has_time(RACE_MS + 100); i++) {
                unlink("new-link");
                if (symlink(path[i & 1], "new-link") == 0)
                        rename("new-link", "link");
        }
        return NULL;
}

/* "d" is a directory of ours and a link to theirs, in turns. */
static void *swap_directory(void *argument) {
        (void) argument;
        while (has_time(RACE_MS + 100))
                syscall(SYS_renameat2, AT_FDCWD, "d", AT_FDCWD, "d-link", 2u);
        return NULL;
}

static void *swap_number(void *argument) {
        (void) argument;
        for (unsigned int i = 0; has_time(RACE_MS + 100); i++)
                dup2(numbers[i & 1], number);
        return NULL;
}

static void *swap_place(void *argument) {
        (void) argument;
        for (unsigned int i = 0; has_time(RACE_MS + 100); i++)
                if (fchdir(numbers[i & 1]) < 0)
                        return NULL;
        return NULL;
}

static void *swap_how(void *argument) {
        (void) argument;
        for (unsigned int i = 0; has_time(RACE_MS + 100); i++) {
                how.flags = i & 1 ? O_WRONLY | O_TRUNC : O_RDONLY;
                how.resolve = i & 2 ? RESOLVE_BENEATH : 0;
                how_size = i & 4 ? 4096 : sizeof(how);
        }
        return NULL;
}

static void *unmap(void *argument) {
        (void) argument;
        while (has_time(RACE_MS + 100)) {
                mmap(shared, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
                mmap(shared, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
                memcpy(shared, path[0], sizeof(path[0]));
        }
        return NULL;
}

/* --- who uses them ------------------------------------------------------------------------------------------------------- */

static void set_paths(const char *ours, const char *theirs) {
        char directory[512];

        MUST(getcwd(directory, sizeof(directory)) ? 0 : -1);
        snprintf(path[0], sizeof(path[0]), "%s/%s", directory, ours);
        snprintf(path[1], sizeof(path[1]), "%s", arena(theirs));
        shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        MUST(shared == MAP_FAILED ? -1 : 0);
        memcpy(shared, path[0], sizeof(path[0]));
}

static void check_open(int fd) {
        struct stat status;

        if (fd < 0)
                return;
        if (fstat(fd, &status) == 0 && status.st_uid != geteuid())
                gained("a descriptor of a file of user %u", status.st_uid);
        close(fd);
}

/* One call on a path, which may not touch what is theirs. The picture of the arena says whether something was changed. */
static void use_path(int which, const char *given) {
        struct stat status;
        char text[64];

        switch (which) {
        case 0: check_open(open(given, O_RDONLY | O_CLOEXEC)); break;
        case 1: check_open(open(given, O_WRONLY | O_CLOEXEC)); break;
        case 2: check_open((int) syscall(SYS_openat2, AT_FDCWD, given, &(struct open_how){ .flags = O_RDWR }, sizeof(struct open_how))); break;
        case 3: (void) !truncate(given, 4); break;
        case 4: (void) !chmod(given, 0640); break;
        case 5:
                if (stat(given, &status) == 0 && status.st_uid != geteuid())
                        gained("the status of a file of user %u", status.st_uid);
                break;
        case 6:
                (void) !utimensat(AT_FDCWD, given, NULL, 0);
                break;
        case 7: syscall(SYS_setxattr, given, "user.taken", "1", 1, 0); break;
        case 8:
                if (syscall(SYS_getxattr, given, "user.mark", text, sizeof(text)) > 0)
                        gained("an attribute of a file that is not ours");
                break;
        case 9: (void) !chown(given, geteuid(), getegid()); break;
        case 10: check_open(open(given, O_RDWR | O_CREAT | O_CLOEXEC, 0600)); break;
        case 11:
                if (rename(given, "moved") == 0)
                        rename("moved", path[0]);
                break;
        case 12:
                if (link(given, "linked") == 0) {
                        if (lstat("linked", &status) == 0 && status.st_uid != geteuid())
                                gained("a link to a file of user %u", status.st_uid);
                        unlink("linked");
                }
                break;
        case 13: if (unlink(given) == 0) close(creat(path[0], 0600)); break;
        case 14: if (mkdir(given, 0777) == 0) rmdir(path[0]); break;
        }
}

static const char *target_of(int which) {
        return which == 5 ? "hidden/open" : which == 11 || which == 13 ? "shut/file" : which == 14 ? "shut/new" : which == 6 || which == 3 ? "readable" : "secret";
}

static void by_text(const struct attack *attack) {
        if (attack->which != 14)
                make_file("ours", 0600, "text");
        set_paths("ours", target_of(attack->which));
        start_thread(swap_text, NULL);
        while (has_time(RACE_MS))
                use_path(attack->which, shared);
}

static void by_link(const struct attack *attack) {
        make_file("ours", 0600, "text");
        set_paths("ours", target_of(attack->which));
        MUST(symlink("ours", "link"));
        start_thread(swap_link, NULL);
        while (has_time(RACE_MS))
                use_path(attack->which, "link");
}

static void by_directory(const struct attack *attack) {
        static const char *const last[] = { "secret", "readable", "shut/file", "hidden/open", "theirs" };
        char given[64];

        MUST(mkdir("d", 0777));
        MUST(mkdir("d/shut", 0777));
        MUST(mkdir("d/hidden", 0777));
        for (size_t i = 0; i < sizeof(last) / sizeof(*last); i++) {
                snprintf(given, sizeof(given), "d/%s", last[i]);
                make_file(given, 0600, "text");
        }
        MUST(symlink(arena(""), "d-link"));
        snprintf(given, sizeof(given), "d/%s", attack->which == 14 ? "shut/new" : target_of(attack->which));
        snprintf(path[0], sizeof(path[0]), "%s", given);
        start_thread(swap_directory, NULL);
        while (has_time(RACE_MS))
                use_path(attack->which, given);
}

static void by_number(const struct attack *attack) {
        char text[16];
        struct stat status;

        make_file("ours", 0600, "text");
        if (attack->which < 2) {
                /* To write by what is open to read. */
                numbers[0] = (int) MUST(open("ours", O_RDWR | O_CLOEXEC));
                numbers[1] = (int) MUST(open(arena("readable"), O_RDONLY | O_CLOEXEC));
        } else {
                numbers[0] = (int) MUST(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
                numbers[1] = (int) MUST(open(arena("hidden"), O_PATH | O_DIRECTORY | O_CLOEXEC));
                make_file("open", 0600, "text");
        }
        number = (int) MUST(dup(numbers[0]));
        start_thread(swap_number, NULL);
        while (has_time(RACE_MS)) {
                if (attack->which == 0)
                        (void) !pwrite(number, "oops", 4, 0);
                else if (attack->which == 1)
                        (void) !ftruncate(number, 3);
                else if (attack->which == 2)
                        check_open(openat(number, "open", O_RDONLY | O_CLOEXEC));
                else if (fstatat(number, "open", &status, 0) == 0 && status.st_uid != geteuid())
                        gained("the status of a file of user %u", status.st_uid);
        }
        (void) text;
}

static void by_place(const struct attack *attack) {
        struct stat status;

        MUST(mkdir("hidden", 0777));
        make_file("hidden/open", 0600, "text");
        numbers[0] = (int) MUST(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
        numbers[1] = (int) MUST(open(arena(""), O_PATH | O_DIRECTORY | O_CLOEXEC));
        start_thread(swap_place, NULL);
        while (has_time(RACE_MS)) {
                if (attack->which)
                        check_open(open("hidden/open", O_RDONLY | O_CLOEXEC));
                else if (stat("hidden/open", &status) == 0 && status.st_uid != geteuid())
                        gained("the status of a file of user %u", status.st_uid);
        }
}

static void by_how(const struct attack *attack) {
        (void) attack;
        start_thread(swap_how, NULL);
        while (has_time(RACE_MS)) {
                int fd = (int) syscall(SYS_openat2, AT_FDCWD, arena("readable"), &how, how_size ? how_size : sizeof(how));

                if (fd < 0)
                        continue;
                if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
                        gained("a descriptor to write");
                close(fd);
        }
}

static void by_unmapping(const struct attack *attack) {
        make_file("ours", 0600, "text");
        set_paths("ours", "secret");
        start_thread(unmap, NULL);
        while (has_time(RACE_MS)) {
                if (attack->which)
                        syscall(SYS_readlink, path[0], shared, 4096);
                else
                        check_open((int) syscall(SYS_openat, AT_FDCWD, shared, O_RDONLY | O_CLOEXEC));
        }
}

/* The answer goes to memory that belongs to the next program by then. */
static void by_exec(const struct attack *attack) {
        (void) attack;
        set_paths("ours", "secret");
        for (int i = 0; i < 10; i++) {
                int status;
                pid_t pid = (pid_t) MUST(fork());

                if (pid == 0) {
                        start_thread(unmap, NULL);
                        for (int j = 0; j < 20; j++)
                                stat(shared, (struct stat *) (void *) (shared + 4096));
                        execl("/bin/true", "true", (char *) NULL);
                        _exit(1);
                }
                waitpid(pid, &status, 0);
                if (!WIFEXITED(status) || (WEXITSTATUS(status) && WEXITSTATUS(status) != 1))
                        skip("the program ended with %d", status);
        }
}

/* "link" is a directory of ours, in which there is everything, and /proc, in turns. */
static void by_proc(const struct attack *attack) {
        char text[600], directory[64], given[128];
        struct stat own, found;
        pid_t pid = somebody("forwarder");

        if (!pid)
                skip("it does not run");
        MUST(mkdir("mine", 0777));
        snprintf(directory, sizeof(directory), "mine/%d", pid);
        MUST(mkdir(directory, 0777));
        snprintf(given, sizeof(given), "mine/%d/exe", pid);
        make_file("target", 0600, "text");
        MUST(symlink("../../target", given));
        snprintf(given, sizeof(given), "mine/%d/environ", pid);
        MUST(symlink("../../target", given));
        MUST(stat("target", &own));
        snprintf(path[0], sizeof(path[0]), "mine");
        snprintf(path[1], sizeof(path[1]), "/proc");
        MUST(symlink("mine", "link"));
        start_thread(swap_link, NULL);
        snprintf(given, sizeof(given), "link/%d/%s", pid, attack->which == 2 ? "environ" : "exe");
        while (has_time(RACE_MS)) {
                ssize_t n;

                if (attack->which == 2) {
                        int fd = open(given, O_RDONLY | O_CLOEXEC);

                        if (fd >= 0 && fstat(fd, &found) == 0 && found.st_ino != own.st_ino)
                                gained("its environment");
                        close(fd);
                        continue;
                }
                n = attack->which ? readlink(given, text, sizeof(text) - 1) : stat(given, &found);

                if (n < 0)
                        continue;
                text[n] = 0;
                if (attack->which && strcmp(text, "../../target"))
                        gained("it executes %s", text);
                if (!attack->which && found.st_ino != own.st_ino)
                        gained("its program has inode %lu", (unsigned long) found.st_ino);
        }
}

#define BY_TEXT(call, which) { "the text of a path: " call, by_text, which, 0 }
#define BY_LINK(call, which) { "where a link leads: " call, by_link, which, 0 }
#define BY_DIRECTORY(call, which) { "a directory and a link: " call, by_directory, which, 0 }

static const struct attack attacks[] = {
        BY_TEXT("open to read", 0), BY_TEXT("open to write", 1), BY_TEXT("openat2", 2), BY_TEXT("truncate", 3), BY_TEXT("chmod", 4),
        BY_TEXT("stat", 5), BY_TEXT("utimensat", 6), BY_TEXT("setxattr", 7), BY_TEXT("getxattr", 8), BY_TEXT("chown", 9),
        BY_TEXT("open with O_CREAT", 10), BY_TEXT("rename", 11), BY_TEXT("link", 12), BY_TEXT("unlink", 13), BY_TEXT("mkdir", 14),
        BY_LINK("open to read", 0), BY_LINK("open to write", 1), BY_LINK("openat2", 2), BY_LINK("truncate", 3), BY_LINK("chmod", 4),
        BY_LINK("stat", 5), BY_LINK("utimensat", 6), BY_LINK("setxattr", 7), BY_LINK("getxattr", 8), BY_LINK("open with O_CREAT", 10),
        BY_DIRECTORY("open to read", 0), BY_DIRECTORY("open to write", 1), BY_DIRECTORY("openat2", 2), BY_DIRECTORY("truncate", 3),
        BY_DIRECTORY("chmod", 4), BY_DIRECTORY("stat", 5), BY_DIRECTORY("rename", 11), BY_DIRECTORY("link", 12), BY_DIRECTORY("unlink", 13),
        BY_DIRECTORY("mkdir", 14),
        { "a descriptor: pwrite64", by_number, 0, 0 },
        { "a descriptor: ftruncate", by_number, 1, 0 },
        { "a directory's descriptor: openat", by_number, 2, 0 },
        { "a directory's descriptor: newfstatat", by_number, 3, 0 },
        { "the working directory: stat", by_place, 0, 0 },
        { "the working directory: open", by_place, 1, 0 },
        { "a directory and /proc: stat", by_proc, 0, 0 },
        { "a directory and /proc: readlink", by_proc, 1, 0 },
        { "a directory and /proc: open", by_proc, 2, 0 },
        { "the structure of openat2", by_how, 0, 0 },
        { "memory that comes and goes: openat", by_unmapping, 0, 0 },
        { "memory that comes and goes: readlink", by_unmapping, 1, 0 },
        { "memory of the next program", by_exec, 0, 0 },
};

const struct family races_family = { "races", sizeof(attacks) / sizeof(*attacks), attacks };
