/* libnodeos-papi.so: what `nodeos power` measures, as events of PAPI. A program that is started with it in LD_PRELOAD finds them as
 * sde:::nodeos::NAME; nothing else of the program changes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sde.h"

struct source {
        const struct board *board;
        uint32_t index;
};

static const struct board *board;
/* What the constructor registered with, and what it got: a program that lists events asks for them again. */
static void *(*known_init)(const char *library);
static void *known_handle;

/* PAPI itself says -1 for an event that has no value. */
static long long none_is_minus_1(int64_t value) {
        return value == NODEOS_POWER_BOARD_NONE ? -1 : value;
}

static long long read_slot(void *slot) {
        const struct source *source = slot;

        return none_is_minus_1(board_value(source->board, source->index));
}

static long long read_age(void *slot) {
        const struct source *source = slot;
        int64_t age_ns = board_age_ns(source->board);

        return age_ns == NODEOS_POWER_BOARD_NONE ? -1 : age_ns / 1000;
}

static void *register_all(const struct sde_functions *sde) {
        uint32_t count = board_slot_count(board);
        struct source *sources = calloc((size_t) count + 1, sizeof(*sources));
        void *handle = sources ? sde->init("nodeos") : NULL;

        if (!handle) {
                free(sources);
                return NULL;
        }
        /* They stay as long as the process: events read through them. */
        for (uint32_t i = 0; i < count; i++) {
                const struct nodeos_power_slot *slot = board_slot(board, i);
                int mode = slot->kind == NODEOS_POWER_COUNTER ? SDE_DELTA : SDE_INSTANT;

                sources[i] = (struct source) { .board = board, .index = i };
                sde->register_counter_cb(handle, slot->name, mode, SDE_LONG_LONG, read_slot, &sources[i]);
                sde->describe_counter(handle, slot->name, slot->text);
        }
        sources[count] = (struct source) { .board = board };
        sde->register_counter_cb(handle, "age_us", SDE_INSTANT, SDE_LONG_LONG, read_age, &sources[count]);
        sde->describe_counter(handle, "age_us", "How long ago the others were read, in microseconds; -1: nobody reads them any more");
        return handle;
}

/* Finds the board, once. Silent where nobody asked for one: we may be in the environment of every program of a session. */
static int find_board(int is_wanted) {
        const char *named = secure_getenv("NODEOS_POWER_BOARD"), *path = named && *named ? named : NODEOS_POWER_BOARD_PATH;
        int error = board ? 0 : board_map(path, &board);

        if (error < 0 && (named || is_wanted))
                fprintf(stderr, "nodeos: cannot read the board of power %s: %s\n", path,
                        error == -EPROTO ? "it is none of this version" : strerror(-error));
        return error;
}

/* A program may have its own; then PAPI uses that. */
static void *find(const char *name, void *library) {
        void *found = dlsym(RTLD_DEFAULT, name);

        return found || !library ? found : dlsym(library, name);
}

/* PAPI looks for libsde among the symbols that everybody sees. */
static int load_sde(struct sde_functions *ret_sde) {
        void *library = dlsym(RTLD_DEFAULT, "papi_sde_init") ? NULL : dlopen(SDE_LIBRARY, RTLD_NOW | RTLD_GLOBAL);

        *(void **) &ret_sde->init = find("papi_sde_init", library);
        *(void **) &ret_sde->register_counter_cb = find("papi_sde_register_counter_cb", library);
        *(void **) &ret_sde->describe_counter = find("papi_sde_describe_counter", library);
        return ret_sde->init && ret_sde->register_counter_cb && ret_sde->describe_counter ? 0 : -ENOENT;
}

__attribute__((constructor)) static void start(void) {
        struct sde_functions sde = { 0 };

        if (find_board(0) < 0 || load_sde(&sde) < 0)
                return;
        known_handle = register_all(&sde);
        known_init = sde.init;
}

void *papi_sde_hook_list_events(const struct sde_functions *sde) {
        if (known_handle && sde->init == known_init)
                return known_handle;
        return find_board(1) < 0 ? NULL : register_all(sde);
}
