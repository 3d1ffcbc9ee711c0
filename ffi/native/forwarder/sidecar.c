/* The sidecar: a program that is started when somebody connects to its socket, and has no capability. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../internal.h"
#include "keeper.h"

enum {
        BACKLOG = 128,
        FAILURE_PRICE = 5 /* in starts */
};

static int bind_socket(int fd, const char *path, uint32_t uid, uint32_t gid) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        mode_t mask;
        int n;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        if (unlink(path) < 0 && errno != ENOENT)
                return -errno;
        /* Never open to anybody else, not even for a moment. */
        mask = umask(0177);
        n = bind(fd, (struct sockaddr *) &address, sizeof(address));
        umask(mask);
        if (n < 0 || chown(path, uid, gid) < 0 || chmod(path, 0600) < 0 || listen(fd, BACKLOG) < 0)
                return -errno;
        return 0;
}

int sidecar_open(struct keeper *keeper) {
        const struct keeper_options *options = keeper->options;
        int fd, error;

        if (!options->sidecar_argv)
                return 0;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        error = bind_socket(fd, options->sidecar_socket, options->sidecar_uid, options->sidecar_gid);
        if (error < 0) {
                close(fd);
                return error;
        }
        keeper->sidecar_fd = fd;
        return 0;
}

_Noreturn static void sidecar_main(struct keeper *keeper) {
        int from[] = { keeper->sidecar_fd, LOG_FD, LOG_FD }, to[] = { 0, 1, 2 };
        const char *path = keeper->options->sidecar_socket, *slash = strrchr(path, '/');
        char *directory = slash ? strndup(path, slash > path ? (size_t) (slash - path) : 1) : strdup(".");
        char **argv = keeper->options->sidecar_argv;
        int error = child_descriptors(from, to, 3);

        signal(SIGPIPE, SIG_DFL);
        if (error == 0 && (!directory || setenv("NODEOS_FORWARD_DIR", directory, 1) < 0))
                error = -errno;
        if (error == 0)
                error = child_bound_capabilities(0);
        if (error == 0)
                error = child_set_capabilities(0);
        if (error == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                error = -errno;
        if (error == 0)
                error = sidecar_confine();
        if (error == 0) {
                execvp(argv[0], argv);
                error = -errno;
        }
        keeper_say("Cannot start the sidecar %s: %s", argv[0], strerror(-error));
        _exit(127);
}

int32_t sidecar_start(struct keeper *keeper) {
        int pid;

        if (keeper->sidecar_fd < 0)
                return -ENOENT;
        if (keeper->sidecar_pidfd >= 0)
                return keeper->board->sidecar_pid;
        pace_pay(&keeper->sidecar_pace, keeper_now_ns());
        keeper->sidecar_ns = pace_next_ns(&keeper->sidecar_pace, keeper_now_ns());
        pid = child_fork("nodeos-sidecar", &keeper->sidecar_pidfd);
        if (pid == 0)
                sidecar_main(keeper);
        if (pid < 0) {
                keeper_say("Cannot start the sidecar: %s", strerror(-pid));
                keeper->sidecar_pidfd = -1;
                return pid;
        }
        __atomic_store_n(&keeper->board->sidecar_pid, pid, __ATOMIC_RELAXED);
        __atomic_fetch_add(&keeper->board->sidecar_starts, 1, __ATOMIC_RELAXED);
        return pid;
}

/* Nobody waits for ever for a sidecar that cannot start. */
static void send_away(const struct keeper *keeper) {
        int fd;

        while ((fd = accept4(keeper->sidecar_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
                close(fd);
}

/* Who connected and was not accepted waits on: the socket is ours. */
void sidecar_ended(struct keeper *keeper) {
        char words[64];
        int status = child_collect(keeper->sidecar_pidfd, words, sizeof(words));

        keeper_say("the sidecar (process %d) %s", keeper->board->sidecar_pid, words);
        keeper->sidecar_pidfd = -1;
        __atomic_store_n(&keeper->board->sidecar_pid, 0, __ATOMIC_RELAXED);
        /* One that fails by itself fails again, and costs more than one that was killed. */
        for (int i = 1; status > 0 && i < FAILURE_PRICE; i++)
                pace_pay(&keeper->sidecar_pace, keeper_now_ns());
        keeper->sidecar_ns = pace_next_ns(&keeper->sidecar_pace, keeper_now_ns());
        if (status > 0 && keeper->sidecar_ns > keeper_now_ns() + SECOND_NS)
                send_away(keeper);
}
