/* Settings of UMap's calls: from the environment at first use, and by call. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "umap_internal.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

enum { PAGE_BYTES_LEAST = 4096, BUFFER_PAGES_LEAST = 16, THREADS_MOST = 256 };

static struct {
        uint64_t page_bytes, buffer_pages, fillers, evictors, high, low, read_ahead, fault_events, mode;
} settings = { PAGE_BYTES_LEAST, 0, 2, 0, 100, 90, 256, 256, NODEOS_MODE_THREAD };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_broken;

static uint64_t free_bytes(void) {
        FILE *file = fopen("/proc/meminfo", "re");
        char line[128];
        unsigned long kib = 1 << 20;

        while (file && fgets(line, sizeof(line), file))
                if (sscanf(line, "MemFree: %lu kB", &kib) == 1)
                        break;
        if (file)
                fclose(file);
        return (uint64_t) kib << 10;
}

static void read_variable(const char *name, uint64_t least, uint64_t most, uint64_t *ret) {
        const char *text = getenv(name);
        char *end;
        uint64_t value;

        if (!text)
                return;
        errno = 0;
        value = strtoull(text, &end, 10);
        if (errno || end == text || *end || *text == '-' || value < least || value > most)
                is_broken = true;
        else
                *ret = value;
}

static void read_environment(void) {
        const char *mode = getenv("NODEOS_UMAP_MODE");

        read_variable("NODEOS_UMAP_PAGESIZE", PAGE_BYTES_LEAST, 1u << 30, &settings.page_bytes);
        is_broken = is_broken || settings.page_bytes % PAGE_BYTES_LEAST;
        settings.buffer_pages = free_bytes() / 10 * 9 / settings.page_bytes;
        read_variable("NODEOS_UMAP_BUFSIZE", 1, UINT64_MAX / settings.page_bytes, &settings.buffer_pages);
        read_variable("NODEOS_UMAP_PAGE_FILLERS", 1, THREADS_MOST, &settings.fillers);
        read_variable("NODEOS_UMAP_PAGE_EVICTORS", 0, THREADS_MOST, &settings.evictors);
        read_variable("NODEOS_UMAP_EVICT_HIGH_WATER_THRESHOLD", 1, 100, &settings.high);
        if (settings.low > settings.high)
                settings.low = settings.high;
        read_variable("NODEOS_UMAP_EVICT_LOW_WATER_THRESHOLD", 1, settings.high, &settings.low);
        read_variable("NODEOS_UMAP_READ_AHEAD", 1, 1 << 20, &settings.read_ahead);
        read_variable("NODEOS_UMAP_MAX_FAULT_EVENTS", 1, UINT32_MAX, &settings.fault_events);
        if (mode && !strcmp(mode, "signal"))
                settings.mode = NODEOS_MODE_SIGNAL;
        else if (mode && strcmp(mode, "thread"))
                is_broken = true;
}

int umap_settings_error(void) {
        pthread_once(&once, read_environment);
        return is_broken ? -EINVAL : 0;
}

static uint64_t get(const uint64_t *value) {
        pthread_once(&once, read_environment);
        return __atomic_load_n(value, __ATOMIC_RELAXED);
}

static int set(uint64_t *value, uint64_t to, uint64_t least, uint64_t most) {
        pthread_once(&once, read_environment);
        if (to < least || to > most) {
                errno = EINVAL;
                return -1;
        }
        __atomic_store_n(value, to, __ATOMIC_RELAXED);
        return 0;
}

void umap_buffer_options(struct nodeos_buffer_options *ret) {
        uint64_t bytes = get(&settings.buffer_pages) * get(&settings.page_bytes), least = BUFFER_PAGES_LEAST * PAGE_BYTES_LEAST;

        *ret = (struct nodeos_buffer_options) {
                .size = sizeof(*ret),
                .low_percent = (uint32_t) get(&settings.low),
                .high_percent = (uint32_t) get(&settings.high),
                .evictors = (uint32_t) get(&settings.evictors),
                .bytes = bytes < least ? least : bytes,
        };
}

void umap_region_options(struct nodeos_region_options *ret) {
        *ret = (struct nodeos_region_options) {
                .size = sizeof(*ret),
                .mode = (uint32_t) get(&settings.mode),
                .threads = (uint32_t) get(&settings.fillers),
                .window_pages = (uint32_t) get(&settings.read_ahead),
                .page_bytes = get(&settings.page_bytes),
                .shared_fd = -1,
        };
}

uint64_t nodeos_umapcfg_get_umap_page_size(void) {
        return get(&settings.page_bytes);
}

uint64_t nodeos_umapcfg_get_max_pages_in_buffer(void) {
        return get(&settings.buffer_pages);
}

uint64_t nodeos_umapcfg_get_num_fillers(void) {
        return get(&settings.fillers);
}

uint64_t nodeos_umapcfg_get_num_evictors(void) {
        return get(&settings.evictors);
}

int nodeos_umapcfg_get_evict_high_water_threshold(void) {
        return (int) get(&settings.high);
}

int nodeos_umapcfg_get_evict_low_water_threshold(void) {
        return (int) get(&settings.low);
}

uint64_t nodeos_umapcfg_get_read_ahead(void) {
        return get(&settings.read_ahead);
}

uint64_t nodeos_umapcfg_get_max_fault_events(void) {
        return get(&settings.fault_events);
}

long nodeos_umapcfg_get_system_page_size(void) {
        return sysconf(_SC_PAGESIZE);
}

int nodeos_umapcfg_set_umap_page_size(uint64_t bytes) {
        if (bytes % PAGE_BYTES_LEAST) {
                errno = EINVAL;
                return -1;
        }
        return set(&settings.page_bytes, bytes, PAGE_BYTES_LEAST, 1u << 30);
}

int nodeos_umapcfg_set_max_pages_in_buffer(uint64_t pages) {
        struct nodeos_buffer_options options;
        uint64_t old = get(&settings.buffer_pages);
        int error = set(&settings.buffer_pages, pages, 1, UINT64_MAX / get(&settings.page_bytes));

        if (error < 0)
                return -1;
        umap_buffer_options(&options);
        error = umap_buffer_resize(options.bytes);
        if (error < 0) {
                set(&settings.buffer_pages, old, 0, UINT64_MAX);
                errno = -error;
        }
        return error < 0 ? -1 : 0;
}

int nodeos_umapcfg_set_num_fillers(uint64_t threads) {
        return set(&settings.fillers, threads, 1, THREADS_MOST);
}

int nodeos_umapcfg_set_num_evictors(uint64_t threads) {
        return set(&settings.evictors, threads, 0, THREADS_MOST);
}

int nodeos_umapcfg_set_evict_high_water_threshold(int percent) {
        return set(&settings.high, percent < 0 ? 0 : (uint64_t) percent, get(&settings.low), 100);
}

int nodeos_umapcfg_set_evict_low_water_threshold(int percent) {
        return set(&settings.low, percent < 0 ? 0 : (uint64_t) percent, 1, get(&settings.high));
}

int nodeos_umapcfg_set_read_ahead(uint64_t pages) {
        return set(&settings.read_ahead, pages, 1, 1 << 20);
}

int nodeos_umapcfg_set_max_fault_events(uint64_t events) {
        return set(&settings.fault_events, events, 1, UINT32_MAX);
}

int nodeos_umapcfg_set_mode(enum nodeos_region_mode mode) {
        return set(&settings.mode, mode, NODEOS_MODE_SIGNAL, NODEOS_MODE_THREAD);
}

int nodeos_umap_has_write_support(void) {
        struct uffdio_api api = { .api = UFFD_API };
        int kept = errno, fd = (int) syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
        bool has = fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0 && api.features & UFFD_FEATURE_PAGEFAULT_FLAG_WP;

        if (fd >= 0)
                close(fd);
        errno = kept;
        return has;
}
