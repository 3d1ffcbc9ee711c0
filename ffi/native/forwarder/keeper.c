/* The keeper: holds what must outlive a forwarder, and ends all that it started when it ends. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../internal.h"
#include "keeper.h"

enum { TALLY_PAUSE_NS = 20 * 1000 * 1000 };

/* What is polled, in this order; after these clients, agents (three each) and listeners. */
enum { AGENT_FDS = 3 };
enum { POLL_CONTROL, POLL_SIGNAL, POLL_OWNER, POLL_CHANNEL, POLL_FORWARDER, POLL_SIDECAR, POLL_SIDECAR_SOCKET, POLL_TALLY, POLL_BOARD, POLL_FIXED };

int keeper_do(struct keeper *keeper, uint32_t client, uint32_t kind, int fd, int32_t *ret_result) {
        int takes_fd = kind == NODEOS_CONTROL_LISTEN || kind == NODEOS_CONTROL_PEER || kind == NODEOS_CONTROL_HANDLE;

        *ret_result = -EINVAL;
        if (takes_fd != (fd >= 0)) {
                if (fd >= 0)
                        close(fd);
                return 0;
        }
        switch (kind) {
        case NODEOS_CONTROL_LISTEN:
                *ret_result = listener_add(keeper, client, fd);
                break;
        case NODEOS_CONTROL_HANDLE:
                *ret_result = handle_add(keeper, client, fd);
                break;
        case NODEOS_CONTROL_PEER:
                *ret_result = peer_add(keeper, client, fd);
                break;
        case NODEOS_CONTROL_STAY:
                keeper->stays = 1;
                *ret_result = 0;
                return 0;
        case NODEOS_CONTROL_SIDECAR:
                *ret_result = sidecar_start(keeper);
                keeper->sidecar_stays |= *ret_result >= 0;
                return 0;
        case NODEOS_CONTROL_STOP:
                keeper->is_ending = 1;
                keeper->stop_client = client;
                return 1;
        default:
                return 0;
        }
        if (*ret_result == 0)
                return 1;
        close(fd);
        return 0;
}

static void watch(struct pollfd *polled, int fd, short events) {
        *polled = (struct pollfd){ .fd = fd, .events = events };
}

/* Fills in what to look at, and returns how many entries that are. */
static nfds_t watch_all(const struct keeper *keeper, struct pollfd *polled, int64_t now_ns) {
        int sidecar_fd = keeper->sidecar_pidfd < 0 && now_ns >= keeper->sidecar_ns ? keeper->sidecar_fd : -1;
        struct pollfd *next = polled + POLL_FIXED;

        watch(&polled[POLL_CONTROL], now_ns >= keeper->accept_ns ? CONTROL_FD : -1, POLLIN);
        watch(&polled[POLL_SIGNAL], keeper->signal_fd, POLLIN);
        watch(&polled[POLL_OWNER], keeper->owner_pidfd, POLLIN);
        watch(&polled[POLL_CHANNEL], keeper->channel, POLLIN);
        watch(&polled[POLL_FORWARDER], keeper->forwarder_pidfd, POLLIN);
        watch(&polled[POLL_SIDECAR], keeper->sidecar_pidfd, POLLIN);
        watch(&polled[POLL_SIDECAR_SOCKET], sidecar_fd, POLLIN);
        watch(&polled[POLL_TALLY], now_ns >= keeper->tally_ns ? keeper->tally_fds[0] : -1, POLLIN);
        watch(&polled[POLL_BOARD], keeper->board_watch_fd, POLLIN);
        for (int i = 0; i < keeper->client_count; i++)
                watch(next++, keeper->clients[i].fd, keeper->clients[i].is_waiting ? 0 : POLLIN);
        for (int i = 0; i < keeper->agent_count; i++) {
                const struct agent *agent = &keeper->agents[i];

                watch(next++, agent->pidfd, POLLIN);
                watch(next++, agent->other_end >= 0 ? agent->other_end : agent->socket, agent->other_end >= 0 ? POLLIN : POLLRDHUP);
                /* Its hangup is reported unasked; half closed, it still waits for answers. */
                watch(next++, agent->other_end >= 0 ? -1 : agent->connection, 0);
        }
        /* Calls are the forwarder's: we look for the end of the programs only, which is reported unasked. */
        for (int i = 0; i < keeper->listener_count; i++)
                watch(next++, keeper->listeners[i].fd, 0);
        return (nfds_t) (next - polled);
}

static int timeout_ms(const struct keeper *keeper, int64_t now_ns) {
        int64_t times[] = {
                keeper->accept_ns,
                keeper->tally_ns,
                keeper->forwarder_pidfd < 0 ? keeper->forwarder_ns : 0,
                keeper->sidecar_fd >= 0 && keeper->sidecar_pidfd < 0 ? keeper->sidecar_ns : 0,
        };
        int64_t first_ns = INT64_MAX;

        for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++)
                if (times[i] > now_ns && times[i] < first_ns)
                        first_ns = times[i];
        return first_ns == INT64_MAX ? -1 : (int) ((first_ns - now_ns + 999999) / 1000000);
}

/* What came for listeners, agents and clients, the last first: who is dropped changes places with one that was looked at. */
static void serve_lists(struct keeper *keeper, const struct pollfd *polled) {
        int clients = keeper->client_count, agents = keeper->agent_count;
        const struct pollfd *client = polled + POLL_FIXED, *agent = client + clients, *listener = agent + AGENT_FDS * agents;

        for (int i = keeper->listener_count - 1; i >= 0; i--)
                if (listener[i].revents)
                        listener_drop(keeper, i, -ESRCH);
        for (int i = agents - 1; i >= 0; i--) {
                const struct pollfd *at = agent + AGENT_FDS * i;

                if (at[1].revents && keeper->agents[i].other_end >= 0)
                        peer_ready(keeper, i);
                else if (at[1].revents || at[2].revents)
                        peer_left(keeper, i);
                if (at[0].revents)
                        peer_ended(keeper, i);
        }
        for (int i = clients - 1; i >= 0; i--) {
                if (client[i].revents & POLLIN)
                        control_read(keeper, i);
                else if (client[i].revents)
                        control_drop(keeper, i);
        }
}

/* Whoever removes the board, and the sockets with it, has no way left to us. */
static void look_at_board(struct keeper *keeper) {
        char events[512];
        struct stat stat;

        while (read(keeper->board_watch_fd, events, sizeof(events)) > 0)
                ;
        if (fstat(BOARD_FD, &stat) == 0 && stat.st_nlink == 0)
                keeper->is_removed = 1;
}

static void serve(struct keeper *keeper, const struct pollfd *polled) {
        serve_lists(keeper, polled);
        if (polled[POLL_SIGNAL].revents)
                keeper->is_ending = 1;
        if (polled[POLL_OWNER].revents) {
                close(keeper->owner_pidfd);
                keeper->owner_pidfd = -1;
        }
        if (polled[POLL_CHANNEL].revents)
                forwarder_answered(keeper);
        if (polled[POLL_FORWARDER].revents)
                forwarder_ended(keeper);
        if (polled[POLL_SIDECAR].revents)
                sidecar_ended(keeper);
        if (polled[POLL_SIDECAR_SOCKET].revents)
                sidecar_start(keeper);
        if (polled[POLL_TALLY].revents) {
                tally_read(keeper);
                keeper->tally_ns = keeper_now_ns() + TALLY_PAUSE_NS;
        }
        if (polled[POLL_BOARD].revents)
                look_at_board(keeper);
        if (polled[POLL_CONTROL].revents)
                control_accept(keeper);
}

/* Nobody needs us: no program of ours runs, and the owner is gone and did not ask us to stay, or nobody can ask us any more. */
static int is_needless(const struct keeper *keeper) {
        return keeper->listener_count == 0 && (keeper->is_removed || (keeper->owner_pidfd < 0 && !keeper->stays));
}

static void serve_until_end(struct keeper *keeper) {
        static struct pollfd polled[POLL_FIXED + CLIENTS + AGENT_FDS * AGENTS + LISTENERS];

        while (!keeper->is_ending) {
                int64_t now_ns = keeper_now_ns();
                nfds_t count;
                int n;

                if (keeper->forwarder_pidfd < 0 && now_ns >= keeper->forwarder_ns)
                        forwarder_start(keeper);
                if (keeper->sidecar_stays && keeper->sidecar_pidfd < 0 && now_ns >= keeper->sidecar_ns)
                        sidecar_start(keeper);
                count = watch_all(keeper, polled, now_ns);
                /* A listener may be on its way to us when its sender, the owner, dies. */
                n = poll(polled, count, is_needless(keeper) ? 0 : timeout_ms(keeper, now_ns));
                if (n == 0 && is_needless(keeper))
                        return;
                if (n > 0)
                        serve(keeper, polled);
                /* Out of memory: it may come back. */
                else if (n < 0 && errno != EINTR)
                        poll(NULL, 0, 10);
        }
}

static int left_ms(int64_t end_ns) {
        int64_t left_ns = end_ns - keeper_now_ns();

        return left_ns > 0 ? (int) (left_ns / 1000000) : 0;
}

static void end_all(struct keeper *keeper) {
        struct nodeos_board *board = keeper->board;
        int64_t end_ns = keeper_now_ns() + 2 * SECOND_NS;

        for (int i = 0; i < keeper->agent_count; i++)
                syscall(SYS_pidfd_send_signal, keeper->agents[i].pidfd, SIGKILL, NULL, 0);
        if (keeper->sidecar_fd >= 0)
                unlink(keeper->options->sidecar_socket);
        child_end(keeper->forwarder_pidfd, SIGKILL, left_ms(end_ns));
        child_end(keeper->sidecar_pidfd, SIGTERM, left_ms(end_ns) / 2);
        /* One that hangs in the kernel dies when that lets go of it; nobody waits longer than this. */
        for (int i = 0; i < keeper->agent_count; i++)
                child_end(keeper->agents[i].pidfd, SIGKILL, left_ms(end_ns));
        while (keeper->listener_count > 0)
                listener_drop(keeper, keeper->listener_count - 1, -ESHUTDOWN);
        board->forwarder_pid = board->sidecar_pid = board->keeper_pid = 0;
        board->threads = board->listeners = 0;
        board->handlers = 0;
        control_answer(keeper, keeper->stop_client, 0, -1);
}

static int keeper_open(struct keeper *keeper) {
        const struct keeper_options *options = keeper->options;
        sigset_t signals;

        /* The C library looks for the time zone once: agents are not to. */
        tzset();
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigprocmask(SIG_BLOCK, &signals, NULL);
        signal(SIGPIPE, SIG_IGN);
        keeper->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
        if (keeper->signal_fd < 0 || pipe2(keeper->tally_fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        (void) fcntl(keeper->tally_fds[1], F_SETPIPE_SZ, TALLY_ROOM);
        if (options->record) {
                keeper->record_fd = open(options->record, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
                if (keeper->record_fd < 0)
                        return -errno;
        }
        if (options->owner_pid) {
                keeper->owner_pidfd = (int) syscall(SYS_pidfd_open, options->owner_pid, 0);
                /* The pidfd names one process for good: if its start agrees, it is the one. */
                if (keeper->owner_pidfd < 0 || start_ticks_of(options->owner_pid) != options->owner_start_ticks)
                        return -ESRCH;
        }
        keeper->board_watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        /* Without it we stay on. */
        if (keeper->board_watch_fd >= 0)
                inotify_add_watch(keeper->board_watch_fd, "/proc/self/fd/1", IN_ATTRIB);
        keeper->stays = !options->owner_pid;
        return sidecar_open(keeper);
}

int keeper_run(const struct keeper_options *options, struct nodeos_board *board, const struct nodeos_board *view, int ready_fd) {
        static struct keeper keeper;
        int error;

        keeper = (struct keeper){
                .options = options, .board = board, .board_view = view,
                .signal_fd = -1, .record_fd = -1, .owner_pidfd = -1, .board_watch_fd = -1,
                .forwarder_pidfd = -1, .channel = -1, .sidecar_fd = -1, .sidecar_pidfd = -1,
                .forwarder_pace = { .interval_ns = SECOND_NS, .burst = 64 },
                .sidecar_pace = { .interval_ns = SECOND_NS, .burst = 20 },
        };
        error = keeper_open(&keeper);
        if (error < 0) {
                keeper_say("Cannot start: %s", strerror(-error));
                return 1;
        }
        board->keeper_start_ticks = start_ticks_of(getpid());
        __atomic_store_n(&board->keeper_pid, getpid(), __ATOMIC_RELEASE);
        forwarder_start(&keeper);
        if (write(ready_fd, "", 1) < 0)
                keeper_say("nobody waits for us");
        close(ready_fd);
        serve_until_end(&keeper);
        end_all(&keeper);
        return 0;
}
