/* Which page frames memory lies in, and whose they are, as the kernel tells root. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "memory.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

/* Bits of /proc/PID/pagemap and of /proc/kpageflags. */
#define PRESENT (1ull << 63)
#define FRAME ((1ull << 55) - 1)
#define FLAG_ANON (1ull << 12)
#define FLAG_SWAPBACKED (1ull << 14)
#define FLAG_TAIL (1ull << 16)
#define FLAG_HUGE (1ull << 17)
#define FLAG_NOPAGE (1ull << 20)
#define FLAG_ZERO_PAGE (1ull << 24)

enum { SKIPPED = -1, RUN_WORDS = 4, WINDOW_MAX = NODEOS_FRAMES_WINDOW };

/* Reads 8 bytes for each of count things from number first on. Returns how many there are. */
static int64_t read_words(int fd, int64_t first, int64_t count, uint64_t *ret_words) {
        int64_t size = count * 8, used = 0;

        while (used < size) {
                ssize_t n = pread(fd, (uint8_t *) ret_words + used, (size_t) (size - used), first * 8 + used);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                used += n;
        }
        return used / 8;
}

static int kind_of(uint64_t flags, int previous) {
        if (flags & (FLAG_ZERO_PAGE | FLAG_NOPAGE))
                return SKIPPED;
        if (flags & FLAG_HUGE)
                return NODEOS_FRAMES_HUGE;
        /* Older kernels tell the rest of the first page of several only. */
        if (flags & FLAG_TAIL && previous >= 0)
                return previous;
        if (flags & FLAG_ANON)
                return NODEOS_FRAMES_ANONYMOUS;
        return flags & FLAG_SWAPBACKED ? NODEOS_FRAMES_SHARED : NODEOS_FRAMES_FILE;
}

/* Writes the pages of one stretch of frames as runs of one kind each. Returns how many. */
static int32_t split_kinds(int flags_fd, uint64_t frame, int64_t page, int64_t count, uint64_t *flags, uint64_t *ret_runs) {
        int64_t known = read_words(flags_fd, (int64_t) frame, count, flags);
        int kind = SKIPPED;
        int32_t used = 0;

        for (int64_t i = 0; i < known; i++) {
                int previous = kind;

                kind = kind_of(flags[i], previous);
                if (kind == SKIPPED)
                        continue;
                if (i == 0 || kind != previous) {
                        uint64_t run[RUN_WORDS] = { frame + (uint64_t) i, 0, (uint64_t) kind, (uint64_t) (page + i) };

                        memcpy(ret_runs + used++ * RUN_WORDS, run, sizeof(run));
                }
                ret_runs[(used - 1) * RUN_WORDS + 1]++;
        }
        return known < 0 ? (int32_t) known : used;
}

/* Finds stretches of present pages whose frames follow each other. words has room for the entries of pagemap, and behind them
 * for as many flags. */
static int32_t find_runs(int pagemap_fd, int flags_fd, int64_t first, int64_t count, int64_t shown, uint64_t *words, uint64_t *ret_runs) {
        int64_t known = read_words(pagemap_fd, first, count, words);
        int32_t used = 0;

        for (int64_t i = 0, next; i < known; i = next) {
                uint64_t frame = words[i] & FRAME;
                int32_t n;

                next = i + 1;
                if (!(words[i] & PRESENT))
                        continue;
                /* The kernel hides frames from those who may not know. */
                if (!frame)
                        return -EPERM;
                while (next < known && words[next] & PRESENT && (words[next] & FRAME) == frame + (uint64_t) (next - i))
                        next++;
                n = split_kinds(flags_fd, frame, shown + i, next - i, words + count, ret_runs + used * RUN_WORDS);
                if (n < 0)
                        return n;
                used += n;
        }
        return known < 0 ? (int32_t) known : used;
}

static int32_t runs_of(const char *pagemap, int64_t first, int64_t count, int64_t shown, uint64_t *ret_runs) {
        CLEANUP_FD int pagemap_fd = kernel_open(pagemap, O_RDONLY);
        CLEANUP_FD int flags_fd = pagemap_fd < 0 ? pagemap_fd : kernel_open("/proc/kpageflags", O_RDONLY);
        uint64_t *words;
        int32_t result;

        if (flags_fd < 0)
                return flags_fd;
        words = malloc((size_t) count * 16);
        if (!words)
                return -ENOMEM;
        result = find_runs(pagemap_fd, flags_fd, first, count, shown, words, ret_runs);
        free(words);
        return result;
}

int32_t nodeos_frames_process(int32_t pid, int64_t first, int64_t count, uint64_t *ret_runs) {
        char path[32];

        if (pid <= 0 || first < 0 || count <= 0 || count > WINDOW_MAX)
                return -EINVAL;
        snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
        return runs_of(path, first, count, first, ret_runs);
}

/* PAGEMAP_SCAN of linux/fs.h, which older headers lack: ranges of pages that are there, without a look at each that is not. */
struct scan {
        uint64_t size, flags, start, end, walk_end, ranges, range_count, pages_max, inverted, all_of, any_of, returned;
};
struct range {
        uint64_t start, end, categories;
};
#define SCAN _IOWR('f', 16, struct scan)
#define IS_PRESENT (1 << 3)

int32_t nodeos_frames_present(int32_t pid, uint64_t start, uint64_t end, uint64_t *ret_ranges, int32_t capacity) {
        struct range ranges[256];
        struct scan scan = {
                .size = sizeof(scan), .start = start, .end = end, .ranges = (uint64_t) (uintptr_t) ranges,
                .range_count = sizeof(ranges) / sizeof(*ranges), .all_of = IS_PRESENT, .returned = IS_PRESENT,
        };
        CLEANUP_FD int fd = -1;
        char path[32];
        int n;

        if (pid <= 0 || capacity <= 0)
                return -EINVAL;
        if (scan.range_count > (uint64_t) capacity)
                scan.range_count = (uint64_t) capacity;
        snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
        fd = kernel_open(path, O_RDONLY);
        if (fd < 0)
                return fd;
        n = ioctl(fd, SCAN, &scan);
        if (n < 0)
                return -errno;
        for (int i = 0; i < n; i++) {
                ret_ranges[2 * i] = ranges[i].start;
                ret_ranges[2 * i + 1] = ranges[i].end;
        }
        return n;
}

/* Maps in what a file has, and nothing that it has not: to look at a hole would fill it. */
static int touch(uint8_t *memory, int64_t size, int is_whole) {
        int64_t page = sysconf(_SC_PAGESIZE), count = size / page;
        uint8_t *present;
        int error = 0;

        if (is_whole)
                return madvise(memory, (size_t) size, MADV_POPULATE_READ) < 0 ? -errno : 0;
        present = malloc((size_t) count);
        if (!present)
                return -ENOMEM;
        if (mincore(memory, (size_t) size, present) < 0)
                error = -errno;
        for (int64_t i = 0; i < count && error == 0; i++)
                if (present[i] & 1 && madvise(memory + i * page, (size_t) page, MADV_POPULATE_READ) < 0)
                        error = -errno;
        free(present);
        return error;
}

static int open_readable(const char *path) {
        const char *name;
        CLEANUP_FD int parent = memory_open_parent(path, 0, &name);
        int fd = parent < 0 ? parent : openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

        return fd < 0 && parent >= 0 ? -errno : fd;
}

int32_t nodeos_frames_file(const char *path, int64_t first, int64_t count, uint64_t *ret_runs) {
        CLEANUP_FD int fd = open_readable(path);
        int64_t page = sysconf(_SC_PAGESIZE), size;
        struct stat facts;
        uint8_t *memory;
        int32_t result;

        if (fd < 0)
                return fd;
        if (first < 0 || count <= 0 || count > WINDOW_MAX || first > INT64_MAX / page - count)
                return -EINVAL;
        if (fstat(fd, &facts) < 0 || !S_ISREG(facts.st_mode))
                return -EINVAL;
        size = facts.st_size - first * page;
        if (size <= 0)
                return 0;
        size = (size + page - 1) / page * page;
        if (size > count * page)
                size = count * page;
        memory = mmap(NULL, (size_t) size, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, first * page);
        if (memory == MAP_FAILED)
                return -errno;
        result = touch(memory, size, (int64_t) facts.st_blocks * 512 >= facts.st_size);
        if (result == 0)
                result = runs_of("/proc/self/pagemap", (int64_t) ((uintptr_t) memory / (uintptr_t) page), size / page, first, ret_runs);
        munmap(memory, (size_t) size);
        return result;
}

int32_t nodeos_frames_facts(int32_t which, int64_t first, int64_t count, uint64_t *ret_words) {
        static const char *const paths[] = { "/proc/kpageflags", "/proc/kpagecount", "/proc/kpagecgroup" };
        CLEANUP_FD int fd = -1;

        if (which < 0 || which > 2 || first < 0 || count < 0 || count > INT32_MAX)
                return -EINVAL;
        fd = kernel_open(paths[which], O_RDONLY);
        return fd < 0 ? fd : (int32_t) read_words(fd, first, count, ret_words);
}

int64_t nodeos_frames_cgroup(const char *path) {
        CLEANUP_FD int fd = kernel_open(path, O_PATH | O_DIRECTORY);
        struct stat facts;

        if (fd < 0)
                return fd;
        return fstat(fd, &facts) < 0 ? -errno : (int64_t) facts.st_ino;
}
