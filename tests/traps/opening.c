/* What open gives: which descriptor, with which flags, and what it waits for. */
#define _GNU_SOURCE
#include "trap.h"

#include <linux/openat2.h>
#include <sys/resource.h>

static void lowest_number(void) {
        int first, second;

        make_file("f", 0644, "");
        first = (int) MUST(open("f", O_RDONLY | O_CLOEXEC));
        second = (int) MUST(open("f", O_RDONLY | O_CLOEXEC));
        EXPECT(second, first + 1);
        MUST(close(first));
        EXPECT(open("f", O_RDONLY | O_CLOEXEC), first);
        MUST(close(0));
        EXPECT(open("f", O_RDONLY | O_CLOEXEC), 0);
}

static void status_flags(void) {
        const int flags[] = {O_RDONLY, O_WRONLY | O_APPEND, O_RDWR | O_NONBLOCK, O_RDWR | O_SYNC, O_RDWR | O_DSYNC, O_RDONLY | O_NOATIME};
        struct {
                int fd, mode;
        } got;

        make_file("f", 0644, "");
        for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
                got.fd = (int) MUST(open("f", flags[i] | (i % 2 ? O_CLOEXEC : 0)));
                got.mode = (int) MUST(fcntl(got.fd, F_GETFL));
                EXPECT(got.mode & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_NOATIME), flags[i]);
                EXPECT(fcntl(got.fd, F_GETFD), i % 2 ? FD_CLOEXEC : 0);
        }
        got.fd = (int) MUST(open("f", O_WRONLY | O_APPEND | O_CLOEXEC));
        EXPECT(write(got.fd, "ab", 2), 2);
        EXPECT(lseek(got.fd, 0, SEEK_SET), 0);
        EXPECT(write(got.fd, "cd", 2), 2);
        HOLDS(has_text("f", "abcd"));
        FAILS(read(got.fd, &got, 1), EBADF);
}

static void kinds(void) {
        make_file("f", 0644, "text");
        MUST(mkdir("d", 0755));
        FAILS(open("f", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ENOTDIR);
        FAILS(open("d", O_WRONLY | O_CLOEXEC), EISDIR);
        FAILS(open("d", O_RDONLY | O_CREAT | O_CLOEXEC, 0644), EISDIR);
        FAILS(open("none", O_RDONLY | O_CLOEXEC), ENOENT);
        FAILS(open("f", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644), EEXIST);
        FAILS(open("f/x", O_RDONLY | O_CLOEXEC), ENOTDIR);
        MUST(close((int) MUST(open("f", O_WRONLY | O_TRUNC | O_CLOEXEC))));
        HOLDS(has_text("f", ""));
        // The mode is of the file, not of this descriptor.
        EXPECT(write((int) MUST(open("g", O_WRONLY | O_CREAT | O_CLOEXEC, 0)), "x", 1), 1);
}

static void devices(void) {
        char block[16];
        int fd = (int) MUST(open("/dev/zero", O_RDONLY | O_CLOEXEC));

        EXPECT(read(fd, block, sizeof(block)), 16);
        fd = (int) MUST(open("/dev/null", O_RDWR | O_CLOEXEC));
        EXPECT(write(fd, block, sizeof(block)), 16);
        EXPECT(read(fd, block, sizeof(block)), 0);
        fd = (int) MUST(open("/dev/full", O_RDWR | O_CLOEXEC));
        FAILS(write(fd, block, sizeof(block)), ENOSPC);
}

static void path_only(void) {
        struct stat status;
        char block[4];
        int fd;

        make_file("f", 0000, "text");
        fd = (int) MUST(open("f", O_PATH | O_CLOEXEC));
        EXPECT(fcntl(fd, F_GETFL) & O_PATH, O_PATH);
        FAILS(read(fd, block, sizeof(block)), EBADF);
        MUST(fstat(fd, &status));
        EXPECT(status.st_size, 4);
        FAILS(fchmod(fd, 0644), EBADF);
        MUST(symlink("none", "link"));
        fd = (int) MUST(open("link", O_PATH | O_NOFOLLOW | O_CLOEXEC));
        MUST(fstat(fd, &status));
        HOLDS(S_ISLNK(status.st_mode));
        EXPECT(readlinkat(fd, "", block, sizeof(block)), 4);
        MUST(mkdir("d", 0755));
        fd = (int) MUST(open("d", O_PATH | O_DIRECTORY | O_CLOEXEC));
        MUST(mkdirat(fd, "e", 0755));
        MUST(fchdir(fd));
        HOLDS(access("e", F_OK) == 0);
}

static void nameless(void) {
        char path[64];
        struct stat status;
        int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);

        if (fd < 0 && errno == EOPNOTSUPP)
                trap_skip("this file system has no O_TMPFILE");
        MUST(fd);
        MUST(fstat(fd, &status));
        HOLDS(status.st_nlink == 0 && (status.st_mode & 07777) == 0640 && status.st_uid == geteuid());
        EXPECT(write(fd, "text", 4), 4);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        MUST(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
        HOLDS(has_text("named", "text"));
        fd = (int) MUST(open(".", O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        FAILS(linkat(AT_FDCWD, path, AT_FDCWD, "no", AT_SYMLINK_FOLLOW), ENOENT);
}

/* Without a capability it depends on who opened it. Kernels before 6.10 want the capability in any case. */
static void named_by_opener(void) {
        int fd;

        needs_root();
        MUST(chmod(".", 0777));
        MUST(or_refused(setresuid(1234, 1234, 1234), "setresuid"));
        fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);
        if (fd < 0 && errno == EOPNOTSUPP)
                trap_skip("this file system has no O_TMPFILE");
        MUST(fd);
        EXPECT(write(fd, "text", 4), 4);
        if (linkat(fd, "", AT_FDCWD, "named", AT_EMPTY_PATH) == 0)
                HOLDS(has_text("named", "text"));
        else
                EXPECT(errno, ENOENT);
}

/* Of all that create a file with O_EXCL, one does. */
static void race(void) {
        enum { RACERS = 8, ROUNDS = 30 };
        pid_t pids[RACERS];
        char name[16];
        int winners;

        for (int round = 0; round < ROUNDS; round++) {
                snprintf(name, sizeof(name), "f%d", round);
                for (int i = 0; i < RACERS; i++) {
                        pids[i] = (pid_t) MUST(fork());
                        if (pids[i] == 0)
                                _exit(open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600) < 0 ? errno : 0);
                }
                winners = 0;
                for (int i = 0; i < RACERS; i++) {
                        int status = ended(pids[i]);
                        HOLDS(status == 0 || status == EEXIST);
                        winners += status == 0;
                }
                EXPECT(winners, 1);
        }
}

static void how(void) {
        struct {
                struct open_how how;
                uint64_t more;
        } wish = {.how = {.flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_BENEATH}};
        const size_t size = sizeof(wish.how);

        make_file("f", 0644, "text");
        MUST(symlink("/etc/passwd", "out"));
        MUST(or_refused(syscall(SYS_openat2, AT_FDCWD, "f", &wish.how, size), "openat2"));
        FAILS(syscall(SYS_openat2, AT_FDCWD, "../x", &wish.how, size), EXDEV);
        FAILS(syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", &wish.how, size), EXDEV);
        wish.how.resolve = RESOLVE_NO_SYMLINKS;
        FAILS(syscall(SYS_openat2, AT_FDCWD, "out", &wish.how, size), ELOOP);
        wish.how.resolve = RESOLVE_NO_MAGICLINKS;
        FAILS(syscall(SYS_openat2, AT_FDCWD, "/proc/self/exe", &wish.how, size), ELOOP);
        wish.how.resolve = RESOLVE_IN_ROOT;
        FAILS(syscall(SYS_openat2, AT_FDCWD, "out", &wish.how, size), ENOENT);
        MUST(syscall(SYS_openat2, AT_FDCWD, "/f", &wish.how, size));
        MUST(syscall(SYS_openat2, AT_FDCWD, "f", &wish, size + 8));
        wish.more = 1;
        FAILS(syscall(SYS_openat2, AT_FDCWD, "f", &wish, size + 8), E2BIG);
        FAILS(syscall(SYS_openat2, AT_FDCWD, "f", &wish, size - 1), EINVAL);
        FAILS(syscall(SYS_openat2, AT_FDCWD, "f", NULL, size), EFAULT);
        wish.how.mode = 0644;
        FAILS(syscall(SYS_openat2, AT_FDCWD, "f", &wish.how, size), EINVAL);
}

/* A reader waits for its writer, and nothing else does. */
static void fifo(void) {
        char found[8] = "";
        pid_t pid;
        int fd;

        MUST(mkfifo("fifo", 0600));
        FAILS(open("fifo", O_WRONLY | O_NONBLOCK | O_CLOEXEC), ENXIO);
        MUST(close((int) MUST(open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC))));
        pid = (pid_t) MUST(fork());
        if (pid == 0) {
                fd = (int) MUST(open("fifo", O_WRONLY | O_CLOEXEC));
                EXPECT(write(fd, "hello", 5), 5);
                _exit(access("opened", F_OK) < 0 ? errno : 0);
        }
        pause_ms(50);
        EXPECT(waitpid(pid, NULL, WNOHANG), 0);
        MUST(mkdir("opened", 0755));
        fd = (int) MUST(open("fifo", O_RDONLY | O_CLOEXEC));
        EXPECT(read(fd, found, sizeof(found)), 5);
        EXPECT(ended(pid), 0);
        EXPECT(read(fd, found, sizeof(found)), 0);
}

static void too_many(void) {
        struct rlimit limit;
        int fd = (int) MUST(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), last = fd;

        MUST(getrlimit(RLIMIT_NOFILE, &limit));
        limit.rlim_cur = (rlim_t) fd + 3;
        MUST(setrlimit(RLIMIT_NOFILE, &limit));
        EXPECT(open(".", O_RDONLY | O_CLOEXEC), fd + 1);
        EXPECT(open(".", O_RDONLY | O_CLOEXEC), fd + 2);
        FAILS(open(".", O_RDONLY | O_CLOEXEC), EMFILE);
        MUST(close(last));
        EXPECT(open("new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), last);
}

/* The kernel takes the number first. */
static void none_left(void) {
        struct rlimit limit;
        int fd = (int) MUST(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

        MUST(getrlimit(RLIMIT_NOFILE, &limit));
        limit.rlim_cur = (rlim_t) fd + 1;
        MUST(setrlimit(RLIMIT_NOFILE, &limit));
        FAILS(open("new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), EMFILE);
        FAILS(access("new", F_OK), ENOENT);
}

/* And looks for the file afterwards. */
static void none_left_for_nothing(void) {
        struct rlimit limit;
        int fd;

        while ((fd = (int) MUST(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC))) < 50)
                ;
        MUST(getrlimit(RLIMIT_NOFILE, &limit));
        limit.rlim_cur = (rlim_t) fd + 1;
        MUST(setrlimit(RLIMIT_NOFILE, &limit));
        FAILS(open("new", O_RDONLY | O_CLOEXEC), EMFILE);
        FAILS(openat(fd + 1, "new", O_RDONLY | O_CLOEXEC), EMFILE);
        FAILS(open("", O_RDONLY | O_CLOEXEC), ENOENT);
        FAILS(open(nowhere(), O_RDONLY | O_CLOEXEC), EFAULT);
        MUST(close(fd));
        FAILS(open("new", O_RDONLY | O_CLOEXEC), ENOENT);
}

static void copy_program(const char *from_path, const char *to_path) {
        int from = (int) MUST(open(from_path, O_RDONLY | O_CLOEXEC));
        int to = (int) MUST(open(to_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755));
        char block[4096];
        ssize_t n;

        while ((n = read(from, block, sizeof(block))) > 0)
                EXPECT(write(to, block, (size_t) n), n);
        MUST(close(from));
        MUST(close(to));
}

static void running_program(void) {
        int pipes[2];
        char none;
        pid_t pid;

        copy_program("/bin/sleep", "program");
        MUST(pipe2(pipes, O_CLOEXEC));
        pid = (pid_t) MUST(fork());
        if (pid == 0) {
                execl("program", "program", "1000", (char *) NULL);
                FAIL("cannot execute the program");
        }
        MUST(close(pipes[1]));
        EXPECT(read(pipes[0], &none, 1), 0); // executed: its end of the pipe is closed
        FAILS(open("program", O_WRONLY | O_CLOEXEC), ETXTBSY);
        FAILS(truncate("program", 0), ETXTBSY);
        MUST(kill(pid, SIGKILL));
        EXPECT(ended(pid), 128 + SIGKILL);
        MUST(close((int) MUST(open("program", O_WRONLY | O_CLOEXEC))));
        copy_program("/bin/true", "again");
        pid = (pid_t) MUST(fork());
        if (pid == 0) {
                execl("again", "again", (char *) NULL);
                _exit(errno);
        }
        EXPECT(ended(pid), 0); // nobody has kept it open for writing
}

TRAPS({"open gives the lowest number", lowest_number},
      {"a descriptor has the flags that it was opened with", status_flags},
      {"open says what a file is not", kinds},
      {"devices are opened", devices},
      {"O_PATH opens what may not be read", path_only},
      {"O_TMPFILE makes a file that gets a name later", nameless},
      {"who opened a file without a name may give it one", named_by_opener},
      {"of all that create a file one does", race},
      {"openat2 keeps below its directory", how},
      {"a FIFO waits for its other end", fifo},
      {"the limit of descriptors is the caller's", too_many},
      {"a file that gets no number is not created", none_left},
      {"who gets no number is not told what else is wrong", none_left_for_nothing},
      {"a running program cannot be written", running_program})
