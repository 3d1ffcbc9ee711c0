/* Mode plain: the kernel maps the file itself. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "paging.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

/* Whether a mapping of the file would show what the store is: what is behind its end reads as zeroes. */
bool plain_can(const struct nodeos_store *store, uint64_t bytes) {
        struct stat status;

        if (store->plain_fd < 0 || store->plain_offset % SMALL_BYTES || bytes > store->bytes)
                return false;
        if (store->bytes % SMALL_BYTES == 0)
                return true;
        return fstat(store->plain_fd, &status) == 0 && (uint64_t) status.st_size == store->plain_offset + store->bytes;
}

int plain_map(struct nodeos_region *region, void *wanted) {
        int protection = PROT_READ | (region->writable ? PROT_WRITE : 0);
        void *memory = mmap(wanted, region->pages * region->page_bytes, protection, MAP_SHARED | (wanted ? MAP_FIXED_NOREPLACE : 0),
                            region->store->plain_fd, (off_t) region->store->plain_offset);

        if (memory == MAP_FAILED)
                return -errno;
        region->address = memory;
        region->mapped = region->pages * region->page_bytes;
        if (wanted && memory != wanted)
                return -EEXIST;
        return 0;
}

static int advise(const struct nodeos_region *region, uint64_t offset, uint64_t bytes, int advice) {
        uint64_t first, end;

        range_pages(region, offset, bytes, &first, &end);
        return madvise(page_address(region, first), (end - first) * region->page_bytes, advice) < 0 ? -errno : 0;
}

int plain_populate(const struct nodeos_region *region, uint64_t offset, uint64_t bytes) {
        int error = advise(region, offset, bytes, MADV_POPULATE_READ);

        /* Older kernels than 5.14. */
        return error == -EINVAL ? advise(region, offset, bytes, MADV_WILLNEED) : error == -EFAULT ? -EIO : error;
}

int plain_prefetch(const struct nodeos_region *region, uint64_t offset, uint64_t bytes) {
        return advise(region, offset, bytes, MADV_WILLNEED);
}

int plain_flush(const struct nodeos_region *region, uint64_t offset, uint64_t bytes) {
        uint64_t first, end;

        if (!region->writable)
                return 0;
        range_pages(region, offset, bytes, &first, &end);
        return msync(page_address(region, first), (end - first) * region->page_bytes, MS_SYNC) < 0 ? -errno : 0;
}

int plain_evict(const struct nodeos_region *region, uint64_t offset, uint64_t bytes) {
        int error = plain_flush(region, offset, bytes);

        return error ? error : advise(region, offset, bytes, MADV_DONTNEED);
}

int plain_pin(const struct nodeos_region *region, uint64_t offset, uint64_t bytes, bool on) {
        uint64_t first, end;
        int result;

        range_pages(region, offset, bytes, &first, &end);
        bytes = (end - first) * region->page_bytes;
        result = on ? mlock(page_address(region, first), bytes) : munlock(page_address(region, first), bytes);
        return result < 0 ? -errno : 0;
}

/* By the kernel, so that a file that has become shorter is an error, and no signal. */
int plain_transfer(const struct nodeos_region *region, void *buffer, uint64_t bytes, uint64_t offset, bool is_write) {
        if (offset > region->bytes || bytes > region->bytes - offset)
                return -EINVAL;
        for (uint64_t done = 0; done < bytes;) {
                uint64_t some = bytes - done < (UINT64_C(1) << 30) ? bytes - done : UINT64_C(1) << 30;
                struct iovec ours = { (char *) buffer + done, some }, theirs = { region->address + offset + done, some };
                ssize_t n = is_write ? process_vm_writev(getpid(), &ours, 1, &theirs, 1, 0)
                                     : process_vm_readv(getpid(), &ours, 1, &theirs, 1, 0);

                if (n <= 0)
                        return n < 0 && errno != EFAULT ? -errno : -EIO;
                done += (uint64_t) n;
        }
        return 0;
}

uint64_t plain_resident(const struct nodeos_region *region) {
        unsigned char present[4096];
        uint64_t count = 0;

        for (uint64_t page = 0; page < region->pages; page += sizeof present) {
                uint64_t some = region->pages - page < sizeof present ? region->pages - page : sizeof present;

                if (mincore(page_address(region, page), some * SMALL_BYTES, present) < 0)
                        break;
                for (uint64_t i = 0; i < some; i++)
                        count += present[i] & 1;
        }
        return count;
}
