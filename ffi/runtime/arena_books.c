/* The books of a process: its arenas, the ends of its threads, and fork. */
#define _GNU_SOURCE
#include <errno.h>

#include "arena.h"

#define ARENAS_MAX 64

__thread struct own_caches own_caches;

/* Every arena of this process; in its own memory, because an arena's may be shared with another. */
static struct {
        struct nodeos_arena *arena;
        uint64_t id;
} arenas[ARENAS_MAX];
static pthread_mutex_t arenas_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t last_id;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_error;

void cache_begin(unsigned i, struct nodeos_arena *arena, struct cache *cache) {
        own_caches.next++;
        own_caches.of[i].cache = cache;
        own_caches.of[i].index = arena->index;
        own_caches.of[i].id = arena->id;
        own_caches.of[i].arena = arena;
        /* For thread_ends. It may allocate, which works by now. */
        pthread_setspecific(key, &own_caches);
}

void cache_end(unsigned i) {
        struct nodeos_arena *arena = own_caches.of[i].arena;
        struct cache *cache = own_caches.of[i].cache;

        if (!arena)
                return;
        pthread_mutex_lock(&arenas_lock);
        if (arenas[own_caches.of[i].index].id == own_caches.of[i].id) {
                pthread_mutex_lock(&arena->lock);
                cache_empty(cache);
                *cache->link = cache->next;
                if (cache->next)
                        cache->next->link = cache->link;
                arena_put(arena, block_of(cache));
                pthread_mutex_unlock(&arena->lock);
        }
        pthread_mutex_unlock(&arenas_lock);
        own_caches.of[i].arena = NULL;
}

static void thread_ends(void *unused) {
        (void) unused;
        own_caches.is_ended = true;
        for (unsigned i = 0; i < 4; i++)
                cache_end(i);
}

static void before_fork(void) {
        pthread_mutex_lock(&arenas_lock);
        for (unsigned i = 0; i < ARENAS_MAX; i++)
                if (arenas[i].arena)
                        pthread_mutex_lock(&arenas[i].arena->lock);
}

static void after_fork_in_parent(void) {
        for (unsigned i = 0; i < ARENAS_MAX; i++)
                if (arenas[i].arena)
                        pthread_mutex_unlock(&arenas[i].arena->lock);
        pthread_mutex_unlock(&arenas_lock);
}

/* What is shared stays the parent's: nothing of it is written to. What other threads had in their caches is lost here. */
static void after_fork_in_child(void) {
        for (unsigned i = 0; i < ARENAS_MAX; i++) {
                if (!arenas[i].arena)
                        continue;
                if (!arenas[i].arena->is_shared) {
                        pthread_mutex_unlock(&arenas[i].arena->lock);
                        continue;
                }
                for (unsigned k = 0; k < 4; k++)
                        if (own_caches.of[k].arena == arenas[i].arena)
                                own_caches.of[k].arena = NULL;
                arenas[i].arena = NULL;
                arenas[i].id = 0;
        }
        pthread_mutex_unlock(&arenas_lock);
}

static void start(void) {
        once_error = pthread_key_create(&key, thread_ends);
        if (!once_error)
                once_error = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

int arena_register(struct nodeos_arena *arena) {
        pthread_once(&once, start);
        if (once_error) {
                errno = once_error;
                return -1;
        }
        pthread_mutex_lock(&arenas_lock);
        for (unsigned i = 0; i < ARENAS_MAX; i++)
                if (!arenas[i].arena) {
                        arena->index = i;
                        arena->id = arenas[i].id = ++last_id;
                        __atomic_store_n(&arenas[i].arena, arena, __ATOMIC_RELEASE);
                        pthread_mutex_unlock(&arenas_lock);
                        return 0;
                }
        pthread_mutex_unlock(&arenas_lock);
        errno = ENFILE;
        return -1;
}

void arena_forget(struct nodeos_arena *arena) {
        pthread_mutex_lock(&arenas_lock);
        if (arenas[arena->index].arena == arena) {
                arenas[arena->index].arena = NULL;
                arenas[arena->index].id = 0;
        }
        pthread_mutex_unlock(&arenas_lock);
}

bool arena_is_ours(const struct nodeos_arena *arena) {
        return __atomic_load_n(&arenas[arena->index].arena, __ATOMIC_ACQUIRE) == arena;
}
