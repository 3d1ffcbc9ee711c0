/* Paths that mean the caller itself: procfs, /dev/fd, terminals. Whoever opens them for somebody else opens the wrong ones. */
#define _GNU_SOURCE
#include "trap.h"

#include <limits.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <termios.h>

static void own_files(void) {
        char expected[64], found[256] = "";

        MUST(prctl(PR_SET_NAME, "trapped"));
        HOLDS(has_text("/proc/self/comm", "trapped\n"));
        HOLDS(has_text("/proc/thread-self/comm", "trapped\n"));
        snprintf(expected, sizeof(expected), "/proc/%d/comm", (int) getpid());
        HOLDS(has_text(expected, "trapped\n"));
        snprintf(expected, sizeof(expected), "%d", (int) getpid());
        EXPECT(readlink("/proc/self", found, sizeof(found)), strlen(expected));
        HOLDS(!strcmp(found, expected));
}

/* Nothing in these paths says procfs. */
static void in_disguise(void) {
        char expected[64], found[256] = "";
        int proc = (int) MUST(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        int path = (int) MUST(open("/proc", O_PATH | O_CLOEXEC)), fd;

        MUST(prctl(PR_SET_NAME, "trapped"));
        MUST(symlink("/proc/self/comm", "link"));
        HOLDS(has_text("link", "trapped\n"));
        MUST(symlink("/proc", "directory"));
        HOLDS(has_text("directory/self/comm", "trapped\n"));
        HOLDS(has_text("/../proc/./self/comm", "trapped\n"));
        HOLDS(has_text("//proc//self//comm", "trapped\n"));
        fd = (int) MUST(openat(proc, "self/comm", O_RDONLY | O_CLOEXEC));
        EXPECT(read(fd, found, sizeof(found)), 8);
        MUST(faccessat(path, "self/comm", R_OK, 0));
        MUST(chdir("/proc"));
        HOLDS(has_text("self/comm", "trapped\n"));
        snprintf(expected, sizeof(expected), "%d", (int) getpid());
        EXPECT(readlink("self", found, sizeof(found)), strlen(expected));
        HOLDS(!strncmp(found, expected, strlen(expected)));
        MUST(chdir("self"));
        HOLDS(has_text("comm", "trapped\n"));
        HOLDS(has_text("task/../comm", "trapped\n"));
}

static void *look_at_thread(void *unused) {
        char expected[64], found[256] = "";

        (void) unused;
        MUST(prctl(PR_SET_NAME, "other-thread"));
        HOLDS(has_text("/proc/thread-self/comm", "other-thread\n"));
        HOLDS(has_text("/proc/self/comm", "trapped\n"));
        snprintf(expected, sizeof(expected), "%d/task/%d", (int) getpid(), (int) gettid());
        EXPECT(readlink("/proc/thread-self", found, sizeof(found)), strlen(expected));
        HOLDS(!strcmp(found, expected));
        return NULL;
}

static void own_thread(void) {
        pthread_t thread;

        MUST(prctl(PR_SET_NAME, "trapped"));
        EXPECT(pthread_create(&thread, NULL, look_at_thread, NULL), 0);
        EXPECT(pthread_join(thread, NULL), 0);
}

static void own_directory(void) {
        char found[PATH_MAX] = "", here[PATH_MAX];
        struct stat status, top;

        HOLDS(getcwd(here, sizeof(here)));
        MUST(mkdir("sub", 0755));
        make_file("sub/f", 0644, "text");
        EXPECT(readlink("/proc/self/cwd", found, sizeof(found) - 1), strlen(here));
        HOLDS(!strcmp(found, here));
        HOLDS(has_text("/proc/self/cwd/sub/f", "text"));
        MUST(mkdir("/proc/self/cwd/sub/made", 0755));
        HOLDS(access("sub/made", F_OK) == 0);
        MUST(rename("/proc/self/cwd/sub/made", "moved"));
        MUST(stat("/proc/self/root", &status));
        MUST(stat("/", &top));
        HOLDS(status.st_ino == top.st_ino && status.st_dev == top.st_dev);
        MUST(readlink("/proc/self/exe", found, sizeof(found)));
        MUST(access("/proc/self/exe", R_OK));
}

static void own_descriptors(void) {
        char path[64], found[PATH_MAX] = "";
        struct stat status, same;
        int fd, again;

        make_file("f", 0644, "text");
        fd = (int) MUST(open("f", O_RDONLY | O_CLOEXEC));
        for (int i = 0; i < 2; i++) {
                snprintf(path, sizeof(path), i ? "/dev/fd/%d" : "/proc/self/fd/%d", fd);
                again = (int) MUST(open(path, O_RDWR | O_CLOEXEC));
                HOLDS(again != fd);
                EXPECT(pwrite(again, "T", 1, 0), 1);
                MUST(close(again));
                HOLDS(readlink(path, found, sizeof(found)) > 2 && strstr(found, "/f"));
                MUST(stat(path, &status));
                MUST(fstat(fd, &same));
                HOLDS(status.st_ino == same.st_ino);
        }
        HOLDS(has_text("f", "Text"));
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        MUST(linkat(AT_FDCWD, path, AT_FDCWD, "second", AT_SYMLINK_FOLLOW));
        HOLDS(has_text("second", "Text"));
        MUST(close(fd));
        FAILS(open(path, O_RDONLY | O_CLOEXEC), ENOENT);
}

/* A file that has no name any more is still there by descriptor. */
static void nameless(void) {
        char path[64];
        int fd;

        make_file("f", 0644, "text");
        fd = (int) MUST(open("f", O_RDONLY | O_CLOEXEC));
        MUST(unlink("f"));
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        HOLDS(has_text(path, "text"));
        MUST(truncate(path, 2));
        HOLDS(has_text(path, "te"));
        MUST(chmod(path, 0600));
}

static void standard_streams(void) {
        int pipes[2];
        char found[8] = "";
        int fd;

        MUST(pipe(pipes));
        EXPECT(write(pipes[1], "in", 2), 2);
        MUST(dup2(pipes[0], 0));
        fd = (int) MUST(open("/dev/stdin", O_RDONLY | O_CLOEXEC));
        EXPECT(read(fd, found, sizeof(found)), 2);
        HOLDS(!strcmp(found, "in"));
        make_file("out", 0644, "");
        fd = (int) MUST(open("out", O_WRONLY | O_APPEND | O_CLOEXEC));
        MUST(dup2(fd, 1));
        fd = (int) MUST(open("/dev/stdout", O_WRONLY | O_APPEND | O_CLOEXEC));
        EXPECT(write(fd, "out", 3), 3);
        HOLDS(has_text("out", "out"));
}

/* In a session of its own: a terminal becomes ours, and /dev/tty is that one. */
static void own_terminal(void) {
        char name[64], found[8] = "";
        unsigned int device = 0;
        struct stat status;
        int master, slave, tty;

        FAILS(open("/dev/tty", O_RDWR | O_CLOEXEC), ENXIO);
        master = (int) MUST(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
        MUST(grantpt(master));
        MUST(unlockpt(master));
        EXPECT(ptsname_r(master, name, sizeof(name)), 0);
        slave = (int) MUST(open(name, O_RDWR | O_CLOEXEC));
        tty = (int) MUST(open("/dev/tty", O_RDWR | O_CLOEXEC));
        MUST(ioctl(tty, TIOCGDEV, &device));
        MUST(fstat(slave, &status));
        EXPECT(device, status.st_rdev);
        EXPECT(write(tty, "x", 1), 1);
        EXPECT(read(master, found, sizeof(found)), 1);
        HOLDS(isatty(slave) && tcgetsid(tty) == getsid(0));
}

static void in_session(void) {
        MUST(setsid());
        own_terminal();
}

static void terminal(void) {
        if (access("/dev/pts/ptmx", F_OK) < 0 && access("/dev/ptmx", F_OK) < 0)
                trap_skip("there are no terminals");
        EXPECT(in_child(in_session), 0);
}

/* A new session opens the terminal without O_NOCTTY and with it. */
static void take_none(void) {
        char name[64];
        int master = (int) MUST(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));

        MUST(setsid());
        MUST(unlockpt(master));
        EXPECT(ptsname_r(master, name, sizeof(name)), 0);
        MUST(open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
        FAILS(open("/dev/tty", O_RDWR | O_CLOEXEC), ENXIO);
}

static void no_terminal(void) {
        if (access("/dev/ptmx", F_OK) < 0)
                trap_skip("there are no terminals");
        EXPECT(in_child(take_none), 0);
}

static void others(void) {
        char path[64];
        pid_t pid = (pid_t) MUST(fork());

        if (pid == 0) {
                MUST(prctl(PR_SET_NAME, "my-child"));
                make_file("ready", 0644, "");
                for (;;)
                        pause();
        }
        while (access("ready", F_OK) < 0)
                pause_ms(2);
        snprintf(path, sizeof(path), "/proc/%d/comm", (int) pid);
        HOLDS(has_text(path, "my-child\n"));
        snprintf(path, sizeof(path), "/proc/%d/cwd/ready", (int) pid);
        HOLDS(access(path, R_OK) == 0);
        // Nobody's memory is opened with more rights than the caller has.
        if (geteuid() != 0) {
                FAILS(open("/proc/1/mem", O_RDONLY | O_CLOEXEC), EACCES);
                FAILS(open("/proc/1/environ", O_RDONLY | O_CLOEXEC), EACCES);
                FAILS(access("/proc/1/cwd/x", F_OK), EACCES);
        }
        MUST(kill(pid, SIGKILL));
        EXPECT(ended(pid), 128 + SIGKILL);
        FAILS(open(path, O_RDONLY | O_CLOEXEC), ENOENT);
}

TRAPS({"/proc/self is the caller", own_files},
      {"/proc/self is the caller by every way there", in_disguise},
      {"/proc/thread-self is the thread that calls", own_thread},
      {"/proc/self/cwd, root and exe are the caller's", own_directory},
      {"/proc/self/fd and /dev/fd are the caller's descriptors", own_descriptors},
      {"a file without a name is there by descriptor", nameless},
      {"/dev/stdin and /dev/stdout are the caller's", standard_streams},
      {"/dev/tty is the caller's terminal", terminal},
      {"O_NOCTTY takes no terminal", no_terminal},
      {"other processes are seen as the caller may see them", others})
