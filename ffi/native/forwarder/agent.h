/* Between the files of an agent: a call on its way, and the peer that it is for. */
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

/* Notes who the peer is, while we may look at it; identity stays. Returns 0, or -errno. */
int agent_peer_know(const struct identity *identity, int32_t pid);
/* Whether it lives, and has the rights that it had. */
bool agent_peer_is_same(void);

#endif
