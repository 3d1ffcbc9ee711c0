/* What of its mappings the program still has, and their regions. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "preload.h"

uint64_t mapping_offset(const struct mapping *mapping, const char *at) {
        return (uint64_t) (at - mapping->from);
}

bool mappings_touch(const char *from, const char *to) {
        bool touches = false;

        table_lock();
        for (struct mapping *mapping = preload.mappings; mapping; mapping = mapping->next)
                touches = touches || (mapping->from < to && from < mapping->to);
        table_unlock();
        return touches;
}

static bool is_gone(const struct mapping *mapping, const char *at) {
        return mapping->gone && mapping->gone[mapping_offset(mapping, at) / SYSTEM_PAGE];
}

/* Where the run of pages of a mapping ends that the program has, or that it unmapped. */
static char *run_end(const struct mapping *mapping, char *from, char *to) {
        bool gone = is_gone(mapping, from);
        char *at = from;

        if (!mapping->gone)
                return to < mapping->to ? to : mapping->to;
        while (at < to && at < mapping->to && is_gone(mapping, at) == gone)
                at += SYSTEM_PAGE;
        return at;
}

/* Where the next mapping begins. */
static char *gap_end(const char *from, char *to) {
        for (struct mapping *mapping = preload.mappings; mapping; mapping = mapping->next)
                if (from < mapping->from && mapping->from < to)
                        to = mapping->from;
        return to;
}

static struct mapping *covering(const char *at) {
        struct mapping *mapping = preload.mappings;

        while (mapping && (at < mapping->from || mapping->to <= at))
                mapping = mapping->next;
        return mapping;
}

struct mapping *mapping_at(const char *at) {
        struct mapping *mapping = covering(at);

        return mapping && !is_gone(mapping, at) ? mapping : NULL;
}

int mappings_each(char *from, char *to, int (*ours)(struct mapping *mapping, char *from, char *to, long what),
                  int (*others)(char *from, char *to, long what), long what) {
        while (from < to) {
                struct mapping *mapping = covering(from);
                char *end = mapping ? run_end(mapping, from, to) : gap_end(from, to);
                int result = 0;

                if (!mapping)
                        result = others(from, end, what);
                else if (!is_gone(mapping, from))
                        result = ours(mapping, from, end, what);
                if (result)
                        return result;
                from = end;
        }
        return 0;
}

int mapping_parts(struct mapping *mapping, int (*call)(struct mapping *mapping, char *from, char *to, long what), long what) {
        for (char *from = mapping->from; from < mapping->to;) {
                char *end = run_end(mapping, from, mapping->to);
                int result = is_gone(mapping, from) ? 0 : call(mapping, from, end, what);

                if (result)
                        return result;
                from = end;
        }
        return 0;
}

void mapping_drop(struct mapping *mapping) {
        struct mapping **link = &preload.mappings;

        while (*link != mapping)
                link = &(*link)->next;
        *link = mapping->next;
        preload.count--;
        store_leave(mapping->store);
        file_leave(mapping->file);
        free(mapping->gone);
        free(mapping);
}

int mapping_forget(struct mapping *mapping, char *from, char *to) {
        size_t pages = (size_t) (mapping->to - mapping->from) / SYSTEM_PAGE;

        mapping->left -= (size_t) (to - from);
        if (!mapping->left) {
                mapping_unmap_region(mapping);
                mapping_drop(mapping);
                return 0;
        }
        if (!mapping->gone)
                mapping->gone = calloc(pages, 1);
        if (!mapping->gone) {
                mapping->left += (size_t) (to - from);
                errno = ENOMEM;
                return -1;
        }
        nodeos_region_evict(mapping->region, mapping_offset(mapping, from), (uint64_t) (to - from));
        store_forget(mapping->store, mapping_offset(mapping, from), mapping_offset(mapping, to));
        memset(mapping->gone + mapping_offset(mapping, from) / SYSTEM_PAGE, 1, (size_t) (to - from) / SYSTEM_PAGE);
        /* The addresses stay the region's, until it goes as a whole. */
        return kernel_mprotect(from, (size_t) (to - from), PROT_NONE);
}
