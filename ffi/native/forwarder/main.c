/* nodeos-forwarder: keeps and executes the system calls that a container sends to user space.
 *
 * nodeos starts it with the listening control socket as descriptor 0, the board as 1 and the log as 2. It ends at once,
 * with status 0 when its child, the keeper, serves; with 1 when that cannot, and the log says why; with 2 on wrong usage. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../internal.h"
#include "keeper.h"

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#error "the forwarder knows x86-64 and aarch64"
#endif

enum { DESCRIPTORS = 4096 };

static const char usage[] =
        "usage: nodeos-forwarder [--owner PID:STARTTICKS] [--record FILE]\n"
        "                        [--sidecar-socket PATH --sidecar-owner UID:GID -- PROGRAM [ARGUMENT...]]\n"
        "\n"
        "nodeos starts it, with the listening control socket as descriptor 0, the board as 1 and the log as 2.\n";

static int refuse(const char *what, const char *why) {
        keeper_say("Cannot %s: %s", what, why);
        return 2;
}

/* Two numbers with a colon between them. Returns 0, or -1. */
static int read_pair(const char *text, uint64_t *ret_first, uint64_t *ret_second) {
        char *end;

        if (*text < '0' || *text > '9')
                return -1;
        errno = 0;
        *ret_first = strtoull(text, &end, 10);
        if (errno || *end != ':' || end[1] < '0' || end[1] > '9')
                return -1;
        *ret_second = strtoull(end + 1, &end, 10);
        return errno || *end ? -1 : 0;
}

/* Returns -1 when all is well, otherwise the exit status. */
static int read_options(int argc, char **argv, struct keeper_options *ret_options) {
        uint64_t first, second;
        int i;

        for (i = 1; i < argc && strcmp(argv[i], "--"); i += 2) {
                const char *value = argv[i + 1];

                if (!value)
                        return refuse("read the arguments", "the last one needs a value");
                if (!strcmp(argv[i], "--record")) {
                        ret_options->record = value;
                } else if (!strcmp(argv[i], "--sidecar-socket")) {
                        ret_options->sidecar_socket = value;
                } else if (!strcmp(argv[i], "--owner") && read_pair(value, &first, &second) == 0 && first && first <= INT32_MAX) {
                        ret_options->owner_pid = (int32_t) first;
                        ret_options->owner_start_ticks = second;
                } else if (!strcmp(argv[i], "--sidecar-owner") && read_pair(value, &first, &second) == 0 && first < UINT32_MAX &&
                           second < UINT32_MAX) {
                        ret_options->sidecar_uid = (uint32_t) first;
                        ret_options->sidecar_gid = (uint32_t) second;
                } else {
                        return refuse("read the arguments", argv[i]);
                }
        }
        if (i + 1 < argc)
                ret_options->sidecar_argv = argv + i + 1;
        if (!ret_options->sidecar_argv != !ret_options->sidecar_socket)
                return refuse("read the arguments", "a sidecar is a program and a socket");
        return -1;
}

/* Maps the board, and once more, read-only, the part that agents may see. Returns 0, or -errno. */
static int map_board(struct nodeos_board **ret_board, const struct nodeos_board **ret_view) {
        CLEANUP_FD int fd = open("/proc/self/fd/1", O_RDONLY | O_CLOEXEC);
        struct nodeos_board *board;
        struct stat stat;

        if (fd < 0 || fstat(fd, &stat) < 0)
                return -errno;
        if (!S_ISREG(stat.st_mode) || stat.st_size < NODEOS_BOARD_SIZE)
                return -EMEDIUMTYPE;
        board = mmap(NULL, NODEOS_BOARD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, BOARD_FD, 0);
        if (board == MAP_FAILED)
                return -errno;
        if (board->magic != NODEOS_BOARD_MAGIC || board->size != NODEOS_BOARD_SIZE || board->audit_arch != OUR_ARCH)
                return -EMEDIUMTYPE;
        *ret_board = board;
        *ret_view = mmap(NULL, NODEOS_BOARD_COUNTERS_AT, PROT_READ, MAP_SHARED, fd, 0);
        return *ret_view == MAP_FAILED ? -errno : 0;
}

static int is_listening(int fd) {
        int listening = 0, type = 0;
        socklen_t size = sizeof(int);

        return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening &&
               getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

/* Listeners, agents and clients are descriptors: as many as we may have, and enough if we may say so. */
static void raise_limit(void) {
        const struct rlimit enough = { DESCRIPTORS, DESCRIPTORS };
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || (limit.rlim_max < DESCRIPTORS && setrlimit(RLIMIT_NOFILE, &enough) == 0))
                return;
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
}

/* The keeper is a child, and nobody's but init's: nodeos has nothing to wait for later. Its parent stays until it serves. */
static int run_as_child(const struct keeper_options *options, struct nodeos_board *board, const struct nodeos_board *view) {
        int ready[2];
        char byte;
        pid_t pid;

        if (pipe2(ready, O_CLOEXEC) < 0)
                return refuse("start", strerror(errno));
        pid = fork();
        if (pid < 0)
                return refuse("start", strerror(errno));
        if (pid > 0) {
                close(ready[1]);
                /* Closed without a byte: it could not. */
                return read(ready[0], &byte, 1) == 1 ? 0 : 1;
        }
        close(ready[0]);
        setsid();
        child_hurry();
        prctl(PR_SET_NAME, "nodeos-keeper");
        (void) !chdir("/");
        umask(077);
        return keeper_run(options, board, view, ready[1]);
}

int main(int argc, char **argv) {
        struct keeper_options options = { 0 };
        const struct nodeos_board *view = NULL;
        struct nodeos_board *board = NULL;
        int error, status;

        if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
                fputs(usage, stdout);
                return 0;
        }
        status = read_options(argc, argv, &options);
        if (status >= 0)
                return status;
        if (syscall(SYS_close_range, 3, ~0U, 0) < 0)
                return refuse("close what was inherited", strerror(errno));
        if (!is_listening(CONTROL_FD))
                return refuse("use descriptor 0", "it is no listening socket of packets");
        error = map_board(&board, &view);
        if (error < 0)
                return refuse("use descriptor 1", error == -EMEDIUMTYPE ? "it is no board of this version and machine" : strerror(-error));
        raise_limit();
        return run_as_child(&options, board, view);
}
