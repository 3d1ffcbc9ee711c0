/* Reads and writes of the files of stores. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "store_medium.h"

int file_read_some(int fd, void *buffer, uint64_t bytes, uint64_t offset, uint64_t *ret_bytes) {
        uint64_t done = 0;

        while (done < bytes) {
                ssize_t n = pread(fd, (char *) buffer + done, bytes - done, (off_t) (offset + done));

                // EINVAL: a direct read ended within a block, as the file does.
                if (n == 0 || (n < 0 && errno == EINVAL && done & (MEDIUM_BLOCK - 1)))
                        break;
                if (n > 0)
                        done += (uint64_t) n;
                else if (errno != EINTR)
                        return -errno;
        }
        *ret_bytes = done;
        return 0;
}

int file_read(int fd, void *buffer, uint64_t bytes, uint64_t offset) {
        uint64_t got = 0;
        int error = file_read_some(fd, buffer, bytes, offset, &got);

        return error < 0 || got == bytes ? error : -ENODATA;
}

int file_write(int fd, const void *buffer, uint64_t bytes, uint64_t offset) {
        while (bytes) {
                ssize_t n = pwrite(fd, buffer, bytes, (off_t) offset);

                if (n == 0)
                        return -EIO;
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n < 0)
                        continue;
                buffer = (const char *) buffer + n;
                bytes -= (uint64_t) n;
                offset += (uint64_t) n;
        }
        return 0;
}

/* Whether a file that was mapped still has a range. */
static bool is_there(const struct medium *medium, uint64_t bytes, uint64_t offset) {
        struct stat status;

        if (offset > medium->bytes || bytes > medium->bytes - offset)
                return false;
        return fstat(medium->fd, &status) < 0 || !S_ISREG(status.st_mode) || (uint64_t) status.st_size >= offset + bytes;
}

/* By the kernel, which says EFAULT where memcpy would end the program: the file is shorter now, or no huge page is free. */
static int copy(const struct medium *medium, void *buffer, uint64_t bytes, uint64_t offset, bool is_write) {
        while (bytes) {
                struct iovec ours = { .iov_base = buffer, .iov_len = bytes };
                struct iovec theirs = { .iov_base = medium->memory + offset, .iov_len = bytes };
                ssize_t n = is_write ? process_vm_writev(getpid(), &ours, 1, &theirs, 1, 0)
                                     : process_vm_readv(getpid(), &ours, 1, &theirs, 1, 0);

                if (n < 0 && (errno == ENOSYS || errno == EPERM)) {
                        memcpy(is_write ? theirs.iov_base : buffer, is_write ? buffer : theirs.iov_base, bytes);
                        return 0;
                }
                if (n < 0)
                        return errno != EFAULT ? -errno : is_write ? -ENOSPC : -EIO;
                buffer = (char *) buffer + n;
                bytes -= (uint64_t) n;
                offset += (uint64_t) n;
        }
        return 0;
}

int medium_read(const struct medium *medium, void *buffer, uint64_t bytes, uint64_t offset) {
        if (medium->direct_fd >= 0)
                return direct_read(medium, buffer, bytes, offset);
        if (!medium->memory || medium->has_read)
                return file_read(medium->fd, buffer, bytes, offset);
        return is_there(medium, bytes, offset) ? copy(medium, buffer, bytes, offset, false) : -ENODATA;
}

int medium_write(const struct medium *medium, const void *buffer, uint64_t bytes, uint64_t offset) {
        if (medium->direct_fd >= 0)
                return direct_write(medium, buffer, bytes, offset);
        if (!medium->memory)
                return file_write(medium->fd, buffer, bytes, offset);
        return is_there(medium, bytes, offset) ? copy(medium, (void *) (uintptr_t) buffer, bytes, offset, true) : -ENODATA;
}

int medium_sync(const struct medium *medium) {
        // A memory device has no sync, and needs none.
        if (fdatasync(medium->fd) == 0 || (medium->memory && errno == EINVAL))
                return 0;
        return -errno;
}
