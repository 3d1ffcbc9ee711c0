/* Version, structure layouts and words for errors. */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "internal.h"
#include "power.h"

/* Our sched_attr is the kernel's, field by field. */
_Static_assert(sizeof(struct nodeos_sched_attr) == sizeof(struct sched_attr), "sched_attr");
_Static_assert(offsetof(struct nodeos_sched_attr, period_ns) == offsetof(struct sched_attr, sched_period), "sched_attr");

#define FIELD(type, field) ((int32_t) offsetof(struct type, field))

static const int32_t sched_attr_fields[] = {
        sizeof(struct nodeos_sched_attr), FIELD(nodeos_sched_attr, size), FIELD(nodeos_sched_attr, policy),
        FIELD(nodeos_sched_attr, flags), FIELD(nodeos_sched_attr, nice), FIELD(nodeos_sched_attr, priority),
        FIELD(nodeos_sched_attr, runtime_ns), FIELD(nodeos_sched_attr, deadline_ns), FIELD(nodeos_sched_attr, period_ns),
        FIELD(nodeos_sched_attr, util_min), FIELD(nodeos_sched_attr, util_max),
};

static const int32_t launch_fields[] = {
        sizeof(struct nodeos_launch), FIELD(nodeos_launch, size), FIELD(nodeos_launch, flags), FIELD(nodeos_launch, stdio),
        FIELD(nodeos_launch, uid), FIELD(nodeos_launch, gid), FIELD(nodeos_launch, memory_mode), FIELD(nodeos_launch, cgroup),
        FIELD(nodeos_launch, tasks), FIELD(nodeos_launch, task_count), FIELD(nodeos_launch, argv), FIELD(nodeos_launch, argc),
        FIELD(nodeos_launch, envp), FIELD(nodeos_launch, envc), FIELD(nodeos_launch, cwd), FIELD(nodeos_launch, search),
        FIELD(nodeos_launch, filter), FIELD(nodeos_launch, filter_count), FIELD(nodeos_launch, control),
        FIELD(nodeos_launch, sched), FIELD(nodeos_launch, cpus), FIELD(nodeos_launch, nodes),
        FIELD(nodeos_launch, data_bytes),
};

static const int32_t launched_fields[] = {
        sizeof(struct nodeos_launched), FIELD(nodeos_launched, pid), FIELD(nodeos_launched, pidfd),
        FIELD(nodeos_launched, step), FIELD(nodeos_launched, error), FIELD(nodeos_launched, exec_ns),
        FIELD(nodeos_launched, listener), FIELD(nodeos_launched, held),
};

static const int32_t noise_fields[] = {
        sizeof(struct nodeos_noise), FIELD(nodeos_noise, mode), FIELD(nodeos_noise, count), FIELD(nodeos_noise, duration_ns),
        FIELD(nodeos_noise, quantum_ns), FIELD(nodeos_noise, threshold_ns), FIELD(nodeos_noise, lost_ns),
        FIELD(nodeos_noise, minimum_ns), FIELD(nodeos_noise, truncated), FIELD(nodeos_noise, start_ns),
        FIELD(nodeos_noise, voluntary), FIELD(nodeos_noise, involuntary), FIELD(nodeos_noise, clock),
        FIELD(nodeos_noise, locked),
};

static const int32_t sampler_fields[] = {
        sizeof(struct nodeos_sampler), FIELD(nodeos_sampler, period_ns), FIELD(nodeos_sampler, count), FIELD(nodeos_sampler, capacity),
        FIELD(nodeos_sampler, driver), FIELD(nodeos_sampler, priority), FIELD(nodeos_sampler, cpu), FIELD(nodeos_sampler, reserved),
};

static const int32_t ring_fields[] = {
        sizeof(struct nodeos_ring), FIELD(nodeos_ring, magic), FIELD(nodeos_ring, version), FIELD(nodeos_ring, count),
        FIELD(nodeos_ring, capacity), FIELD(nodeos_ring, record_bytes), FIELD(nodeos_ring, first_offset),
        FIELD(nodeos_ring, period_ns), FIELD(nodeos_ring, start_ns), FIELD(nodeos_ring, head), FIELD(nodeos_ring, missed),
        FIELD(nodeos_ring, failed), FIELD(nodeos_ring, scheduling), FIELD(nodeos_ring, placement),
};

#define TABLE(fields) { fields, sizeof(fields) / sizeof(*fields) }

static const struct {
        const int32_t *fields; /* the size of the structure, then the offset of each field */
        size_t count;
} layouts[] = { TABLE(sched_attr_fields), TABLE(launch_fields), TABLE(launched_fields), TABLE(noise_fields),
              TABLE(sampler_fields), TABLE(ring_fields) };

const int32_t nodeos_abi = NODEOS_ABI;

int32_t nodeos_layout(int32_t type, int32_t field) {
        if (type < 0 || (size_t) type >= sizeof(layouts) / sizeof(*layouts))
                return -EINVAL;
        if (field < -1 || (int64_t) field + 1 >= (int64_t) layouts[type].count)
                return -EINVAL;
        return layouts[type].fields[field + 1];
}

int32_t nodeos_errno_text(int32_t error, uint8_t *ret_text, int32_t size) {
        const char *name = strerrorname_np(error);
        const char *words = strerrordesc_np(error);
        size_t a, b;

        if (!name || !words)
                return -EINVAL;
        a = strlen(name) + 1;
        b = strlen(words);
        if (size < 0 || (size_t) size < a + b)
                return -EFBIG;
        memcpy(ret_text, name, a);
        memcpy(ret_text + a, words, b);
        return (int32_t) (a + b);
}

int64_t nodeos_clock_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}
