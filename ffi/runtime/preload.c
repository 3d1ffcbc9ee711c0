/* What the environment wants, and pages from the kernel. preload.h says what is where. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memory_share.h"
#include "preload.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

struct preload preload;
static pid_t started;

void *kernel_mmap(void *at, size_t bytes, int protection, int flags, int fd, long offset) {
        return (void *) syscall(SYS_mmap, at, bytes, protection, flags, fd, offset);
}

int kernel_munmap(void *at, size_t bytes) {
        return (int) syscall(SYS_munmap, at, bytes);
}

void *kernel_mremap(void *at, size_t bytes, size_t new_bytes, int flags, void *to) {
        return (void *) syscall(SYS_mremap, at, bytes, new_bytes, flags, to);
}

int kernel_mprotect(void *at, size_t bytes, int protection) {
        return (int) syscall(SYS_mprotect, at, bytes, protection);
}

int kernel_madvise(void *at, size_t bytes, int advice) {
        return (int) syscall(SYS_madvise, at, bytes, advice);
}

/* `page` is that of the container's huge pages, or 0 for what is nobody's share. */
static bool populate(void *at, size_t bytes, size_t page) {
        int shared = page && !preload.is_lazy ? share_populate(at, bytes, page) : 0;
        char *from = at;

        if (shared)
                return shared > 0;
        if (preload.is_lazy || kernel_madvise(at, bytes, MADV_POPULATE_WRITE) == 0)
                return true;
        if (errno != EINVAL)
                return false;
        /* Before Linux 5.14. Reserved pages are there, unless a policy or another limit is in the way. */
        for (size_t i = 0; i < bytes; i += preload.small_page)
                *(volatile char *) (from + i) = 0;
        return true;
}

static void *take(void *at, size_t bytes, size_t page, int flags) {
        void *taken;

        flags |= MAP_PRIVATE | MAP_ANONYMOUS;
        taken = page ? share_map(bytes, flags) : kernel_mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (taken == MAP_FAILED)
                return NULL;
        if (populate(taken, bytes, page)) {
                if (!at || kernel_mremap(taken, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at)
                        return taken = at ? at : taken;
                /* Before Linux 5.16 huge pages do not move. */
                if (errno == EINVAL && kernel_munmap(taken, bytes) == 0 &&
                    kernel_mmap(at, bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED, -1, 0) == at && populate(at, bytes, page))
                        return at;
                addresses_take(at, bytes, 1);
                return NULL;
        }
        kernel_munmap(taken, bytes);
        return NULL;
}

/* Ordinary pages, with an address as huge pages have it; for tests within the shares of these. */
static void *take_ordinary(void *at, size_t bytes, size_t page, bool is_shared) {
        void *addresses = at ? at : addresses_take(NULL, bytes, page);
        void *taken = addresses ? take(addresses, bytes, is_shared ? page : 0, 0) : NULL;

        if (!taken && addresses && !at)
                kernel_munmap(addresses, bytes);
        return taken;
}

/* For tests: a pool that has so many bytes. */
static void *take_for_test(void *at, size_t bytes, size_t page) {
        void *taken;

        if (bytes > __atomic_load_n(&preload.ordinary_left, __ATOMIC_RELAXED))
                return NULL;
        __atomic_sub_fetch(&preload.ordinary_left, bytes, __ATOMIC_RELAXED);
        taken = take_ordinary(at, bytes, page, true);
        if (!taken)
                __atomic_add_fetch(&preload.ordinary_left, bytes, __ATOMIC_RELAXED);
        return taken;
}

void *pages_take(void *at, size_t bytes, size_t page) {
        void *taken = preload.is_ordinary ? take_for_test(at, bytes, page)
                                          : take(at, bytes, page, MAP_HUGETLB | __builtin_ctzl(page) << MAP_HUGE_SHIFT);

        if (!taken && preload.falls_back) {
                taken = take_ordinary(at, bytes, page, false);
                if (taken)
                        __atomic_add_fetch(&preload.fallback_bytes, bytes, __ATOMIC_RELAXED);
        }
        if (!taken)
                errno = ENOMEM;
        return taken;
}

void pages_give(void *at, size_t bytes) {
        kernel_munmap(at, bytes);
        if (preload.is_ordinary)
                __atomic_add_fetch(&preload.ordinary_left, bytes, __ATOMIC_RELAXED);
}

void *addresses_take(void *at, size_t bytes, size_t page) {
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0);
        char *taken, *from;

        taken = kernel_mmap(at, at ? bytes : bytes + page, PROT_NONE, flags, -1, 0);
        if (taken == MAP_FAILED)
                return NULL;
        if (at)
                return at;
        from = (char *) align_up((uintptr_t) taken, page);
        if (from > taken)
                kernel_munmap(taken, (size_t) (from - taken));
        kernel_munmap(from + bytes, (size_t) (taken + page - from));
        return from;
}

static const char *value_of(char **environment, const char *name) {
        size_t length = strlen(name);

        for (; *environment; environment++)
                if (!strncmp(*environment, name, length) && (*environment)[length] == '=')
                        return *environment + length + 1;
        return NULL;
}

static bool is_set(char **environment, const char *name, const char *value) {
        const char *is = value_of(environment, name);

        return is && !strcmp(is, value);
}

static void read_environment(char **environment) {
        const char *pages = value_of(environment, "NODEOS_HUGE_PAGES"), *how = value_of(environment, "NODEOS_PRELOAD_PAGES");

        while (pages && *pages && preload.page_count < PAGE_SIZES_MAX) {
                char *end;
                size_t page = strtoul(pages, &end, 10);

                if (end == pages || page < (64 << 10) || page & (page - 1))
                        break;
                preload.pages[preload.page_count++] = page;
                pages = *end == ',' ? end + 1 : end;
        }
        preload.is_on = preload.page_count > 0;
        preload.falls_back = is_set(environment, "NODEOS_MEMORY_FALLBACK", "1");
        preload.is_lazy = is_set(environment, "NODEOS_MEMORY_POPULATE", "0");
        preload.reports = is_set(environment, "NODEOS_PRELOAD_REPORT", "1");
        if (how && !strncmp(how, "ordinary", 8)) {
                preload.is_ordinary = true;
                preload.ordinary_left = how[8] == ':' ? strtoul(how + 9, NULL, 10) : SIZE_MAX / 2;
        }
}

static _Noreturn void refuse(const char *what, size_t bytes) {
        char line[200];
        int n = snprintf(line, sizeof(line), "nodeos: Cannot start %s: the huge pages of its container do not suffice for %s%zu KiB%s\n",
                         program_invocation_short_name, what, bytes >> 10,
                         "; give it more, or set NODEOS_MEMORY_FALLBACK=1 to use ordinary memory as well");

        /* 125: our own failure, not the program's. */
        _exit(write(STDERR_FILENO, line, (size_t) n) < 0 ? 125 : 125);
}

__attribute__((constructor)) static void start(int argc, char **argv, char **environment) {
        size_t bytes;

        (void) argc;
        (void) argv;
        started = getpid();
        preload.small_page = (size_t) getpagesize();
        read_environment(environment);
        if (!preload.is_on)
                return;
        if (heaps_start() < 0)
                refuse("its first ", preload.pages[0]);
        maps_start();
        if (static_move(&bytes) < 0)
                refuse("its static data of ", bytes);
}

__attribute__((destructor)) static void stop(void) {
        /* A child that has no program of its own says nothing. */
        if (preload.is_on && preload.reports && getpid() == started)
                report_write();
}
