/* What the memory of a region holds. The program may have dropped pages behind our back, or made them unreadable: these looks at them
 * are no faults. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "paging.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

bool is_in_memory(const struct nodeos_region *region, struct look *look, uint64_t small) {
        if (small - look->first >= look->count) {
                uint64_t at = (uintptr_t) region->address / SMALL_BYTES + small;
                uint64_t some = look->end - small < LOOK_PAGES ? look->end - small : LOOK_PAGES;
                ssize_t n = pread(region->pagemap_fd, look->entries, some * sizeof *look->entries, (off_t) (at * sizeof *look->entries));

                look->first = small;
                look->count = n > 0 ? (uint64_t) n / sizeof *look->entries : 0;
                if (!look->count)
                        return true;
        }
        /* Bits 63 and 62: it is in memory, or swapped out. */
        return look->entries[small - look->first] >> 62;
}

uint64_t count_in_memory(const struct nodeos_region *region, uint64_t page) {
        struct look look = { .end = (page + 1) * region->small };
        uint64_t count = 0;

        for (uint64_t i = 0; i < region->small; i++)
                count += is_in_memory(region, &look, page * region->small + i);
        return count;
}

bool memory_is_readable(const char *from, uint64_t bytes) {
        if (madvise((void *) (uintptr_t) from, bytes, MADV_POPULATE_READ) == 0)
                return true;
        /* Not for us, or not mapped; or a kernel older than 5.14, which does not know. */
        return errno == EINVAL ? madvise(NULL, 0, MADV_POPULATE_READ) < 0 : errno != EFAULT && errno != ENOMEM;
}

bool memory_copy(const char *from, char *to, uint64_t bytes) {
        struct iovec there = { (char *) (uintptr_t) from, bytes }, here = { to, bytes };
        bool is_copied = process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t) bytes;
        int fd = is_copied ? -1 : open("/proc/self/mem", O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return is_copied;
        is_copied = pread(fd, to, bytes, (off_t) (uintptr_t) from) == (ssize_t) bytes;
        close(fd);
        return is_copied;
}
