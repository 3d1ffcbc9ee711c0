/* System calls on pages of a region, by mode and tracking, as PAGING.md says: system_calls FILE, of at least 16 pages. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nodeos_paging.h"

enum { PAGE = 4096 };

static int pipes[2];
static char bytes[2 * PAGE];

/* Into two pages of a region, and out of them: how far it comes, or the error. */
static ssize_t read_into(char *at) {
        ssize_t n;

        if (write(pipes[1], bytes, sizeof(bytes)) != sizeof(bytes))
                exit(1);
        n = read(pipes[0], at, sizeof(bytes));
        if (n < 0)
                n = -errno;
        /* What a call that failed left. */
        for (ssize_t left = sizeof(bytes) - (n > 0 ? n : 0); left > 0;)
                left -= read(pipes[0], bytes, (size_t) left);
        return n;
}

static ssize_t write_from(const char *at) {
        ssize_t n = write(pipes[1], at, sizeof(bytes));

        if (n < 0)
                n = -errno;
        for (ssize_t left = n > 0 ? n : 0; left > 0;)
                left -= read(pipes[0], bytes, (size_t) left);
        return n;
}

static void try(const char *path, const char *name, uint32_t mode, uint32_t tracking) {
        struct nodeos_buffer_options memory = { .size = sizeof(memory), .bytes = 1 << 20 };
        struct nodeos_region_options options = {
                .size = sizeof(options),
                .mode = mode,
                .tracking = tracking,
                .window_pages = 1,
                .shared_fd = -1,
        };
        struct nodeos_buffer *buffer;
        struct nodeos_region *region;
        struct nodeos_store *store;
        char *at;
        int error;

        if (nodeos_store_file(path, NODEOS_STORE_WRITE, 0, 0, &store) < 0 || nodeos_buffer_create(&memory, &buffer) < 0)
                exit(1);
        error = nodeos_region_map(buffer, store, &options, &region);
        if (error < 0) {
                printf("%s: %s\n", name, strerror(-error));
                nodeos_buffer_close(buffer);
                return;
        }
        at = nodeos_region_address(region);
        printf("%s: absent %zd %zd", name, write_from(at), read_into(at + 2 * PAGE));
        nodeos_region_pin(region, 4 * PAGE, 4 * PAGE);
        printf(", pinned %zd %zd", write_from(at + 4 * PAGE), read_into(at + 6 * PAGE));
        at[6 * PAGE] = at[7 * PAGE] = 1;
        printf(", written to %zd\n", read_into(at + 6 * PAGE));
        nodeos_region_unpin(region, 4 * PAGE, 4 * PAGE);
        if (nodeos_region_unmap(region) < 0 || nodeos_buffer_close(buffer) < 0)
                exit(1);
}

int main(int argc, char **argv) {
        if (argc != 2 || pipe(pipes) < 0)
                return 2;
        try(argv[1], "signal", NODEOS_MODE_SIGNAL, NODEOS_TRACKING_FAULT);
        try(argv[1], "signal, scan", NODEOS_MODE_SIGNAL, NODEOS_TRACKING_SCAN);
        try(argv[1], "thread", NODEOS_MODE_THREAD, NODEOS_TRACKING_FAULT);
        return 0;
}
