/* Touches pages of a region one after the other and says how long each took: the loop of `nodeos paging bench`. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/resource.h>
#include <time.h>

#include "flat.h"

static uint64_t now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

static uint64_t us_of(struct timeval time) {
        return (uint64_t) time.tv_sec * 1000000 + (uint64_t) time.tv_usec;
}

/* User and system microseconds, voluntary and forced context switches of this process, all threads together. */
static void usage(uint64_t *ret) {
        struct rusage now;

        getrusage(RUSAGE_SELF, &now);
        ret[0] = us_of(now.ru_utime);
        ret[1] = us_of(now.ru_stime);
        ret[2] = (uint64_t) now.ru_nvcsw;
        ret[3] = (uint64_t) now.ru_nivcsw;
}

/* Touches the word at each of `count` offsets. how 0: reads it into words; 1: writes it from words; 2: reads it, and writes it back.
 * Returns 0, the time of each touch in ret_ns (2^32 - 1 at most), and in ret_total: nanoseconds of all, and what they used. A page
 * that its store cannot give ends the process by SIGBUS, as it does any program. */
NODEOS_PAGING_API int32_t nodeos_paging_touch(int32_t handle, int32_t how, const uint64_t *offsets, uint64_t *words, uint64_t count,
                                              uint32_t *ret_ns, uint64_t *ret_total) {
        struct nodeos_region *region = nodeos_flat_get(NODEOS_FLAT_REGION, handle);
        uint64_t before[4], start, last, bytes;
        char *base;

        if (!region)
                return -EBADF;
        base = nodeos_region_address(region);
        bytes = nodeos_region_bytes(region) & ~UINT64_C(7);
        for (uint64_t i = 0; i < count; i++)
                if (offsets[i] % sizeof(uint64_t) || offsets[i] >= bytes)
                        return -EINVAL;

        usage(before);
        start = last = now_ns();
        for (uint64_t i = 0; i < count; i++) {
                volatile uint64_t *word = (volatile uint64_t *) (void *) (base + offsets[i]);
                uint64_t now;

                if (how == 1)
                        *word = words[i];
                else
                        words[i] = *word;
                if (how == 2)
                        *word = words[i];
                now = now_ns();
                ret_ns[i] = now - last < UINT32_MAX ? (uint32_t) (now - last) : UINT32_MAX;
                last = now;
        }
        ret_total[0] = last - start;
        usage(ret_total + 1);
        for (int i = 0; i < 4; i++)
                ret_total[1 + i] -= before[i];
        return 0;
}
