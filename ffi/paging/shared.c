/* Memory that several processes share: pages of a file in memory. The kernel, not our table, knows which are there; another process
 * may bring and take them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "paging.h"
#include "uffd.h"

/* The file, ours or that of others, over the addresses of the region. */
int shared_map(struct nodeos_region *region, int shared_fd) {
        uint64_t bytes = region->pages * region->page_bytes;
        struct stat status;

        region->shared_fd = shared_fd >= 0 ? fcntl(shared_fd, F_DUPFD_CLOEXEC, 0) : memfd_create("nodeos-paging-shared", MFD_CLOEXEC);
        if (region->shared_fd < 0)
                return -errno;
        if (shared_fd < 0 && ftruncate(region->shared_fd, (off_t) bytes) < 0)
                return -errno;
        if (fstat(region->shared_fd, &status) < 0)
                return -errno;
        if ((uint64_t) status.st_size != bytes)
                return -EINVAL;
        if (mmap(region->address, bytes, PROT_READ, MAP_SHARED | MAP_FIXED, region->shared_fd, 0) == MAP_FAILED)
                return -errno;
        madvise(region->address, bytes, MADV_DONTFORK);
        return 0;
}

static int write_whole(int fd, const char *from, uint64_t bytes, uint64_t offset) {
        while (bytes) {
                ssize_t n = pwrite(fd, from, bytes, (off_t) offset);

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0) {
                        from += n;
                        offset += (uint64_t) n;
                        bytes -= (uint64_t) n;
                }
        }
        return 0;
}

/* A page of the file is there whole or not at all: the kernel holds it while it is written. */
int shared_bring(struct nodeos_region *region, struct slot *slot, struct window window) {
        uint64_t at = window.first * region->page_bytes, end = at + window.count * region->page_bytes;

        while (at < end) {
                off_t data = lseek(region->shared_fd, (off_t) at, SEEK_DATA);
                uint64_t hole = data < 0 || (uint64_t) data > end ? end : (uint64_t) data, next = end;
                int error;

                if (hole > at) {
                        error = store_read(region, slot->bounce, hole - at, at);
                        if (!error)
                                error = write_whole(region->shared_fd, slot->bounce, hole - at, at);
                        if (error)
                                return error;
                        next = hole;
                } else {
                        data = lseek(region->shared_fd, (off_t) at, SEEK_HOLE);
                        next = data < 0 || (uint64_t) data > end ? end : (uint64_t) data;
                }
                error = uffd_continue(region->uffd, region->address + at, next - at);
                /* Taken meanwhile: again. */
                if (error && error != -EFAULT)
                        return gone(error);
                at = error ? at : next;
        }
        return 0;
}
