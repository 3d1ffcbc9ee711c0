/* What we use of libsde, the library of PAPI for events that software defines. It is found at run time: programs without PAPI
 * load us as well. These declarations are ours; the names and numbers are those of its interface, version 1. */
#ifndef NODEOS_SDE_H
#define NODEOS_SDE_H

#include "board.h"

#define SDE_LIBRARY "libsde.so.1"

enum {
        SDE_DELTA = 0x00,    /* a counter: event sets see what was added since they were started */
        SDE_INSTANT = 0x10,  /* a gauge */
        SDE_LONG_LONG = 0x00 /* the only type that every tool prints as it is */
};

typedef long long (*sde_read_t)(void *slot);

/* Its functions; the hook of programs that list events gets them in this order, and more behind them. */
struct sde_functions {
        void *(*init)(const char *library);
        int (*shutdown)(void *handle);
        int (*register_counter)(void *handle, const char *event, int mode, int type, void *counter);
        int (*register_counter_cb)(void *handle, const char *event, int mode, int type, sde_read_t read, void *slot);
        int (*unregister_counter)(void *handle, const char *event);
        int (*describe_counter)(void *handle, const char *event, const char *text);
};

/* Called by programs that list the events of a library, such as `papi_native_avail -sde LIBRARY`. */
__attribute__((visibility("default"))) void *papi_sde_hook_list_events(const struct sde_functions *functions);

#endif
