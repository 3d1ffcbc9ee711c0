/* A program whose system calls are measured, under a filter or without one.
 *
 * client OUT CALL SAMPLES BATCH [PATH]
 *
 * OUT is a file that is there already. CALL is getppid, getsid, fsync (of no file), newfstatat or openat (of PATH). A sample is
 * the time of BATCH calls in nanoseconds; OUT gets them as 32-bit numbers, without those of a warm-up. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { WARM_UP_PART = 10 };

static const char *path;

static int64_t clock_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

static _Noreturn void fail(const char *what) {
        fprintf(stderr, "client: %s: %s\n", what, strerror(errno));
        exit(1);
}

static int64_t time_getppid(int batch) {
        int64_t from = clock_ns();

        for (int i = 0; i < batch; i++)
                if (syscall(SYS_getppid) < 0)
                        fail("getppid");
        return clock_ns() - from;
}

static int64_t time_getsid(int batch) {
        int64_t from = clock_ns();

        for (int i = 0; i < batch; i++)
                if (syscall(SYS_getsid, 0) < 0)
                        fail("getsid");
        return clock_ns() - from;
}

static int64_t time_newfstatat(int batch) {
        int64_t from = clock_ns();
        struct stat file;

        for (int i = 0; i < batch; i++)
                if (syscall(SYS_newfstatat, AT_FDCWD, path, &file, 0) < 0 || !S_ISREG(file.st_mode))
                        fail(path);
        return clock_ns() - from;
}

static int64_t time_fsync(int batch) {
        int64_t from = clock_ns();

        for (int i = 0; i < batch; i++)
                if (syscall(SYS_fsync, -1) != -1 || errno != EBADF)
                        fail("fsync");
        return clock_ns() - from;
}

/* The descriptor is closed outside of the measured time, so BATCH is 1 here. */
static int64_t time_openat(int batch) {
        int64_t from = clock_ns(), ns;
        int fd = (int) syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);

        ns = clock_ns() - from;
        if (fd < 0 || batch != 1)
                fail(path);
        close(fd);
        return ns;
}

static int64_t (*find(const char *name))(int) {
        if (!strcmp(name, "getppid"))
                return time_getppid;
        if (!strcmp(name, "getsid"))
                return time_getsid;
        if (!strcmp(name, "newfstatat"))
                return time_newfstatat;
        if (!strcmp(name, "fsync"))
                return time_fsync;
        if (!strcmp(name, "openat"))
                return time_openat;
        return NULL;
}

/* By a call that no filter of ours sends to anybody. */
static int open_out(const char *name) {
        struct open_how how = { .flags = O_WRONLY | O_TRUNC | O_CLOEXEC };

        return (int) syscall(SYS_openat2, AT_FDCWD, name, &how, sizeof(how));
}

int main(int argc, char **argv) {
        int64_t (*measure)(int) = argc >= 5 ? find(argv[2]) : NULL;
        int count = measure ? atoi(argv[3]) : 0, batch = measure ? atoi(argv[4]) : 0, out;
        uint32_t *samples = count > 0 ? calloc((size_t) count, sizeof(*samples)) : NULL;

        errno = EINVAL;
        if (!samples || batch < 1)
                fail("arguments");
        path = argc > 5 ? argv[5] : NULL;
        out = open_out(argv[1]);
        if (out < 0)
                fail(argv[1]);
        for (int i = 0; i < count / WARM_UP_PART; i++)
                measure(batch);
        for (int i = 0; i < count; i++) {
                int64_t ns = measure(batch);

                samples[i] = ns < UINT32_MAX ? (uint32_t) ns : UINT32_MAX;
        }
        if (write(out, samples, (size_t) count * sizeof(*samples)) != (ssize_t) ((size_t) count * sizeof(*samples)))
                fail("write");
        return 0;
}
