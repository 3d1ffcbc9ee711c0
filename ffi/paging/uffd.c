#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "uffd.h"

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

struct move {
        uint64_t to, from, bytes, mode;
        int64_t moved;
};
#define MOVE _IOWR(UFFDIO, 0x05, struct move)

struct range_and_mode {
        struct uffdio_range range;
        uint64_t mode;
        int64_t done;
};
#define CONTINUE _IOWR(UFFDIO, 0x07, struct range_and_mode)
#define POISON _IOWR(UFFDIO, 0x08, struct range_and_mode)

static uint64_t features, without;
static pthread_once_t features_once = PTHREAD_ONCE_INIT;

static void read_without(void) {
        static const struct {
                const char *name;
                uint64_t bits;
        } names[] = {
                { "move", FEATURE_MOVE },     { "poison", FEATURE_POISON },       { "scan", FEATURE_SCAN | FEATURE_WP_ASYNC },
                { "batch", FEATURE_BATCH },   { "device", FEATURE_DEVICE },       { "devnode", FEATURE_DEVICE },
                { "syscall", FEATURE_SYSCALL }, { "minor", FEATURE_MINOR_SHMEM }, { "wp", UFFD_FEATURE_PAGEFAULT_FLAG_WP },
                { "huge", FEATURE_HUGE },     { "events", FEATURE_EVENTS },
        };
        const char *at = getenv("NODEOS_PAGING_WITHOUT");

        while (at && *at) {
                size_t length = strcspn(at, ",");

                for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                        if (length == strlen(names[i].name) && !memcmp(at, names[i].name, length))
                                without |= names[i].bits;
                at += length + (at[length] == ',');
        }
}

static int open_raw(bool in_kernel) {
        int flags = O_CLOEXEC | (in_kernel ? 0 : UFFD_USER_MODE_ONLY | O_NONBLOCK);
        int device = without & FEATURE_DEVICE ? -1 : open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
        int fd = -1;

        if (device >= 0) {
                fd = ioctl(device, USERFAULTFD_IOC_NEW, flags);
                close(device);
        }
        if (fd < 0 && !(without & FEATURE_SYSCALL))
                fd = (int) syscall(SYS_userfaultfd, flags);
        return fd >= 0 ? fd : without & FEATURE_SYSCALL ? -EPERM : -errno;
}

static void find_features(void) {
        struct uffdio_api api = { .api = UFFD_API };
        int fd;

        read_without();
        fd = open_raw(false);
        if (fd < 0)
                return;
        if (ioctl(fd, UFFDIO_API, &api) == 0)
                features = (api.features | FEATURE_SCAN | FEATURE_BATCH | FEATURE_HUGE | FEATURE_EVENTS) & ~without;
        close(fd);
}

uint64_t uffd_features(void) {
        pthread_once(&features_once, find_features);
        return features;
}

int uffd_open(uint64_t wanted, bool in_kernel) {
        struct uffdio_api api = { .api = UFFD_API, .features = wanted };
        int fd, error;

        if (!uffd_features())
                return -EPERM;
        fd = open_raw(in_kernel);
        if (fd < 0)
                return fd;
        if (ioctl(fd, UFFDIO_API, &api) == 0)
                return fd;
        error = errno == EINVAL ? EOPNOTSUPP : errno;
        close(fd);
        return -error;
}

int uffd_register(int fd, void *address, uint64_t bytes, uint64_t mode) {
        struct uffdio_register request = { .range = { (uintptr_t) address, bytes }, .mode = mode };

        return ioctl(fd, UFFDIO_REGISTER, &request) < 0 ? -errno : 0;
}

int uffd_unregister(int fd, void *address, uint64_t bytes) {
        struct uffdio_range range = { (uintptr_t) address, bytes };

        return ioctl(fd, UFFDIO_UNREGISTER, &range) < 0 ? -errno : 0;
}

int uffd_copy(int fd, void *to, const void *from, uint64_t bytes, bool protect, bool wake) {
        uint64_t mode = (protect ? UFFDIO_COPY_MODE_WP : 0) | (wake ? 0 : UFFDIO_COPY_MODE_DONTWAKE);

        for (uint64_t done = 0; done < bytes;) {
                struct uffdio_copy copy = {
                        .dst = (uintptr_t) to + done, .src = (uintptr_t) from + done, .len = bytes - done, .mode = mode,
                };

                if (ioctl(fd, UFFDIO_COPY, &copy) == 0)
                        return 0;
                if (copy.copy > 0) {
                        done += (uint64_t) copy.copy;
                } else if (errno == EEXIST) {
                        done += 4096;
                        if (wake)
                                uffd_wake(fd, (char *) to + done - 4096, 4096);
                } else if (errno == EAGAIN) {
                        sched_yield();
                } else {
                        return -errno;
                }
        }
        return 0;
}

int uffd_protect(int fd, void *address, uint64_t bytes, bool on) {
        struct uffdio_writeprotect request = {
                .range = { (uintptr_t) address, bytes }, .mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
        };

        while (ioctl(fd, UFFDIO_WRITEPROTECT, &request) < 0) {
                if (errno != EAGAIN)
                        return -errno;
                sched_yield();
        }
        return 0;
}

int uffd_wake(int fd, void *address, uint64_t bytes) {
        struct uffdio_range range = { (uintptr_t) address, bytes };

        return ioctl(fd, UFFDIO_WAKE, &range) < 0 ? -errno : 0;
}

/* What goes page by page, and leaves alone those that have something. */
static int mark(int fd, unsigned long what, void *address, uint64_t bytes) {
        for (uint64_t done = 0; done < bytes;) {
                struct range_and_mode request = { .range = { (uintptr_t) address + done, bytes - done } };

                if (ioctl(fd, what, &request) == 0)
                        return 0;
                if (request.done > 0)
                        done += (uint64_t) request.done;
                else if (errno == EEXIST)
                        done += 4096;
                else if (errno == EAGAIN)
                        sched_yield();
                else
                        return -errno;
        }
        return 0;
}

int uffd_poison(int fd, void *address, uint64_t bytes) {
        return mark(fd, POISON, address, bytes);
}

static bool is_absent(void *page) {
        unsigned char present = 1;

        return mincore(page, 4096, &present) == 0 && !(present & 1);
}

int64_t uffd_move(int fd, void *to, void *from, uint64_t bytes) {
        uint64_t done = 0;

        while (done < bytes) {
                struct move request = {
                        .to = (uintptr_t) to + done, .from = (uintptr_t) from + done, .bytes = bytes - done,
                };

                if (ioctl(fd, MOVE, &request) == 0)
                        return (int64_t) bytes;
                if (request.moved > 0)
                        done += (uint64_t) request.moved;
                else if (errno == EAGAIN)
                        sched_yield();
                else if (errno == EEXIST && is_absent((char *) from + done))
                        /* Linux 6.18, beside a MADV_DONTNEED, moves a page, tries again, and finds it there. */
                        done += 4096;
                else
                        return done ? (int64_t) done : -errno;
        }
        return (int64_t) done;
}

int uffd_continue(int fd, void *address, uint64_t bytes) {
        return mark(fd, CONTINUE, address, bytes);
}
