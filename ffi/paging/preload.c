/* The environment, which files, and mmap and munmap. preload.h says what is where. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload.h"

struct preload preload;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Where this library's code begins and ends; the linker says. */
extern const char __ehdr_start[] HIDDEN, etext[] HIDDEN;

bool code_is_ours(const void *address) {
        return (const char *) address >= __ehdr_start && (const char *) address < etext;
}

void table_lock(void) {
        pthread_mutex_lock(&lock);
}

void table_unlock(void) {
        pthread_mutex_unlock(&lock);
}

void say(const char *format, ...) {
        char line[5000];
        int kept = errno, n = snprintf(line, sizeof(line), "nodeos: %s (%d): ", program_invocation_short_name, getpid());
        va_list more;

        if (!preload.is_verbose)
                return;
        va_start(more, format);
        n += vsnprintf(line + n, sizeof(line) - (size_t) n - 1, format, more);
        va_end(more);
        if (n > (int) sizeof(line) - 2)
                n = (int) sizeof(line) - 2;
        line[n++] = '\n';
        if (syscall(SYS_write, STDERR_FILENO, line, n) < 0)
                errno = kept;
        errno = kept;
}

void *kernel_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset) {
        return (void *) syscall(SYS_mmap, at, bytes, protection, flags, fd, offset);
}

int kernel_munmap(void *at, size_t bytes) {
        return (int) syscall(SYS_munmap, at, bytes);
}

int kernel_mprotect(void *at, size_t bytes, int protection) {
        return (int) syscall(SYS_mprotect, at, bytes, protection);
}

int kernel_madvise(void *at, size_t bytes, int advice) {
        return (int) syscall(SYS_madvise, at, bytes, advice);
}

/* Whether a file is one of those that are named; files without a name are none. */
static bool is_named(const char *path) {
        char glob[4096];

        for (const char *from = preload.files; *from;) {
                const char *end = strchrnul(from, ':');

                if (end > from && end - from < (ptrdiff_t) sizeof(glob)) {
                        memcpy(glob, from, (size_t) (end - from));
                        glob[end - from] = 0;
                        if (fnmatch(glob, path, 0) == 0)
                                return true;
                }
                from = *end ? end + 1 : end;
        }
        return false;
}

static bool path_of(int fd, char *path, size_t size) {
        static const char deleted[] = " (deleted)";
        char link[64];
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, size - 1);
        if (n <= 0)
                return false;
        path[n] = 0;
        if (n > (ssize_t) sizeof(deleted) && !strcmp(path + n - (sizeof(deleted) - 1), deleted))
                path[n - (ssize_t) (sizeof(deleted) - 1)] = 0;
        return true;
}

/* Why a mapping is not for a region, in words; NULL when it is. */
static const char *reason_against(int protection, int flags, int fd, off_t offset) {
        int status = fcntl(fd, F_GETFL);

        if (protection & PROT_EXEC)
                return "it may be executed";
        if (!(protection & PROT_READ))
                return "it may not be read";
        if (flags & (MAP_HUGETLB | MAP_GROWSDOWN | MAP_SYNC))
                return "it is of a special kind";
        if (status < 0 || (status & O_ACCMODE) == O_WRONLY || offset < 0 || offset % SYSTEM_PAGE ||
            (flags & MAP_SHARED && protection & PROT_WRITE && (status & O_ACCMODE) != O_RDWR))
                return "the kernel has to say why not";
        return NULL;
}

static void *map_file(void *at, size_t bytes, int protection, int flags, int fd, off_t offset) {
        char path[4096];
        struct stat file;
        const char *why;
        void *result = NULL;

        if (fstat(fd, &file) < 0 || !S_ISREG(file.st_mode) || !bytes || !path_of(fd, path, sizeof(path)) || !is_named(path))
                return NULL;
        why = reason_against(protection, flags, fd, offset);
        table_lock();
        if (!why && mapping_conflicts(&file, offset, bytes, flags & MAP_SHARED && protection & PROT_WRITE))
                why = "it has to agree with another mapping";
        if (!why)
                result = mapping_make(at, bytes, protection, flags, fd, &file, offset);
        table_unlock();
        if (!result)
                say("%s is mapped by the kernel: %s", path, why ? why : strerror(errno));
        else
                say("%s: %zu KiB through a region, %s%s", path, bytes >> 10, flags & MAP_SHARED ? "shared" : "private",
                    protection & PROT_WRITE ? ", writable" : "");
        return result;
}

static int forget(struct mapping *mapping, char *from, char *to, long unused) {
        (void) unused;
        return mapping_forget(mapping, from, to);
}

static int unmap_others(char *from, char *to, long unused) {
        (void) unused;
        return kernel_munmap(from, (size_t) (to - from));
}

static int leave_others(char *from, char *to, long unused) {
        (void) from;
        (void) to;
        (void) unused;
        return 0;
}

static size_t whole_pages(size_t bytes) {
        return (bytes + SYSTEM_PAGE - 1) & ~(size_t) (SYSTEM_PAGE - 1);
}

PUBLIC void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset) {
        void *result = NULL;
        int kept = errno;

        if (!preload.is_on || IS_OURS)
                return kernel_mmap(at, bytes, protection, flags, fd, offset);
        if (!(flags & MAP_ANONYMOUS) && fd >= 0)
                result = map_file(at, bytes, protection, flags, fd, offset);
        errno = kept;
        if (result)
                return result;
        if (flags & MAP_FIXED && preload.count && bytes && mappings_touch(at, (char *) at + bytes)) {
                table_lock();
                mappings_each(at, (char *) at + whole_pages(bytes), forget, leave_others, 0);
                table_unlock();
        }
        return kernel_mmap(at, bytes, protection, flags, fd, offset);
}

PUBLIC void *mmap64(void *at, size_t bytes, int protection, int flags, int fd, off_t offset) __attribute__((alias("mmap")));

PUBLIC int munmap(void *at, size_t bytes) {
        int result;

        if (!preload.count || IS_OURS || (uintptr_t) at % SYSTEM_PAGE || !bytes)
                return kernel_munmap(at, bytes);
        table_lock();
        result = mappings_each(at, (char *) at + whole_pages(bytes), forget, unmap_others, 0);
        table_unlock();
        return result;
}

/* A size with a unit of K, M or G, or none. 0: no size. */
static uint64_t size_of(const char *text) {
        static const char units[] = "KMG";
        char *end;
        uint64_t value = strtoull(text, &end, 10);
        const char *unit = *end ? strchr(units, *end & ~32) : NULL;

        if (end == text || *text == '-' || (*end && !unit) || (unit && end[1]))
                return 0;
        return unit ? value << 10 * (unit - units + 1) : value;
}

static _Noreturn void refuse(const char *name, const char *what) {
        fprintf(stderr, "nodeos: Cannot start %s: %s %s\n", program_invocation_short_name, name, what);
        /* 125: our own failure, not the program's. */
        _exit(125);
}

__attribute__((constructor)) static void start(void) {
        const char *files = getenv("NODEOS_PAGING_FILES"), *size = getenv("NODEOS_PAGING_BUFFER"), *mode = getenv("NODEOS_PAGING_MODE");
        const char *verbose = getenv("NODEOS_PAGING_VERBOSE");
        struct nodeos_buffer_options options = { .size = sizeof(options), .bytes = size ? size_of(size) : UINT64_C(256) << 20 };
        int error;

        if (!files || !*files)
                return;
        preload.files = files;
        preload.is_verbose = verbose && strcmp(verbose, "0");
        preload.mode = mode && !strcmp(mode, "signal") ? NODEOS_MODE_SIGNAL : NODEOS_MODE_THREAD;
        if (mode && strcmp(mode, "signal") && strcmp(mode, "thread"))
                refuse("NODEOS_PAGING_MODE", "is neither thread nor signal");
        error = options.bytes ? nodeos_buffer_create(&options, &preload.buffer) : -EINVAL;
        if (error < 0)
                refuse("NODEOS_PAGING_BUFFER", error == -EINVAL ? "is no size of 16 pages and more, such as 256M" : strerror(-error));
        preload.started = getpid();
        file_start();
        fork_start();
        preload.is_on = true;
}
