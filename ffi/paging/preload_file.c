/* Reads and writes of files that are mapped: with the kernel's mappings both see the same bytes. What the program wrote to a mapping
 * goes to the file before a read, and pages that a write changes are read again. By the calls of this program, and neither by those
 * that the C library makes for streams, nor by other programs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "preload.h"

static struct {
        int (*close)(int fd);
        int (*ftruncate)(int fd, off_t bytes);
        ssize_t (*read)(int fd, void *to, size_t bytes);
        ssize_t (*pread)(int fd, void *to, size_t bytes, off_t offset);
        ssize_t (*readv)(int fd, const struct iovec *to, int count);
        ssize_t (*write)(int fd, const void *from, size_t bytes);
        ssize_t (*pwrite)(int fd, const void *from, size_t bytes, off_t offset);
        ssize_t (*writev)(int fd, const struct iovec *from, int count);
} next;

static void *named(const char *name) {
        return dlsym(RTLD_NEXT, name);
}

void file_start(void) {
        next.close = (int (*)(int)) named("close");
        next.ftruncate = (int (*)(int, off_t)) named("ftruncate64");
        next.read = (ssize_t (*)(int, void *, size_t)) named("read");
        next.pread = (ssize_t (*)(int, void *, size_t, off_t)) named("pread64");
        next.readv = (ssize_t (*)(int, const struct iovec *, int)) named("readv");
        next.write = (ssize_t (*)(int, const void *, size_t)) named("write");
        next.pwrite = (ssize_t (*)(int, const void *, size_t, off_t)) named("pwrite64");
        next.writev = (ssize_t (*)(int, const struct iovec *, int)) named("writev");
}

enum when { BEFORE_READ, BEFORE_CHANGE, AFTER_CHANGE };

/* The pages of a file that a range touches, in every mapping: what was written is in the file, and what changes is asked for again. Of
 * a private mapping pages that were not written to change with the file: so it is settled before which they are. */
static void settle(const struct stat *file, uint64_t from, uint64_t to, enum when when) {
        for (struct mapping *mapping = preload.mappings; mapping; mapping = mapping->next) {
                uint64_t first = mapping->store->offset, last = first + (uint64_t) (mapping->to - mapping->from), at, bytes;

                if (mapping->file->inode != file->st_ino || mapping->file->device != file->st_dev || from >= last || to <= first)
                        continue;
                at = from > first ? from - first : 0;
                bytes = (to < last ? to : last) - first - at;
                if (mapping->is_writable && (mapping->is_shared || when != BEFORE_READ))
                        nodeos_region_flush(mapping->region, at, bytes);
                if (when == AFTER_CHANGE) {
                        nodeos_region_evict(mapping->region, at, bytes);
                        nodeos_region_forgive(mapping->region, at, bytes);
                }
        }
}

/* Before a call with a file: what it reads is up to date. After one that changes it: what mappings have is. */
static void meet(int fd, off_t offset, uint64_t bytes, enum when when) {
        int kept = errno;
        struct stat file;

        if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode)) {
                uint64_t from = offset < 0 ? 0 : (uint64_t) offset, to = INT64_MAX;

                if (offset >= 0 && bytes < to - from)
                        to = from + bytes;
                table_lock();
                settle(&file, from, to, when);
                table_unlock();
        }
        errno = kept;
}

#define IS_MET (preload.count && !IS_OURS)

PUBLIC ssize_t read(int fd, void *to, size_t bytes) {
        if (!next.read || IS_OURS)
                return syscall(SYS_read, fd, to, bytes);
        if (IS_MET)
                meet(fd, -1, 0, BEFORE_READ);
        return next.read(fd, to, bytes);
}

PUBLIC ssize_t readv(int fd, const struct iovec *to, int count) {
        if (!next.readv || IS_OURS)
                return syscall(SYS_readv, fd, to, count);
        if (IS_MET)
                meet(fd, -1, 0, BEFORE_READ);
        return next.readv(fd, to, count);
}

PUBLIC ssize_t pread(int fd, void *to, size_t bytes, off_t offset) {
        if (!next.pread || IS_OURS)
                return syscall(SYS_pread64, fd, to, bytes, offset);
        if (IS_MET)
                meet(fd, offset, bytes, BEFORE_READ);
        return next.pread(fd, to, bytes, offset);
}

PUBLIC ssize_t pread64(int fd, void *to, size_t bytes, off_t offset) __attribute__((alias("pread")));

PUBLIC ssize_t write(int fd, const void *from, size_t bytes) {
        bool is_met = IS_MET;
        off_t offset = -1;
        ssize_t n;

        if (!next.write || IS_OURS)
                return syscall(SYS_write, fd, from, bytes);
        if (is_met) {
                int kept = errno;

                if (!(fcntl(fd, F_GETFL) & O_APPEND))
                        offset = lseek(fd, 0, SEEK_CUR);
                errno = kept;
                meet(fd, offset, bytes, BEFORE_CHANGE);
        }
        n = next.write(fd, from, bytes);
        if (is_met && n > 0)
                meet(fd, offset, (uint64_t) n, AFTER_CHANGE);
        return n;
}

PUBLIC ssize_t writev(int fd, const struct iovec *from, int count) {
        bool is_met = IS_MET;
        ssize_t n;

        if (!next.writev || IS_OURS)
                return syscall(SYS_writev, fd, from, count);
        if (is_met)
                meet(fd, -1, 0, BEFORE_CHANGE);
        n = next.writev(fd, from, count);
        if (is_met && n > 0)
                meet(fd, -1, 0, AFTER_CHANGE);
        return n;
}

PUBLIC ssize_t pwrite(int fd, const void *from, size_t bytes, off_t offset) {
        bool is_met = IS_MET;
        ssize_t n;

        if (!next.pwrite || IS_OURS)
                return syscall(SYS_pwrite64, fd, from, bytes, offset);
        if (is_met)
                meet(fd, offset, bytes, BEFORE_CHANGE);
        n = next.pwrite(fd, from, bytes, offset);
        if (is_met && n > 0)
                meet(fd, offset, (uint64_t) n, AFTER_CHANGE);
        return n;
}

PUBLIC ssize_t pwrite64(int fd, const void *from, size_t bytes, off_t offset) __attribute__((alias("pwrite")));

PUBLIC int ftruncate(int fd, off_t bytes) {
        bool is_met = IS_MET;
        int result;

        if (!next.ftruncate || IS_OURS)
                return (int) syscall(SYS_ftruncate, fd, bytes);
        if (is_met)
                meet(fd, -1, 0, BEFORE_CHANGE);
        result = next.ftruncate(fd, bytes);
        /* Pages behind the new end do not exist any more, or do from now on. */
        if (is_met && result == 0)
                meet(fd, -1, 0, AFTER_CHANGE);
        return result;
}

PUBLIC int ftruncate64(int fd, off_t bytes) __attribute__((alias("ftruncate")));

PUBLIC int close(int fd) {
        int kept = errno;

        if (!next.close || IS_OURS)
                return (int) syscall(SYS_close, fd);
        if (preload.open_files && file_closing(fd)) {
                errno = EBADF;
                return -1;
        }
        errno = kept;
        return next.close(fd);
}
