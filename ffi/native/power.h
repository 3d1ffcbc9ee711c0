/* Power: registers of processors, counters of the kernel, firmware of servers, graphics cards. Part of the ABI, like nodeos.h,
 * and of its manner: integers and buffers of the caller, results >= 0 or -errno. What is open is named by a handle; a wrong one
 * is -EBADF. Any thread may call; calls on handles of one kind wait for each other. */
#ifndef NODEOS_POWER_H
#define NODEOS_POWER_H

#include "nodeos.h"

/* --- power_msr.c: model-specific registers through the kernel's device files --------------------------------------- */

/* How many registers are read in one call, at most, and up to which CPU. */
#define NODEOS_MSR_BATCH 65536
#define NODEOS_MSR_CPUS 4096

enum nodeos_msr_driver {
        NODEOS_MSR_STOCK = 0, /* /dev/cpu/N/msr of the kernel */
        NODEOS_MSR_SAFE = 1   /* /dev/cpu/N/msr_safe of the module msr-safe, and its batches */
};

/* Opens the devices below dev/cpu of a root: "/", or a directory that stands for it, whose devices are plain files: there a
 * register lies at eight times its number. Returns a handle, or -errno: -ENOENT without such a directory, -ENOTSUP for the
 * running machine when it is no x86. */
NODEOS_EXPORT int32_t nodeos_msr_open(const char *root, int32_t driver);
NODEOS_EXPORT int32_t nodeos_msr_close(int32_t handle);
/* Reads registers, in their order; a request holds the CPU in its upper and the register in its lower 32 bits. Fills ret_values,
 * ret_errors with 0 or -errno of each, and ret_times with CLOCK_MONOTONIC before the first and after the last, in ns. Returns how
 * many could be read: -EIO is a register that is not there, -ENODATA a short read, -ENXIO a CPU that is off. */
NODEOS_EXPORT int32_t nodeos_msr_read(int32_t handle, const uint64_t *requests, int32_t count, uint64_t *ret_values, int32_t *ret_errors,
                                      int64_t *ret_times);
/* Gives those bits of a register a value that mask names; the others stay. -EACCES when this library does not write them. */
NODEOS_EXPORT int32_t nodeos_msr_write(int32_t handle, int32_t cpu, uint32_t address, uint64_t value, uint64_t mask);
/* The bits of a register that this library writes; 0 for most. */
NODEOS_EXPORT int32_t nodeos_msr_mask(uint32_t address, uint64_t *ret_mask);

/* --- power_sampler.c: a thread that reads registers again and again ------------------------------------------------ */

#define NODEOS_RING_MAGIC 0x676e6952u /* "Ring" */

/* The head of a ring; records follow at `first_offset`, record s at place s % capacity. */
struct nodeos_ring {
        uint32_t magic;        /* NODEOS_RING_MAGIC */
        uint32_t version;      /* 1 */
        uint32_t count;        /* values of a record */
        uint32_t capacity;     /* records that there is room for */
        uint32_t record_bytes; /* size of a record */
        uint32_t first_offset; /* where the first one lies */
        int64_t period_ns;     /* of sampling */
        int64_t start_ns;      /* CLOCK_MONOTONIC of the first period */
        uint64_t head;         /* records written so far */
        uint64_t missed;       /* periods in which nothing could be written, since the record before took too long */
        uint64_t failed;       /* values that could not be read */
        int32_t scheduling;    /* 0 when real-time priority is as asked for, or -errno */
        int32_t placement;     /* the same, of the CPU */
};

/* A record; behind it (count + 63) / 64 words whose bit i says that value i was read, and then the values. */
struct nodeos_sample {
        uint64_t sequence; /* from 0; UINT64_MAX while it is being written */
        int64_t at_ns;     /* CLOCK_MONOTONIC before the first value */
        int64_t took_ns;   /* until after the last one */
        uint64_t missed;   /* as that of the ring, at that moment */
};

struct nodeos_sampler {
        int64_t period_ns; /* at least 10,000 */
        int32_t count;     /* requests, 1 to 65,536 */
        int32_t capacity;  /* records, 2 to 1,048,576 */
        int32_t driver;    /* enum nodeos_msr_driver */
        int32_t priority;  /* of SCHED_FIFO, 1 to 99; 0 stays an ordinary thread */
        int32_t cpu;       /* where the thread runs; -1 anywhere */
        int32_t reserved;
};

/* Starts a thread that reads requests (as nodeos_msr_read takes them) in every period into a ring in shared memory. */
NODEOS_EXPORT int32_t nodeos_sampler_start(const char *root, const struct nodeos_sampler *sampler, const uint64_t *requests);
/* Another descriptor of the ring, to map or pass on: read-only. */
NODEOS_EXPORT int32_t nodeos_sampler_fd(int32_t handle);
/* Becomes readable when the thread shall end; writing 8 bytes of a number above 0 to it ends it. */
NODEOS_EXPORT int32_t nodeos_sampler_stop_fd(int32_t handle);
/* Copies the head of the ring, and from `sequence` on as many whole records as are there and fit. Those that were overwritten
 * are left out: the sequence of the first record tells. Returns how many. */
NODEOS_EXPORT int32_t nodeos_sampler_read(int32_t handle, uint64_t sequence, uint8_t *ret_ring, uint8_t *ret_records, int32_t size);
/* Ends the thread, waits for it, and frees the ring. */
NODEOS_EXPORT int32_t nodeos_sampler_stop(int32_t handle);

/* --- power_perf.c: counters of the kernel in groups ---------------------------------------------------------------- */

/* Opens counters together, as pairs of type and configuration, for a CPU (process -1) or a process (CPU -1 is any). They only
 * count. Returns a handle, or -errno: -EACCES when perf_event_paranoid forbids it. */
NODEOS_EXPORT int32_t nodeos_perf_open(const uint64_t *events, int32_t count, int32_t pid, int32_t cpu);
/* Fills ret_values with the time enabled, the time running (ns) and all values of a group, read at once; ret_times as above.
 * Returns how many values there are. */
NODEOS_EXPORT int32_t nodeos_perf_read(int32_t handle, uint64_t *ret_values, int32_t capacity, int64_t *ret_times);
NODEOS_EXPORT int32_t nodeos_perf_close(int32_t handle);

/* --- power_hsmp.c: the system management port of AMD's servers ----------------------------------------------------- */

/* Sends one message of our list to a socket, with arguments, and fills ret_words. Returns how many words came back, or -errno:
 * -EACCES for messages that are not on the list, -ENOENT without /dev/hsmp, -ENOTSUP when the machine is no x86. */
NODEOS_EXPORT int32_t nodeos_hsmp(int32_t socket, uint32_t message, const uint32_t *words, int32_t count, uint32_t *ret_words);

/* --- power_nvml.c: graphics cards, through libnvidia-ml.so.1 when it is there --------------------------------------- */

enum nodeos_nvml_fact {
        NODEOS_NVML_POWER = 0,         /* mW */
        NODEOS_NVML_ENERGY = 1,        /* mJ since the driver was loaded */
        NODEOS_NVML_LIMIT = 2,         /* mW */
        NODEOS_NVML_LIMIT_MIN = 3,     /* mW */
        NODEOS_NVML_LIMIT_MAX = 4,     /* mW */
        NODEOS_NVML_LIMIT_DEFAULT = 5, /* mW */
        NODEOS_NVML_TEMPERATURE = 6,   /* degrees Celsius */
        NODEOS_NVML_CLOCK = 7          /* MHz of the processors */
};

/* How many cards there are; -ENOENT without the library, -ENODEV when its driver does not answer. */
NODEOS_EXPORT int32_t nodeos_nvml_count(void);
/* One fact of a card. -ENOTSUP when it has none. */
NODEOS_EXPORT int32_t nodeos_nvml_get(int32_t card, int32_t fact, int64_t *ret_value);
/* Sets the power limit of a card, in mW. For root. */
NODEOS_EXPORT int32_t nodeos_nvml_set_limit(int32_t card, int64_t milliwatts);
/* The name that a card keeps for ever, with its NUL; the byte count. */
NODEOS_EXPORT int32_t nodeos_nvml_uuid(int32_t card, uint8_t *ret_text, int32_t size);

/* --- power_papi.c: events of PAPI, through libpapi.so.7 when it is there -------------------------------------------- */

/* Major and minor version of the library, as 0x700; -ENOENT without it, -ENODEV when it does not start. */
NODEOS_EXPORT int32_t nodeos_papi_version(void);
/* What is known of an event: its type of data (2 is a double) and its scope in time (3 is a moment), as PAPI counts them; its
 * description and its unit, each with its NUL. The byte count, or -errno: -ENOENT when there is no such event. */
NODEOS_EXPORT int32_t nodeos_papi_describe(const char *name, int32_t *ret_types, uint8_t *ret_text, int32_t size);
/* Counts events, named one behind the other, each with its NUL: of this process (pid 0), or of another one's first thread and of what
 * that starts later; those of the whole machine are the same for all. Returns a handle; ret_errors holds 0 or -errno of each: -EBUSY
 * when there are too few counters. */
NODEOS_EXPORT int32_t nodeos_papi_open(const char *names, int32_t size, int32_t count, int32_t pid, int32_t *ret_errors);
/* Fills the values of all, 0 or -errno of each, and ret_times as above. Returns how many there are. */
NODEOS_EXPORT int32_t nodeos_papi_read(int32_t handle, int64_t *ret_values, int32_t *ret_errors, int32_t capacity, int64_t *ret_times);
NODEOS_EXPORT int32_t nodeos_papi_close(int32_t handle);

#endif
