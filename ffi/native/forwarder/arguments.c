/* Memory of the caller: everything is copied once, and the copy is what counts from then on. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "serve.h"

/* The kernel refuses it as it refuses the caller's: with EFAULT, and after whatever it checks first. */
#define BAD_ADDRESS 8

/* Reads up to size bytes, as far as there is memory. Returns the byte count, or -errno; 0 only for size 0. */
static ssize_t caller_read(int32_t tid, uint64_t address, void *ret_data, size_t size) {
        struct iovec to = { ret_data, size }, from = { (void *) (uintptr_t) address, size };
        ssize_t n = process_vm_readv(tid, &to, 1, &from, 1, 0);

        return n < 0 ? -errno : n;
}

int caller_write(int32_t tid, uint64_t address, const void *data, size_t size) {
        struct iovec from = { (void *) (uintptr_t) data, size }, to = { (void *) (uintptr_t) address, size };
        ssize_t n;

        if (!size)
                return 0;
        n = process_vm_writev(tid, &from, 1, &to, 1, 0);
        if (n < 0)
                return -errno;
        return (size_t) n == size ? 0 : -EFAULT;
}

static int step_of(int error) {
        return error == -ESRCH ? STEP_GONE : STEP_BACK;
}

static void *arena_take(struct worker *worker, size_t size) {
        size_t rounded = (size + 63) / 64 * 64;
        char *place = worker->arena + worker->arena_used;

        if (rounded > ARENA_SIZE - worker->arena_used)
                return NULL;
        worker->arena_used += rounded;
        if (worker->arena_used > worker->arena_peak)
                worker->arena_peak = worker->arena_used;
        return place;
}

static int set(struct argument *argument, enum argument_state state, uint64_t value, size_t length) {
        *argument = (struct argument){ .state = state, .value = value, .length = (uint32_t) length };
        return STEP_ON;
}

static int set_bad(struct argument *argument) {
        return set(argument, ARGUMENT_BAD, BAD_ADDRESS, 0);
}

/* A string ends at its NUL, and memory may end right behind it. Most are short: a second read is for the others. */
static int read_string(struct worker *worker, int32_t tid, uint64_t address, struct argument *ret_argument) {
        enum { FIRST = 256, ALL = 4096 };
        char *text = arena_take(worker, PATH_ROOM), *end = NULL;
        size_t used = 0;

        if (!text)
                return STEP_BACK;
        while (!end && used < ALL) {
                size_t want = used ? ALL - used : FIRST;
                ssize_t n = caller_read(tid, address + used, text + used, want);

                if (n == -EFAULT)
                        return set_bad(ret_argument);
                if (n < 0)
                        return step_of((int) n);
                end = memchr(text + used, 0, (size_t) n);
                used += (size_t) n;
                if (!end && (size_t) n < want)
                        return set_bad(ret_argument);
        }
        if (end)
                return set(ret_argument, ARGUMENT_READ, (uintptr_t) text, (size_t) (end - text));
        /* The kernel finds it too long by itself. */
        text[ALL] = 0;
        return set(ret_argument, ARGUMENT_LONG, (uintptr_t) text, ALL);
}

/* Bytes to read. Where memory ends within them, everything but data is refused: of data some files take what there is, and
 * others nothing. More than we move at once goes back: a file takes all of it in one call, and programs rely on that. */
static int read_bytes(struct worker *worker, const struct call *call, uint64_t address, size_t size, struct argument *ret_argument) {
        void *place;
        ssize_t n;

        if (size > DATA_MAX)
                return STEP_BACK;
        place = arena_take(worker, size + 1);
        if (!place)
                return STEP_BACK;
        n = size ? caller_read(call->tid, address, place, size) : 0;
        if (n >= 0 && (size_t) n < size && call->row->flags & NODEOS_ROW_DATA)
                return STEP_BACK;
        if (n == -EFAULT || (n >= 0 && (size_t) n < size))
                return set_bad(ret_argument);
        if (n < 0)
                return step_of((int) n);
        return set(ret_argument, ARGUMENT_READ, (uintptr_t) place, (size_t) n);
}

/* Room for what the call fills. It is zeroed where the kernel might leave a hole in a structure. */
static int make_room(struct worker *worker, size_t size, bool zeroed, struct argument *ret_argument) {
        void *place;

        if (size > DATA_MAX)
                return STEP_BACK;
        place = arena_take(worker, size + 1);
        if (!place)
                return STEP_BACK;
        if (zeroed)
                memset(place, 0, size);
        return set(ret_argument, ARGUMENT_ROOM, (uintptr_t) place, size);
}

int argument_read_text(struct worker *worker, struct call *call, int i) {
        worker->arena_used = 0;
        if (!call->given[i])
                return set(&call->arguments[i], ARGUMENT_NULL, 0, 0);
        return read_string(worker, call->tid, call->given[i], &call->arguments[i]);
}

static bool is_memory(int kind) {
        return kind == NODEOS_ARGUMENT_PATH || kind == NODEOS_ARGUMENT_TEXT || (kind >= NODEOS_ARGUMENT_IN && kind <= NODEOS_ARGUMENT_OUT_SIZED);
}

static bool is_sized(int kind) {
        return kind == NODEOS_ARGUMENT_IN_SIZED || kind == NODEOS_ARGUMENT_OUT_SIZED;
}

/* Whether no program has memory there, or the upper bits of the address are a mark. */
static bool is_nobodys(uint64_t address, uint64_t size) {
        return address >> 56 || size >> 56 || (address + size) >> 56;
}

static int read_argument(struct worker *worker, struct call *call, int i) {
        const struct nodeos_row *row = call->row;
        struct argument *argument = &call->arguments[i];
        uint64_t given = call->given[i], size = i < 5 ? call->given[i + 1] : 0;
        int kind = row->kinds[i];

        set(argument, is_memory(kind) && !given ? ARGUMENT_NULL : ARGUMENT_PLAIN, kind == NODEOS_ARGUMENT_NONE ? 0 : given, 0);
        if (argument->state == ARGUMENT_NULL)
                return STEP_ON;
        /* The kernel looks where bytes would be, even if there are none. */
        if (is_sized(kind) && is_nobodys(given, size))
                return STEP_BACK;
        switch (kind) {
        case NODEOS_ARGUMENT_PATH:
        case NODEOS_ARGUMENT_TEXT:
                return read_string(worker, call->tid, given, argument);
        case NODEOS_ARGUMENT_IN:
                return read_bytes(worker, call, given, row->sizes[i], argument);
        case NODEOS_ARGUMENT_IN_SIZED:
                return read_bytes(worker, call, given, size, argument);
        case NODEOS_ARGUMENT_OUT:
                call->has_room = true;
                return make_room(worker, row->sizes[i], true, argument);
        case NODEOS_ARGUMENT_OUT_SIZED:
                call->has_room = true;
                return make_room(worker, size, false, argument);
        default:
                return STEP_ON;
        }
}

int arguments_read(struct worker *worker, struct call *call) {
        if (call->is_read)
                return STEP_ON;
        worker->arena_used = 0;
        for (int i = 0; i < 6; i++) {
                int step = read_argument(worker, call, i);

                if (step != STEP_ON)
                        return step;
        }
        call->is_read = true;
        return STEP_ON;
}

int arguments_write(struct worker *worker, struct call *call, int64_t result) {
        for (int i = 0; i < 6; i++) {
                const struct argument *argument = &call->arguments[i];
                size_t size = argument->length;
                int error;

                if (argument->state != ARGUMENT_ROOM)
                        continue;
                /* The result of a call that fills sized room is how much of it. */
                if (call->row->kinds[i] == NODEOS_ARGUMENT_OUT_SIZED && (uint64_t) result < size)
                        size = (size_t) result;
                if (!size)
                        continue;
                /* Its number may be somebody else's by now. */
                if (!call_is_valid(worker, call))
                        return STEP_GONE;
                error = caller_write(call->tid, call->given[i], (const void *) (uintptr_t) argument->value, size);
                if (error == -ESRCH)
                        return STEP_GONE;
                if (error)
                        return -EFAULT;
        }
        return 0;
}
