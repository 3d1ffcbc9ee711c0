/* Between handler.c, which asks, and connection.c, which has the sockets. */
#ifndef NODEOS_FORWARDER_HANDLER_H
#define NODEOS_FORWARDER_HANDLER_H

#include "serve.h"

/* Sends a frame to the handler of a call, which need not have connected yet, and waits for the answer to `slot` and `id`.
 * still_waits is asked now and then. Returns 0 with the answer, which the caller frees; -ENOSYS when nobody handles the
 * call; -EIO when the handler is lost; -ECANCELED when nobody waits any more. */
int connection_ask(const struct nodeos_call_frame *frame, bool (*still_waits)(void *), void *argument, struct nodeos_answer_frame **ret_answer);

#endif
