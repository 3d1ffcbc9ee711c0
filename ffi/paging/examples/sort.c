/* Sorts more 64-bit values than the buffer holds: runs that fit are sorted in place, then merged into a second file. Threads share
 * both steps. Every word of paging is in array_make; and in cursor_next, which knows better than the engine what is read next.
 *
 *         sort DIRECTORY VALUES BUFFER_BYTES THREADS
 *
 * Verifies that the result ascends and has the values that were made. */
#include "common.h"

#include <inttypes.h>

enum { SMALL = 32, RUNS_MOST = 4096, SAMPLES = 64 };

struct cursor {
        const uint64_t *at, *end, *read_to;
};

struct sorting {
        struct nodeos_region *from_region;
        uint64_t *from, *to;
        uint64_t count, run, run_count; /* values, values of a run, runs */
        uint64_t ahead;                 /* values that a cursor reads at once */
        unsigned threads;
        uint64_t splitters[THREADS_MOST];
        uint64_t sums[THREADS_MOST], mixes[THREADS_MOST]; /* of the values that each thread made or saw */
        uint64_t descents[THREADS_MOST];
};

static void sort_small(uint64_t *values, uint64_t count) {
        for (uint64_t i = 1; i < count; i++) {
                uint64_t value = values[i], j = i;

                for (; j > 0 && values[j - 1] > value; j--)
                        values[j] = values[j - 1];
                values[j] = value;
        }
}

/* In place, by the byte at `shift` and then those below it. */
static void sort_values(uint64_t *values, uint64_t count, int shift) {
        uint64_t next[256] = { 0 }, end[256], from = 0;

        if (count <= SMALL) {
                sort_small(values, count);
                return;
        }
        for (uint64_t i = 0; i < count; i++)
                next[values[i] >> shift & 255]++;
        for (int byte = 0; byte < 256; byte++) {
                end[byte] = from + next[byte];
                next[byte] = from;
                from = end[byte];
        }
        for (int byte = 0; byte < 256; byte++) {
                while (next[byte] < end[byte]) {
                        uint64_t *value = &values[next[byte]];
                        int other = (int) (*value >> shift & 255);
                        uint64_t *place = &values[next[other]++], kept = *place;

                        *place = *value;
                        if (place != value)
                                *value = kept;
                }
        }
        for (int byte = 0; shift > 0 && byte < 256; byte++) {
                uint64_t begin = byte ? end[byte - 1] : 0;

                sort_values(values + begin, end[byte] - begin, shift - 8);
        }
}

static void make_values(unsigned index, void *argument) {
        struct sorting *sorting = argument;
        uint64_t to = share_of(sorting->count, index + 1, sorting->threads);

        for (uint64_t i = share_of(sorting->count, index, sorting->threads); i < to; i++) {
                uint64_t value = mix(i);

                sorting->from[i] = value;
                sorting->sums[index] += value;
                sorting->mixes[index] ^= mix(value);
        }
}

static uint64_t run_end(const struct sorting *sorting, uint64_t run) {
        uint64_t end = (run + 1) * sorting->run;

        return end < sorting->count ? end : sorting->count;
}

static void sort_runs(unsigned index, void *argument) {
        struct sorting *sorting = argument;

        for (uint64_t run = index; run < sorting->run_count; run += sorting->threads) {
                uint64_t from = run * sorting->run;

                sort_values(sorting->from + from, run_end(sorting, run) - from, 56);
        }
}

/* Values that part the result into shares of about one size. */
static void choose_splitters(struct sorting *sorting) {
        uint64_t *samples = malloc(sorting->run_count * SAMPLES * sizeof(*samples)), count = 0;

        if (!samples)
                fail("sample", -12);
        for (uint64_t run = 0; run < sorting->run_count; run++) {
                uint64_t from = run * sorting->run, length = run_end(sorting, run) - from;

                for (uint64_t i = 0; i < SAMPLES; i++)
                        samples[count++] = sorting->from[from + length * i / SAMPLES];
        }
        sort_values(samples, count, 56);
        for (unsigned i = 1; i < sorting->threads; i++)
                sorting->splitters[i] = samples[count * i / sorting->threads];
        free(samples);
}

/* The first value of a run that is not below a thread's share. */
static uint64_t share_begin(const struct sorting *sorting, uint64_t run, unsigned index) {
        uint64_t low = run * sorting->run, high = run_end(sorting, run);

        if (index == 0)
                return low;
        if (index == sorting->threads)
                return high;
        while (low < high) {
                uint64_t middle = low + (high - low) / 2;

                if (sorting->from[middle] < sorting->splitters[index])
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static void cursor_read(const struct sorting *sorting, struct cursor *cursor) {
        uint64_t count = (uint64_t) (cursor->end - cursor->at);

        if (count > sorting->ahead)
                count = sorting->ahead;
        nodeos_region_populate(sorting->from_region, (uint64_t) ((const char *) cursor->at - (const char *) sorting->from), 8 * count);
        cursor->read_to = cursor->at + count;
}

/* Sinks the first cursor of a heap to its place. */
static void sink(struct cursor *heap, uint64_t count) {
        struct cursor cursor = heap[0];
        uint64_t i = 0;

        for (uint64_t child = 1; child < count; child = 2 * i + 1) {
                if (child + 1 < count && *heap[child + 1].at < *heap[child].at)
                        child++;
                if (*cursor.at <= *heap[child].at)
                        break;
                heap[i] = heap[child];
                i = child;
        }
        heap[i] = cursor;
}

static void heap_up(struct cursor *heap, uint64_t last) {
        while (last > 0 && *heap[last].at < *heap[(last - 1) / 2].at) {
                struct cursor kept = heap[last];

                heap[last] = heap[(last - 1) / 2];
                heap[(last - 1) / 2] = kept;
                last = (last - 1) / 2;
        }
}

static void merge_share(unsigned index, void *argument) {
        struct sorting *sorting = argument;
        struct cursor *heap = malloc(sorting->run_count * sizeof(*heap));
        uint64_t count = 0, *to = sorting->to;

        if (!heap)
                fail("merge", -12);
        for (uint64_t run = 0; run < sorting->run_count; run++) {
                uint64_t from = share_begin(sorting, run, index), end = share_begin(sorting, run, index + 1);

                to += from - run * sorting->run;
                if (from == end)
                        continue;
                heap[count] = (struct cursor) { .at = sorting->from + from, .end = sorting->from + end };
                cursor_read(sorting, &heap[count]);
                heap_up(heap, count++);
        }
        while (count > 0) {
                *to++ = *heap[0].at++;
                if (heap[0].at == heap[0].end)
                        heap[0] = heap[--count];
                else if (heap[0].at == heap[0].read_to)
                        cursor_read(sorting, &heap[0]);
                if (count > 1)
                        sink(heap, count);
        }
        free(heap);
}

static void verify(unsigned index, void *argument) {
        struct sorting *sorting = argument;
        uint64_t from = share_of(sorting->count, index, sorting->threads), to = share_of(sorting->count, index + 1, sorting->threads);
        uint64_t last = from ? sorting->to[from - 1] : 0;

        for (uint64_t i = from; i < to; i++) {
                uint64_t value = sorting->to[i];

                sorting->descents[index] += value < last;
                sorting->sums[index] -= value;
                sorting->mixes[index] ^= mix(value);
                last = value;
        }
}

static int judge(const struct sorting *sorting) {
        uint64_t sum = 0, mixed = 0, descents = 0;

        for (unsigned i = 0; i < sorting->threads; i++) {
                sum += sorting->sums[i];
                mixed ^= sorting->mixes[i];
                descents += sorting->descents[i];
        }
        if (sum || mixed || descents)
                fprintf(stderr, "wrong: %" PRIu64 " descents, and %s\n", descents, sum || mixed ? "other values" : "the same values");
        return sum || mixed || descents;
}

int main(int argc, char **argv) {
        struct sorting sorting = { .count = argc == 5 ? strtoull(argv[2], NULL, 10) : 0 };
        uint64_t bytes = argc == 5 ? strtoull(argv[3], NULL, 10) : 0;
        struct nodeos_region *to_region;
        struct nodeos_buffer *buffer;
        double from;
        int error, result;

        sorting.threads = argc == 5 ? (unsigned) atoi(argv[4]) : 0;
        if (!sorting.count || sorting.threads < 1 || sorting.threads > THREADS_MOST)
                return fprintf(stderr, "usage: sort DIRECTORY VALUES BUFFER_BYTES THREADS\n"), 2;
        buffer = buffer_make(bytes);
        sorting.from_region = array_make(buffer, argv[1], "values", 8 * sorting.count);
        to_region = array_make(buffer, argv[1], "sorted", 8 * sorting.count);
        sorting.from = nodeos_region_address(sorting.from_region);
        sorting.to = nodeos_region_address(to_region);
        sorting.run = bytes / 8 / 2 / sorting.threads;
        sorting.run_count = (sorting.count + sorting.run - 1) / sorting.run;
        sorting.ahead = bytes / 8 / 4 / sorting.run_count / sorting.threads;
        if (sorting.run_count > RUNS_MOST || sorting.ahead < 128)
                return fprintf(stderr, "Cannot sort: the buffer is too small for so many values and threads\n"), 2;

        from = seconds();
        in_parallel(sorting.threads, make_values, &sorting);
        in_parallel(sorting.threads, sort_runs, &sorting);
        choose_splitters(&sorting);
        in_parallel(sorting.threads, merge_share, &sorting);
        error = nodeos_region_flush(to_region, 0, 0);
        if (error < 0)
                fail("write the result", error);
        in_parallel(sorting.threads, verify, &sorting);
        result = judge(&sorting);
        printf("%" PRIu64 " values of %" PRIu64 " runs in %.2f s with a buffer of %" PRIu64 " KiB: %s\n", sorting.count, sorting.run_count,
               seconds() - from, bytes >> 10, result ? "wrong" : "sorted");
        nodeos_region_unmap(sorting.from_region);
        nodeos_region_unmap(to_region);
        nodeos_buffer_close(buffer);
        return result;
}
