/* How many pages a fault is worth: one where it looks random, GROWTH times as many as the last time where it goes on with a stream,
 * forwards or backwards. A constant distance, seen thrice, says which pages will be asked for. */
#define _GNU_SOURCE
#include <pthread.h>

#include "paging.h"

#define NEAR 4096      /* pages within which two faults may be steps of one stride */
#define SKIP 512       /* pages present that a stream steps over */
#define SURE 3         /* steps of one stride */
#define STRIDES_MAX 8
#define GROWTH 4

static bool is_in(const struct nodeos_region *region, uint64_t page, unsigned state) {
        return is_charged(region, page) ? state_of(region, page) == state : state == ABSENT;
}

/* The stream that a page continues, and whether backwards. */
static struct stream *find(struct streams *streams, uint64_t page, bool *ret_back) {
        for (struct stream *stream = streams->streams; stream < streams->streams + STREAMS; stream++) {
                *ret_back = page + 1 == stream->low;
                if (stream->pages && (*ret_back || page == stream->high + 1))
                        return stream;
        }
        return NULL;
}

/* The one whose next step a page is, or else the nearest from which it may be the first one. */
static struct stream *find_step(struct streams *streams, uint64_t page) {
        uint64_t nearest = NEAR;
        struct stream *near = NULL;

        for (struct stream *stream = streams->streams; stream < streams->streams + STREAMS; stream++) {
                uint64_t distance = page > stream->last ? page - stream->last : stream->last - page;

                if (stream->stride && page - stream->last == (uint64_t) stream->stride)
                        return stream;
                if (stream->pages == 1 && stream->hits < 2 && distance < nearest) {
                        nearest = distance;
                        near = stream;
                }
        }
        return near;
}

/* A place for one that begins: of those that may be none the next, so that random touches leave the others alone. */
static struct stream *take(struct streams *streams) {
        for (uint32_t i = 0; i < STREAMS; i++) {
                struct stream *stream = &streams->streams[(streams->next + i) % STREAMS];

                if (stream->pages <= 1 && stream->hits < SURE) {
                        streams->next += i + 1;
                        return stream;
                }
        }
        return &streams->streams[streams->next++ % STREAMS];
}

/* A page that continues nothing: the first of a stream, or a step of a stride. Each of the first steps may as well be the beginning of
 * another thread's stream, and stays one. */
static struct window step(struct nodeos_region *region, struct streams *streams, uint64_t page) {
        struct window window = { .first = page, .count = 1 };
        struct stream *from = find_step(streams, page), *to;
        int64_t stride = from ? (int64_t) (page - from->last) : 0;
        uint32_t hits = from ? (stride == from->stride ? from->hits + 1 : 1) : 0;

        to = from && from->hits >= SURE ? from : take(streams);
        *to = (struct stream) { .low = page, .high = page, .last = page, .stride = stride, .pages = 1, .hits = hits };
        if (hits < SURE)
                return window;
        window.stride = stride;
        window.strides = hits - 1 < STRIDES_MAX ? hits - 1 : STRIDES_MAX;
        /* The next fault is behind what is read now. */
        to->last += (uint64_t) stride * window.strides;
        to->low = to->high = to->last;
        if (to->last >= region->pages)
                to->pages = 0;
        return window;
}

static struct window forwards(struct nodeos_region *region, struct stream *stream, uint64_t page, unsigned state, uint64_t most) {
        uint64_t end = page + 1, limit = page + most < region->pages ? page + most : region->pages;
        struct window window = { .first = page };

        while (end < limit && is_in(region, end, state))
                end++;
        window.count = end - page;
        for (uint64_t skip = end + SKIP; end < region->pages && end < skip && is_charged(region, end) && state_of(region, end) != state;)
                end++;
        stream->low = page;
        stream->high = end - 1;
        return window;
}

static struct window backwards(struct nodeos_region *region, struct stream *stream, uint64_t page, unsigned state, uint64_t most) {
        uint64_t first = page, limit = page + 1 > most ? page + 1 - most : 0;

        while (first > limit && is_in(region, first - 1, state))
                first--;
        stream->low = first;
        stream->high = page;
        return (struct window) { .first = first, .count = page + 1 - first };
}

struct window window_plan(struct nodeos_region *region, struct streams *streams, uint64_t page, unsigned state, uint64_t most) {
        struct window window;
        struct stream *stream;
        bool back;

        if (most <= 1)
                return (struct window) { .first = page, .count = 1 };
        stream = find(streams, page, &back);
        if (!stream)
                return step(region, streams, page);
        stream->pages = stream->pages * GROWTH < most ? stream->pages * GROWTH : (uint32_t) most;
        stream->hits = 0;
        stream->stride = 0;
        window = back ? backwards(region, stream, page, state, stream->pages) : forwards(region, stream, page, state, stream->pages);
        stream->last = page;
        return window;
}
