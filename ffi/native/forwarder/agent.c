/* The agent: executes calls of one peer, with the rights of that peer and nothing else of ours; those that the sidecar asks
 * for, and those of plain requests that it reads on the peer's connection itself (agent_attend.c). */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent.h"

/* Calls that the forwarder does not execute for others, because they are about the caller's own process: an agent is such
 * a process. Nothing that makes, ends or signals processes, maps memory or waits for several descriptors. */
static const uint16_t own_calls[] = {
        SYS_lseek,  SYS_close,  SYS_dup,     SYS_chdir,  SYS_fchdir,  SYS_umask,  SYS_getcwd, SYS_uname,
        SYS_getpid, SYS_gettid, SYS_getppid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid,
};

int agent_receive(int fd, uint8_t *ret_data, size_t size) {
        while (size > 0) {
                ssize_t n = recv(fd, ret_data, size, 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return -1;
                ret_data += n;
                size -= (size_t) n;
        }
        return 0;
}

int agent_send(int fd, const uint8_t *data, size_t size) {
        while (size > 0) {
                ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -1;
                data += n;
                size -= (size_t) n;
        }
        return 0;
}

static bool is_own_call(uint32_t number) {
        for (size_t i = 0; i < sizeof(own_calls) / sizeof(*own_calls); i++)
                if (own_calls[i] == number)
                        return true;
        return false;
}

bool agent_may_execute(const struct nodeos_row *row, uint32_t number) {
        if (row->flags & (NODEOS_ROW_NAMESPACE | NODEOS_ROW_IDENTITY) || memchr(row->kinds, NODEOS_ARGUMENT_POINTER, sizeof(row->kinds)))
                return false;
        return row->flags & NODEOS_ROW_FORWARDABLE || is_own_call(number);
}

/* Whether a descriptor is of something in our own /proc directory, which tells how the keeper looks, whose copy we are. It is
 * closed then. */
static int is_about_us(int fd) {
        char link[64], path[64], own[32];
        struct statfs fs;
        ssize_t n;

        if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
                return 0;
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        snprintf(own, sizeof(own), "/%d/", getpid());
        n = readlink(link, path, sizeof(path) - 2);
        /* Wherever /proc is mounted; its directory itself ends there. */
        if (n > 0)
                strcpy(path + n, "/");
        if (n > 0 && !strstr(path, own))
                return 0;
        close(fd);
        return 1;
}

const struct nodeos_row *agent_row(const struct nodeos_board *board, uint32_t call) {
        return (const struct nodeos_row *) ((const uint8_t *) board + NODEOS_BOARD_ROWS_AT) + call;
}

/* Fills in the outcome, 0: no call. */
static int64_t execute(const struct nodeos_board *board, const struct nodeos_call_frame *frame, struct request *request,
                       uint32_t *ret_outcome) {
        const uint32_t *policies = (const uint32_t *) ((const uint8_t *) board + NODEOS_BOARD_POLICY_AT);
        const uint64_t *a = request->arguments;
        uint32_t policy;
        int64_t result;

        memset(request, 0, sizeof(*request));
        *ret_outcome = 0;
        if (frame->call >= NODEOS_BOARD_CALLS)
                return -ENOSYS;
        request->row = *agent_row(board, frame->call);
        policy = __atomic_load_n(policies + frame->call, __ATOMIC_RELAXED);
        if ((policy & 0xffff) == NODEOS_ACTION_DENY) {
                *ret_outcome = TALLY_DENIED;
                return -(int64_t) (policy >> 16);
        }
        /* A handler speaks to the forwarder only. */
        *ret_outcome = TALLY_RETURNED;
        if ((policy & 0xffff) == NODEOS_ACTION_HANDLE || !agent_may_execute(&request->row, frame->call))
                return -ENOSYS;
        result = request_prepare(request, frame);
        if (result < 0)
                return result;
        *ret_outcome = TALLY_DENIED;
        if (!agent_peer_is_same())
                return -EPERM;
        *ret_outcome = TALLY_FORWARDED;
        result = syscall(frame->call, a[0], a[1], a[2], a[3], a[4], a[5]);
        if (result < 0)
                result = -errno;
        else if (request->row.flags & NODEOS_ROW_OPENS && is_about_us((int) result))
                result = -EACCES;
        if (result < 0)
                *ret_outcome |= TALLY_FAILED;
        return result;
}

int64_t agent_execute(const struct nodeos_board *board, const struct nodeos_call_frame *frame, struct request *ret_request,
                      struct tally *ret_tally) {
        int64_t start_ns = keeper_now_ns(), value;

        *ret_tally = (struct tally){ .call = frame->call };
        value = execute(board, frame, ret_request, &ret_tally->outcome);
        ret_tally->ns = (uint64_t) (keeper_now_ns() - start_ns);
        return value;
}

/* Executes the call of a frame, and answers. */
static bool call(const struct nodeos_board *board, const struct nodeos_call_frame *frame) {
        struct request request;
        struct tally tally;
        int64_t value = agent_execute(board, frame, &request, &tally);

        if (agent_send(AGENT_SOCKET, agent_room.answer, request_answer(&request, frame, value)) < 0)
                return false;
        /* The counters may miss one when their reader is slow; the peer does not wait for it. */
        if (tally.outcome)
                (void) !write(AGENT_TALLY, &tally, sizeof(tally));
        return true;
}

/* Does what a frame says. False when nothing comes after it. */
static bool take(const struct nodeos_board *board, const struct nodeos_call_frame *frame) {
        switch (frame->call) {
        case AGENT_NAMES:
                return agent_names_take(agent_room.frame + sizeof(*frame), frame->size - sizeof(*frame)) == 0;
        case AGENT_ATTEND:
                return agent_attend(board, frame);
        default:
                return call(board, frame);
        }
}

_Noreturn void agent_run(const struct nodeos_board *board, int socket, const struct identity *identity, int32_t pid) {
        const struct nodeos_call_frame *frame = (const struct nodeos_call_frame *) agent_room.frame;
        int32_t error = agent_become(identity, pid);

        if (error == 0)
                error = agent_confine(board);
        if (agent_send(socket, (const uint8_t *) &error, sizeof(error)) < 0 || error < 0)
                _exit(1);
        /* A frame of no possible size: nobody knows where the next one begins. */
        while (agent_receive(socket, agent_room.frame, sizeof(*frame)) == 0 && frame->size >= sizeof(*frame) &&
               frame->size <= NODEOS_FRAME_MAX &&
               agent_receive(socket, agent_room.frame + sizeof(*frame), frame->size - sizeof(*frame)) == 0 && take(board, frame))
                ;
        _exit(0);
}
