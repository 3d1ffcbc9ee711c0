/* Lines of several programs on one descriptor: each program writes to a pipe of its own, and a thread passes its lines on,
 * with a prefix that says whose they are. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "internal.h"
#include "thread.h"

enum { LINE_MAX_SIZE = 64 * 1024 };

struct relay {
        struct relay *next;
        pthread_t thread;
        int write_fd; /* what the program gets; our own copy keeps the pipe open until the end */
        int read_fd;
        int stop_fd;
        int to_fd;
        int error; /* why nothing is passed on any more */
        size_t prefix_size;
        size_t used;                 /* bytes of text, the prefix included */
        char text[2 * LINE_MAX_SIZE]; /* the prefix, then the line so far */
};

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct relay *list;
/* One line at a time, whoever writes: a pipe or a terminal may take less than a line at once. */
static pthread_mutex_t output_lock = PTHREAD_MUTEX_INITIALIZER;

static int write_all(int fd, const char *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);
                struct pollfd polled = { .fd = fd, .events = POLLOUT };

                if (n < 0 && errno == EAGAIN)
                        poll(&polled, 1, -1);
                else if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0) {
                        data += n;
                        size -= (size_t) n;
                }
        }
        return 0;
}

/* Writes what there is as one line. */
static void write_line(struct relay *relay) {
        if (relay->text[relay->used - 1] != '\n')
                relay->text[relay->used++] = '\n';
        pthread_mutex_lock(&output_lock);
        relay->error = write_all(relay->to_fd, relay->text, relay->used);
        pthread_mutex_unlock(&output_lock);
        relay->used = relay->prefix_size;
}

static void take(struct relay *relay, const char *data, size_t size) {
        while (size > 0 && !relay->error) {
                const char *end = memchr(data, '\n', size);
                size_t length = end ? (size_t) (end - data) + 1 : size;
                size_t room = relay->prefix_size + LINE_MAX_SIZE - relay->used;

                if (length > room)
                        length = room;
                memcpy(relay->text + relay->used, data, length);
                relay->used += length;
                data += length;
                size -= length;
                if (relay->text[relay->used - 1] == '\n' || relay->used == relay->prefix_size + LINE_MAX_SIZE)
                        write_line(relay);
        }
}

/* Reads once. Returns 0 when there is nothing to read, now or ever. */
static int read_some(struct relay *relay) {
        char data[16 * 1024];
        ssize_t n;

        do
                n = read(relay->read_fd, data, sizeof(data));
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                return 0;
        take(relay, data, (size_t) n);
        return !relay->error;
}

static void *relay_main(void *argument) {
        struct relay *relay = argument;
        struct pollfd polled[2] = { { .fd = relay->read_fd, .events = POLLIN }, { .fd = relay->stop_fd, .events = POLLIN } };

        while (!relay->error) {
                int n = poll(polled, 2, -1);

                if (n < 0 && errno != EINTR)
                        relay->error = -errno;
                if (n > 0 && polled[1].revents) {
                        while (read_some(relay))
                                ;
                        break;
                }
                if (n > 0 && polled[0].revents)
                        read_some(relay);
        }
        if (!relay->error && relay->used > relay->prefix_size)
                write_line(relay);
        /* A program that goes on writing learns of it, as from any pipe without a reader. */
        close(relay->read_fd);
        return NULL;
}

static void relay_free(struct relay *relay) {
        if (relay->stop_fd >= 0)
                close(relay->stop_fd);
        if (relay->write_fd >= 0)
                close(relay->write_fd);
        free(relay);
}

int32_t nodeos_relay_start(int32_t to_fd, const char *prefix) {
        struct relay *relay;
        int fds[2], error = 0;

        if (strlen(prefix) >= LINE_MAX_SIZE)
                return -EINVAL;
        relay = calloc(1, sizeof(*relay));
        if (!relay)
                return -ENOMEM;
        if (pipe2(fds, O_CLOEXEC) < 0) {
                error = -errno;
                free(relay);
                return error;
        }
        relay->read_fd = fds[0];
        relay->write_fd = fds[1];
        relay->to_fd = to_fd;
        relay->prefix_size = relay->used = strlen(prefix);
        memcpy(relay->text, prefix, relay->prefix_size);
        relay->stop_fd = eventfd(0, EFD_CLOEXEC);
        /* Only our end: the program's is another description, and blocks as any pipe. */
        if (relay->stop_fd < 0 || fcntl(relay->read_fd, F_SETFL, O_NONBLOCK) < 0)
                error = -errno;
        if (!error)
                error = thread_start(&relay->thread, relay_main, relay);
        if (error) {
                close(relay->read_fd);
                relay_free(relay);
                return error;
        }
        pthread_mutex_lock(&list_lock);
        relay->next = list;
        list = relay;
        pthread_mutex_unlock(&list_lock);
        return relay->write_fd;
}

int32_t nodeos_relay_end(int32_t write_fd) {
        struct relay **place, *relay;
        uint64_t one = 1;
        int error;

        pthread_mutex_lock(&list_lock);
        for (place = &list; *place && (*place)->write_fd != write_fd; place = &(*place)->next)
                ;
        relay = *place;
        if (relay)
                *place = relay->next;
        pthread_mutex_unlock(&list_lock);
        if (!relay)
                return -EBADF;
        error = write(relay->stop_fd, &one, sizeof(one)) < 0 ? -errno : 0;
        if (!error)
                error = -pthread_join(relay->thread, NULL);
        if (!error)
                error = relay->error;
        relay_free(relay);
        return error;
}
