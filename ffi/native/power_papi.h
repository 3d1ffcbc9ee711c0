/* PAPI's library; between the power_papi*.c files. The declarations are ours; names and numbers are those of PAPI 7. */
#ifndef NODEOS_POWER_PAPI_H
#define NODEOS_POWER_PAPI_H

#include "power_internal.h"

/* PAPI's answers that we tell apart. */
enum papi_answer {
        PAPI_OK = 0,
        PAPI_INVALID = -1,
        PAPI_NO_MEMORY = -2,
        PAPI_NOT_IN_COMPONENT = -4,
        PAPI_NO_EVENT = -7,
        PAPI_CONFLICT = -8,
        PAPI_NO_PRESET = -12,
        PAPI_NO_COUNTERS = -13,
        PAPI_NO_PERMISSION = -15,
        PAPI_NOT_SUPPORTED = -18,
        PAPI_NOT_IMPLEMENTED = -19,
        PAPI_TOO_MANY = -23,
        PAPI_DISABLED = -25,
        PAPI_MANY_PASSES = -27
};

/* Functions of the library; after nodeos_papi_version() was 0 or more. */
extern struct papi {
        int error; /* 0, or why there is nothing */
        int version;
        int (*init)(int version);
        int (*find)(const char *name, int *ret_code);
        int (*component)(int code);
        int (*info)(int code, void *ret_info);
        int (*create)(int *ret_set);
        int (*assign)(int set, int component);
        int (*attach)(int set, unsigned long pid);
        int (*set_option)(int option, void *value);
        int (*add)(int set, int code);
        int (*start)(int set);
        int (*read)(int set, long long *ret_values);
        int (*stop)(int set, long long *ret_values);
        int (*cleanup)(int set);
        int (*destroy)(int *set);
} papi;

/* Finds an event by its name. Returns 0, or -errno. */
int32_t papi_find(const char *name, int *ret_code);
/* 0, or the -errno of an answer. */
int32_t papi_errno(int answer);

#endif
