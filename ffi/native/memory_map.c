/* Memory of a container, mapped into the program that asks for it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../runtime/memory_share.h"
#include "memory.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* Opens an object: a file, or where its link leads, if that is a device. */
static int open_object(const char *path) {
        uint8_t target[64];
        const char *name;
        CLEANUP_FD int parent = memory_open_parent(path, 0, &name);
        int32_t length;
        int fd;

        if (parent < 0)
                return parent;
        length = nodeos_memory_target(path, target, sizeof(target) - 1);
        if (length >= 0) {
                target[length] = 0;
                if (!memory_is_device((const char *) target))
                        return -ELOOP;
                fd = open((const char *) target, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        } else {
                fd = openat(parent, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        }
        return fd < 0 ? -errno : fd;
}

/* Behind its end there is nothing but SIGBUS. */
static int is_within(int fd, int64_t offset, int64_t bytes) {
        struct stat facts;

        if (fstat(fd, &facts) < 0)
                return 0;
        return !S_ISREG(facts.st_mode) || (offset <= facts.st_size && bytes <= facts.st_size - offset);
}

int32_t nodeos_map_object(const char *path, int64_t offset, int64_t bytes, uint64_t *ret_address) {
        CLEANUP_FD int fd = open_object(path);
        void *memory;

        if (fd < 0)
                return fd;
        if (offset < 0 || bytes <= 0 || !is_within(fd, offset, bytes))
                return -EINVAL;
        memory = mmap(NULL, (size_t) bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
        if (memory == MAP_FAILED)
                return -errno;
        *ret_address = (uint64_t) (uintptr_t) memory;
        return 0;
}

int32_t nodeos_map_huge(int64_t bytes, int32_t page_shift, uint64_t *ret_address) {
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
        void *memory;
        int shared;

        if (page_shift < 12 || page_shift > 40 || bytes <= 0 || bytes % (1ll << page_shift))
                return -EINVAL;
        flags = (int) ((uint32_t) flags | (uint32_t) page_shift << 26);
        memory = share_map((size_t) bytes, flags);
        if (memory == MAP_FAILED)
                return -errno;
        shared = share_populate(memory, (size_t) bytes, (size_t) 1 << page_shift);
        if (shared < 0 || (shared == 0 && madvise(memory, (size_t) bytes, MADV_POPULATE_WRITE) < 0)) {
                int error = errno;

                munmap(memory, (size_t) bytes);
                /* A page was promised that is not to be had on our NUMA nodes: to touch it would be our end. */
                return error == EFAULT ? -ENOMEM : error == EINVAL ? -EOPNOTSUPP : -error;
        }
        *ret_address = (uint64_t) (uintptr_t) memory;
        return 0;
}

int32_t nodeos_unmap(uint64_t address, int64_t bytes) {
        return munmap((void *) (uintptr_t) address, (size_t) bytes) < 0 ? -errno : 0;
}
