/* Objects, huge pages and places of nodeos_memory.h. No state: what is known of a mapping is asked of the kernel each time. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "memory_share.h"
#include "nodeos_memory.h"

#define PUBLIC __attribute__((visibility("default")))
#define NODES_MAX 1024

static void close_saved(int fd) {
        int saved = errno;

        close(fd);
        errno = saved;
}

/* Opens an object: a file of that name in one of the directories of $NODEOS_MEMORY. Returns its descriptor, or -1. */
static int open_object(const char *name, int flags) {
        const char *directory = getenv("NODEOS_MEMORY");
        struct dirent *entry;
        int fd = -1, error = ENOENT;
        DIR *all;

        if (!*name || strchr(name, '/') || name[0] == '.') {
                errno = EINVAL;
                return -1;
        }
        all = directory ? opendir(directory) : NULL;
        if (!all) {
                if (!directory)
                        errno = ENOENT;
                return -1;
        }
        while (fd < 0 && (entry = readdir(all))) {
                char path[600];

                if (entry->d_name[0] == '.')
                        continue;
                snprintf(path, sizeof(path), "%s/%s", entry->d_name, name);
                fd = openat(dirfd(all), path, flags | O_CLOEXEC);
                if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
                        error = errno;
        }
        closedir(all);
        if (fd < 0)
                errno = error;
        return fd;
}

/* A number that the kernel has of a device; 0: none. */
static size_t device_number(dev_t device, const char *what) {
        char path[80], text[32] = "";
        int fd;

        snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/%s", major(device), minor(device), what);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return 0;
        if (read(fd, text, sizeof(text) - 1) < 0)
                text[0] = 0;
        close(fd);
        return strtoul(text, NULL, 0);
}

static int object_size(int fd, size_t *ret_bytes, size_t *ret_page) {
        struct stat stat;

        if (fstat(fd, &stat) < 0)
                return -1;
        if (S_ISCHR(stat.st_mode)) {
                *ret_bytes = device_number(stat.st_rdev, "size");
                *ret_page = device_number(stat.st_rdev, "align");
                if (!*ret_page)
                        *ret_page = (size_t) 2 << 20;
        } else {
                *ret_bytes = (size_t) stat.st_size;
                *ret_page = (size_t) stat.st_blksize;
        }
        return 0;
}

static void *map(const char *name, size_t *ret_bytes, int protection) {
        int fd = open_object(name, protection & PROT_WRITE ? O_RDWR : O_RDONLY);
        void *address = MAP_FAILED;
        size_t bytes, page;

        if (fd < 0)
                return NULL;
        if (object_size(fd, &bytes, &page) == 0)
                address = mmap(NULL, bytes, protection, MAP_SHARED | MAP_POPULATE, fd, 0);
        close_saved(fd);
        if (address == MAP_FAILED)
                return NULL;
        *ret_bytes = bytes;
        return address;
}

/* Maps what an object has grown by, behind what is mapped of it. Whether there was room. */
static int extend(int fd, void *address, size_t old, size_t new, int protection) {
        char *end = (char *) address + old;

        return mmap(end, new - old, protection, MAP_SHARED | MAP_POPULATE | MAP_FIXED_NOREPLACE, fd, (off_t) old) == end;
}

static void *remap(const char *name, void *address, size_t *bytes, int protection) {
        int fd = open_object(name, protection & PROT_WRITE ? O_RDWR : O_RDONLY), is_done;
        size_t new, page;
        void *moved;

        if (fd < 0)
                return NULL;
        if (object_size(fd, &new, &page) < 0) {
                close_saved(fd);
                return NULL;
        }
        is_done = new <= *bytes || extend(fd, address, *bytes, new, protection);
        close_saved(fd);
        if (new < *bytes && munmap((char *) address + new, *bytes - new) < 0)
                return NULL;
        if (is_done) {
                *bytes = new;
                return address;
        }
        moved = map(name, &new, protection);
        if (!moved)
                return NULL;
        munmap(address, *bytes);
        *bytes = new;
        return moved;
}

PUBLIC void *nodeos_map(const char *name, size_t *ret_bytes) {
        return map(name, ret_bytes, PROT_READ | PROT_WRITE);
}

PUBLIC void *nodeos_map_readonly(const char *name, size_t *ret_bytes) {
        return map(name, ret_bytes, PROT_READ);
}

PUBLIC void *nodeos_remap(const char *name, void *address, size_t *bytes) {
        return remap(name, address, bytes, PROT_READ | PROT_WRITE);
}

PUBLIC void *nodeos_remap_readonly(const char *name, void *address, size_t *bytes) {
        return remap(name, address, bytes, PROT_READ);
}

PUBLIC size_t nodeos_object_page(const char *name) {
        int fd = open_object(name, O_RDONLY);
        size_t bytes, page = 0;

        if (fd < 0)
                return 0;
        if (object_size(fd, &bytes, &page) < 0)
                page = 0;
        close_saved(fd);
        return page;
}

PUBLIC int nodeos_huge_pages(size_t *ret_pages, int most) {
        const char *text = getenv("NODEOS_HUGE_PAGES");
        int count = 0;

        while (text && *text >= '1' && *text <= '9') {
                char *end;
                size_t page = strtoul(text, &end, 10);

                if (count < most)
                        ret_pages[count] = page;
                count++;
                text = *end == ',' ? end + 1 : end;
        }
        return count;
}

PUBLIC int nodeos_populate(void *address, size_t bytes) {
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
        if (madvise(address, bytes, MADV_POPULATE_WRITE) == 0)
                return 0;
        /* The kernel's words for pages that are not to be had where they have to come from. */
        if (errno == EFAULT || errno == EHWPOISON)
                errno = ENOMEM;
        return -1;
}

/* Within the container's shares, where it has several nodes. */
static int populate_heap(void *address, size_t bytes, size_t page) {
        int shared = share_populate(address, bytes, page);

        return shared == 0 ? nodeos_populate(address, bytes) : shared > 0 ? 0 : -1;
}

PUBLIC void *nodeos_heap(size_t bytes, size_t page, int populate) {
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
        void *address;

        if (page == 0 && nodeos_huge_pages(&page, 1) == 0) {
                errno = ENOENT;
                return NULL;
        }
        if (bytes == 0 || page < 4096 || page & (page - 1)) {
                errno = EINVAL;
                return NULL;
        }
        if (bytes > SIZE_MAX - page) {
                errno = ENOMEM;
                return NULL;
        }
        bytes = (bytes + page - 1) & ~(page - 1);
        address = share_map(bytes, flags | __builtin_ctzl(page) << MAP_HUGE_SHIFT);
        if (address == MAP_FAILED)
                return NULL;
        if (populate && populate_heap(address, bytes, page) < 0) {
                int saved = errno;

                munmap(address, bytes);
                errno = saved;
                return NULL;
        }
        return address;
}

static int set_policy(void *address, size_t bytes, int mode, const int *nodes, int count) {
        unsigned long mask[NODES_MAX / (8 * sizeof(long))] = { 0 };

        for (int i = 0; i < count; i++) {
                if (nodes[i] < 0 || nodes[i] >= NODES_MAX) {
                        errno = EINVAL;
                        return -1;
                }
                mask[(size_t) nodes[i] / (8 * sizeof(long))] |= 1ul << (size_t) nodes[i] % (8 * sizeof(long));
        }
        /* The kernel takes one bit fewer than it is told. */
        return syscall(SYS_mbind, address, bytes, mode, mask, (unsigned long) NODES_MAX + 1, 0) < 0 ? -1 : 0;
}

PUBLIC int nodeos_bind(void *address, size_t bytes, int node) {
        return set_policy(address, bytes, MPOL_BIND, &node, 1);
}

PUBLIC int nodeos_interleave(void *address, size_t bytes, const int *nodes, int count) {
        return set_policy(address, bytes, MPOL_INTERLEAVE, nodes, count);
}

PUBLIC int nodeos_unmap(void *address, size_t bytes) {
        size_t pages[8];
        int count = nodeos_huge_pages(pages, 8);

        if (munmap(address, bytes) == 0)
                return 0;
        /* The end of what nodeos_heap rounded up. */
        for (int i = 0; errno == EINVAL && i < (count < 8 ? count : 8); i++)
                if (bytes % pages[i] && munmap(address, (bytes + pages[i] - 1) / pages[i] * pages[i]) == 0)
                        return 0;
        return -1;
}
