/* Shared by the power_*.c files; not part of the ABI. */
#ifndef NODEOS_POWER_INTERNAL_H
#define NODEOS_POWER_INTERNAL_H

#include <pthread.h>

#include "internal.h"
#include "power.h"

/* Things that are open, by small numbers. */
struct handles {
        pthread_mutex_t lock;
        void *items[64];
};

#define HANDLES_INIT { .lock = PTHREAD_MUTEX_INITIALIZER }

/* Returns a number for an item, or -EMFILE. */
int32_t handle_put(struct handles *handles, void *item);
/* Locks, and returns the item, or NULL; handle_done() unlocks either way. */
void *handle_get(struct handles *handles, int32_t handle);
void handle_done(struct handles *handles);
/* Takes an item out: it is the caller's alone then. NULL when there is none. */
void *handle_take(struct handles *handles, int32_t handle);

/* Devices of registers, in power_msr.c, for one thread at a time. */
struct msr_devices;
int msr_devices_open(const char *root, int32_t driver, struct msr_devices **ret_devices);
void msr_devices_close(struct msr_devices *devices);
int32_t msr_devices_read(struct msr_devices *devices, const uint64_t *requests, int32_t count, uint64_t *ret_values, int32_t *ret_errors);

/* The batches of msr-safe, in power_batch.c. */
int msr_batch_open(int directory_fd);
/* Returns 0, or -errno when the module took none of it. */
int msr_batch_read(int fd, const uint64_t *requests, int32_t count, uint64_t *ret_values, int32_t *ret_errors);

#endif
