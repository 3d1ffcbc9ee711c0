/* The states of a region's pages, in a file in memory that other processes can look at. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "paging.h"

static void read_name(const struct nodeos_store *store, char *ret_name, size_t bytes) {
        char link[64];
        ssize_t n;

        if (store->plain_fd < 0)
                return;
        snprintf(link, sizeof link, "/proc/self/fd/%d", store->plain_fd);
        n = readlink(link, ret_name, bytes - 1);
        ret_name[n < 0 ? 0 : n] = 0;
}

int table_create(struct nodeos_region *region) {
        uint64_t bytes = TABLE_HEADER_BYTES + region->pages;
        int error = 0;

        region->charged = calloc(region->pages / SMALL_BYTES / 64 + 1, sizeof *region->charged);
        region->table_fd = memfd_create("nodeos-paging", MFD_CLOEXEC);
        if (!region->charged || region->table_fd < 0 || ftruncate(region->table_fd, (off_t) bytes) < 0)
                error = region->charged ? errno : ENOMEM;
        else if ((region->table = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, region->table_fd, 0)) == MAP_FAILED)
                error = errno;
        if (error) {
                region->table = NULL;
                table_free(region);
                return -error;
        }
        region->states = (uint8_t *) region->table + TABLE_HEADER_BYTES;
        *region->table = (struct table) {
                .magic = TABLE_MAGIC,
                .version = TABLE_VERSION,
                .header_bytes = TABLE_HEADER_BYTES,
                .address = (uintptr_t) region->address,
                .bytes = region->bytes,
                .page_bytes = region->page_bytes,
                .pages = region->pages,
                .store_bytes = region->store->bytes,
                .mode = region->mode,
                .memory = region->memory,
                .tracking = region->tracking,
                .writable = region->writable,
        };
        read_name(region->store, region->table->name, sizeof region->table->name);
        return 0;
}

void table_note(struct nodeos_region *region) {
        region->table->limit_bytes = region->buffer->limit * SMALL_BYTES;
        region->table->buffer_bytes = (region->buffer->resident + region->buffer->overhead) * SMALL_BYTES;
}

void table_free(struct nodeos_region *region) {
        if (region->table)
                munmap(region->table, TABLE_HEADER_BYTES + region->pages);
        if (region->table_fd >= 0)
                close(region->table_fd);
        free(region->charged);
        region->table = NULL;
        region->table_fd = -1;
        region->charged = NULL;
}
