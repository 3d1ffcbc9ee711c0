/* Batches of the module msr-safe: many registers of many CPUs in one call of the kernel. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "power_internal.h"

/* Of the module's interface: one operation, and the list that its ioctl takes. */
struct batch_operation {
        uint16_t cpu;
        uint16_t is_read;
        int32_t error;
        uint32_t address;
        uint64_t value;
        uint64_t write_mask;
};

struct batch {
        uint32_t count;
        uint32_t version;
        struct batch_operation *operations;
};

_Static_assert(sizeof(struct batch_operation) == 32, "msr_batch_op");

#define BATCH_IOCTL _IOWR('c', 0xA2, struct batch)

int msr_batch_open(int directory_fd) {
        int fd = openat(directory_fd, "msr_batch", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct stat stat;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &stat) < 0 || !S_ISCHR(stat.st_mode)) {
                close(fd);
                return -ENODEV;
        }
        return fd;
}

int msr_batch_read(int fd, const uint64_t *requests, int32_t count, uint64_t *ret_values, int32_t *ret_errors) {
        struct batch batch = { .count = (uint32_t) count };
        int result;

        batch.operations = calloc((size_t) count, sizeof(*batch.operations));
        if (!batch.operations)
                return -ENOMEM;
        for (int32_t i = 0; i < count; i++) {
                batch.operations[i] = (struct batch_operation) {
                        .cpu = (uint16_t) (requests[i] >> 32), .is_read = 1, .address = (uint32_t) requests[i]
                };
        }
        /* When some operation failed it says so, and of each one what it was. */
        result = ioctl(fd, BATCH_IOCTL, &batch) < 0 ? -errno : 0;
        for (int32_t i = 0; i < count; i++) {
                ret_values[i] = batch.operations[i].value;
                ret_errors[i] = batch.operations[i].error;
                if (ret_errors[i])
                        result = 0;
        }
        free(batch.operations);
        return result;
}
