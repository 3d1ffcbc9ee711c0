/* Arguments of a call of a plain request: in the order of C, all of them, or without what follows from the rest, which is
 * buffers that the kernel fills and the byte count after data. Missing integers are 0, missing room is 4096 bytes. */
#include <string.h>

#include "agent_batch.h"

enum {
        ROOM_DEFAULT = 4096,
        STEP_TEXT = 320, /* what an answer has besides its data, at most */
        /* And of a structure: for each of its bytes, and besides. */
        STRUCTURE_EACH = 12,
        STRUCTURE_TEXT = 1024
};

static bool has_bytes(const struct given *given) {
        return given->kind == GIVEN_STRING || given->kind == GIVEN_BYTES;
}

static bool is_filled(uint8_t kind) {
        return kind == NODEOS_ARGUMENT_OUT || kind == NODEOS_ARGUMENT_OUT_SIZED;
}

static bool is_data(uint8_t kind) {
        return kind == NODEOS_ARGUMENT_PATH || kind == NODEOS_ARGUMENT_TEXT || kind == NODEOS_ARGUMENT_IN ||
               kind == NODEOS_ARGUMENT_IN_SIZED;
}

static int find_step(const struct batch *batch, const uint8_t *name, size_t size) {
        for (int i = 0; i < batch->count; i++)
                if (size > 0 && strlen(batch->steps[i].as) == size && !memcmp(batch->steps[i].as, name, size))
                        return i;
        return -1;
}

/* An integer as it is written, or the step whose value it will be. */
static bool read_integer(const struct batch *batch, const struct given *given, uint64_t *ret_value, int16_t *ret_reference) {
        *ret_reference = -1;
        if (given->kind == GIVEN_INTEGER) {
                *ret_value = (uint64_t) given->integer;
                return true;
        }
        if (given->kind != GIVEN_STRING)
                return false;
        if (given->size == 0 || *given->bytes != '$')
                return integer_read(given->bytes, given->size, ret_value);
        *ret_reference = (int16_t) find_step(batch, given->bytes + 1, given->size - 1);
        *ret_value = 0;
        return *ret_reference >= 0;
}

static bool put_missing_integer(uint8_t kind, uint8_t before, uint64_t *ret_value) {
        *ret_value = kind == NODEOS_ARGUMENT_DIRFD ? (uint64_t) -100 : before == NODEOS_ARGUMENT_OUT_SIZED ? ROOM_DEFAULT : 0;
        return kind != NODEOS_ARGUMENT_FD;
}

/* How many of the bytes before it a count takes: all, or so many. */
static bool take_count(const struct batch *batch, const struct given *count, struct given *data) {
        size_t available = has_bytes(data) ? data->size : 0;
        int16_t reference;
        uint64_t value;

        if (count->kind == GIVEN_NOTHING || count->kind == GIVEN_NULL)
                return true;
        if (!read_integer(batch, count, &value, &reference) || reference >= 0 || value > available)
                return false;
        data->size = (size_t) value;
        return true;
}

/* Whether it can be what the call reads. */
static bool is_readable(const struct nodeos_row *row, int i, const struct given *given) {
        uint8_t kind = row->kinds[i];

        if (kind == NODEOS_ARGUMENT_PATH || kind == NODEOS_ARGUMENT_TEXT)
                return given->kind == GIVEN_NULL || (has_bytes(given) && !memchr(given->bytes, 0, given->size));
        if (given->kind == GIVEN_NULL || given->kind == GIVEN_NOTHING)
                return true;
        return has_bytes(given) && (kind == NODEOS_ARGUMENT_IN_SIZED || given->size == row->sizes[i]);
}

static bool put_data(struct batch *batch, struct nodeos_call_frame *frame, const struct given *given) {
        uint32_t size = has_bytes(given) ? (uint32_t) given->size : UINT32_MAX, bytes = size == UINT32_MAX ? 0 : size;
        uint8_t *to = (uint8_t *) frame + frame->size;

        if (sizeof(size) + bytes > (size_t) (batch->frames + sizeof(batch->frames) - to))
                return false;
        memcpy(to, &size, sizeof(size));
        if (bytes)
                memcpy(to + sizeof(size), given->bytes, bytes);
        frame->size += (uint32_t) sizeof(size) + bytes;
        return true;
}

/* Puts each argument where the call has it. Returns how many the call has, or -1 when there are too many. */
static int place(const struct nodeos_row *row, const struct given *given, int count, struct given *ret_placed) {
        int short_form[ARGUMENTS], shorts = 0, all = 0;

        for (; all < ARGUMENTS && row->kinds[all] != NODEOS_ARGUMENT_NONE; all++)
                if (!is_filled(row->kinds[all]) && (all == 0 || row->kinds[all - 1] != NODEOS_ARGUMENT_IN_SIZED))
                        short_form[shorts++] = all;
        if (count != all && count > shorts)
                return -1;
        memset(ret_placed, 0, ARGUMENTS * sizeof(*ret_placed));
        for (int i = 0; i < count; i++)
                ret_placed[count == all ? i : short_form[i]] = given[i];
        return all;
}

/* How much argument i fills. False when that is not known beforehand. */
static bool read_room(const struct step *step, const struct nodeos_row *row, const uint64_t *arguments, int i, uint64_t *ret_size) {
        bool is_sized = row->kinds[i] == NODEOS_ARGUMENT_OUT_SIZED;

        if (is_sized && (i == ARGUMENTS - 1 || step->references[i + 1] >= 0))
                return false;
        *ret_size = is_sized ? arguments[i + 1] : row->sizes[i];
        return true;
}

/* Counts what an answer needs: four letters for three bytes, and the structure, if they are one. */
static bool reserve(struct batch *batch, const struct step *step, const struct nodeos_row *row, const uint64_t *arguments, int all) {
        uint64_t size;
        bool is_structure = step->call->layout;

        batch->answer_size += STEP_TEXT + (is_structure ? STRUCTURE_TEXT : 0);
        for (int i = 0; i < all; i++) {
                if (!is_filled(row->kinds[i]))
                        continue;
                /* Without a name there are several: the sidecar has them all. */
                if (!*step->call->filled || !read_room(step, row, arguments, i, &size) || size > BATCH_ANSWER)
                        return false;
                batch->data_size += (size_t) size;
                batch->answer_size += is_structure ? STRUCTURE_EACH * (size_t) size : 0;
        }
        return batch->answer_size + batch->data_size + batch->data_size / 3 <= BATCH_ANSWER;
}

static bool encode_one(struct batch *batch, struct step *step, const struct nodeos_row *row, struct given *given, int i,
                       struct nodeos_call_frame *frame) {
        uint8_t kind = row->kinds[i], before = i > 0 ? row->kinds[i - 1] : NODEOS_ARGUMENT_NONE;

        if (kind == NODEOS_ARGUMENT_POINTER)
                return false;
        if (is_filled(kind)) {
                /* What C programs write there is an address: the room is ours. */
                frame->arguments[i] = 1;
                return true;
        }
        if (is_data(kind)) {
                if (!is_readable(row, i, &given[i]))
                        return false;
                if (kind == NODEOS_ARGUMENT_IN_SIZED && i + 1 < ARGUMENTS && !take_count(batch, &given[i + 1], &given[i]))
                        return false;
                frame->arguments[i] = has_bytes(&given[i]);
                return put_data(batch, frame, &given[i]);
        }
        if (before == NODEOS_ARGUMENT_IN_SIZED) {
                frame->arguments[i] = has_bytes(&given[i - 1]) ? given[i - 1].size : 0;
                return true;
        }
        if (given[i].kind == GIVEN_NOTHING)
                return put_missing_integer(kind, before, &frame->arguments[i]);
        return read_integer(batch, &given[i], &frame->arguments[i], &step->references[i]);
}

bool step_encode(struct batch *batch, struct step *step, const struct nodeos_board *board, const struct given *given, int count) {
        const struct nodeos_row *row = agent_row(board, (uint32_t) step->call->value);
        size_t at = (batch->frames_used + AGENT_ALIGNMENT - 1) / AGENT_ALIGNMENT * AGENT_ALIGNMENT;
        struct nodeos_call_frame *frame = (struct nodeos_call_frame *) (batch->frames + at);
        struct given placed[ARGUMENTS];
        int all = place(row, given, count, placed);

        if (all < 0 || at + sizeof(*frame) > sizeof(batch->frames))
                return false;
        *frame = (struct nodeos_call_frame){ .size = sizeof(*frame), .call = (uint32_t) step->call->value };
        step->frame = (uint32_t) at;
        for (int i = 0; i < ARGUMENTS; i++)
                step->references[i] = -1;
        for (int i = 0; i < all; i++)
                if (!encode_one(batch, step, row, placed, i, frame))
                        return false;
        batch->frames_used = at + frame->size;
        return reserve(batch, step, row, frame->arguments, all);
}
