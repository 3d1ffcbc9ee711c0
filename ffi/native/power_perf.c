/* Counters of the kernel (perf): opened as a group, they are read in one call, at one moment. */
#define _GNU_SOURCE
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "power_internal.h"

enum { EVENT_MAX = 64 };

struct counters {
        int32_t count;
        int fds[EVENT_MAX]; /* the first one leads the group */
};

static struct handles handles = HANDLES_INIT;

static void counters_free(struct counters *counters) {
        for (int32_t i = counters->count - 1; i >= 0; i--)
                close(counters->fds[i]);
        free(counters);
}

static int open_event(uint64_t type, uint64_t config, int32_t pid, int32_t cpu, int leader) {
        struct perf_event_attr attr = {
                .type = (uint32_t) type,
                .size = sizeof(attr),
                .config = config,
                .read_format = PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
        };
        int fd = (int) syscall(SYS_perf_event_open, &attr, pid, cpu, leader, PERF_FLAG_FD_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

int32_t nodeos_perf_open(const uint64_t *events, int32_t count, int32_t pid, int32_t cpu) {
        struct counters *counters;
        int32_t handle;

        if (count < 1 || count > EVENT_MAX)
                return -EINVAL;
        counters = calloc(1, sizeof(*counters));
        if (!counters)
                return -ENOMEM;
        for (int32_t i = 0; i < count; i++) {
                int fd = open_event(events[2 * i], events[2 * i + 1], pid, cpu, i == 0 ? -1 : counters->fds[0]);

                if (fd < 0) {
                        counters_free(counters);
                        return fd;
                }
                counters->fds[counters->count++] = fd;
        }
        handle = handle_put(&handles, counters);
        if (handle < 0)
                counters_free(counters);
        return handle;
}

/* The kernel answers with the number of values, both times, and the values. */
static int32_t read_group(const struct counters *counters, uint64_t *ret_values) {
        uint64_t answer[3 + EVENT_MAX];
        ssize_t wanted = (3 + counters->count) * (ssize_t) sizeof(*answer);
        ssize_t n;

        do
                n = read(counters->fds[0], answer, (size_t) wanted);
        while (n < 0 && errno == EINTR);
        if (n != wanted)
                return n < 0 ? -errno : -ENODATA;
        memcpy(ret_values, answer + 1, (size_t) wanted - sizeof(*answer));
        return counters->count;
}

int32_t nodeos_perf_read(int32_t handle, uint64_t *ret_values, int32_t capacity, int64_t *ret_times) {
        const struct counters *counters = handle_get(&handles, handle);
        int32_t result = -EBADF;

        if (counters && capacity < 2 + counters->count) {
                result = -EFBIG;
        } else if (counters) {
                ret_times[0] = nodeos_clock_ns();
                result = read_group(counters, ret_values);
                ret_times[1] = nodeos_clock_ns();
        }
        handle_done(&handles);
        return result;
}

int32_t nodeos_perf_close(int32_t handle) {
        struct counters *counters = handle_take(&handles, handle);

        if (!counters)
                return -EBADF;
        counters_free(counters);
        return 0;
}
