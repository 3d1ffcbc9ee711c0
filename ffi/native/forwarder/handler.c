/* Calls that TypeScript decides: a call becomes a frame, and an answer becomes what the caller sees. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../internal.h"
#include "handler.h"

#define NO_BYTES UINT32_MAX

static bool has_bytes(int kind) {
        return kind == NODEOS_ARGUMENT_PATH || kind == NODEOS_ARGUMENT_TEXT || kind == NODEOS_ARGUMENT_IN || kind == NODEOS_ARGUMENT_IN_SIZED;
}

static bool is_room(int kind) {
        return kind == NODEOS_ARGUMENT_OUT || kind == NODEOS_ARGUMENT_OUT_SIZED;
}

/* What the kernel says of an argument that is none, before anybody is asked. */
static int check_arguments(const struct call *call) {
        for (int i = 0; i < 6; i++) {
                if (call->arguments[i].state == ARGUMENT_BAD)
                        return -EFAULT;
                if (call->arguments[i].state == ARGUMENT_LONG)
                        return -ENAMETOOLONG;
        }
        return 0;
}

static uint32_t size_of(const struct call *call) {
        uint32_t size = sizeof(struct nodeos_call_frame);

        for (int i = 0; i < 6; i++)
                if (has_bytes(call->row->kinds[i]))
                        size += (uint32_t) sizeof(uint32_t) + call->arguments[i].length;
        return size;
}

/* A transfer that is too large for a frame is done in part. */
static void cut(struct call *call, uint32_t excess) {
        for (int i = 0; i < 6; i++)
                if (call->row->kinds[i] == NODEOS_ARGUMENT_IN_SIZED && call->arguments[i].length >= excess) {
                        call->arguments[i].length -= excess;
                        return;
                }
}

static void write_bytes(const struct call *call, char *to) {
        for (int i = 0; i < 6; i++) {
                const struct argument *argument = &call->arguments[i];
                uint32_t count = argument->state == ARGUMENT_READ ? argument->length : NO_BYTES;

                if (!has_bytes(call->row->kinds[i]))
                        continue;
                memcpy(to, &count, sizeof(count));
                memcpy(to + sizeof(count), (const void *) (uintptr_t) argument->value, argument->length);
                to += sizeof(count) + argument->length;
        }
}

/* Returns NULL when the call does not fit, or there is no memory. */
static struct nodeos_call_frame *make_frame(const struct worker *worker, struct call *call, const struct identity *identity) {
        struct nodeos_call_frame *frame;
        uint32_t size = size_of(call);

        if (size > NODEOS_FRAME_MAX && call->row->flags & NODEOS_ROW_DATA)
                cut(call, size - NODEOS_FRAME_MAX);
        size = size_of(call);
        frame = size <= NODEOS_FRAME_MAX ? malloc(size) : NULL;
        if (!frame)
                return NULL;
        *frame = (struct nodeos_call_frame){
                .size = size,
                .slot = worker->slot,
                .id = call->id,
                .call = call->number,
                .tid = (uint32_t) call->tid,
                .uid = identity->fsuid,
                .gid = identity->fsgid,
        };
        memcpy(frame->arguments, call->given, sizeof(frame->arguments));
        write_bytes(call, (char *) (frame + 1));
        return frame;
}

/* The next block of an answer. Returns its size, NO_BYTES when there is none, or -EIO when it leaves the frame. */
static int64_t next_block(const struct nodeos_answer_frame *answer, size_t *at, const char **ret_bytes) {
        const char *base = (const char *) answer;
        uint32_t count;

        if (*at == answer->size)
                return NO_BYTES;
        if (answer->size - *at < sizeof(count))
                return -EIO;
        memcpy(&count, base + *at, sizeof(count));
        *at += sizeof(count);
        if (count == NO_BYTES)
                return NO_BYTES;
        if (count > answer->size - *at)
                return -EIO;
        *ret_bytes = base + *at;
        *at += count;
        return count;
}

/* Writes what the answer has for each room. Returns 0, STEP_GONE, or -errno: -EIO for an answer that does not fit. */
static int write_rooms(struct worker *worker, const struct call *call, const struct nodeos_answer_frame *answer) {
        size_t at = sizeof(*answer);

        for (int i = 0; i < 6; i++) {
                const char *bytes = NULL;
                int64_t count;
                int error;

                if (!is_room(call->row->kinds[i]))
                        continue;
                count = next_block(answer, &at, &bytes);
                if (count < 0 || (count != NO_BYTES && count > call->arguments[i].length))
                        return -EIO;
                if (count == NO_BYTES || !count)
                        continue;
                if (!call_is_valid(worker, call))
                        return STEP_GONE;
                error = caller_write(call->tid, call->given[i], bytes, (size_t) count);
                if (error)
                        return error == -ESRCH ? STEP_GONE : -EFAULT;
        }
        return 0;
}

/* A new descriptor of the caller's, with what the answer has in it. */
static int give_content(struct worker *worker, const struct call *call, const struct nodeos_answer_frame *answer, int64_t *ret_result) {
        CLEANUP_FD int fd = -1;
        size_t at = sizeof(*answer);
        const char *bytes = NULL;
        int64_t count = next_block(answer, &at, &bytes);
        int given;

        *ret_result = -EIO;
        if (count < 0)
                return STEP_ON;
        fd = memfd_create("content", MFD_CLOEXEC);
        for (int64_t written = 0, size = count == NO_BYTES ? 0 : count; fd >= 0 && written < size;) {
                ssize_t n = pwrite(fd, bytes + written, (size_t) (size - written), written);

                if (n <= 0)
                        return STEP_ON;
                written += n;
        }
        if (fd < 0)
                return STEP_ON;
        given = fd;
        fd = -1;
        return give(worker, call, given, answer->value & O_CLOEXEC, ret_result);
}

static int obey(struct worker *worker, struct call *call, const struct nodeos_answer_frame *answer, int64_t *ret_result) {
        int result;

        switch (answer->verdict) {
        case NODEOS_VERDICT_VALUE:
                result = write_rooms(worker, call, answer);
                *ret_result = result < 0 ? result : answer->value;
                return result > 0 ? result : STEP_ON;
        case NODEOS_VERDICT_FORWARD:
                return call_execute(worker, call, ret_result);
        case NODEOS_VERDICT_ALLOW:
                return STEP_BACK;
        case NODEOS_VERDICT_CONTENT:
                return give_content(worker, call, answer, ret_result);
        default:
                *ret_result = -EIO;
                return STEP_ON;
        }
}

struct waiting {
        const struct worker *worker;
        const struct call *call;
};

static bool still_waits(void *argument) {
        const struct waiting *waiting = argument;

        return call_is_valid(waiting->worker, waiting->call);
}

int handler_ask(struct worker *worker, struct call *call, int64_t *ret_result) {
        struct waiting waiting = { worker, call };
        struct nodeos_answer_frame *answer = NULL;
        struct nodeos_call_frame *frame;
        struct caller *caller = NULL;
        int step = become_self(worker), error;

        if (step == STEP_ON)
                step = arguments_read(worker, call);
        if (step == STEP_ON) {
                step = caller_find(worker, call, &caller);
                /* Whoever has namespaces of its own can still be asked for. */
                if (caller)
                        step = STEP_ON;
        }
        if (step != STEP_ON)
                return step;
        if (!call_is_valid(worker, call))
                return STEP_GONE;
        *ret_result = check_arguments(call);
        if (*ret_result)
                return STEP_ON;
        frame = make_frame(worker, call, caller->identity);
        if (!frame)
                return STEP_BACK;
        pool_cover(worker->pool);
        journal_state(worker, NODEOS_JOURNAL_HANDED);
        error = connection_ask(frame, still_waits, &waiting, &answer);
        free(frame);
        *ret_result = error;
        step = error == -ECANCELED ? STEP_GONE : STEP_ON;
        if (!error)
                step = obey(worker, call, answer, ret_result);
        free(answer);
        return step;
}
