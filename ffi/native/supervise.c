/* Waiting for a program: its threads are placed meanwhile, and its end is reported. */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "internal.h"

/* Programs start their threads early: look often at first, then ten times a second. */
static int next_look_ms(int now_ms, int placed) {
        if (placed > 0)
                return 1;
        return now_ms < 100 ? now_ms * 2 : 100;
}

static int32_t collect(int pidfd) {
        siginfo_t info = { 0 };

        while (waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED) < 0)
                if (errno != EINTR)
                        return -errno;
        /* Before the number of the descriptor can stand for something else. */
        forward_stop_for(pidfd);
        close(pidfd);
        return info.si_code == CLD_EXITED ? info.si_status : 256 + info.si_status;
}

static int32_t wait_placing(int32_t pidfd, int32_t stop_fd, struct placer *placer) {
        struct pollfd polled[2] = { { .fd = pidfd, .events = POLLIN }, { .fd = stop_fd, .events = POLLIN } };
        int look_ms = placer ? 1 : -1;

        for (;;) {
                int n;

                if (placer)
                        look_ms = next_look_ms(look_ms, placer_look(placer));
                n = poll(polled, 2, look_ms);
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0 && polled[0].revents)
                        return collect(pidfd);
                if (n > 0 && polled[1].revents)
                        return -ECANCELED;
        }
}

int32_t nodeos_wait(struct nodeos_wait_call call, const char *threads_path, const uint64_t *cpus) {
        struct placer *placer = NULL;
        int32_t result;

        if (threads_path && *threads_path) {
                placer = placer_new(threads_path, cpus);
                if (!placer)
                        return -ENOMEM;
        }
        result = wait_placing(call.pidfd, call.stop_fd, placer);
        placer_free(placer);
        return result;
}

struct waiter {
        int pidfd;
        int stop_fd;
        int socket_fd;
        char *threads_path;
        uint64_t cpus[NODEOS_CPU_WORDS];
};

static void *wait_main(void *argument) {
        struct waiter *waiter = argument;
        int32_t result = nodeos_wait((struct nodeos_wait_call){ waiter->pidfd, waiter->stop_fd }, waiter->threads_path, waiter->cpus);

        if (result < 0)
                close(waiter->pidfd);
        /* Nobody listens any more when this fails: there is nobody to tell. */
        (void) !send(waiter->socket_fd, &result, sizeof(result), MSG_NOSIGNAL);
        close(waiter->socket_fd);
        free(waiter->threads_path);
        free(waiter);
        return NULL;
}

static int connect_to(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
                int error = -errno;

                close(fd);
                return error;
        }
        return fd;
}

int32_t nodeos_wait_start(int32_t pidfd, const char *threads_path, const uint64_t *cpus, const char *socket_path) {
        struct waiter *waiter = calloc(1, sizeof(*waiter));
        pthread_attr_t attributes;
        sigset_t all, old;
        pthread_t thread;
        int error = 0, stop_fd;

        if (!waiter)
                return -ENOMEM;
        waiter->pidfd = pidfd;
        waiter->socket_fd = connect_to(socket_path);
        waiter->stop_fd = stop_fd = eventfd(0, EFD_CLOEXEC);
        waiter->threads_path = strdup(threads_path);
        memcpy(waiter->cpus, cpus, sizeof(waiter->cpus));
        if (waiter->socket_fd < 0 || stop_fd < 0 || !waiter->threads_path)
                error = waiter->socket_fd < 0 ? -waiter->socket_fd : stop_fd < 0 ? errno : ENOMEM;
        if (!error) {
                /* Signals are the main thread's. */
                sigfillset(&all);
                pthread_attr_init(&attributes);
                pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
                pthread_attr_setstacksize(&attributes, 256 * 1024);
                pthread_sigmask(SIG_SETMASK, &all, &old);
                error = pthread_create(&thread, &attributes, wait_main, waiter);
                pthread_sigmask(SIG_SETMASK, &old, NULL);
                pthread_attr_destroy(&attributes);
        }
        if (error) {
                if (waiter->socket_fd >= 0)
                        close(waiter->socket_fd);
                if (stop_fd >= 0)
                        close(stop_fd);
                free(waiter->threads_path);
                free(waiter);
                return -error;
        }
        return stop_fd;
}

int32_t nodeos_wait_stop(int32_t stop_fd) {
        uint64_t one = 1;

        return write(stop_fd, &one, sizeof(one)) < 0 ? -errno : 0;
}

int32_t nodeos_wait_close(int32_t stop_fd) {
        return close(stop_fd) < 0 ? -errno : 0;
}
