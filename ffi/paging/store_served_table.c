/* Numbers of servers: those of other languages have no pointers, and one may outlive what it serves. Never used in a signal handler. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "store_served_slots.h"

enum { NUMBERS = 256, GENERATIONS = 1 << 22 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry {
        struct served *served;
        int32_t generation;
} entries[NUMBERS];

int served_enter(struct served *served, int32_t *ret_number) {
        int error = -EMFILE;

        pthread_mutex_lock(&lock);
        for (int32_t i = 0; i < NUMBERS && error < 0; i++) {
                struct entry *entry = &entries[i];

                if (entry->served)
                        continue;
                entry->served = served;
                entry->generation = entry->generation % (GENERATIONS - 1) + 1;
                *ret_number = entry->generation * NUMBERS + i;
                error = 0;
        }
        pthread_mutex_unlock(&lock);
        return error;
}

/* With the lock. */
static struct entry *entry_of(int32_t number) {
        struct entry *entry = number < 0 ? NULL : &entries[number % NUMBERS];

        return entry && entry->served && entry->generation == number / NUMBERS ? entry : NULL;
}

struct served *served_find(int32_t number) {
        struct served *served = NULL;
        struct entry *entry;

        pthread_mutex_lock(&lock);
        entry = entry_of(number);
        if (entry) {
                served = entry->served;
                __atomic_fetch_add(&served->refs, 1, __ATOMIC_RELAXED);
        }
        pthread_mutex_unlock(&lock);
        return served;
}

struct served *served_leave(int32_t number) {
        struct served *served = NULL;
        struct entry *entry;

        pthread_mutex_lock(&lock);
        entry = entry_of(number);
        if (entry) {
                served = entry->served;
                entry->served = NULL;
        }
        pthread_mutex_unlock(&lock);
        return served;
}

void served_unref(struct served *served) {
        if (__atomic_sub_fetch(&served->refs, 1, __ATOMIC_ACQ_REL) == 0)
                free(served);
}
