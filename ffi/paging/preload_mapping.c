/* Mappings and their regions: made, and handed over to the kernel. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "preload.h"

void mapping_count(const struct mapping *mapping) {
        struct nodeos_region_statistics more;

        nodeos_region_statistics(mapping->region, &more);
        preload.statistics.faults += more.faults;
        preload.statistics.read_pages += more.read_pages;
        preload.statistics.written_pages += more.written_pages;
        preload.statistics.evicted_pages += more.evicted_pages;
}

int mapping_unmap_region(struct mapping *mapping) {
        int error;

        /* What it writes back counts too. */
        if (mapping->is_writable)
                nodeos_region_flush(mapping->region, 0, 0);
        mapping_count(mapping);
        error = nodeos_region_unmap(mapping->region);
        mapping->region = NULL;
        if (error < 0)
                say("Cannot write back: %s", strerror(-error));
        return error;
}

int mapping_region(struct mapping *mapping, void *at, size_t bytes) {
        struct nodeos_region_options options = {
                .size = sizeof(options),
                .mode = preload.mode,
                .address = at,
                .bytes = bytes,
                .shared_fd = -1,
                .read_only = !mapping->is_writable,
        };
        int error;

        mapping->store->users++;
        error = nodeos_region_map(preload.buffer, &mapping->store->head, &options, &mapping->region);
        if (error < 0)
                return error;
        mapping->from = nodeos_region_address(mapping->region);
        mapping->to = mapping->from + bytes;
        mapping->left = bytes;
        return 0;
}

static int forget_part(struct mapping *mapping, char *from, char *to, long unused) {
        (void) unused;
        return mapping_forget(mapping, from, to);
}

static int leave_others(char *from, char *to, long unused) {
        (void) from;
        (void) to;
        (void) unused;
        return 0;
}

/* A place that the program names: what is there goes. */
static void *take_place(char *at, size_t bytes, int flags) {
        if (!(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)))
                return NULL;
        if (flags & MAP_FIXED) {
                mappings_each(at, at + bytes, forget_part, leave_others, 0);
                kernel_munmap(at, bytes);
        }
        return at;
}

bool mapping_conflicts(const struct stat *file, off_t offset, size_t bytes, bool writes) {
        uint64_t from = (uint64_t) offset, to = from + bytes;
        bool conflicts = file_is_left(file);
        struct mapping *next;

        for (struct mapping *mapping = preload.mappings; mapping; mapping = next) {
                uint64_t first = mapping->store->offset, last = first + (uint64_t) (mapping->to - mapping->from);
                bool changes = mapping->is_shared && mapping->is_writable;

                next = mapping->next;
                if (mapping->file->inode != file->st_ino || mapping->file->device != file->st_dev || from >= last || to <= first)
                        continue;
                if (!writes && !changes)
                        continue;
                conflicts = true;
                if (preload.has_threads)
                        say("a mapping does not see what is written to another one of the same part of the file before it is evicted");
                else
                        mapping_hand_over(mapping, "another one of the same part of the file has to agree with it");
        }
        return conflicts;
}

void *mapping_make(void *at, size_t bytes, int protection, int flags, int fd, const struct stat *file, off_t offset) {
        struct mapping *mapping = calloc(1, sizeof(*mapping));
        bool is_copied = (flags & MAP_TYPE) == MAP_PRIVATE && protection & PROT_WRITE;
        int error = mapping ? 0 : -ENOMEM;

        if (!mapping)
                goto failed;
        bytes = (bytes + SYSTEM_PAGE - 1) & ~(size_t) (SYSTEM_PAGE - 1);
        mapping->is_shared = (flags & MAP_TYPE) != MAP_PRIVATE;
        mapping->is_writable = protection & PROT_WRITE;
        mapping->protection = protection;
        mapping->file = file_take(fd, file, mapping->is_shared && mapping->is_writable);
        error = mapping->file ? 0 : -errno;
        if (error == 0)
                error = store_make(mapping->file->fd, (uint64_t) offset, bytes, is_copied, &mapping->store);
        if (error < 0)
                goto failed;
        error = mapping_region(mapping, take_place(at, bytes, flags), bytes);
        if (error < 0)
                goto failed;
        mapping->next = preload.mappings;
        preload.mappings = mapping;
        preload.count++;
        preload.mapped++;
        if (flags & MAP_LOCKED)
                nodeos_region_pin(mapping->region, 0, bytes);
        else if (flags & MAP_POPULATE)
                nodeos_region_populate(mapping->region, 0, bytes);
        return mapping->from;
failed:
        if (mapping && mapping->store)
                store_leave(mapping->store);
        if (mapping && mapping->file)
                file_leave(mapping->file);
        free(mapping);
        errno = -error;
        return NULL;
}

int mapping_replace(struct mapping *mapping, char *from, char *to, long unused) {
        uint64_t at = mapping_offset(mapping, from), bytes = (uint64_t) (to - from);
        off_t offset = (off_t) (mapping->store->offset + at);
        int flags = (mapping->is_shared ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED, protection = mapping->protection;
        bool restores = mapping->store->spill_fd >= 0;
        void *result;

        (void) unused;
        result = kernel_mmap(from, bytes, protection | (restores ? PROT_WRITE : 0), flags, mapping->file->fd, offset);
        if (result == MAP_FAILED)
                return -1;
        if (restores && store_restore(mapping->store, from, at, bytes) < 0)
                return -1;
        return restores && !(protection & PROT_WRITE) ? kernel_mprotect(from, bytes, protection) : 0;
}

int mapping_hand_over(struct mapping *mapping, const char *why) {
        int error = mapping_unmap_region(mapping);

        if (mapping_parts(mapping, mapping_replace, 0) < 0)
                error = -errno;
        say("a mapping of %zu KiB is the kernel's from now on: %s", mapping->left >> 10, why);
        preload.handed_over++;
        if (mapping->is_shared && mapping->is_writable)
                file_leave_to_kernel(mapping->file);
        mapping_drop(mapping);
        return error;
}
