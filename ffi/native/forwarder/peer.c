/* Peers: processes that connected to the sidecar. Who one is, says the kernel; an agent does what that one may. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "../internal.h"
#include "keeper.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

/* Who connected, as the kernel noted it then. */
struct credentials {
        struct ucred ids;
        uint32_t group_count;
        uint32_t groups[IDENTITY_GROUPS];
};

/* The label of a security module: an agent would have ours. */
static int is_labelled_differently(int32_t pid) {
        char path[40], labels[2][512];

        for (int i = 0; i < 2; i++) {
                CLEANUP_FD int fd = -1;
                ssize_t n;

                snprintf(path, sizeof(path), "/proc/%d/attr/current", i ? pid : getpid());
                fd = open(path, O_RDONLY | O_CLOEXEC);
                n = fd < 0 ? 0 : read(fd, labels[i], sizeof(labels[i]) - 1);
                labels[i][n > 0 ? n : 0] = 0;
        }
        return strcmp(labels[0], labels[1]) != 0;
}

/* Memory that the kernel does not let its user look into: the program may know what that user must not, as after the
 * execution of a setuid program. The files of its /proc directory are root's then. */
static int is_guarded(int32_t pid, uint32_t uid) {
        char path[32];
        struct stat status;

        snprintf(path, sizeof(path), "/proc/%d/status", pid);
        return stat(path, &status) < 0 || status.st_uid != uid;
}

static int is_plain(const struct identity *identity) {
        return identity->ruid == identity->euid && identity->suid == identity->euid && identity->fsuid == identity->euid &&
               identity->rgid == identity->egid && identity->sgid == identity->egid && identity->fsgid == identity->egid;
}

static int has_groups(const struct identity *identity, const uint32_t *groups, uint32_t count) {
        return identity->group_count == count && !memcmp(identity->groups, groups, count * sizeof(*groups));
}

int peer_is(const struct identity *identity, int32_t pid) {
        static struct identity now;

        return identity_read(pid, &now) == 0 && is_plain(&now) && now.euid == identity->euid && now.egid == identity->egid &&
               now.effective == identity->effective && has_groups(&now, identity->groups, identity->group_count) &&
               !is_guarded(pid, now.euid);
}

static int is_dead(int pidfd) {
        struct pollfd polled = { .fd = pidfd, .events = POLLIN };

        return poll(&polled, 1, 0) != 0;
}

static int option_is(int socket, int option, int wanted) {
        int value = 0;
        socklen_t size = sizeof(value);

        return getsockopt(socket, SOL_SOCKET, option, &value, &size) == 0 && value == wanted;
}

/* A connection that was accepted at the sidecar's socket. Another one's other end may be a daemon of root's, which asked
 * for nothing: that socket has another name, or none. Without a sidecar the client knows what it does. */
static int is_acceptable(const struct keeper *keeper, int socket) {
        const char *path = keeper->options->sidecar_socket;
        struct sockaddr_un address = { 0 };
        socklen_t size = sizeof(address) - 1;

        if (!option_is(socket, SO_DOMAIN, AF_UNIX) || !option_is(socket, SO_TYPE, SOCK_STREAM) || !option_is(socket, SO_ACCEPTCONN, 0))
                return 0;
        return !path || (getsockname(socket, (struct sockaddr *) &address, &size) == 0 && !strcmp(address.sun_path, path));
}

/* Opens the process at the other end. Returns a pidfd, or -errno. */
static int open_peer(int socket, int32_t pid) {
        uint64_t ticks = start_ticks_of(pid);
        int pidfd = -1;
        socklen_t size = sizeof(pidfd);

        if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0)
                return pidfd;
        if (errno != ENOPROTOOPT)
                return -errno;
        /* An older kernel knows the number only. Somebody later may have it by now: of the same user, since the identity is
         * compared with that of the one who connected, and the same one from here on. */
        pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0)
                return -errno;
        if (ticks && ticks == start_ticks_of(pid))
                return pidfd;
        close(pidfd);
        return -ESRCH;
}

static int read_credentials(int socket, struct credentials *ret_credentials) {
        socklen_t size = sizeof(ret_credentials->ids), groups_size = sizeof(ret_credentials->groups);

        if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &ret_credentials->ids, &size) < 0 ||
            getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, ret_credentials->groups, &groups_size) < 0)
                return -errno;
        ret_credentials->group_count = groups_size / sizeof(uint32_t);
        return 0;
}

/* Who is at the other end. Returns its pidfd, or -errno: -EPERM when it is gone, or is not any more what it was when it
 * connected, or lives in another place than we. */
static int identify(const struct keeper *keeper, int socket, int32_t *ret_pid, struct identity *ret_identity) {
        static struct credentials credentials;
        int error, pidfd, is_fine;

        if (!is_acceptable(keeper, socket))
                return -EINVAL;
        error = read_credentials(socket, &credentials);
        if (error < 0)
                return error;
        *ret_pid = credentials.ids.pid;
        /* None at all, or in a process space that we do not see; or ourselves. */
        if (*ret_pid <= 0 || *ret_pid == getpid())
                return -EPERM;
        pidfd = open_peer(socket, *ret_pid);
        if (pidfd < 0)
                return -EPERM;
        is_fine = identity_read(*ret_pid, ret_identity) == 0 && is_plain(ret_identity) && ret_identity->euid == credentials.ids.uid &&
                  ret_identity->egid == credentials.ids.gid && has_groups(ret_identity, credentials.groups, credentials.group_count) &&
                  !is_guarded(*ret_pid, ret_identity->euid) && identity_is_foreign(*ret_pid) == 0 && !is_labelled_differently(*ret_pid);
        if (is_fine && !is_dead(pidfd))
                return pidfd;
        close(pidfd);
        return -EPERM;
}

_Noreturn static void agent_main(struct keeper *keeper, int socket, int pidfd, int connection, const struct identity *identity,
                                 int32_t pid) {
        int null_fd = open("/dev/null", O_RDWR);
        int from[] = { null_fd, null_fd, null_fd, socket, keeper->tally_fds[1], pidfd, connection };
        int to[] = { 0, 1, 2, AGENT_SOCKET, AGENT_TALLY, AGENT_PEER, AGENT_CLIENT };

        /* Of the board it keeps what it cannot write. */
        if (child_descriptors(from, to, sizeof(to) / sizeof(*to)) < 0 || munmap(keeper->board, NODEOS_BOARD_SIZE) < 0)
                _exit(1);
        agent_run(keeper->board_view, AGENT_SOCKET, identity, pid);
}

int32_t peer_add(struct keeper *keeper, uint32_t client, int connection) {
        static struct identity identity;
        int32_t pid;
        int pair[2], peer_pidfd, pidfd, child;

        if (keeper->agent_count == AGENTS)
                return -ENOSPC;
        peer_pidfd = identify(keeper, connection, &pid, &identity);
        if (peer_pidfd < 0)
                return peer_pidfd;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
                close(peer_pidfd);
                return -errno;
        }
        child = child_fork("nodeos-agent", &pidfd);
        if (child == 0)
                agent_main(keeper, pair[1], peer_pidfd, connection, &identity, pid);
        if (child < 0) {
                close(peer_pidfd);
                close(pair[0]);
                close(pair[1]);
                return child;
        }
        keeper->agents[keeper->agent_count++] = (struct agent){
                .pidfd = pidfd, .socket = pair[1], .other_end = pair[0], .peer_pidfd = peer_pidfd, .connection = connection,
                .client = client
        };
        return 0;
}

static void close_ends(struct agent *agent) {
        int *fds[] = { &agent->socket, &agent->other_end, &agent->peer_pidfd, &agent->connection };

        for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
                if (*fds[i] >= 0)
                        close(*fds[i]);
                *fds[i] = -1;
        }
}

void peer_ready(struct keeper *keeper, int index) {
        struct agent *agent = &keeper->agents[index];
        int32_t result;

        if (recv(agent->other_end, &result, sizeof(result), MSG_DONTWAIT) != sizeof(result))
                result = -EPERM;
        /* It looked into a process of that number: the one who connected, if that one still lives. */
        if (result == 0 && is_dead(agent->peer_pidfd))
                result = -EPERM;
        if (control_answer(keeper, agent->client, result, result == 0 ? agent->other_end : -1) == 0 && result == 0) {
                close(agent->other_end);
                close(agent->peer_pidfd);
                agent->other_end = agent->peer_pidfd = -1;
                return;
        }
        peer_left(keeper, index);
}

/* It may be busy with a call, and would not notice. */
void peer_left(struct keeper *keeper, int index) {
        syscall(SYS_pidfd_send_signal, keeper->agents[index].pidfd, SIGKILL, NULL, 0);
        close_ends(&keeper->agents[index]);
}

void peer_ended(struct keeper *keeper, int index) {
        struct agent agent = keeper->agents[index];
        char words[64];

        keeper->agents[index] = keeper->agents[--keeper->agent_count];
        child_collect(agent.pidfd, words, sizeof(words));
        if (agent.other_end >= 0)
                control_answer(keeper, agent.client, -EPERM, -1);
        close_ends(&agent);
}
