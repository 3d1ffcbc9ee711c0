/* Calls of histories on open files: their data, their descriptors, and their locks. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "histories.h"

static size_t size(void) {
        return (size_t) ONE_OF(0, 1, 5, 100, 4096, 5000, 9000, 1 << 20, (1 << 20) + 1, 2 << 20);
}

static void say_bytes(const char *bytes, long n) {
        unsigned long sum = 0;

        for (long i = 0; i < n; i++)
                sum = sum * 31 + (unsigned char) bytes[i];
        if (n > 0)
                say(" sum=%lx", sum);
}

static void call_read(void) {
        size_t s = size();
        char *b = buffer(s), *c = buffer(9);
        struct iovec parts[2] = { { b, s < 100 ? s : 100 }, { c, 9 } };
        long n;

        switch (pick(5)) {
        case 0: n = CALL(pread64, fd(), b, s, offset()); break;
        case 1: n = CALL(readv, fd(), pick(9) ? parts : content(32), 2); break;
        case 2: n = CALL(preadv2, fd(), parts, ONE_OF(0, 1, 2, 1025), offset(), 0, ONE_OF(0, 0, 8, 64)); break;
        default: n = CALL(read, fd(), b, s);
        }
        say_bytes(b, n > (long) parts[0].iov_len ? (long) parts[0].iov_len : n);
}

static void call_write(void) {
        size_t s = size();
        struct iovec parts[2] = { { (void *) content(100), 100 }, { (void *) content(9), 9 } };

        switch (pick(5)) {
        case 0: CALL(pwrite64, fd(), content(s), s, offset()); break;
        case 1: CALL(writev, fd(), pick(9) ? parts : content(32), 2); break;
        case 2: CALL(pwritev2, fd(), parts, 2, offset(), 0, ONE_OF(0, 0, 16, 64)); break;
        default: CALL(write, fd(), content(s), s);
        }
}

/* A place for an offset: known, none, or bad. */
static loff_t *place(loff_t *known) {
        *known = offset();
        return pick(3) ? pick(5) ? NULL : buffer(8) : known;
}

static void call_copy(void) {
        loff_t from, to, *from_at = place(&from), *to_at = place(&to);
        size_t s = (size_t) ONE_OF(0, 1, 100, 5000, 70000);

        switch (pick(4)) {
        case 0: CALL(copy_file_range, fd(), from_at, fd(), to_at, s, ONE_OF(0, 0, 0, 1)); break;
        case 1: CALL(sendfile, fd(), fd(), from_at, s); break;
        case 2: CALL(splice, fd(), from_at, fd(), to_at, s, SPLICE_F_NONBLOCK); break;
        default: CALL(tee, fd(), fd(), s, SPLICE_F_NONBLOCK);
        }
        if (from_at == &from)
                say(" from=%ld", (long) from);
}

static void call_place(void) {
        switch (pick(7)) {
        case 0:
        case 1: CALL(lseek, fd(), offset(), pick(6)); break;
        case 2: CALL(ftruncate, fd(), offset()); break;
        /* Of few bytes: what lives in memory would fill all of it. */
        case 3: CALL(fallocate, fd(), ONE_OF(0, 1, 3, 8, 16, 32, 64), offset(), ONE_OF(0, 1, 4096, 8192, -1)); break;
        case 4: pick(2) ? CALL(fsync, fd()) : CALL(fdatasync, fd()); break;
        case 5: CALL(fadvise64, fd(), offset(), 4096, pick(7)); break;
        default: CALL(sync_file_range, fd(), offset(), 4096, pick(8));
        }
}

static void call_entries(void) {
        /* Always to good memory: which of the newer names are found in a second attempt is the file system's affair. */
        size_t s = (size_t) ONE_OF(0, 10, 24, 64, 300, 32768);
        char *b = room();
        long n = CALL(getdents64, fd(), b, s);
        unsigned long sum = 0, count = 0;

        for (long at = 0; at < n; count++, at += *(unsigned short *) (b + at + 16))
                for (const char *c = b + at + 19; *c; c++)
                        sum += (unsigned char) *c * (unsigned long) (c - b - at);
        if (n > 0)
                say(" entries=%lu sum=%lu", count, sum);
}

static void call_map(void) {
        struct stat st;
        int file = fd();
        char *memory;

        if (fstat(file, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
                return;
        memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, (int) ONE_OF(MAP_SHARED, MAP_PRIVATE), file, 0);
        say(" mmap=%s", memory == MAP_FAILED ? error_name(errno) : "");
        if (memory == MAP_FAILED)
                return;
        say(" %d", *memory);
        *memory = (char) pick(100);
        munmap(memory, 4096);
}

void call_on_data(void) {
        switch (pick(9)) {
        case 0:
        case 1: call_read(); break;
        case 2:
        case 3:
        case 4: call_write(); break;
        case 5: call_copy(); break;
        case 6: call_place(); break;
        case 7: call_entries(); break;
        default: call_map();
        }
}

/* --- descriptors --------------------------------------------------------------------------------------------------------------- */

static void call_new(void) {
        int pair[2] = { -1, -1 };

        switch (pick(5)) {
        case 0: CALL(pipe2, pick(9) ? pair : buffer(8), O_NONBLOCK | ONE_OF(0, O_CLOEXEC)); break;
        case 1: CALL(memfd_create, pick(5) ? "q" : path(), ONE_OF(0, 1, 2, 3, 64)); break;
        case 2: CALL(eventfd2, 1, EFD_NONBLOCK); break;
        case 3: CALL(socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair); break;
        default: CALL(epoll_create1, 0);
        }
        if (pair[0] >= 0)
                say(" %d %d", pair[0], pair[1]);
}

static void call_copies(void) {
        switch (pick(9)) {
        case 0: CALL(dup, fd()); break;
        case 1: CALL(dup3, fd(), 3 + pick(12), ONE_OF(0, O_CLOEXEC, 1)); break;
        case 2: CALL(fcntl, fd(), ONE_OF(F_DUPFD, F_DUPFD_CLOEXEC), ONE_OF(0, 3, 10, 1 << 30)); break;
        case 3: CALL(close_range, 5 + pick(9), 5 + pick(9), ONE_OF(0, 2, 4, 4)); break;
        default: {
                int number = fd();

                if (number < START)
                        CALL(close, number);
        }
        }
}

static void call_flags(void) {
        int number = fd();

        switch (pick(8)) {
        case 0: CALL(fcntl, number, F_SETFD, pick(2)); break;
        case 1: CALL(fcntl, number, F_GETFD); break;
        case 2: CALL(fcntl, number, F_SETFL, O_NONBLOCK | ONE_OF(0, O_APPEND, O_NOATIME)); break;
        case 3: CALL(fcntl, number, F_GETFL); break;
        case 4: CALL(fcntl, number, F_GETOWN); break;
        case 5: CALL(fcntl, number, 1033 /* F_ADD_SEALS */, pick(32)); break;
        case 6: CALL(fcntl, number, 1034); break;
        default: CALL(fcntl, number, F_GETSIG);
        }
}

static void call_poll(void) {
        struct pollfd polled[2] = { { fd(), POLLIN | POLLOUT, 0 }, { fd(), POLLIN | POLLHUP, 0 } };
        struct timeval none = { 0, 0 };
        fd_set readable;

        if (pick(2)) {
                CALL(ppoll, polled, ONE_OF(1, 2), (&(struct timespec){ 0, 0 }), NULL, 0);
                say(" %x %x", polled[0].revents, polled[1].revents);
                return;
        }
        FD_ZERO(&readable);
        FD_SET(3 + pick(11), &readable);
        if (select(20, &readable, NULL, NULL, &none) < 0)
                say(" select=%s", error_name(errno));
        for (int i = 0; i < 20; i++)
                if (FD_ISSET(i, &readable))
                        say(" %d", i);
}

void call_on_descriptors(void) {
        switch (pick(6)) {
        case 0: call_new(); break;
        case 1:
        case 2: call_copies(); break;
        case 3:
        case 4: call_flags(); break;
        default: call_poll();
        }
}

/* What has no name of its own, as an eventfd, may share its locks with every other on the machine. */
void call_on_locks(void) {
        struct flock lock = { .l_type = (short) ONE_OF(F_RDLCK, F_WRLCK, F_UNLCK), .l_start = ONE_OF(0, 5, 100) };
        int owner = -1, file = fd();
        struct stat st;

        if (fstat(file, &st) == 0 && !S_ISREG(st.st_mode))
                return;
        lock.l_len = ONE_OF(0, 1, 50);
        switch (pick(4)) {
        case 0: CALL(flock, file, LOCK_NB | ONE_OF(LOCK_SH, LOCK_EX, LOCK_UN)); return;
        case 1: CALL(fcntl, file, F_SETLK, &lock); return;
        case 2: CALL(fcntl, file, F_OFD_SETLK, &lock); return;
        }
        if (CALL(fcntl, file, F_GETLK, &lock) == 0) {
                for (int i = 0; i < ACTORS; i++)
                        if (lock.l_type != F_UNLCK && world->tids[i] == lock.l_pid)
                                owner = i;
                say(" %d %ld %ld of %d", lock.l_type, (long) lock.l_start, (long) lock.l_len, owner);
        }
}

void say_descriptors(void) {
        for (int i = 3; i < 1000; i++) {
                int flags = fcntl(i, F_GETFD);

                if (flags >= 0)
                        say(" %d(%d %x %ld %d)", i, flags, fcntl(i, F_GETFL), (long) lseek(i, 0, SEEK_CUR), fcntl(i, F_GETOWN));
        }
}
