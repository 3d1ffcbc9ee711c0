/* Frames of an agent: arguments and data of a call, and what it filled. */
#include <errno.h>
#include <string.h>

#include "agent.h"

enum { NULL_DATA = -1, NO_DATA = -2 };

struct agent_room agent_room;

static size_t round_up(size_t size) {
        return (size + AGENT_ALIGNMENT - 1) / AGENT_ALIGNMENT * AGENT_ALIGNMENT;
}

/* Takes the next data of a frame: copies it, since it is neither aligned nor ended by a NUL there. Returns its size,
 * NULL_DATA, or NO_DATA when the frame ends before. */
static int64_t take_data(const struct nodeos_call_frame *frame, size_t *at, size_t *in_used, uint8_t **ret_data) {
        const uint8_t *bytes = (const uint8_t *) frame;
        uint32_t size;

        *ret_data = NULL;
        if (frame->size - *at < sizeof(size))
                return NO_DATA;
        memcpy(&size, bytes + *at, sizeof(size));
        *at += sizeof(size);
        if (size == UINT32_MAX)
                return NULL_DATA;
        if (size > frame->size - *at)
                return NO_DATA;
        *ret_data = agent_room.in + *in_used;
        memcpy(*ret_data, bytes + *at, size);
        (*ret_data)[size] = 0;
        *at += size;
        *in_used += round_up((size_t) size + 1);
        return size;
}

/* Puts argument i in its place, with its data. Returns 0, or -errno for a frame that is wrong. */
static int prepare_in(struct request *request, int i, const uint8_t *data, int64_t size) {
        int kind = request->row.kinds[i];

        if (size == NO_DATA)
                return -EINVAL;
        request->arguments[i] = (uint64_t) (uintptr_t) data;
        if (size == NULL_DATA)
                return 0;
        if ((kind == NODEOS_ARGUMENT_PATH || kind == NODEOS_ARGUMENT_TEXT) && memchr(data, 0, (size_t) size))
                return -EINVAL;
        if (kind == NODEOS_ARGUMENT_IN && size != request->row.sizes[i])
                return -EINVAL;
        if (kind == NODEOS_ARGUMENT_IN_SIZED && i < 5)
                request->arguments[i + 1] = (uint64_t) size;
        return 0;
}

/* Makes room for what argument i fills: a structure has its size, other data get what there is. Returns 0, or -errno. */
static int prepare_out(struct request *request, int i, size_t *out_used) {
        int is_sized = request->row.kinds[i] == NODEOS_ARGUMENT_OUT_SIZED;
        /* The answer needs a header, and a count for each. */
        uint64_t size, left = NODEOS_FRAME_MAX - 256 - *out_used;

        if (is_sized && i == 5)
                return -EINVAL;
        size = is_sized ? request->arguments[i + 1] : request->row.sizes[i];
        if (size > left && !is_sized)
                return -EINVAL;
        if (size > left)
                size = left;
        request->out[i] = agent_room.out + *out_used;
        request->out_size[i] = size;
        request->arguments[i] = (uint64_t) (uintptr_t) request->out[i];
        if (is_sized)
                request->arguments[i + 1] = size;
        else
                memset(request->out[i], 0, size);
        *out_used += round_up(size);
        return 0;
}

int request_prepare(struct request *request, const struct nodeos_call_frame *frame) {
        size_t at = sizeof(*frame), in_used = 0, out_used = 0;
        int64_t size;
        uint8_t *data;
        int error = 0;

        memcpy(request->arguments, frame->arguments, sizeof(request->arguments));
        for (int i = 0; i < 6 && error == 0; i++) {
                switch (request->row.kinds[i]) {
                case NODEOS_ARGUMENT_NONE:
                        request->arguments[i] = 0;
                        break;
                case NODEOS_ARGUMENT_FD:
                case NODEOS_ARGUMENT_DIRFD:
                        /* Ours are none of its business. */
                        if ((int32_t) request->arguments[i] >= AGENT_SOCKET)
                                error = -EBADF;
                        break;
                case NODEOS_ARGUMENT_PATH:
                case NODEOS_ARGUMENT_TEXT:
                case NODEOS_ARGUMENT_IN:
                case NODEOS_ARGUMENT_IN_SIZED:
                        size = take_data(frame, &at, &in_used, &data);
                        error = prepare_in(request, i, data, size);
                        break;
                case NODEOS_ARGUMENT_OUT:
                case NODEOS_ARGUMENT_OUT_SIZED:
                        error = prepare_out(request, i, &out_used);
                        break;
                }
        }
        return error < 0 ? error : at == frame->size ? 0 : -EINVAL;
}

size_t request_answer(const struct request *request, const struct nodeos_call_frame *frame, int64_t value) {
        struct nodeos_answer_frame header = { .slot = frame->slot, .id = frame->id, .verdict = NODEOS_VERDICT_VALUE, .value = value };
        size_t at = sizeof(header);

        for (int i = 0; i < 6; i++) {
                int kind = request->row.kinds[i];
                uint64_t size = request->out_size[i];
                uint32_t count = UINT32_MAX;

                if (kind != NODEOS_ARGUMENT_OUT && kind != NODEOS_ARGUMENT_OUT_SIZED)
                        continue;
                /* What was sized by the caller is filled as far as the result says. */
                if (kind == NODEOS_ARGUMENT_OUT_SIZED && (uint64_t) value < size)
                        size = (uint64_t) value;
                if (value >= 0)
                        count = (uint32_t) size;
                memcpy(agent_room.answer + at, &count, sizeof(count));
                at += sizeof(count);
                if (value >= 0) {
                        memcpy(agent_room.answer + at, request->out[i], size);
                        at += size;
                }
        }
        header.size = (uint32_t) at;
        memcpy(agent_room.answer, &header, sizeof(header));
        return at;
}
