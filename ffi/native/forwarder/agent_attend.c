/* The agent at the connection of its peer: it reads requests, and answers those that are plain. For the first that is not
 * it ends, with what it found; the sidecar may send it back afterwards. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent_batch.h"

/* lib/sidecar/limits.ts has the same for connections that the sidecar reads. */
enum {
        QUIET_MS_MAX = 5000,    /* in the middle of a request */
        REQUEST_MS_MAX = 10000, /* for the whole of it */
        IDLE_MS_MAX = 60000,    /* for the first call */
        ANSWER_MS_MAX = 30000   /* to take some of an answer */
};

enum { HEAD_ROOM = 512, MORE_ROOM = 1 << 16, READ_ROOM = HTTP_BODY_MAX + MORE_ROOM };

/* What was read, and not yet answered: from `at` to `used`. */
static struct {
        uint8_t bytes[READ_ROOM];
        size_t at, used;
        int64_t began_ns; /* the request that a part of is there; 0: none */
} unread;

/* A client that has made calls may have files open: it is left alone. */
static bool has_called;

/* --- the connection -------------------------------------------------------------------------------------------------------- */

static bool wait_for(short events, int limit_ms) {
        struct pollfd polled = { .fd = AGENT_CLIENT, .events = events };
        int n;

        do
                n = poll(&polled, 1, limit_ms);
        while (n < 0 && errno == EINTR);
        return n > 0;
}

static bool send_to_client(const uint8_t *data, size_t size) {
        while (size > 0) {
                ssize_t n = send(AGENT_CLIENT, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0 && errno == EAGAIN && wait_for(POLLOUT, ANSWER_MS_MAX))
                        continue;
                if (n < 0 && errno != EINTR)
                        return false;
                data += n < 0 ? 0 : n;
                size -= n < 0 ? 0 : (size_t) n;
        }
        return true;
}

/* How long we wait for more: -1 without end, where a client that has made calls makes none now; 0 not at all. */
static int patience_ms(void) {
        int64_t now_ns, left_ms;

        if (unread.at == unread.used)
                return has_called ? -1 : IDLE_MS_MAX;
        now_ns = keeper_now_ns();
        if (!unread.began_ns)
                unread.began_ns = now_ns;
        left_ms = REQUEST_MS_MAX - (now_ns - unread.began_ns) / 1000000;
        return left_ms < 0 ? 0 : left_ms < QUIET_MS_MAX ? (int) left_ms : QUIET_MS_MAX;
}

/* Reads more. False when the client has ended, or is too slow. */
static bool read_more(void) {
        int limit_ms = patience_ms();
        ssize_t n;

        if (unread.at == unread.used)
                unread.at = unread.used = 0;
        /* A request fits: its head and its body are measured before they are waited for. */
        if (sizeof(unread.bytes) - unread.used < MORE_ROOM / 2) {
                memmove(unread.bytes, unread.bytes + unread.at, unread.used - unread.at);
                unread.used -= unread.at;
                unread.at = 0;
        }
        if (limit_ms == 0 || (limit_ms > 0 && !wait_for(POLLIN, limit_ms)))
                return false;
        do
                n = recv(AGENT_CLIENT, unread.bytes + unread.used, sizeof(unread.bytes) - unread.used, 0);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                return false;
        unread.used += (size_t) n;
        return true;
}

static void forget(size_t size) {
        unread.at += size;
        unread.began_ns = 0;
}

/* Nobody else reads or writes while we are at it; afterwards the sidecar may, which never waits. */
static bool set_waiting(bool waits) {
        int flags = fcntl(AGENT_CLIENT, F_GETFL);

        return flags >= 0 && fcntl(AGENT_CLIENT, F_SETFL, waits ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) == 0;
}

/* --- answers ----------------------------------------------------------------------------------------------------------------- */

static const char *date_now(void) {
        static char words[40];
        static time_t of;
        time_t now = time(NULL);
        struct tm utc;

        if (now != of)
                strftime(words, sizeof(words), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &utc));
        of = now;
        return words;
}

/* Executes a batch, and answers. What is counted is so afterwards: nobody waits for that. */
static bool answer(struct batch *batch, const struct nodeos_board *board) {
        static struct tally tallies[BATCH_STEPS];
        uint8_t *body = agent_room.answer + HEAD_ROOM;
        struct text text = { body };
        char head[HEAD_ROOM];
        int count = batch_execute(batch, board, &text, tallies), size;

        size = snprintf(head, sizeof(head),
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: no-store\r\ndate: %s\r\n"
                        "content-length: %zu\r\n\r\n", date_now(), (size_t) (text.at - body));
        memcpy(body - size, head, (size_t) size);
        if (!send_to_client(body - size, (size_t) (text.at - body) + (size_t) size))
                return false;
        if (count > 0)
                (void) !write(AGENT_TALLY, tallies, (size_t) count * sizeof(*tallies));
        return true;
}

/* Answers requests, as long as they are plain. Returns what the first other one is, or -1 at the end of the connection. */
static int serve(const struct nodeos_board *board, size_t *ret_size) {
        static struct batch batch;

        for (;;) {
                struct http_head head = { 0 };
                size_t left = unread.used - unread.at;
                const uint8_t *bytes = unread.bytes + unread.at;
                enum http_found found = left > 0 ? http_read_head(bytes, left, &head) : HTTP_MORE;

                if (found == HTTP_OTHER) {
                        *ret_size = left;
                        return AGENT_FOUND_OTHER;
                }
                if (found == HTTP_MORE || left < head.size + head.body_size) {
                        if (!read_more())
                                return -1;
                        continue;
                }
                has_called = true;
                if (!batch_read(&batch, board, bytes + head.size, head.body_size)) {
                        forget(head.size);
                        *ret_size = head.body_size;
                        return AGENT_FOUND_REQUEST;
                }
                forget(head.size + head.body_size);
                if (!answer(&batch, board))
                        return -1;
        }
}

/* --- the sidecar ------------------------------------------------------------------------------------------------------------- */

/* The rest of an answer that the sidecar began. */
static bool pass_on(size_t size) {
        while (size > 0) {
                size_t part = size < sizeof(agent_room.answer) ? size : sizeof(agent_room.answer);

                if (agent_receive(AGENT_SOCKET, agent_room.answer, part) < 0 || !send_to_client(agent_room.answer, part))
                        return false;
                size -= part;
        }
        return true;
}

bool agent_attend(const struct nodeos_board *board, const struct nodeos_call_frame *frame) {
        struct nodeos_answer_frame report = { .slot = frame->slot, .id = frame->id, .verdict = NODEOS_VERDICT_VALUE };
        uint64_t rest = frame->arguments[0], before = frame->arguments[1];
        size_t size;

        if (before > MORE_ROOM || (before > 0 && unread.at < unread.used) || !set_waiting(true) || !pass_on(rest))
                return false;
        if (before > 0) {
                unread.at = 0;
                unread.used = before;
                if (agent_receive(AGENT_SOCKET, unread.bytes, before) < 0)
                        return false;
        }
        report.value = serve(board, &size);
        if (report.value < 0) {
                /* The sidecar has the connection as well: its client shall not wait for that one. */
                shutdown(AGENT_CLIENT, SHUT_RDWR);
                return false;
        }
        report.size = (uint32_t) (sizeof(report) + size);
        if (!set_waiting(false) || agent_send(AGENT_SOCKET, (const uint8_t *) &report, sizeof(report)) < 0 ||
            agent_send(AGENT_SOCKET, unread.bytes + unread.at, size) < 0)
                return false;
        forget(size);
        return true;
}
