/* Makes calls that must be executed once, while a timer interrupts it a thousand times a second: DIRECTORY SECONDS
 * restart|return. Then says what it saw as JSON. Each name is used once, so a call that was executed twice shows: the second
 * execution fails. A call that returns EINTR must not have been executed at all. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t signals;
static unsigned long rounds, calls, interrupted, twice, done, wrong;
static int first_error;

static void count(int signal) {
        (void) signal;
        signals++;
}

static int is_there(const char *path) {
        struct stat file;
        int result;

        do {
                calls++;
                result = lstat(path, &file);
        } while (result < 0 && errno == EINTR);
        return result == 0;
}

enum what { MAKE_DIRECTORY, REMOVE_DIRECTORY, MAKE_FILE, MAKE_LINK, RENAME, REMOVE };

static int make(enum what what, const char *path, const char *other) {
        int fd;

        switch (what) {
        case MAKE_DIRECTORY:
                return mkdir(path, 0755);
        case REMOVE_DIRECTORY:
                return rmdir(path);
        case MAKE_FILE:
                fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
                return fd < 0 ? fd : close(fd);
        case MAKE_LINK:
                return link(other, path);
        case RENAME:
                return rename(other, path);
        case REMOVE:
                return unlink(path);
        }
        abort();
}

static int makes(enum what what) {
        return what != REMOVE && what != REMOVE_DIRECTORY;
}

/* One call until it was not interrupted. */
static void once(enum what what, const char *path, const char *other) {
        int already = makes(what) ? EEXIST : ENOENT;

        for (;;) {
                calls++;
                if (make(what, path, other) == 0)
                        return;
                /* rename replaces silently, and finds nothing to rename the second time. */
                if (errno == already || (what == RENAME && errno == ENOENT)) {
                        twice++;
                        return;
                }
                if (errno != EINTR) {
                        first_error = first_error ? first_error : errno;
                        wrong++;
                        return;
                }
                interrupted++;
                if (is_there(path) == makes(what)) {
                        done++;
                        return;
                }
        }
}

static void round_of(unsigned long number) {
        char names[4][32];

        for (int i = 0; i < 4; i++)
                snprintf(names[i], sizeof(names[i]), "%c%lu", "dflr"[i], number);
        once(MAKE_DIRECTORY, names[0], NULL);
        once(MAKE_FILE, names[1], NULL);
        once(MAKE_LINK, names[2], names[1]);
        once(RENAME, names[3], names[2]);
        once(REMOVE, names[3], NULL);
        once(REMOVE, names[1], NULL);
        once(REMOVE_DIRECTORY, names[0], NULL);
}

static int open_descriptors(void) {
        int found = 0;

        for (int fd = 0; fd < 1024; fd++)
                found += fcntl(fd, F_GETFD) >= 0;
        return found;
}

int main(int argc, char **argv) {
        struct itimerval each_ms = { .it_interval.tv_usec = 1000, .it_value.tv_usec = 1000 }, off = { 0 };
        struct sigaction action = { .sa_handler = count };
        struct timespec now;
        time_t end;
        int before;

        if (argc != 4 || chdir(argv[1]) < 0)
                return 100;
        action.sa_flags = strcmp(argv[3], "restart") ? 0 : SA_RESTART;
        before = open_descriptors();
        clock_gettime(CLOCK_MONOTONIC, &now);
        end = now.tv_sec + atoi(argv[2]);
        sigaction(SIGALRM, &action, NULL);
        setitimer(ITIMER_REAL, &each_ms, NULL);
        for (; now.tv_sec < end; rounds++) {
                round_of(rounds);
                clock_gettime(CLOCK_MONOTONIC, &now);
        }
        setitimer(ITIMER_REAL, &off, NULL);
        printf("{ \"rounds\": %lu, \"calls\": %lu, \"signals\": %d, \"interrupted\": %lu, \"twice\": %lu, \"done\": %lu, \"wrong\": %lu, "
               "\"error\": %d, \"lost\": %d }\n", rounds, calls, (int) signals, interrupted, twice, done, wrong, first_error,
               open_descriptors() - before);
        return 0;
}
