/* Faults of a program that an arena sees. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"

void arena_abort(const struct nodeos_arena *arena, const void *pointer, uint32_t tag) {
        const struct block *block = block_of(pointer);
        char line[160];
        const char *what = "was never allocated here, or what is in front of it was overwritten";
        int n;

        if (tag == tag_of(block, arena->cookie, CACHED) || tag == tag_of(block, arena->cookie, FREED))
                what = "is free already";
        else if (tag == tag_of(block, arena->cookie, USED))
                what = "was written to after it was freed";
        n = snprintf(line, sizeof(line), "nodeos: Cannot use the block at %p: it %s\n", pointer, what);
        if (write(STDERR_FILENO, line, (size_t) n) < 0)
                abort();
        abort();
}

#ifdef NODEOS_DEBUG
void debug_fill(struct block *block) {
        memset(user_of(block), 0xdb, block_bytes(block) - HEAD_BYTES);
}

void debug_check(const struct nodeos_arena *arena, struct block *block) {
        const unsigned char *bytes = user_of(block);

        for (size_t i = 0; i < block_bytes(block) - HEAD_BYTES; i++)
                if (bytes[i] != 0xdb)
                        arena_abort(arena, bytes, tag_of(block, arena->cookie, USED));
        memset(user_of(block), 0xab, block_bytes(block) - HEAD_BYTES);
}
#endif
