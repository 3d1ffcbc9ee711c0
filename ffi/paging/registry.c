/* Regions by address. Who looks reads a sorted copy that nobody changes; who changes it makes a new one, and waits until nobody
 * looks at the old. Nobody ever finds none: an address that is a region's has to be found also while another one goes. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "paging.h"

struct entry {
        const char *start, *end;
        struct nodeos_region *region;
};
struct copy {
        size_t count;
        struct entry entries[];
};

static _Atomic(struct copy *) current;
static struct copy *spare; /* as large: what is removed needs no memory, and so cannot fail */
static atomic_uint lookers;
static struct lock registry_lock;

static void pause_for(long nanoseconds) {
        struct timespec time = { 0, nanoseconds };

        nanosleep(&time, NULL);
}

/* Returns the one before, which nobody looks at any more. */
static struct copy *publish(struct copy *next) {
        struct copy *before = atomic_exchange(&current, next);

        for (int i = 0; atomic_load(&lookers); i++)
                i < 100 ? (void) sched_yield() : pause_for(50000);
        return before;
}

static struct copy *copy_new(size_t count) {
        return malloc(sizeof(struct copy) + count * sizeof(struct entry));
}

int registry_add(struct nodeos_region *region) {
        struct copy *before, *next, *other;
        size_t at = 0, count;

        lock_take(&registry_lock);
        before = atomic_load(&current);
        count = before ? before->count : 0;
        next = copy_new(count + 1);
        other = copy_new(count + 1);
        if (!next || !other) {
                lock_release(&registry_lock);
                free(next);
                free(other);
                return -ENOMEM;
        }
        while (at < count && before->entries[at].start < region->address)
                at++;
        if (before) {
                memcpy(next->entries, before->entries, at * sizeof *next->entries);
                memcpy(next->entries + at + 1, before->entries + at, (count - at) * sizeof *next->entries);
        }
        next->entries[at] = (struct entry) { region->address, region->address + region->pages * region->page_bytes, region };
        next->count = count + 1;
        free(publish(next));
        free(spare);
        spare = other;
        lock_release(&registry_lock);
        return 0;
}

void registry_remove(struct nodeos_region *region) {
        struct copy *before, *next;

        lock_take(&registry_lock);
        before = atomic_load(&current);
        next = spare;
        next->count = 0;
        for (size_t i = 0; i < before->count; i++)
                if (before->entries[i].region != region)
                        next->entries[next->count++] = before->entries[i];
        spare = publish(next);
        lock_release(&registry_lock);
}

static struct nodeos_region *find(const struct copy *copy, const char *address) {
        size_t low = 0, high = copy->count;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (address >= copy->entries[middle].end)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < copy->count && address >= copy->entries[low].start ? copy->entries[low].region : NULL;
}

struct nodeos_region *registry_get(const void *address) {
        struct nodeos_region *region = NULL;
        struct copy *copy;

        atomic_fetch_add(&lookers, 1);
        copy = atomic_load(&current);
        if (copy)
                region = find(copy, address);
        if (region)
                atomic_fetch_add(&region->users, 1);
        atomic_fetch_sub(&lookers, 1);
        return region;
}

/* By its address: it may be gone. */
bool registry_has(const struct nodeos_region *region) {
        struct copy *copy;
        bool found = false;

        atomic_fetch_add(&lookers, 1);
        copy = atomic_load(&current);
        for (size_t i = 0; copy && i < copy->count; i++)
                found = found || copy->entries[i].region == region;
        atomic_fetch_sub(&lookers, 1);
        return found;
}

void region_release(struct nodeos_region *region) {
        atomic_fetch_sub(&region->users, 1);
}

struct nodeos_region *nodeos_region_at(const void *address) {
        struct nodeos_region *region = registry_get(address);

        if (region)
                region_release(region);
        return region;
}

void registry_reset(void) {
        atomic_store(&current, NULL);
        spare = NULL;
        atomic_store(&lookers, 0);
        atomic_store(&registry_lock.word, 0);
}
