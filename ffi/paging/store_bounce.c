/* Memory that a store needs during a call. A signal handler may not ask malloc for it, and its stack may have 8 KiB. */
#define _GNU_SOURCE
#include <stddef.h>
#include <sys/mman.h>

#include "store_medium.h"

enum { SLOTS = 8 };

static char slots[SLOTS][BOUNCE_BYTES] __attribute__((aligned(4096)));
static uint32_t taken;

void *bounce_take(void) {
        uint32_t seen = __atomic_load_n(&taken, __ATOMIC_RELAXED);
        void *more;

        while (seen != (1u << SLOTS) - 1) {
                int slot = __builtin_ctz(~seen);

                if (__atomic_compare_exchange_n(&taken, &seen, seen | 1u << slot, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
                        return slots[slot];
        }
        // Who waited here could wait for a slot further down its own stack.
        more = mmap(NULL, BOUNCE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return more == MAP_FAILED ? NULL : more;
}

void bounce_give(void *bounce) {
        ptrdiff_t at = (char *) bounce - slots[0];

        if (at < 0 || (size_t) at >= sizeof(slots))
                munmap(bounce, BOUNCE_BYTES);
        else
                __atomic_fetch_and(&taken, ~(1u << (size_t) at / BOUNCE_BYTES), __ATOMIC_RELEASE);
}
