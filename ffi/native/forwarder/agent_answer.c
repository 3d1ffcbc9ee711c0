/* A batch is executed, and what came of it written as JSON:
 *
 *   answer = { "results": [ result, ... ], "failed": POSITION }
 *   result = { "value": V, "out": { NAME: { "base64" | "text": DATA, "decoded": VALUE } } }
 *          | { "errno": NAME, "number": N, "message": WORDS }
 *
 * without the spaces. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "agent_batch.h"

enum { ERROR_MAX = 4095 };

static void put_failure(struct text *text, int error) {
        const char *name = strerrorname_np(error), *words = strerrordesc_np(error);

        text_put(text, "{\"errno\":\"");
        if (!name) {
                text_put(text, "E");
                text_put_number(text, error);
        } else {
                /* The C library has two names for that one, and takes the other. */
                text_put(text, error == EOPNOTSUPP ? "EOPNOTSUPP" : name);
        }
        text_put(text, "\",\"number\":");
        text_put_number(text, error);
        text_put(text, ",\"message\":\"");
        text_put(text, name && words ? words : "unknown error");
        text_put(text, "\"}");
}

/* Why a step is not executed. */
static void put_canceled(struct text *text, const struct batch *batch, int failed, int reference) {
        text_put(text, "{\"errno\":\"ECANCELED\",\"number\":125,\"message\":\"Not executed: ");
        if (reference < 0) {
                text_put(text, "call ");
                text_put_number(text, failed);
                text_put(text, " failed\"}");
        } else {
                text_put(text, "\\\"");
                text_put(text, batch->steps[reference].as);
                text_put(text, "\\\" has no value\"}");
        }
}

static void put_filled(struct text *text, const struct batch *batch, const struct step *step, const struct request *request, int i) {
        uint64_t size = request->out_size[i];

        if (request->row.kinds[i] == NODEOS_ARGUMENT_OUT_SIZED && (uint64_t) step->value < size)
                size = (uint64_t) step->value;
        text_put(text, ",\"out\":{\"");
        text_put(text, step->call->filled);
        if (batch->is_text && utf8_is_valid(request->out[i], size)) {
                text_put(text, "\":{\"text\":");
                text_put_string(text, request->out[i], size);
        } else {
                text_put(text, "\":{\"base64\":");
                text_put_base64(text, request->out[i], size);
        }
        if (step->call->layout)
                structure_put(text, step->call->layout, request->out[i], size);
        text_put(text, "}}");
}

static void put_success(struct text *text, const struct batch *batch, const struct step *step, const struct request *request) {
        text_put(text, "{\"value\":");
        text_put_signed(text, step->value);
        for (int i = 0; i < ARGUMENTS && step->value >= 0; i++)
                if (request->out[i])
                        put_filled(text, batch, step, request, i);
        text_put(text, "}");
}

/* Puts earlier values in. Returns -1, or the first step of those that has none. */
static int resolve(const struct batch *batch, const struct step *step, struct nodeos_call_frame *frame) {
        for (int i = 0; i < ARGUMENTS; i++) {
                int reference = step->references[i];

                if (reference >= 0 && !batch->steps[reference].has_value)
                        return reference;
                if (reference >= 0)
                        frame->arguments[i] = (uint64_t) batch->steps[reference].value;
        }
        return -1;
}

static bool execute(struct batch *batch, const struct nodeos_board *board, struct step *step, struct text *text, struct tally *ret_tally) {
        const struct nodeos_call_frame *frame = (const struct nodeos_call_frame *) (batch->frames + step->frame);
        struct request request;

        step->value = agent_execute(board, frame, &request, ret_tally);
        step->has_value = step->value >= 0 || step->value < -ERROR_MAX;
        if (step->has_value)
                put_success(text, batch, step, &request);
        else
                put_failure(text, (int) -step->value);
        return step->has_value;
}

int batch_execute(struct batch *batch, const struct nodeos_board *board, struct text *ret_text, struct tally *ret_tallies) {
        int failed = -1, counted = 0;

        text_put(ret_text, "{\"results\":[");
        for (int i = 0; i < batch->count; i++) {
                struct step *step = &batch->steps[i];
                int reference = resolve(batch, step, (struct nodeos_call_frame *) (batch->frames + step->frame));
                bool is_stopped = failed >= 0 && !batch->goes_on, is_fine = false;

                if (i > 0)
                        text_put(ret_text, ",");
                if (is_stopped || reference >= 0)
                        put_canceled(ret_text, batch, failed, is_stopped ? -1 : reference);
                else
                        is_fine = execute(batch, board, step, ret_text, &ret_tallies[counted]);
                counted += !is_stopped && reference < 0 && ret_tallies[counted].outcome;
                if (!is_fine && failed < 0)
                        failed = i;
        }
        text_put(ret_text, "]");
        if (failed >= 0) {
                text_put(ret_text, ",\"failed\":");
                text_put_number(ret_text, failed);
        }
        text_put(ret_text, "}\n");
        return counted;
}
