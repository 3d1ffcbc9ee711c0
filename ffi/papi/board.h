/* The board of power: a file with the values of meters, which one process writes and any number maps to read. TypeScript writes it
 * as a file (lib/power/glue/board.ts). All numbers are little-endian and naturally aligned.
 *
 * Values lie there twice. The writer fills the copy that nobody looks at and then counts `sequence` up, whose lowest bit says which
 * copy counts: a writer that dies leaves whole values behind, and a reader never waits. */
#ifndef NODEOS_POWER_BOARD_H
#define NODEOS_POWER_BOARD_H

#include <stddef.h>
#include <stdint.h>

#define NODEOS_POWER_BOARD_MAGIC 0x3144524252575050ULL /* "PPWRBRD1" */
#define NODEOS_POWER_BOARD_PATH "/run/nodeos/power/board"
#define NODEOS_POWER_BOARD_NONE INT64_MIN /* the value of a gauge that has none */

enum {
        NODEOS_POWER_BOARD_VERSION = 1,
        NODEOS_POWER_BOARD_SLOTS = 65536 /* at most */
};

enum nodeos_power_kind {
        NODEOS_POWER_COUNTER = 0, /* only grows, from 0 on */
        NODEOS_POWER_GAUGE = 1
};

struct nodeos_power_board {
        uint64_t magic;      /* NODEOS_POWER_BOARD_MAGIC */
        uint32_t version;    /* NODEOS_POWER_BOARD_VERSION */
        uint32_t slot_count;
        uint64_t sequence;   /* how often values were written; 0: not yet */
        uint32_t writer_pid; /* 0 when it ended in order */
        uint32_t reserved;
        uint64_t writer_start_ticks; /* tells it from a later process of this number */
        uint64_t values_at[2];       /* where the copies begin, in bytes: for an even and for an odd sequence */
};

/* Slots follow the head. */
struct nodeos_power_slot {
        char name[96];  /* such as package0_energy_uj, with its NUL */
        char text[152]; /* what it is, with its NUL */
        uint32_t kind;  /* enum nodeos_power_kind */
        uint32_t reserved;
};

/* A copy of the values: when they were read, and one value for each slot. */
struct nodeos_power_values {
        int64_t at_ns; /* CLOCK_MONOTONIC */
        int64_t of[];
};

/* --- board.c: for readers ------------------------------------------------------------------------------------------ */

struct board;

/* Maps the board of a path and checks that it is one. Returns 0 or -errno: -EPROTO when it is none of ours. It stays mapped. */
int board_map(const char *path, const struct board **ret_board);
uint32_t board_slot_count(const struct board *board);
const struct nodeos_power_slot *board_slot(const struct board *board, uint32_t index);
/* The value of a slot; NODEOS_POWER_BOARD_NONE when it has none, as all gauges whose writer ended. */
int64_t board_value(const struct board *board, uint32_t index);
/* How long ago values were read, in ns; NODEOS_POWER_BOARD_NONE before the first ones and when the writer ended. */
int64_t board_age_ns(const struct board *board);

#endif
