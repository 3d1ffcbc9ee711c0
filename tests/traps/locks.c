/* Locks and leases: they belong to a process or to an open file, and whoever keeps another one open keeps them. */
#define _GNU_SOURCE
#include "trap.h"

#include <sys/file.h>
#include <sys/time.h>

static int lock_file(void) {
        return (int) MUST(open("f", O_RDWR | O_CREAT | O_CLOEXEC, 0644));
}

static struct flock whole(short type) {
        return (struct flock){.l_type = type, .l_whence = SEEK_SET};
}

/* The type of the lock that keeps us from a write lock, or F_UNLCK; and who has it. */
static short conflict(int fd, pid_t *ret_pid) {
        struct flock lock = whole(F_WRLCK);

        MUST(fcntl(fd, F_GETLK, &lock));
        *ret_pid = lock.l_type == F_UNLCK ? 0 : lock.l_pid;
        return lock.l_type;
}

static void expect_locked(void) {
        pid_t owner;

        EXPECT(conflict(lock_file(), &owner), F_WRLCK);
        EXPECT(owner, getppid());
}

static void expect_free(void) {
        pid_t owner;

        EXPECT(conflict(lock_file(), &owner), F_UNLCK);
}

static void of_process(void) {
        struct flock lock = whole(F_WRLCK);
        int fd = lock_file();

        MUST(fcntl(fd, F_SETLK, &lock));
        EXPECT(in_child(expect_locked), 0);
        // Our own second descriptor is no conflict, and closing it gives up the lock.
        MUST(close((int) MUST(open("f", O_RDONLY | O_CLOEXEC))));
        EXPECT(in_child(expect_free), 0);
        MUST(fcntl(fd, F_SETLK, &lock));
        lock.l_type = F_UNLCK;
        MUST(fcntl(fd, F_SETLK, &lock));
        EXPECT(in_child(expect_free), 0);
}

/* Other calls on the file leave the lock with its owner. */
static void survives(void) {
        struct flock lock = whole(F_WRLCK);
        struct stat status;
        int fd = lock_file();

        MUST(fcntl(fd, F_SETLK, &lock));
        MUST(stat("f", &status));
        MUST(chmod("f", 0600));
        MUST(truncate("f", 10));
        MUST(fstat(fd, &status));
        MUST(ftruncate(fd, 20));
        MUST(fsync(fd));
        EXPECT(pwrite(fd, "x", 1, 0), 1);
        MUST(link("f", "g"));
        MUST(unlink("g"));
        EXPECT(in_child(expect_locked), 0);
}

static void wait_for_lock(void) {
        struct flock lock = whole(F_WRLCK);

        MUST(fcntl(lock_file(), F_SETLKW, &lock));
        MUST(mkdir("locked", 0755));
}

static void waits(void) {
        struct flock lock = whole(F_WRLCK);
        int fd = lock_file();
        pid_t pid;

        MUST(fcntl(fd, F_SETLK, &lock));
        pid = (pid_t) MUST(fork());
        if (pid == 0) {
                wait_for_lock();
                _exit(0);
        }
        pause_ms(50);
        FAILS(access("locked", F_OK), ENOENT);
        lock.l_type = F_UNLCK;
        MUST(fcntl(fd, F_SETLK, &lock));
        EXPECT(ended(pid), 0);
}

static void of_open_file(void) {
        struct flock lock = whole(F_WRLCK);
        int first = lock_file(), second = lock_file();

        MUST(fcntl(first, F_OFD_SETLK, &lock));
        FAILS(fcntl(second, F_OFD_SETLK, &lock), EAGAIN);
        MUST(close((int) MUST(open("f", O_RDONLY | O_CLOEXEC))));
        FAILS(fcntl(second, F_OFD_SETLK, &lock), EAGAIN);
        MUST(close(first));
        MUST(fcntl(second, F_OFD_SETLK, &lock));
}

/* Right after close the lock is free: nobody has a copy that lasts a little longer. */
static void free_at_close(void) {
        for (int i = 0; i < 200; i++) {
                int first = lock_file(), second = lock_file();

                MUST(flock(first, LOCK_EX | LOCK_NB));
                FAILS(flock(second, LOCK_EX | LOCK_NB), EWOULDBLOCK);
                MUST(close(first));
                MUST(flock(second, LOCK_EX | LOCK_NB));
                MUST(close(second));
        }
}

static void on_descriptor(void) {
        struct stat status;
        int fd = lock_file(), other = lock_file(), copy;

        MUST(flock(fd, LOCK_SH | LOCK_NB));
        MUST(flock(other, LOCK_SH | LOCK_NB));
        MUST(flock(other, LOCK_UN));
        copy = (int) MUST(dup(fd));
        MUST(close(fd));
        FAILS(flock(other, LOCK_EX | LOCK_NB), EWOULDBLOCK);
        MUST(fstat(copy, &status));
        MUST(close(copy));
        MUST(flock(other, LOCK_EX | LOCK_NB));
}

static void wait_for_flock(void) {
        MUST(flock(lock_file(), LOCK_EX));
        MUST(mkdir("locked", 0755));
}

static void waits_for_flock(void) {
        int fd = lock_file();
        pid_t pid;

        MUST(flock(fd, LOCK_EX));
        pid = (pid_t) MUST(fork());
        if (pid == 0) {
                MUST(close(fd)); // the lock belongs to both
                wait_for_flock();
                _exit(0);
        }
        pause_ms(50);
        FAILS(access("locked", F_OK), ENOENT);
        MUST(flock(fd, LOCK_UN));
        EXPECT(ended(pid), 0);
}

/* A write lease is given only while nobody else has the file open, not even for a moment after open has returned. */
static void leases(void) {
        for (int i = 0; i < 100; i++) {
                int fd = lock_file();

                EXPECT(pwrite(fd, "x", 1, 0), 1);
                MUST(fcntl(fd, F_SETLEASE, F_WRLCK));
                EXPECT(fcntl(fd, F_GETLEASE), F_WRLCK);
                MUST(fcntl(fd, F_SETLEASE, F_UNLCK));
                MUST(close(fd));
        }
}

static void open_leased(void) {
        FAILS(open("f", O_RDONLY | O_NONBLOCK | O_CLOEXEC), EWOULDBLOCK);
        // It waits until the owner gives the lease up.
        MUST(open("f", O_RDONLY | O_CLOEXEC));
        HOLDS(access("given-up", F_OK) == 0);
}

static void broken_lease(void) {
        int fd = lock_file(), signal_number;
        sigset_t signals;
        pid_t pid;

        sigemptyset(&signals);
        sigaddset(&signals, SIGIO);
        MUST(sigprocmask(SIG_BLOCK, &signals, NULL));
        MUST(fcntl(fd, F_SETLEASE, F_WRLCK));
        pid = (pid_t) MUST(fork());
        if (pid == 0) {
                MUST(close(fd));
                open_leased();
                _exit(0);
        }
        EXPECT(sigwait(&signals, &signal_number), 0);
        pause_ms(20);
        MUST(mkdir("given-up", 0755));
        MUST(fcntl(fd, F_SETLEASE, F_UNLCK));
        EXPECT(ended(pid), 0);
}

static int lease_with_signal_blocked(void) {
        int fd = lock_file();
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGIO);
        MUST(sigprocmask(SIG_BLOCK, &signals, NULL));
        MUST(fcntl(fd, F_SETLEASE, F_WRLCK));
        return fd;
}

/* More wait than anybody has threads for, and the others go on. */
static void many_wait(void) {
        enum { WAITING = 40 };
        int fd = lease_with_signal_blocked();
        pid_t pids[WAITING];
        char name[16];

        for (int i = 0; i < WAITING; i++) {
                pids[i] = (pid_t) MUST(fork());
                if (pids[i] == 0) {
                        MUST(close(fd));
                        _exit(open("f", O_RDONLY | O_CLOEXEC) < 0 ? errno : 0);
                }
        }
        pause_ms(200);
        for (int i = 0; i < 100; i++) {
                snprintf(name, sizeof(name), "d%d", i);
                MUST(mkdir(name, 0755));
        }
        for (int i = 0; i < WAITING; i += 2) {
                MUST(kill(pids[i], SIGKILL));
                EXPECT(ended(pids[i]), 128 + SIGKILL);
        }
        EXPECT(fcntl(fd, F_GETLEASE), F_RDLCK); // what it will be: it is still waited for
        MUST(fcntl(fd, F_SETLEASE, F_UNLCK));
        for (int i = 1; i < WAITING; i += 2)
                EXPECT(ended(pids[i]), 0);
}

static void do_nothing(int number) {
        (void) number;
}

static void open_with_alarm(void) {
        struct sigaction action = {.sa_handler = do_nothing};
        struct itimerval once = {{0, 0}, {0, 200000}};

        MUST(sigaction(SIGALRM, &action, NULL));
        MUST(setitimer(ITIMER_REAL, &once, NULL));
        FAILS(open("f", O_RDONLY | O_CLOEXEC), EINTR);
}

static void signal_ends_wait(void) {
        int fd = lease_with_signal_blocked();
        pid_t pid = (pid_t) MUST(fork());

        if (pid == 0) {
                MUST(close(fd));
                open_with_alarm();
                _exit(0);
        }
        EXPECT(ended(pid), 0);
}

TRAPS({"a lock of a process is its own, and goes with any close", of_process},
      {"a lock of a process survives other calls", survives},
      {"a process waits for a lock", waits},
      {"a lock of an open file goes with its last close", of_open_file},
      {"a lock is free right after close", free_at_close},
      {"flock locks the open file, not the number", on_descriptor},
      {"a process waits for flock", waits_for_flock},
      {"a lease is given right after open", leases},
      {"opening a leased file waits for its owner", broken_lease},
      {"many that wait for a lease stop nobody else", many_wait},
      {"a signal ends the wait for a lease", signal_ends_wait})
