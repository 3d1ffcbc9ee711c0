/* The sockets of TypeScript handlers. Each has a thread that reads; whoever asks writes, and waits.
 *
 * A handler first says which calls it handles: uint32 size, uint32 count, and the numbers. Saying it again replaces what
 * it said. Of several handlers of a call, the one that said so last is asked. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../thread.h"
#include "handler.h"

enum { CONNECT_SECONDS = 5 }; /* how long a call waits for its handler to come */

struct connection {
        struct connection *next;
        int fd;
        int users;       /* its reader, and who is writing to it */
        bool registered;
        bool lost;
        uint64_t order;  /* of its registration */
        uint64_t calls[NODEOS_BOARD_CALLS / 64];
        pthread_mutex_t writing;
};

/* Who waits for the answer to a journal slot. */
struct wait {
        const struct connection *connection; /* NULL: nobody waits */
        uint64_t id;
        bool lost;
        struct nodeos_answer_frame *answer;
        pthread_cond_t changed;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t came = PTHREAD_COND_INITIALIZER;
static struct connection *connections;
static uint64_t registrations;
static bool is_missing[NODEOS_BOARD_CALLS]; /* a call has waited for its handler in vain, and nothing has changed since */
static struct wait waits[NODEOS_BOARD_SLOTS] = { [0 ... NODEOS_BOARD_SLOTS - 1] = { .changed = PTHREAD_COND_INITIALIZER } };

/* With the lock. */
static void unuse(struct connection *connection) {
        if (--connection->users)
                return;
        pthread_mutex_destroy(&connection->writing);
        free(connection);
}

static bool handles(const struct connection *connection, uint32_t call) {
        return connection->registered && call < NODEOS_BOARD_CALLS && connection->calls[call / 64] >> call % 64 & 1;
}

/* With the lock. */
static struct connection *find(uint32_t call) {
        struct connection *found = NULL;

        for (struct connection *one = connections; one; one = one->next)
                if (handles(one, call) && (!found || one->order > found->order))
                        found = one;
        return found;
}

static struct timespec seconds_from_now(int seconds) {
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += seconds;
        return until;
}

/* --- reading ------------------------------------------------------------------------------------------------------------- */

static bool read_all(int fd, void *ret_data, size_t size) {
        for (size_t used = 0; used < size;) {
                ssize_t n = recv(fd, (char *) ret_data + used, size - used, 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return false;
                used += (size_t) n;
        }
        return true;
}

/* Reads a message, which begins with its size. Returns NULL at the end, and for what is none. */
static uint32_t *read_message(int fd) {
        uint32_t size, *message;

        if (!read_all(fd, &size, sizeof(size)) || size < 2 * sizeof(uint32_t) || size > NODEOS_FRAME_MAX)
                return NULL;
        message = malloc(size);
        if (message && !read_all(fd, message + 1, size - sizeof(size))) {
                free(message);
                return NULL;
        }
        if (message)
                message[0] = size;
        return message;
}

/* With the lock. Whether a message is a registration; then it is done. */
static bool take_registration(struct connection *connection, const uint32_t *message) {
        uint32_t count = message[1];

        if (count > NODEOS_BOARD_CALLS || message[0] != (2 + count) * sizeof(uint32_t))
                return false;
        for (uint32_t i = 0; i < count; i++)
                if (message[2 + i] >= NODEOS_BOARD_CALLS)
                        return false;
        memset(connection->calls, 0, sizeof(connection->calls));
        for (uint32_t i = 0; i < count; i++)
                connection->calls[message[2 + i] / 64] |= 1ULL << message[2 + i] % 64;
        if (!connection->registered)
                __atomic_fetch_add(&forwarder.board->handlers, 1, __ATOMIC_RELAXED);
        connection->registered = true;
        connection->order = ++registrations;
        memset(is_missing, 0, sizeof(is_missing));
        pthread_cond_broadcast(&came);
        return true;
}

/* With the lock. Whether a message is the answer that somebody waits for; then it is theirs. */
static bool take_answer(const struct connection *connection, uint32_t *message) {
        struct nodeos_answer_frame *answer = (struct nodeos_answer_frame *) message;
        struct wait *wait = message[1] < NODEOS_BOARD_SLOTS ? &waits[message[1]] : NULL;

        if (!wait || message[0] < sizeof(*answer) || wait->connection != connection || wait->id != answer->id || wait->answer)
                return false;
        wait->answer = answer;
        pthread_cond_signal(&wait->changed);
        return true;
}

/* Returns false when the message is nothing that a handler says. */
static bool take(struct connection *connection, uint32_t *message) {
        bool is_answer, is_fine;

        pthread_mutex_lock(&lock);
        is_answer = take_answer(connection, message);
        /* An answer that comes too late, for a caller that was killed, is none of these and harmless. */
        is_fine = is_answer || take_registration(connection, message) ||
                  (connection->registered && message[0] >= sizeof(struct nodeos_answer_frame));
        pthread_mutex_unlock(&lock);
        if (!is_answer)
                free(message);
        return is_fine;
}

static void lose(struct connection *connection) {
        struct connection **place = &connections;

        pthread_mutex_lock(&lock);
        while (*place != connection)
                place = &(*place)->next;
        *place = connection->next;
        if (connection->registered)
                __atomic_fetch_sub(&forwarder.board->handlers, 1, __ATOMIC_RELAXED);
        connection->lost = true;
        memset(is_missing, 0, sizeof(is_missing));
        for (int slot = 0; slot < NODEOS_BOARD_SLOTS; slot++)
                if (waits[slot].connection == connection) {
                        waits[slot].lost = true;
                        pthread_cond_signal(&waits[slot].changed);
                }
        /* Ends a write that the handler does not read. */
        shutdown(connection->fd, SHUT_RDWR);
        close(connection->fd);
        unuse(connection);
        pthread_mutex_unlock(&lock);
}

static void *reader_main(void *argument) {
        struct connection *connection = argument;
        uint32_t *message;

        do
                message = read_message(connection->fd);
        while (message && take(connection, message));
        lose(connection);
        return NULL;
}

int handler_connect(int fd) {
        struct connection *connection = calloc(1, sizeof(*connection));
        pthread_t thread;
        int error;

        if (!connection) {
                close(fd);
                return -ENOMEM;
        }
        connection->fd = fd;
        connection->users = 1;
        pthread_mutex_init(&connection->writing, NULL);
        pthread_mutex_lock(&lock);
        connection->next = connections;
        connections = connection;
        pthread_mutex_unlock(&lock);
        error = thread_start(&thread, reader_main, connection);
        if (error)
                lose(connection);
        else
                pthread_detach(thread);
        return error;
}

/* --- asking ----------------------------------------------------------------------------------------------------------------- */

/* Writes from the worker's own descriptor table, into which the socket is taken for as long. */
static bool write_frame(struct connection *connection, int fd, const struct nodeos_call_frame *frame) {
        size_t written = 0;

        pthread_mutex_lock(&connection->writing);
        while (written < frame->size) {
                ssize_t n = send(fd, (const char *) frame + written, frame->size - written, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        break;
                written += (size_t) n;
        }
        pthread_mutex_unlock(&connection->writing);
        return written == frame->size;
}

/* With the lock. Waits for a handler of the call to come, which those after it in the same case need not do again. */
static struct connection *wait_for_handler(uint32_t call) {
        struct timespec until = seconds_from_now(CONNECT_SECONDS);
        struct connection *connection;

        while (!(connection = find(call)) && !is_missing[call])
                is_missing[call] = pthread_cond_timedwait(&came, &lock, &until) && !find(call);
        return connection;
}

/* With the lock. */
static int wait_for_answer(struct wait *wait, bool (*still_waits)(void *), void *argument) {
        while (!wait->answer && !wait->lost) {
                struct timespec until = seconds_from_now(1);

                if (pthread_cond_timedwait(&wait->changed, &lock, &until) && !still_waits(argument))
                        return wait->answer ? 0 : -ECANCELED;
        }
        return wait->answer ? 0 : -EIO;
}

int connection_ask(const struct nodeos_call_frame *frame, bool (*still_waits)(void *), void *argument, struct nodeos_answer_frame **ret_answer) {
        struct wait *wait = &waits[frame->slot];
        struct connection *connection;
        int fd, result = -EIO;
        bool is_written;

        pthread_mutex_lock(&lock);
        connection = wait_for_handler(frame->call);
        fd = connection ? (int) syscall(SYS_pidfd_getfd, forwarder.self, connection->fd, 0) : -1;
        if (fd < 0) {
                pthread_mutex_unlock(&lock);
                return connection ? -EIO : -ENOSYS;
        }
        wait->connection = connection;
        wait->id = frame->id;
        wait->lost = false;
        connection->users++;
        pthread_mutex_unlock(&lock);

        is_written = write_frame(connection, fd, frame);
        close(fd);

        pthread_mutex_lock(&lock);
        if (is_written)
                result = wait_for_answer(wait, still_waits, argument);
        *ret_answer = wait->answer;
        wait->connection = NULL;
        wait->answer = NULL;
        unuse(connection);
        pthread_mutex_unlock(&lock);
        return result;
}
