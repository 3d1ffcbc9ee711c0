/* Counting events of PAPI: those of one component are in one set, since PAPI does not mix them. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "power_papi.h"

enum { EVENT_MAX = 256, OPTION_INHERIT = 28 };

static struct handles handles = HANDLES_INIT;

struct set {
        int id;
        int component;
        int32_t count;
        int32_t slots[EVENT_MAX]; /* where their values go */
};

struct events {
        int32_t count;
        int32_t errors[EVENT_MAX];
        int32_t set_count;
        struct set *sets[EVENT_MAX];
};

static void set_free(struct set *set) {
        long long values[EVENT_MAX];

        papi.stop(set->id, values);
        papi.cleanup(set->id);
        papi.destroy(&set->id);
        free(set);
}

static void events_free(struct events *events) {
        for (int32_t i = 0; i < events->set_count; i++)
                set_free(events->sets[i]);
        free(events);
}

/* The set is of another process: of its first thread, and of what that starts from now on. Components of the whole machine attach to
 * nothing, and need not. */
static int attach(int set, int32_t pid) {
        int32_t inherit[256] = { set, 1 }; /* with room for the library's union of all options */
        int result = papi.attach(set, (unsigned long) pid);

        if (result == PAPI_NOT_IN_COMPONENT)
                return PAPI_OK;
        if (result == PAPI_OK)
                papi.set_option(OPTION_INHERIT, inherit);
        return result;
}

static int32_t make_set(int component, int32_t pid, struct set **ret_set) {
        struct set *set = calloc(1, sizeof(*set));
        int result;

        if (!set)
                return -ENOMEM;
        set->id = -1; /* PAPI_NULL: it wants one */
        set->component = component;
        result = papi.create(&set->id);
        if (result == PAPI_OK)
                result = papi.assign(set->id, component);
        if (result == PAPI_OK && pid > 0)
                result = attach(set->id, pid);
        if (result != PAPI_OK) {
                if (set->id >= 0)
                        papi.destroy(&set->id);
                free(set);
                return papi_errno(result);
        }
        *ret_set = set;
        return 0;
}

static int32_t find_set(struct events *events, int component, int32_t pid, struct set **ret_set) {
        int32_t error;

        for (int32_t i = 0; i < events->set_count; i++) {
                if (events->sets[i]->component != component)
                        continue;
                *ret_set = events->sets[i];
                return 0;
        }
        error = make_set(component, pid, ret_set);
        if (error == 0)
                events->sets[events->set_count++] = *ret_set;
        return error;
}

static int32_t add_event(struct events *events, int32_t slot, const char *name, int32_t pid) {
        struct set *set = NULL;
        int32_t error;
        int code, component;

        error = papi_find(name, &code);
        if (error < 0)
                return error;
        component = papi.component(code);
        if (component < 0)
                return papi_errno(component);
        error = find_set(events, component, pid, &set);
        if (error == 0)
                error = papi_errno(papi.add(set->id, code));
        if (error == 0)
                set->slots[set->count++] = slot;
        return error;
}

static void start_sets(struct events *events) {
        for (int32_t i = 0; i < events->set_count; i++) {
                const struct set *set = events->sets[i];
                int32_t error = set->count > 0 ? papi_errno(papi.start(set->id)) : 0;

                for (int32_t k = 0; k < set->count && error < 0; k++)
                        events->errors[set->slots[k]] = error;
        }
}

int32_t nodeos_papi_open(const char *names, int32_t size, int32_t count, int32_t pid, int32_t *ret_errors) {
        int32_t error = nodeos_papi_version(), handle, at = 0;
        struct events *events;

        if (error < 0)
                return error;
        if (count < 1 || count > EVENT_MAX || size < 1 || names[size - 1] != 0 || pid < 0)
                return -EINVAL;
        events = calloc(1, sizeof(*events));
        if (!events)
                return -ENOMEM;
        for (; events->count < count && at < size; events->count++) {
                events->errors[events->count] = add_event(events, events->count, names + at, pid);
                at += (int32_t) strlen(names + at) + 1;
        }
        handle = events->count < count ? -EINVAL : handle_put(&handles, events);
        if (handle < 0) {
                events_free(events);
                return handle;
        }
        start_sets(events);
        memcpy(ret_errors, events->errors, (size_t) count * sizeof(*ret_errors));
        return handle;
}

static void read_set(const struct events *events, const struct set *set, int64_t *ret_values, int32_t *ret_errors) {
        long long values[EVENT_MAX];
        int32_t error;

        if (set->count == 0 || events->errors[set->slots[0]] < 0)
                return;
        error = papi_errno(papi.read(set->id, values));
        for (int32_t i = 0; i < set->count; i++) {
                ret_values[set->slots[i]] = error < 0 ? 0 : values[i];
                ret_errors[set->slots[i]] = error;
        }
}

int32_t nodeos_papi_read(int32_t handle, int64_t *ret_values, int32_t *ret_errors, int32_t capacity, int64_t *ret_times) {
        const struct events *events = handle_get(&handles, handle);
        int32_t result = -EBADF;

        if (events && capacity < events->count) {
                result = -EFBIG;
        } else if (events) {
                memset(ret_values, 0, (size_t) events->count * sizeof(*ret_values));
                memcpy(ret_errors, events->errors, (size_t) events->count * sizeof(*ret_errors));
                ret_times[0] = nodeos_clock_ns();
                for (int32_t i = 0; i < events->set_count; i++)
                        read_set(events, events->sets[i], ret_values, ret_errors);
                ret_times[1] = nodeos_clock_ns();
                result = events->count;
        }
        handle_done(&handles);
        return result;
}

int32_t nodeos_papi_close(int32_t handle) {
        struct events *events = handle_take(&handles, handle);

        if (!events)
                return -EBADF;
        events_free(events);
        return 0;
}
