/* Batches of calls in plain requests: from JSON to frames, and from what came of them to JSON. */
#ifndef NODEOS_FORWARDER_AGENT_BATCH_H
#define NODEOS_FORWARDER_AGENT_BATCH_H

#include "agent.h"
#include "agent_json.h"

enum {
        BATCH_STEPS = 128,       /* calls of a plain request; more are the sidecar's */
        BATCH_FRAMES = 1 << 18,  /* bytes of all their frames */
        BATCH_ANSWER = NODEOS_FRAME_MAX - 4096, /* bytes of the answer, at most, without its ends */
        NAME_MAX_SIZE = 64,      /* letters of an "as" */
        ARGUMENTS = 6
};

/* A call of a batch. */
struct step {
        const struct agent_name *call;
        uint32_t frame;                /* where it lies among the frames */
        int16_t references[ARGUMENTS]; /* the earlier step whose value an argument is; -1: none */
        bool has_value;                /* it was executed, and did not fail */
        int64_t value;
        char as[NAME_MAX_SIZE + 1];    /* how later steps name it; empty: not at all */
};

struct batch {
        bool goes_on; /* after a call that failed */
        bool is_text; /* data come back as text where they are UTF-8 */
        int count;
        size_t frames_used;
        size_t data_size;   /* that calls fill, at most */
        size_t answer_size; /* of the answer besides these data, at most */
        struct step steps[BATCH_STEPS];
        uint8_t frames[BATCH_FRAMES] __attribute__((aligned(AGENT_ALIGNMENT)));
};

/* What stands for an argument in JSON. */
struct given {
        enum { GIVEN_NOTHING, GIVEN_NULL, GIVEN_INTEGER, GIVEN_STRING, GIVEN_BYTES } kind;
        int64_t integer;
        const uint8_t *bytes; /* of a string and of bytes */
        size_t size;
};

/* Reads the body of a request. False when it is not plain: then nothing of it counts. */
bool batch_read(struct batch *batch, const struct nodeos_board *board, const uint8_t *body, size_t size);

/* Reads an integer from text: terms with | between, each a number as in C, or a constant. */
bool integer_read(const uint8_t *text, size_t size, uint64_t *ret_value);

/* Makes the frame of a step from its arguments, and counts what its answer needs. False when one of them is not plain. */
bool step_encode(struct batch *batch, struct step *step, const struct nodeos_board *board, const struct given *given, int count);

/* Adds what bytes mean by their layout, if they are whole: at most 12 bytes for each, and 1024. */
void structure_put(struct text *text, uint8_t layout, const uint8_t *bytes, size_t size);

/* Executes a batch, writes the body of the answer, and hands what was counted to `tally`, of which BATCH_STEPS fit. Returns
 * how many these are. */
int batch_execute(struct batch *batch, const struct nodeos_board *board, struct text *ret_text, struct tally *ret_tallies);

#endif
