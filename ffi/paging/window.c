/* How many pages a fault is worth: one where it looks random, GROWTH times as many as the last time where it goes on with a stream,
 * forwards or backwards. A constant distance, seen thrice, says which pages will be asked for. */
#define _GNU_SOURCE
#include <pthread.h>

#include "paging.h"

#define NEAR 4096      /* pages within which two faults may be steps of one stride */
#define SKIP 512       /* pages present that a stream steps over */
#define STRIDES_MAX 8
#define GROWTH 4

static bool is_in(const struct nodeos_region *region, uint64_t page, unsigned state) {
        return is_charged(region, page) ? state_of(region, page) == state : state == ABSENT;
}

/* The stream that a page continues, and whether backwards; or the one to be used for a new stream. */
static struct stream *find(struct streams *streams, uint64_t page, bool *ret_back, bool *ret_new) {
        struct stream *near = NULL;

        *ret_back = *ret_new = false;
        for (int i = 0; i < STREAMS; i++) {
                struct stream *stream = &streams->streams[i];
                uint64_t distance = page > stream->last ? page - stream->last : stream->last - page;

                if (!stream->pages)
                        continue;
                if (page == stream->high + 1)
                        return stream;
                if (page + 1 == stream->low) {
                        *ret_back = true;
                        return stream;
                }
                if (stream->stride && page - stream->last == (uint64_t) stream->stride)
                        near = stream;
                else if (!near && stream->pages == 1 && stream->hits < 2 && distance < NEAR)
                        near = stream;
        }
        *ret_new = true;
        return near;
}

static void note_stride(struct stream *stream, uint64_t page) {
        int64_t stride = (int64_t) (page - stream->last);

        stream->hits = stride == stream->stride ? stream->hits + 1 : 1;
        stream->stride = stride;
        stream->last = stream->low = stream->high = page;
        stream->pages = 1;
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
        struct window window = { .first = page, .count = 1 };
        struct stream *stream;
        bool back, new;

        if (most <= 1)
                return window;
        stream = find(streams, page, &back, &new);
        if (new && stream) {
                note_stride(stream, page);
                if (stream->hits >= 3) {
                        window.stride = stream->stride;
                        window.strides = stream->hits - 1 < STRIDES_MAX ? stream->hits - 1 : STRIDES_MAX;
                        /* The next fault is behind what is read now. */
                        stream->last += (uint64_t) stream->stride * window.strides;
                        stream->low = stream->high = stream->last;
                }
                return window;
        }
        if (!stream) {
                stream = &streams->streams[streams->next++ % STREAMS];
                *stream = (struct stream) { .low = page, .high = page, .last = page, .pages = 1 };
                return window;
        }
        stream->pages = stream->pages * GROWTH < most ? stream->pages * GROWTH : (uint32_t) most;
        stream->hits = 0;
        stream->stride = 0;
        window = back ? backwards(region, stream, page, state, stream->pages) : forwards(region, stream, page, state, stream->pages);
        stream->last = page;
        return window;
}
