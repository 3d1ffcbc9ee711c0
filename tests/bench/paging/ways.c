/* The kernel's mapping, UMap, and ours. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "nodeos_paging.h"

static struct {
        char *at;
        uint64_t bytes;
        int fd;
        bool writes;
        int (*uunmap)(void *at, uint64_t bytes);
        struct nodeos_buffer *buffer;
        struct nodeos_region *region;
} opened;

static int open_file(const struct setting *setting) {
        opened.fd = open(setting->path, (setting->writes ? O_RDWR : O_RDONLY) | O_CLOEXEC);
        if (opened.fd < 0)
                die(setting->path);
        opened.bytes = setting->pages * PAGE;
        opened.writes = setting->writes;
        return setting->writes ? PROT_READ | PROT_WRITE : PROT_READ;
}

static char *mmap_open(const struct setting *setting) {
        int protection = open_file(setting);

        opened.at = mmap(NULL, opened.bytes, protection, MAP_SHARED, opened.fd, 0);
        if (opened.at == MAP_FAILED)
                die("mmap");
        return opened.at;
}

static void mmap_close(void) {
        munmap(opened.at, opened.bytes);
}

/* The library is somebody else's, and ready: its interface is known by its names alone. Its settings are in the environment. */
static char *umap_open(const struct setting *setting) {
        const char *path = getenv("NODEOS_UMAP_LIB");
        void *library = path ? dlopen(path, RTLD_NOW | RTLD_GLOBAL) : NULL;
        void *(*umap)(void *at, uint64_t bytes, int protection, int flags, int fd, off_t offset);
        int protection = open_file(setting);

        if (!library) {
                fprintf(stderr, "Cannot load UMap from NODEOS_UMAP_LIB: %s\n", path ? dlerror() : "it is not set");
                _exit(2);
        }
        umap = (void *(*) (void *, uint64_t, int, int, int, off_t)) dlsym(library, "umap");
        opened.uunmap = (int (*)(void *, uint64_t)) dlsym(library, "uunmap");
        if (!umap || !opened.uunmap)
                die("umap and uunmap in NODEOS_UMAP_LIB");
        opened.at = umap(NULL, opened.bytes, protection, MAP_PRIVATE, opened.fd, 0);
        if (opened.at == MAP_FAILED)
                die("umap");
        return opened.at;
}

static void umap_close(void) {
        opened.uunmap(opened.at, opened.bytes);
}

static char *region_open(const struct setting *setting, uint32_t mode) {
        struct nodeos_buffer_options buffer = { .size = sizeof(buffer), .bytes = setting->buffer_pages * PAGE };
        struct nodeos_region_options options = { .size = sizeof(options), .mode = mode, .shared_fd = -1, .read_only = !setting->writes };
        struct nodeos_store *store;
        int error = nodeos_store_file(setting->path, setting->writes ? NODEOS_STORE_WRITE : 0, 0, 0, &store);

        if (error == 0)
                error = nodeos_buffer_create(&buffer, &opened.buffer);
        if (error == 0)
                error = nodeos_region_map(opened.buffer, store, &options, &opened.region);
        if (error < 0) {
                errno = -error;
                die("nodeos_region_map");
        }
        return nodeos_region_address(opened.region);
}

static char *signal_open(const struct setting *setting) {
        return region_open(setting, NODEOS_MODE_SIGNAL);
}

static char *thread_open(const struct setting *setting) {
        return region_open(setting, NODEOS_MODE_THREAD);
}

static void region_close(void) {
        int error = nodeos_region_unmap(opened.region);

        if (error < 0) {
                errno = -error;
                die("nodeos_region_unmap");
        }
        nodeos_buffer_close(opened.buffer);
}

const struct way ways[] = {
        { "mmap", mmap_open, mmap_close },
        { "umap", umap_open, umap_close },
        { "bare-thread", bare_thread_open, bare_close },
        { "bare-thread-move", bare_thread_move_open, bare_close },
        { "bare-signal", bare_signal_open, bare_close },
        { "bare-signal-move", bare_signal_move_open, bare_close },
        { "nodeos-signal", signal_open, region_close },
        { "nodeos-thread", thread_open, region_close },
        { NULL, NULL, NULL },
};
