/* Limits of the caller, and the signals that come with them. */
#define _GNU_SOURCE
#include "trap.h"

#include <sys/resource.h>

static volatile sig_atomic_t signals_seen;

static void count_signal(int number) {
        (void) number;
        signals_seen++;
}

static void limit_files(rlim_t size) {
        struct rlimit limit;

        MUST(getrlimit(RLIMIT_FSIZE, &limit));
        limit.rlim_cur = size;
        MUST(setrlimit(RLIMIT_FSIZE, &limit));
}

static void file_size(void) {
        int fd = (int) MUST(open("f", O_RDWR | O_CREAT | O_CLOEXEC, 0644));
        char block[100] = {0};

        signal(SIGXFSZ, count_signal);
        limit_files(150);
        EXPECT(write(fd, block, sizeof(block)), 100);
        EXPECT(write(fd, block, sizeof(block)), 50);
        FAILS(write(fd, block, sizeof(block)), EFBIG);
        EXPECT(signals_seen, 1);
        FAILS(pwrite(fd, block, sizeof(block), 150), EFBIG);
        EXPECT(signals_seen, 2);
        FAILS(ftruncate(fd, 151), EFBIG);
        EXPECT(signals_seen, 3);
        FAILS(truncate("f", 151), EFBIG);
        EXPECT(signals_seen, 4);
        FAILS(fallocate(fd, 0, 0, 151), EFBIG);
        EXPECT(signals_seen, 5);
        MUST(truncate("f", 150));
        limit_files(RLIM_INFINITY);
        MUST(truncate("f", 1000));
        EXPECT(write(fd, block, sizeof(block)), 100);
        EXPECT(signals_seen, 5);
}

static void grow_too_far(void) {
        limit_files(10);
        if (truncate("f", 11) < 0)
                FAIL("truncate came back");
}

/* Without a handler, the signal ends the program that made the call. */
static void ends_caller(void) {
        make_file("f", 0644, "");
        EXPECT(in_child(grow_too_far), 128 + SIGXFSZ);
        MUST(mkdir("still-here", 0755));
}

static void write_to_nobody(void) {
        int pipes[2];

        MUST(pipe2(pipes, O_CLOEXEC));
        MUST(close(pipes[0]));
        if (write(pipes[1], "x", 1) < 0)
                FAIL("write came back");
}

static void broken_pipe(void) {
        int pipes[2];

        EXPECT(in_child(write_to_nobody), 128 + SIGPIPE);
        signal(SIGPIPE, count_signal);
        signals_seen = 0;
        MUST(pipe2(pipes, O_CLOEXEC));
        MUST(close(pipes[0]));
        FAILS(write(pipes[1], "x", 1), EPIPE);
        EXPECT(signals_seen, 1);
}

/* A limit that another process sets counts for the next call. */
static void set_by_another(void) {
        struct rlimit limit;
        pid_t pid;

        make_file("f", 0644, "");
        signal(SIGXFSZ, SIG_IGN);
        MUST(getrlimit(RLIMIT_FSIZE, &limit));
        pid = (pid_t) MUST(fork());
        if (pid == 0) {
                limit.rlim_cur = 5;
                if (prlimit(getppid(), RLIMIT_FSIZE, &limit, NULL) < 0)
                        _exit(errno == EPERM || errno == ENOSYS ? 77 : 1);
                _exit(0);
        }
        if (ended(pid) == 77)
                trap_skip("prlimit is refused");
        FAILS(truncate("f", 6), EFBIG);
        MUST(truncate("f", 5));
}

TRAPS({"the limit of file sizes is the caller's, with its signal", file_size},
      {"the signal of a file that is too large ends its writer", ends_caller},
      {"the signal of a broken pipe ends its writer", broken_pipe},
      {"a limit that another process sets counts at once", set_by_another})
