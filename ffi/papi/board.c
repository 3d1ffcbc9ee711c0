/* Reading the board of power. Its writer may write, end or die at any moment. What leads somewhere or is text is copied, and the
 * copy is checked; the file itself only has to keep its length, which is for whoever names another one than root's. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "board.h"

struct board {
        const struct nodeos_power_board *head;
        struct nodeos_power_slot *slots; /* a copy */
        const struct nodeos_power_values *values[2];
        uint32_t slot_count;
};

static int is_text(const char *text, size_t size) {
        return memchr(text, 0, size) && *text;
}

static int check_head(const uint8_t *bytes, uint64_t size, struct board *ret_board) {
        struct nodeos_power_board head;

        if (size < sizeof(head))
                return -EPROTO;
        memcpy(&head, bytes, sizeof(head));
        if (head.magic != NODEOS_POWER_BOARD_MAGIC || head.version != NODEOS_POWER_BOARD_VERSION)
                return -EPROTO;
        if (head.slot_count > NODEOS_POWER_BOARD_SLOTS || size < sizeof(head) + head.slot_count * sizeof(*ret_board->slots))
                return -EPROTO;
        for (int i = 0; i < 2; i++) {
                uint64_t at = head.values_at[i];

                if (at % sizeof(int64_t) || at > size || size - at < (1 + (uint64_t) head.slot_count) * sizeof(int64_t))
                        return -EPROTO;
                ret_board->values[i] = (const void *) (bytes + at);
        }
        ret_board->head = (const void *) bytes;
        ret_board->slot_count = head.slot_count;
        return 0;
}

static int copy_slots(const uint8_t *bytes, struct board *board) {
        board->slots = calloc((size_t) board->slot_count + 1, sizeof(*board->slots));
        if (!board->slots)
                return -ENOMEM;
        memcpy(board->slots, bytes + sizeof(*board->head), board->slot_count * sizeof(*board->slots));
        for (uint32_t i = 0; i < board->slot_count; i++) {
                const struct nodeos_power_slot *slot = &board->slots[i];

                if (!is_text(slot->name, sizeof(slot->name)) || !is_text(slot->text, sizeof(slot->text)))
                        return -EPROTO;
        }
        return 0;
}

static int board_fill(const uint8_t *bytes, uint64_t size, struct board *board) {
        int error = check_head(bytes, size, board);

        return error < 0 ? error : copy_slots(bytes, board);
}

int board_map(const char *path, const struct board **ret_board) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error = -EPROTO;
        struct board *board;
        void *bytes;
        struct stat stat;

        if (fd < 0)
                return -errno;
        board = calloc(1, sizeof(*board));
        if (board && fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_size > 0) {
                bytes = mmap(NULL, (size_t) stat.st_size, PROT_READ, MAP_SHARED, fd, 0);
                error = bytes == MAP_FAILED ? -errno : board_fill(bytes, (uint64_t) stat.st_size, board);
                if (error < 0 && bytes != MAP_FAILED)
                        munmap(bytes, (size_t) stat.st_size);
        }
        close(fd);
        if (error == 0) {
                *ret_board = board;
                return 0;
        }
        if (board)
                free(board->slots);
        free(board);
        return error;
}

uint32_t board_slot_count(const struct board *board) {
        return board->slot_count;
}

const struct nodeos_power_slot *board_slot(const struct board *board, uint32_t index) {
        return &board->slots[index];
}

/* Reads one number of the copy that counts. Twice in a row a writer does not get around in the time of a load, unless we slept. */
static int64_t load(const struct board *board, int64_t index) {
        for (int tries = 0; tries < 100; tries++) {
                uint64_t sequence = __atomic_load_n(&board->head->sequence, __ATOMIC_ACQUIRE);
                const struct nodeos_power_values *values = board->values[sequence & 1];
                int64_t value = __atomic_load_n(index < 0 ? &values->at_ns : &values->of[index], __ATOMIC_RELAXED);

                __atomic_thread_fence(__ATOMIC_ACQUIRE);
                if (sequence == 0)
                        return NODEOS_POWER_BOARD_NONE;
                if (__atomic_load_n(&board->head->sequence, __ATOMIC_RELAXED) == sequence)
                        return value;
        }
        return NODEOS_POWER_BOARD_NONE;
}

static int has_writer(const struct board *board) {
        return __atomic_load_n(&board->head->writer_pid, __ATOMIC_RELAXED) != 0;
}

int64_t board_value(const struct board *board, uint32_t index) {
        if (board->slots[index].kind != NODEOS_POWER_COUNTER && !has_writer(board))
                return NODEOS_POWER_BOARD_NONE;
        return load(board, index);
}

int64_t board_age_ns(const struct board *board) {
        int64_t at_ns = has_writer(board) ? load(board, -1) : NODEOS_POWER_BOARD_NONE;
        struct timespec now;

        if (at_ns == NODEOS_POWER_BOARD_NONE)
                return at_ns;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * INT64_C(1000000000) + now.tv_nsec - at_ns;
}
