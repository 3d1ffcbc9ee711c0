/* The calls of UMap on our regions. umap_settings.c has what they are configured by. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "umap_internal.h"

/* Regions of these calls. Flush reads them, and so holds nobody up who flushes too. */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct nodeos_region **regions;
static size_t region_count;
static struct nodeos_buffer *buffer;

static void *failed(int error) {
        errno = -error;
        return NODEOS_UMAP_FAILED;
}

static int result(int error) {
        if (error < 0)
                errno = -error;
        return error < 0 ? -1 : 0;
}

/* With the lock held. */
static int take_buffer(void) {
        struct nodeos_buffer_options options;

        if (buffer)
                return 0;
        umap_buffer_options(&options);
        return nodeos_buffer_create(&options, &buffer);
}

/* With the lock held. Settings may be others at the next region. */
static void give_buffer(void) {
        if (region_count == 0 && buffer && nodeos_buffer_close(buffer) == 0)
                buffer = NULL;
}

int umap_buffer_resize(uint64_t bytes) {
        int error;

        pthread_rwlock_wrlock(&lock);
        error = buffer ? nodeos_buffer_resize(buffer, bytes) : 0;
        pthread_rwlock_unlock(&lock);
        return error;
}

/* What is at a fixed address goes, as mmap has it, unless it is a region; a wish is kept where it can be. */
static int take_place(void *address, size_t bytes, int flags, void **ret) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE), whole = (bytes + page - 1) / page * page;
        char *from = address;

        *ret = NULL;
        if (!address || (uintptr_t) address % page)
                return flags & NODEOS_UMAP_FIXED ? -EINVAL : 0;
        if (flags & NODEOS_UMAP_FIXED) {
                for (size_t i = 0; i < region_count; i++) {
                        char *other = nodeos_region_address(regions[i]);

                        if (other < from + whole && from < other + nodeos_region_bytes(regions[i]))
                                return -EEXIST;
                }
                if (munmap(address, whole) < 0)
                        return -errno;
        } else {
                void *free = mmap(address, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

                if (free != MAP_FAILED)
                        munmap(free, whole);
                if (free != address)
                        return 0;
        }
        *ret = address;
        return 0;
}

static int map_locked(void *address, size_t bytes, int protection, int flags, struct nodeos_store *store, struct nodeos_region **ret) {
        struct nodeos_region **more = realloc(regions, (region_count + 1) * sizeof(*regions));
        struct nodeos_region_options options;
        int error = more ? take_buffer() : -ENOMEM;

        if (more)
                regions = more;
        umap_region_options(&options);
        options.bytes = bytes;
        options.read_only = !(protection & PROT_WRITE);
        if (error == 0)
                error = take_place(address, bytes, flags, &options.address);
        if (error < 0)
                nodeos_store_close(store);
        else
                error = nodeos_region_map(buffer, store, &options, ret);
        if (error == 0)
                regions[region_count++] = *ret;
        else
                give_buffer();
        return error;
}

static int check(size_t bytes, int protection, int flags) {
        const int kinds = NODEOS_UMAP_PRIVATE | NODEOS_UMAP_SHARED;

        if (!bytes || !(protection & PROT_READ) || protection & ~(PROT_READ | PROT_WRITE))
                return -EINVAL;
        if (!(flags & kinds) || flags & ~(kinds | NODEOS_UMAP_FIXED | MAP_NORESERVE))
                return -EINVAL;
        return umap_settings_error();
}

static void *map(void *address, size_t bytes, int protection, int flags, struct nodeos_store *store) {
        struct nodeos_region *region;
        int error;

        pthread_rwlock_wrlock(&lock);
        error = map_locked(address, bytes, protection, flags, store, &region);
        pthread_rwlock_unlock(&lock);
        return error < 0 ? failed(error) : nodeos_region_address(region);
}

void *nodeos_umap_store(void *address, size_t bytes, int protection, int flags, struct nodeos_store *store, off_t offset) {
        struct nodeos_store *part = store;
        int error = check(bytes, protection, flags);

        if (error == 0 && offset < 0)
                error = -EINVAL;
        if (error == 0 && protection & PROT_WRITE && !(store->flags & NODEOS_STORE_WRITE))
                error = -EACCES;
        if (error == 0 && offset > 0)
                error = umap_part_make(store, (uint64_t) offset, &part);
        if (error < 0) {
                nodeos_store_close(store);
                return failed(error);
        }
        return map(address, bytes, protection, flags, part);
}

/* A file's store of what it has of the bytes. */
static int store_of(int fd, size_t bytes, int protection, off_t offset, struct nodeos_store **ret) {
        int status = fcntl(fd, F_GETFL);
        uint32_t flags = (protection & PROT_WRITE ? NODEOS_STORE_WRITE : 0) | (status & O_DIRECT ? NODEOS_STORE_DIRECT : 0);
        struct stat file;

        if (status < 0 || fstat(fd, &file) < 0)
                return -errno;
        if (offset < 0)
                return -EINVAL;
        if ((status & O_ACCMODE) == O_WRONLY || (protection & PROT_WRITE && (status & O_ACCMODE) != O_RDWR))
                return -EACCES;
        if (S_ISREG(file.st_mode) && (uint64_t) offset + bytes > (uint64_t) file.st_size) {
                if (offset >= file.st_size)
                        return -ENODATA;
                bytes = (size_t) (file.st_size - offset);
        }
        return nodeos_store_descriptor(fd, flags, (uint64_t) offset, bytes, ret);
}

void *nodeos_umap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset) {
        struct nodeos_store *store;
        int error = check(bytes, protection, flags);

        if (error == 0)
                error = store_of(fd, bytes, protection, offset, &store);
        return error < 0 ? failed(error) : map(address, bytes, protection, flags, store);
}

int nodeos_uunmap(void *address, size_t bytes) {
        struct nodeos_region *region = NULL;
        int error = -EINVAL;

        (void) bytes;
        pthread_rwlock_wrlock(&lock);
        for (size_t i = 0; i < region_count && !region; i++) {
                if (nodeos_region_address(regions[i]) != address)
                        continue;
                region = regions[i];
                regions[i] = regions[--region_count];
        }
        if (region) {
                error = nodeos_region_unmap(region);
                give_buffer();
        }
        pthread_rwlock_unlock(&lock);
        return result(error);
}

int nodeos_umap_flush(void) {
        int first = 0;

        pthread_rwlock_rdlock(&lock);
        for (size_t i = 0; i < region_count; i++) {
                int error = nodeos_region_flush(regions[i], 0, 0);

                if (first == 0)
                        first = error;
        }
        pthread_rwlock_unlock(&lock);
        return result(first);
}

void nodeos_umap_prefetch(int count, struct nodeos_umap_prefetch_item *items) {
        int kept = errno;

        for (int i = 0; i < count; i++) {
                char *at = items[i].page_base_addr;
                struct nodeos_region *region = nodeos_region_at(at);

                if (region)
                        nodeos_region_prefetch(region, (uint64_t) (at - (char *) nodeos_region_address(region)), 1);
        }
        errno = kept;
}

static int pin(char *address, uint64_t bytes, int (*call)(struct nodeos_region *region, uint64_t offset, uint64_t bytes)) {
        struct nodeos_region *region = nodeos_region_at(address);
        uint64_t offset = region ? (uint64_t) (address - (char *) nodeos_region_address(region)) : 0;

        if (!region || !bytes || bytes > nodeos_region_bytes(region) - offset)
                return result(-EINVAL);
        return result(call(region, offset, bytes));
}

int nodeos_umap_fetch_and_pin(char *address, uint64_t bytes) {
        return pin(address, bytes, nodeos_region_pin);
}

int nodeos_umap_unpin(char *address, uint64_t bytes) {
        return pin(address, bytes, nodeos_region_unpin);
}
