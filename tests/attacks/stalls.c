/* Whoever has calls made that do not end, or very many of them, must not keep others waiting. Natively each waits alone. */
#define _GNU_SOURCE
#include "attack.h"

#include <dirent.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

/* Stalls of this family last longer, or for ever. */
enum { OTHERS_MS = 8000, OTHERS_CALLS = 10 };

static double now_ms(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) now.tv_sec * 1000 + (double) now.tv_nsec / 1e6;
}

static void on_alarm(int signal) {
        (void) signal;
}

/* Somebody else in the container goes on: a process whose plain calls have to end soon. */
static void others_go_on(void) {
        int status = 0;
        double start = now_ms();
        pid_t pid = (pid_t) MUST(fork());

        if (pid == 0) {
                for (int i = 0; i < OTHERS_CALLS; i++) {
                        close(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
                        access("/etc/hosts", F_OK);
                }
                _exit(0);
        }
        while (waitpid(pid, &status, WNOHANG) == 0) {
                if (now_ms() - start > OTHERS_MS) {
                        kill(pid, SIGKILL);
                        /* Words would have to be written, and who writes may have to wait as well. */
                        gained_silently();
                }
                pause_ms(2);
        }
}

/* Many processes of ours, each of which does one thing that may take for ever. */
static void crowd(int count, void (*run)(void)) {
        signal(SIGALRM, on_alarm);
        for (int i = 0; i < count; i++) {
                pid_t pid = fork();

                if (pid < 0)
                        break;
                if (pid == 0) {
                        run();
                        _exit(0);
                }
        }
        pause_ms(150);
}

static void open_fifo(void) {
        close(open("fifo", O_RDONLY));
}

static void fifos(const struct attack *attack) {
        (void) attack;
        MUST(mkfifo("fifo", 0600));
        crowd(100, open_fifo);
        others_go_on();
}

static void open_leased(void) {
        close(open("leased", O_WRONLY));
}

static void truncate_leased(void) {
        (void) !truncate("leased", 0);
}

/* A lease holds up whoever opens the file, for as long as lease-break-time. */
static void leases(const struct attack *attack) {
        int fd;

        make_file("leased", 0600, "text");
        fd = (int) MUST(open("leased", O_RDONLY | O_CLOEXEC));
        signal(SIGIO, SIG_IGN);
        MUST(fcntl(fd, F_SETLEASE, F_RDLCK));
        crowd(600, attack->which ? truncate_leased : open_leased);
        others_go_on();
}

/* Memory that somebody would have to bring, and nobody does. */
static char *absent;

static void make_absent_memory(void) {
        struct uffdio_api api = { .api = UFFD_API };
        struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
        int fd = (int) syscall(SYS_userfaultfd, O_CLOEXEC);

        if (fd < 0)
                skip("it needs root");
        MUST(ioctl(fd, UFFDIO_API, &api));
        absent = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        range.range.start = (uintptr_t) absent;
        range.range.len = 1 << 20;
        MUST(ioctl(fd, UFFDIO_REGISTER, &range));
}

static void *open_absent(void *argument) {
        (void) argument;
        close(open(absent, O_RDONLY));
        return NULL;
}

static void *stat_to_absent(void *argument) {
        (void) argument;
        stat("/", (struct stat *) (void *) (absent + 4096));
        return NULL;
}

static void absent_memory(const struct attack *attack) {
        pthread_attr_t small;
        pthread_t thread;

        make_absent_memory();
        pthread_attr_init(&small);
        pthread_attr_setstacksize(&small, 32768);
        for (int i = 0; i < 600; i++)
                if (pthread_create(&thread, &small, attack->which ? stat_to_absent : open_absent, NULL))
                        break;
        pause_ms(500);
        others_go_on();
}

/* A file and a FIFO change places: who looked saw a file, and opens a FIFO. */
static void *swap_fifo(void *argument) {
        (void) argument;
        while (has_time(800))
                syscall(SYS_renameat2, AT_FDCWD, "swapped", AT_FDCWD, "fifo", 2u);
        return NULL;
}

static void open_swapped(void) {
        for (int i = 0; i < 40; i++)
                close(open("swapped", O_RDONLY));
}

static void swapped_fifos(const struct attack *attack) {
        (void) attack;
        MUST(mkfifo("fifo", 0600));
        make_file("swapped", 0600, "text");
        start_thread(swap_fifo, NULL);
        crowd(200, open_swapped);
        pause_ms(300);
        others_go_on();
}

/* Thousands of calls at once. */
static void stat_for_ever(void) {
        struct stat status;

        for (int i = 0; i < 300; i++)
                stat("/usr/bin", &status);
}

static void crowd_of_calls(const struct attack *attack) {
        crowd(attack->which, stat_for_ever);
        others_go_on();
}

static pthread_barrier_t barrier;

static void *stat_main(void *argument) {
        struct stat status;

        (void) argument;
        pthread_barrier_wait(&barrier);
        for (int i = 0; i < 20; i++)
                stat("/usr/bin", &status);
        return NULL;
}

static void many_threads(const struct attack *attack) {
        pthread_attr_t small;
        pthread_t thread;
        int count = 0;

        pthread_attr_init(&small);
        pthread_attr_setstacksize(&small, 32768);
        pthread_barrier_init(&barrier, NULL, (unsigned int) attack->which + 1);
        while (count < attack->which && pthread_create(&thread, &small, stat_main, NULL) == 0)
                count++;
        if (count < attack->which)
                skip("only %d threads", count);
        pthread_barrier_wait(&barrier);
        others_go_on();
}

/* Calls whose callers are killed at once. */
static void killed_callers(const struct attack *attack) {
        (void) attack;
        for (int i = 0; i < 150; i++) {
                pid_t pid = (pid_t) MUST(fork());

                if (pid == 0)
                        for (;;)
                                stat_for_ever();
                pause_ms(1);
                kill(pid, SIGKILL);
                waitpid(pid, NULL, 0);
        }
        others_go_on();
}

static void interrupted_callers(const struct attack *attack) {
        struct timespec often = { 0, 200000 };
        timer_t timer;
        struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };

        (void) attack;
        signal(SIGALRM, on_alarm);
        MUST(timer_create(CLOCK_MONOTONIC, &event, &timer));
        MUST(timer_settime(timer, 0, &(struct itimerspec){ often, often }, NULL));
        for (int i = 0; i < 300; i++)
                close(open("/etc/passwd", O_RDONLY));
        MUST(timer_settime(timer, 0, &(struct itimerspec){ 0 }, NULL));
        others_go_on();
}

/* The largest arguments that a call can have. */
static void large_arguments(const struct attack *attack) {
        size_t size = 64 << 20;
        char *room = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        int fd;

        MUST(room == MAP_FAILED ? -1 : 0);
        make_file("file", 0600, "text");
        fd = (int) MUST(open("file", O_RDWR | O_CLOEXEC));
        switch (attack->which) {
        case 0:
                memset(room, 'a', 1 << 20);
                REFUSED(open(room, O_RDONLY));
                break;
        case 1: syscall(SYS_setxattr, "file", "user.x", room, size, 0); break;
        case 2: syscall(SYS_getxattr, "file", "user.x", room, size); break;
        case 3: syscall(SYS_openat2, AT_FDCWD, "file", room, size); break;
        case 4: syscall(SYS_pwrite64, fd, room, -1L, 0); break;
        case 5: syscall(SYS_pread64, fd, room, -1L, 0); break;
        case 6: syscall(SYS_getdents64, fd, room, 0xffffffffu); break;
        case 7: syscall(SYS_readlink, "file", room, (size_t) -1); break;
        case 8: (void) !pwrite(fd, room, 1, INT64_MAX); break;
        case 9: syscall(SYS_listxattr, "file", (char *) -1, size); break;
        case 10: syscall(SYS_openat, AT_FDCWD, (char *) -1, O_RDONLY); break;
        case 11: syscall(SYS_stat, room, (void *) 0xffffffff80000000UL); break;
        }
        others_go_on();
}

/* Connections to the sidecar that say nothing, or little. */
static void connections(const struct attack *attack) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        static const char *const beginnings[] = { "", "POST /v1/syscalls HTTP/1.1\r\nContent-Length: 1000000\r\nHost: x\r\n\r\n{", "G" };
        const char *directory = getenv("ATTACK_STATE");

        if (!directory)
                skip("there is no service");
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/sidecar.sock", directory);
        for (int i = 0; i < 200; i++) {
                int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

                if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                        break;
                (void) !send(fd, beginnings[attack->which], strlen(beginnings[attack->which]), MSG_NOSIGNAL);
        }
        others_go_on();
}

static const struct attack attacks[] = {
        { "FIFOs that nobody writes to", fifos, 0, 0 },
        { "files with leases, opened", leases, 0, 0 },
        { "files with leases, cut", leases, 1, 0 },
        { "FIFOs in the place of files", swapped_fifos, 0, 0 },
        { "paths in memory that does not come", absent_memory, 0, 0 },
        { "room in memory that does not come", absent_memory, 1, 0 },
        { "50 processes in calls", crowd_of_calls, 50, 0 },
        { "150 processes in calls", crowd_of_calls, 150, 0 },
        { "500 threads in calls", many_threads, 500, 0 },
        { "1500 threads in calls", many_threads, 1500, 0 },
        { "callers that are killed", killed_callers, 0, 0 },
        { "callers that are interrupted", interrupted_callers, 0, 0 },
        { "a path of 1 MiB", large_arguments, 0, 0 },
        { "an attribute of 64 MiB", large_arguments, 1, 0 },
        { "room for an attribute of 64 MiB", large_arguments, 2, 0 },
        { "an open_how of 64 MiB", large_arguments, 3, 0 },
        { "2^64 - 1 bytes to write", large_arguments, 4, 0 },
        { "2^64 - 1 bytes to read", large_arguments, 5, 0 },
        { "2^32 - 1 bytes of directory", large_arguments, 6, 0 },
        { "2^64 - 1 bytes of link", large_arguments, 7, 0 },
        { "a write at 2^63 - 1", large_arguments, 8, 0 },
        { "room at address -1", large_arguments, 9, 0 },
        { "a path at address -1", large_arguments, 10, 0 },
        { "room in the kernel", large_arguments, 11, 0 },
        { "200 silent connections", connections, 0, 0 },
        { "200 connections with part of a body", connections, 1, 0 },
        { "200 connections with a letter", connections, 2, 0 },
};

const struct family stalls_family = { "stalls", sizeof(attacks) / sizeof(*attacks), attacks };
