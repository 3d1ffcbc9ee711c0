/* Opens the files of stores. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "store_medium.h"

bool medium_flags_ok(uint32_t flags) {
        if (flags & ~(uint32_t) (NODEOS_STORE_WRITE | NODEOS_STORE_DIRECT | NODEOS_STORE_SIGNAL_SAFE | NODEOS_STORE_CREATE))
                return false;
        return !(flags & NODEOS_STORE_CREATE) || flags & NODEOS_STORE_WRITE;
}

/* A number that sysfs says of a device of memory, or -errno: -EINVAL of any other device. */
static int device_number(dev_t device, const char *name, uint64_t *ret) {
        char path[96], text[32], *end;
        uint64_t got;
        int fd, error;

        snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/%s", major(device), minor(device), name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -EINVAL : -errno;
        error = file_read_some(fd, text, sizeof(text) - 1, 0, &got);
        close(fd);
        if (error < 0)
                return error;
        text[got] = '\0';
        *ret = strtoull(text, &end, 0);
        return end == text || !*ret ? -EINVAL : 0;
}

static int map(struct medium *medium, uint32_t flags) {
        int protection = PROT_READ | (flags & NODEOS_STORE_WRITE ? PROT_WRITE : 0);
        uint64_t bytes = medium->bytes & ~(medium->granule - 1);
        void *memory;

        medium->bytes = bytes;
        if (!bytes)
                return -ENODATA;
        memory = mmap(NULL, bytes, protection, MAP_SHARED | MAP_NORESERVE, medium->fd, 0);
        if (memory == MAP_FAILED)
                return -errno;
        medium->memory = memory;
        return 0;
}

/* What kind of file it is, and how large. */
static int look(struct medium *medium, uint32_t flags) {
        struct stat status;
        struct statfs system;
        int error;

        if (fstat(medium->fd, &status) < 0)
                return -errno;
        medium->granule = 4096;
        if (S_ISBLK(status.st_mode))
                return ioctl(medium->fd, BLKGETSIZE64, &medium->bytes) < 0 ? -errno : 0;
        if (S_ISCHR(status.st_mode)) {
                error = device_number(status.st_rdev, "size", &medium->bytes);
                if (error == 0)
                        error = device_number(status.st_rdev, "align", &medium->granule);
                return error < 0 ? error : map(medium, flags);
        }
        if (!S_ISREG(status.st_mode))
                return S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
        if (fstatfs(medium->fd, &system) < 0)
                return -errno;
        medium->bytes = (uint64_t) status.st_size;
        if (system.f_type != HUGETLBFS_MAGIC)
                return 0;
        medium->granule = (uint64_t) system.f_bsize;
        medium->has_read = true;
        return map(medium, flags);
}

/* The same file, open with other flags. */
static int reopen(int fd, int flags) {
        char path[32];
        int opened;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        opened = open(path, flags | O_CLOEXEC);
        return opened < 0 ? -errno : opened;
}

static int open_direct(struct medium *medium, int access) {
        struct statx status;

        // Since Linux 6.1; before, and where it is not said, the first transfer tells.
        if (statx(medium->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) == 0 && status.stx_mask & STATX_DIOALIGN &&
            (status.stx_dio_offset_align == 0 || status.stx_dio_offset_align > MEDIUM_BLOCK))
                return -EOPNOTSUPP;
        medium->direct_fd = reopen(medium->fd, access | O_DIRECT);
        if (medium->direct_fd < 0)
                return medium->direct_fd == -EINVAL ? -EOPNOTSUPP : medium->direct_fd;
        return 0;
}

/* Takes a descriptor over, also on failure. */
static int begin(int fd, uint32_t flags, uint64_t bytes, struct medium *ret) {
        int access = flags & NODEOS_STORE_WRITE ? O_RDWR : O_RDONLY;
        struct stat status;
        int error = 0;

        *ret = MEDIUM_CLOSED;
        ret->fd = fd;
        if (flags & NODEOS_STORE_CREATE && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (uint64_t) status.st_size < bytes &&
            ftruncate(fd, (off_t) bytes) < 0)
                error = -errno;
        if (error == 0)
                error = look(ret, flags);
        if (error == 0 && flags & NODEOS_STORE_DIRECT && !ret->memory)
                error = open_direct(ret, access);
        if (error < 0)
                medium_close(ret);
        return error;
}

int medium_open(const char *path, uint32_t flags, uint64_t bytes, struct medium *ret) {
        int access = flags & NODEOS_STORE_WRITE ? O_RDWR : O_RDONLY;
        int create = flags & NODEOS_STORE_CREATE && bytes ? O_CREAT : 0;
        // Without O_NONBLOCK a pipe would wait for its other end.
        int fd = open(path, access | create | O_CLOEXEC | O_NONBLOCK, 0666);

        *ret = MEDIUM_CLOSED;
        return fd < 0 ? -errno : begin(fd, flags, bytes, ret);
}

int medium_open_fd(int fd, uint32_t flags, uint64_t bytes, struct medium *ret) {
        int access = flags & NODEOS_STORE_WRITE ? O_RDWR : O_RDONLY;
        int status = fcntl(fd, F_GETFL);
        int own;

        *ret = MEDIUM_CLOSED;
        if (status < 0)
                return -errno;
        if (status & O_PATH)
                return -EBADF;
        if ((status & O_ACCMODE) != O_RDWR && (status & O_ACCMODE) != access)
                return -EACCES;
        // pwrite appends to a file that was opened so, whatever the offset.
        if (status & (O_APPEND | O_DIRECT)) {
                own = reopen(fd, access);
        } else {
                own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
                if (own < 0)
                        own = -errno;
        }
        return own < 0 ? own : begin(own, flags, bytes, ret);
}

void medium_close(struct medium *medium) {
        if (medium->memory)
                munmap(medium->memory, medium->bytes);
        if (medium->direct_fd >= 0)
                close(medium->direct_fd);
        if (medium->fd >= 0)
                close(medium->fd);
        *medium = MEDIUM_CLOSED;
}
