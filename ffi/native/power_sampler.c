/* The sampler: a thread of its own reads registers in every period into a ring in shared memory. JavaScript looks when it has
 * time; whoever looks too late finds records gone, and sees so by their numbers. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>

#include "power_internal.h"
#include "thread.h"

enum { FIRST_OFFSET = 4096, PERIOD_NS_MIN = 10000, RECORDS_MAX = 1 << 20 };
#define RING_BYTES_MAX ((size_t) 1 << 30)

struct sampler {
        struct nodeos_sampler wish;
        struct msr_devices *devices;
        uint64_t *requests;
        int32_t *errors;
        int timer_fd;
        int stop_fd;
        int ring_fd;
        struct nodeos_ring *ring;
        size_t ring_bytes;
        pthread_t thread;
};

static struct handles handles = HANDLES_INIT;

static size_t word_count(int32_t count) {
        return ((size_t) count + 63) / 64;
}

static struct nodeos_sample *sample_at(const struct sampler *sampler, uint64_t sequence) {
        const struct nodeos_ring *ring = sampler->ring;
        size_t place = (size_t) (sequence % (uint64_t) sampler->wish.capacity);

        return (struct nodeos_sample *) ((uint8_t *) sampler->ring + FIRST_OFFSET + place * ring->record_bytes);
}

static void take_sample(struct sampler *sampler) {
        struct nodeos_ring *ring = sampler->ring;
        int32_t count = sampler->wish.count;
        uint64_t sequence = ring->head;
        struct nodeos_sample *sample = sample_at(sampler, sequence);
        uint64_t *valid = (uint64_t *) (sample + 1);
        int32_t good;

        __atomic_store_n(&sample->sequence, UINT64_MAX, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_RELEASE);
        memset(valid, 0, word_count(count) * sizeof(*valid));
        sample->at_ns = nodeos_clock_ns();
        good = msr_devices_read(sampler->devices, sampler->requests, count, valid + word_count(count), sampler->errors);
        sample->took_ns = nodeos_clock_ns() - sample->at_ns;
        sample->missed = ring->missed;
        for (int32_t i = 0; i < count; i++)
                valid[i / 64] |= (uint64_t) (sampler->errors[i] == 0) << (i % 64);
        ring->failed += (uint64_t) (count - good);
        __atomic_store_n(&sample->sequence, sequence, __ATOMIC_RELEASE);
        __atomic_store_n(&ring->head, sequence + 1, __ATOMIC_RELEASE);
}

/* A thread places itself; what the kernel refuses is said, and it samples all the same. */
static void place_thread(struct sampler *sampler) {
        struct sched_param param = { .sched_priority = sampler->wish.priority };
        int32_t cpu = sampler->wish.cpu;

        if (param.sched_priority > 0)
                sampler->ring->scheduling = -pthread_setschedparam(pthread_self(), SCHED_FIFO, &param);
        if (cpu >= 0) {
                cpu_set_t *set = CPU_ALLOC(NODEOS_MSR_CPUS);
                size_t size = CPU_ALLOC_SIZE(NODEOS_MSR_CPUS);

                sampler->ring->placement = -ENOMEM;
                if (!set)
                        return;
                CPU_ZERO_S(size, set);
                CPU_SET_S((size_t) cpu, size, set);
                sampler->ring->placement = -pthread_setaffinity_np(pthread_self(), size, set);
                CPU_FREE(set);
        }
}

static void *sample_loop(void *argument) {
        struct sampler *sampler = argument;
        struct pollfd fds[] = { { .fd = sampler->timer_fd, .events = POLLIN }, { .fd = sampler->stop_fd, .events = POLLIN } };

        place_thread(sampler);
        for (;;) {
                uint64_t periods;

                if (poll(fds, 2, -1) < 0 && errno != EINTR)
                        return NULL;
                if (fds[1].revents)
                        return NULL;
                /* It counts the periods that ended since it was last read. */
                if (read(sampler->timer_fd, &periods, sizeof(periods)) != sizeof(periods))
                        continue;
                __atomic_store_n(&sampler->ring->missed, sampler->ring->missed + periods - 1, __ATOMIC_RELAXED);
                take_sample(sampler);
        }
}

static void sampler_free(struct sampler *sampler) {
        if (sampler->devices)
                msr_devices_close(sampler->devices);
        if (sampler->ring)
                munmap(sampler->ring, sampler->ring_bytes);
        close_fd(&sampler->timer_fd);
        close_fd(&sampler->stop_fd);
        close_fd(&sampler->ring_fd);
        free(sampler->requests);
        free(sampler->errors);
        free(sampler);
}

static int make_ring(struct sampler *sampler) {
        const struct nodeos_sampler *wish = &sampler->wish;
        size_t record = sizeof(struct nodeos_sample) + (word_count(wish->count) + (size_t) wish->count) * sizeof(uint64_t);

        sampler->ring_bytes = FIRST_OFFSET + record * (size_t) wish->capacity;
        if (sampler->ring_bytes > RING_BYTES_MAX)
                return -EINVAL;
        sampler->ring_fd = memfd_create("nodeos-power-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (sampler->ring_fd < 0 || ftruncate(sampler->ring_fd, (off_t) sampler->ring_bytes) < 0)
                return -errno;
        sampler->ring = mmap(NULL, sampler->ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, sampler->ring_fd, 0);
        if (sampler->ring == MAP_FAILED) {
                sampler->ring = NULL;
                return -errno;
        }
        /* Whoever gets it can neither make it shorter under us nor write to it. */
        if (fcntl(sampler->ring_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0)
                return -errno;
        *sampler->ring = (struct nodeos_ring) {
                .magic = NODEOS_RING_MAGIC,
                .version = 1,
                .count = (uint32_t) wish->count,
                .capacity = (uint32_t) wish->capacity,
                .record_bytes = (uint32_t) record,
                .first_offset = FIRST_OFFSET,
                .period_ns = wish->period_ns,
        };
        return 0;
}

static int start_timer(struct sampler *sampler) {
        int64_t period = sampler->wish.period_ns, start = nodeos_clock_ns() + period;
        struct itimerspec timer = {
                .it_interval = { .tv_sec = period / 1000000000, .tv_nsec = period % 1000000000 },
                .it_value = { .tv_sec = start / 1000000000, .tv_nsec = start % 1000000000 },
        };

        sampler->ring->start_ns = start;
        sampler->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        sampler->stop_fd = eventfd(0, EFD_CLOEXEC);
        if (sampler->timer_fd < 0 || sampler->stop_fd < 0)
                return -errno;
        return timerfd_settime(sampler->timer_fd, TFD_TIMER_ABSTIME, &timer, NULL) < 0 ? -errno : 0;
}

static int sampler_start(struct sampler *sampler, const char *root, const uint64_t *requests) {
        size_t count = (size_t) sampler->wish.count;
        int error;

        sampler->requests = malloc(count * sizeof(*sampler->requests));
        sampler->errors = calloc(count, sizeof(*sampler->errors));
        if (!sampler->requests || !sampler->errors)
                return -ENOMEM;
        memcpy(sampler->requests, requests, count * sizeof(*requests));
        error = msr_devices_open(root, sampler->wish.driver, &sampler->devices);
        if (!error)
                error = make_ring(sampler);
        if (!error)
                error = start_timer(sampler);
        return error ? error : thread_start(&sampler->thread, sample_loop, sampler);
}

static void stop_thread(struct sampler *sampler) {
        uint64_t one = 1;

        if (write(sampler->stop_fd, &one, sizeof(one)) == sizeof(one))
                pthread_join(sampler->thread, NULL);
        sampler_free(sampler);
}

int32_t nodeos_sampler_start(const char *root, const struct nodeos_sampler *wish, const uint64_t *requests) {
        struct sampler *sampler;
        int32_t handle;
        int error;

        if (wish->count < 1 || wish->count > NODEOS_MSR_BATCH || wish->capacity < 2 || wish->capacity > RECORDS_MAX)
                return -EINVAL;
        if (wish->period_ns < PERIOD_NS_MIN || wish->priority < 0 || wish->priority > 99 || wish->cpu >= NODEOS_MSR_CPUS)
                return -EINVAL;
        sampler = calloc(1, sizeof(*sampler));
        if (!sampler)
                return -ENOMEM;
        *sampler = (struct sampler) { .wish = *wish, .timer_fd = -1, .stop_fd = -1, .ring_fd = -1 };
        error = sampler_start(sampler, root, requests);
        if (error < 0) {
                sampler_free(sampler);
                return error;
        }
        handle = handle_put(&handles, sampler);
        if (handle < 0)
                stop_thread(sampler);
        return handle;
}

static int32_t duplicate(int32_t handle, int is_ring) {
        struct sampler *sampler = handle_get(&handles, handle);
        int32_t fd = -EBADF;

        if (sampler) {
                fd = fcntl(is_ring ? sampler->ring_fd : sampler->stop_fd, F_DUPFD_CLOEXEC, 3);
                fd = fd < 0 ? -errno : fd;
        }
        handle_done(&handles);
        return fd;
}

int32_t nodeos_sampler_fd(int32_t handle) {
        return duplicate(handle, 1);
}

int32_t nodeos_sampler_stop_fd(int32_t handle) {
        return duplicate(handle, 0);
}

/* Copies a record unless it is, or was meanwhile, written to. */
static int copy_sample(const struct sampler *sampler, uint64_t sequence, uint8_t *ret_record) {
        const struct nodeos_sample *sample = sample_at(sampler, sequence);

        if (__atomic_load_n(&sample->sequence, __ATOMIC_ACQUIRE) != sequence)
                return 0;
        memcpy(ret_record, sample, sampler->ring->record_bytes);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        return __atomic_load_n(&sample->sequence, __ATOMIC_RELAXED) == sequence;
}

int32_t nodeos_sampler_read(int32_t handle, uint64_t sequence, uint8_t *ret_ring, uint8_t *ret_records, int32_t size) {
        struct sampler *sampler = handle_get(&handles, handle);
        int32_t count = -EBADF;

        if (sampler) {
                const struct nodeos_ring *ring = sampler->ring;
                uint64_t head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
                int64_t room = size / (int64_t) ring->record_bytes;

                count = 0;
                if (head - sequence > ring->capacity && sequence < head)
                        sequence = head - ring->capacity;
                for (; sequence < head && count < room; sequence++)
                        count += copy_sample(sampler, sequence, ret_records + (size_t) count * ring->record_bytes);
                memcpy(ret_ring, ring, sizeof(*ring));
        }
        handle_done(&handles);
        return count;
}

int32_t nodeos_sampler_stop(int32_t handle) {
        struct sampler *sampler = handle_take(&handles, handle);

        if (!sampler)
                return -EBADF;
        stop_thread(sampler);
        return 0;
}
