#define _GNU_SOURCE
#include "trap.h"

#include <limits.h>
#include <stdarg.h>
#include <time.h>

enum { RESULT_FD = 900, LIMIT_S = 120, SKIPPED = 77 };

static void say(const char *format, va_list arguments) {
        char text[512];
        int n = vsnprintf(text, sizeof(text) - 1, format, arguments);

        if (n > (int) sizeof(text) - 2)
                n = sizeof(text) - 2;
        text[n] = '\n';
        if (write(RESULT_FD, text, (size_t) n + 1) < 0)
                _exit(SKIPPED + 1);
}

void trap_fail(const char *file, int line, const char *format, ...) {
        char full[512];
        const char *slash = strrchr(file, '/');
        va_list arguments;

        snprintf(full, sizeof(full), "%s:%d: %s", slash ? slash + 1 : file, line, format);
        va_start(arguments, format);
        say(full, arguments);
        va_end(arguments);
        _exit(1);
}

void trap_skip(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        say(format, arguments);
        va_end(arguments);
        _exit(SKIPPED);
}

static const char *errno_name(int error) {
        const char *name = strerrorname_np(error);

        return name ? name : "no known error";
}

long trap_must(long value, const char *what, const char *file, int line) {
        if (value < 0)
                trap_fail(file, line, "%s failed: %s", what, errno_name(errno));
        return value;
}

void trap_expect(long value, long expected, const char *what, const char *file, int line) {
        if (value != expected)
                trap_fail(file, line, "%s is %ld (%s), not %ld", what, value, value == -1 ? errno_name(errno) : "-", expected);
}

void trap_fails(long value, int error, const char *what, const char *file, int line) {
        if (value != -1)
                trap_fail(file, line, "%s is %ld, and should fail with %s", what, value, errno_name(error));
        if (errno != error)
                trap_fail(file, line, "%s failed with %s, not %s", what, errno_name(errno), errno_name(error));
}

void needs_root(void) {
        if (geteuid() != 0)
                trap_skip("needs root");
}

long or_refused(long value, const char *call) {
        if (value < 0 && (errno == EPERM || errno == ENOSYS))
                trap_skip("%s is refused", call);
        return value;
}

int ended(pid_t pid) {
        int status = 0;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        FAIL("waitpid failed: %s", errno_name(errno));
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int in_child(void (*run)(void)) {
        pid_t pid = (pid_t) MUST(fork());

        if (pid == 0) {
                run();
                _exit(0);
        }
        return ended(pid);
}

const char *beside(const char *name) {
        static char path[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);

        HOLDS(n > 0);
        path[n] = '\0';
        snprintf(strrchr(path, '/') + 1, 63, "%s", name);
        return path;
}

int helper(const char *file, const char *action, const char *path, const char *more) {
        const char *program = file[0] == '/' ? file : beside(file);
        pid_t pid = (pid_t) MUST(fork());

        if (pid == 0) {
                execl(program, file, action, path, more, (char *) NULL);
                FAIL("cannot execute %s: %s", program, errno_name(errno));
        }
        return ended(pid);
}

void make_file(const char *path, mode_t mode, const char *text) {
        int fd = (int) MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));

        EXPECT(write(fd, text, strlen(text)), strlen(text));
        MUST(fchmod(fd, mode));
        MUST(close(fd));
}

bool has_text(const char *path, const char *text) {
        char found[512];
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, found, sizeof(found));

        if (fd >= 0)
                close(fd);
        return n == (ssize_t) strlen(text) && memcmp(found, text, (size_t) n) == 0;
}

void *nowhere(void) {
        void *volatile pointer = (void *) 8;

        return pointer;
}

void pause_ms(int ms) {
        struct timespec left = {ms / 1000, ms % 1000 * 1000000L};

        while (nanosleep(&left, &left) < 0 && errno == EINTR)
                ;
}

/* In the child: a directory, a process group and a clean slate of its own. */
static _Noreturn void run_alone(const struct trap *trap, size_t number, int result) {
        char directory[32];
        sigset_t none;

        setpgid(0, 0);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        umask(022);
        snprintf(directory, sizeof(directory), "%zu", number);
        if (dup3(result, RESULT_FD, O_CLOEXEC) < 0 || mkdir(directory, 0755) < 0 || chdir(directory) < 0)
                _exit(SKIPPED + 1);
        trap->run();
        _exit(0);
}

/* Waits for a child, at most LIMIT_S seconds; false when it goes on. SIGCHLD is blocked. */
static bool ends_in_time(pid_t pid, int *ret_status) {
        const struct timespec limit = {LIMIT_S, 0};
        sigset_t child;

        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        for (;;) {
                if (waitpid(pid, ret_status, WNOHANG) == pid)
                        return true;
                if (sigtimedwait(&child, NULL, &limit) < 0 && errno == EAGAIN)
                        return false;
        }
}

/* Prints the line of a trap that ended; false when it failed. */
static bool judge(const char *name, int status, const char *why) {
        if (WIFSIGNALED(status)) {
                printf("not ok %s: signal %d ended it\n", name, WTERMSIG(status));
                return false;
        }
        if (WEXITSTATUS(status) == SKIPPED) {
                printf("skip %s: %s\n", name, why);
                return true;
        }
        if (WEXITSTATUS(status) != 0 || why[0] != '\0') {
                printf("not ok %s: %s\n", name, why[0] ? why : "it could not begin");
                return false;
        }
        printf("ok %s\n", name);
        return true;
}

/* Runs one trap and prints its line; false when it failed. */
static bool run_trap(const struct trap *trap, size_t number) {
        char why[512] = "";
        int pipes[2], status = 0;
        ssize_t n;
        pid_t pid;
        bool ends;

        if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
                exit(2);
        fflush(stdout);
        pid = fork();
        if (pid < 0) {
                printf("skip %s: fork is refused\n", trap->name);
                return true;
        }
        if (pid == 0)
                run_alone(trap, number, pipes[1]);
        setpgid(pid, pid);
        ends = ends_in_time(pid, &status);
        kill(-pid, SIGKILL);
        if (!ends)
                waitpid(pid, NULL, 0);
        n = read(pipes[0], why, sizeof(why) - 1);
        close(pipes[0]);
        close(pipes[1]);
        why[n > 0 ? n : 0] = '\0';
        why[strcspn(why, "\n")] = '\0';
        if (ends)
                return judge(trap->name, status, why);
        printf("not ok %s: it goes on after %d s\n", trap->name, LIMIT_S);
        return false;
}

int trap_main(const struct trap *traps, size_t count) {
        sigset_t child;
        bool all = true;

        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        sigprocmask(SIG_BLOCK, &child, NULL);
        for (size_t i = 0; i < count; i++)
                all = run_trap(&traps[i], i) && all;
        return all ? 0 : 1;
}
