/* Between the files of an agent: a call on its way, the peer that it is for, and the connection of that one. */
#ifndef NODEOS_FORWARDER_AGENT_H
#define NODEOS_FORWARDER_AGENT_H

#include <stdbool.h>
#include <stddef.h>

#include "keeper.h"

enum { AGENT_ALIGNMENT = 16 };

/* One call, made ready from its frame. */
struct request {
        struct nodeos_row row;
        uint64_t arguments[6];
        uint8_t *out[6]; /* where the kernel writes, once that is known */
        uint64_t out_size[6];
};

/* All that an agent works with: it has one call at a time. */
struct agent_room {
        uint8_t frame[NODEOS_FRAME_MAX];
        uint8_t in[NODEOS_FRAME_MAX + 6 * (AGENT_ALIGNMENT + 1)];
        uint8_t out[NODEOS_FRAME_MAX];
        uint8_t answer[NODEOS_FRAME_MAX];
} __attribute__((aligned(AGENT_ALIGNMENT)));
extern struct agent_room agent_room;

/* Makes the call of a frame ready, whose row is in the request. Returns 0, or -errno. */
int request_prepare(struct request *request, const struct nodeos_call_frame *frame);
/* Puts the answer together in the room. Returns its size. */
size_t request_answer(const struct request *request, const struct nodeos_call_frame *frame, int64_t value);

/* --- agent.c --- */

/* What the sidecar tells an agent besides calls: frames whose `call` is none. */
enum {
        /* The names that requests use, and the layouts of structures: see agent_names_take. It has no answer. */
        AGENT_NAMES = 0xa0000000,
        /* Attend to the connection: answer plain requests there, until one comes that is not. Behind the frame, outside its
         * size, come arguments[0] bytes that the client gets first, and arguments[1] bytes that it has sent already. The
         * answer comes with the first request that is not plain: an answer frame whose value is an enum agent_found. */
        AGENT_ATTEND = 0xa0000001
};
enum agent_found {
        AGENT_FOUND_REQUEST = 1, /* behind the frame is the body of a request whose head was plain; the next request is unread */
        AGENT_FOUND_OTHER = 2    /* behind the frame is all that was read and is not answered */
};

/* Executes the call of a frame, unless something speaks against it. Returns its result, and fills in what is counted; the
 * outcome is 0 when that was no call. */
int64_t agent_execute(const struct nodeos_board *board, const struct nodeos_call_frame *frame, struct request *ret_request,
                      struct tally *ret_tally);
/* Whether it is executed for a peer at all. */
bool agent_may_execute(const struct nodeos_row *row, uint32_t number);
/* How a call is executed. */
const struct nodeos_row *agent_row(const struct nodeos_board *board, uint32_t call);
/* All of it. Return 0, or -1. */
int agent_receive(int fd, uint8_t *ret_data, size_t size);
int agent_send(int fd, const uint8_t *data, size_t size);

/* --- agent_names.c --- */

enum { AGENT_NAME_SIZE = 32 };

/* The name of a call or a constant. */
struct agent_name {
        char name[AGENT_NAME_SIZE];
        char filled[14]; /* of a call: its one argument that is filled; empty when there are more, or none */
        uint8_t layout;  /* of what is filled there; 0: bytes are bytes */
        uint8_t is_call;
        int64_t value;   /* its number */
};
_Static_assert(sizeof(struct agent_name) == 56, "name");

/* How values lie in memory; lib/sidecar/structures.ts says what they are. */
enum agent_value {
        VALUE_WORD = 1, VALUE_SIGNED, VALUE_SMALL, VALUE_SHORT, VALUE_TIME, VALUE_SHORT_TIME, VALUE_PAIR, VALUE_NAME,
        VALUE_TEXT, VALUE_STRING, VALUE_STRINGS, VALUE_ENTRIES
};

/* A value in a layout: the only one, without a name, or one of those with names, which come one after the other. */
struct agent_field {
        char name[19];
        uint8_t value; /* enum agent_value */
        uint16_t offset, layout;
};
_Static_assert(sizeof(struct agent_field) == 24, "field");

/* Replaces all of them: uint32 counts of names and fields, and these. Returns 0, or -1 when they are not as they should be. */
int agent_names_take(const uint8_t *bytes, size_t size);
const struct agent_name *agent_name_find(const char *name);
/* The fields of a layout. Returns the first, and how many. */
const struct agent_field *agent_layout_find(uint8_t layout, size_t *ret_count);

/* --- agent_http.c --- */

enum { HTTP_BODY_MAX = 1 << 20 };

struct http_head {
        size_t size, body_size;
};
enum http_found { HTTP_PLAIN, HTTP_MORE, HTTP_OTHER };

/* Looks for the head of a plain request at the start of `bytes`; HTTP_MORE is needed when there is less than a whole one. */
enum http_found http_read_head(const uint8_t *bytes, size_t size, struct http_head *ret_head);

/* --- agent_attend.c --- */

/* Does AGENT_ATTEND. False when there is nothing left to do. */
bool agent_attend(const struct nodeos_board *board, const struct nodeos_call_frame *frame);

/* --- agent_confine.c --- */

/* Takes from this process, for good, what it neither does for its peer nor for itself. Returns 0, or -errno. */
int agent_confine(const struct nodeos_board *board);

/* --- agent_peer.c --- */

/* Notes who the peer is, while we may look at it; identity stays. Returns 0, or -errno. */
int agent_peer_know(const struct identity *identity, int32_t pid);
/* Whether it lives, and has the rights that it had. */
bool agent_peer_is_same(void);

#endif
