/* What regions tell other processes, by the memfd that each keeps. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "flat.h"
#include "paging.h"

#define MEMFD "/memfd:nodeos-paging"

/* Reads what a process has written of a region of its own: bytes from offset on of its descriptor fd. Returns how many there were,
 * or -errno; EINVAL: the descriptor is something else. */
NODEOS_PAGING_API int32_t nodeos_paging_observe(int32_t pid, int32_t fd, uint64_t offset, uint8_t *ret_data, uint32_t bytes) {
        char path[64], target[64];
        ssize_t n;
        int file, error;

        snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
        n = readlink(path, target, sizeof(target));
        if (n < 0)
                return -errno;
        if ((size_t) n < sizeof(MEMFD) - 1 || memcmp(target, MEMFD, sizeof(MEMFD) - 1) != 0)
                return -EINVAL;
        file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (file < 0)
                return -errno;
        n = pread(file, ret_data, bytes < INT32_MAX ? bytes : INT32_MAX, (off_t) offset);
        error = errno;
        close(file);
        return n < 0 ? -error : (int32_t) n;
}

/* Names a region to others, when its store has no name of its own. */
NODEOS_PAGING_API int32_t nodeos_paging_name(int32_t handle, const char *name) {
        struct nodeos_region *region = nodeos_flat_get(NODEOS_FLAT_REGION, handle);

        if (!region)
                return -EBADF;
        if (region->table && !*region->table->name)
                snprintf(region->table->name, sizeof(region->table->name), "%s", name);
        return 0;
}
