/* Handles: small numbers for what is open, since nothing of ours passes pointers. */
#define _GNU_SOURCE
#include "power_internal.h"

enum { HANDLE_COUNT = sizeof(((struct handles *) 0)->items) / sizeof(void *) };

int32_t handle_put(struct handles *handles, void *item) {
        int32_t found = -EMFILE;

        pthread_mutex_lock(&handles->lock);
        for (int32_t i = 0; i < HANDLE_COUNT && found < 0; i++) {
                if (handles->items[i])
                        continue;
                handles->items[i] = item;
                found = i;
        }
        pthread_mutex_unlock(&handles->lock);
        return found;
}

void *handle_get(struct handles *handles, int32_t handle) {
        pthread_mutex_lock(&handles->lock);
        return handle >= 0 && handle < HANDLE_COUNT ? handles->items[handle] : NULL;
}

void handle_done(struct handles *handles) {
        pthread_mutex_unlock(&handles->lock);
}

void *handle_take(struct handles *handles, int32_t handle) {
        void *item = handle_get(handles, handle);

        if (item)
                handles->items[handle] = NULL;
        handle_done(handles);
        return item;
}
