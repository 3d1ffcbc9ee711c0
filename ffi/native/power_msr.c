/* Model-specific registers. A register that is written wrongly can stop the machine: this file writes only those of its list,
 * and of these only the bits of its masks; no lock bit is among them. Descriptors for reading stay open, those for writing
 * last for one write. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "power_internal.h"

enum { FUSE_MAGIC = 0x65735546 };

struct msr_devices {
        int32_t driver;
        int is_running;   /* the root is that of the running machine */
        int directory_fd; /* dev/cpu */
        int batch_fd;     /* of msr-safe, or -1 */
        int shift;        /* of a register's number to its offset */
        int32_t count;    /* CPUs that fds has room for */
        int *fds;         /* -1 where none is open */
};

/* What may be written. Intel's and AMD's registers do not overlap. */
static const struct {
        uint32_t address;
        uint64_t mask;
} writable[] = {
        { 0x199, 0x000000010000ffff },      /* requested performance, and turbo */
        { 0x19a, 0x000000000000001f },      /* duty cycle */
        { 0x1b0, 0x000000000000000f },      /* preference between energy and performance */
        { 0x610, 0x00ffffff00ffffff },      /* limits of a package, without the lock */
        { 0x618, 0x0000000000ffffff },      /* of its memory */
        { 0x620, 0x0000000000007f7f },      /* range of the uncore's frequency */
        { 0x638, 0x0000000000ffffff },      /* limit of the cores */
        { 0x640, 0x0000000000ffffff },      /* of the graphics */
        { 0x65c, 0x00ffffff00ffffff },      /* of the platform */
        { 0x774, 0x000003ffffffffff },      /* request to the hardware's own governor */
        { 0xc0010062, 0x0000000000000007 }, /* AMD: requested performance state */
        { 0xc00102b3, 0x00000000ffffffff }, /* AMD: range of performance, and preference */
};

static struct handles handles = HANDLES_INIT;

static uint64_t write_mask(uint32_t address) {
        for (size_t i = 0; i < sizeof(writable) / sizeof(*writable); i++) {
                if (writable[i].address == address)
                        return writable[i].mask;
        }
        return 0;
}

static int open_below(int fd, const char *path, int flags) {
        struct open_how how = { .flags = (uint64_t) flags | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };

        fd = (int) syscall(SYS_openat2, fd, path, &how, sizeof(how));
        return fd < 0 ? -errno : fd;
}

/* Devices of the running machine, or what somebody mounted over them; elsewhere plain files, that have no other name. */
static int check_device(struct msr_devices *devices, int fd) {
        struct statfs system;
        struct stat stat;

        if (fstat(fd, &stat) < 0 || fstatfs(fd, &system) < 0)
                return -errno;
        if (S_ISCHR(stat.st_mode) && devices->is_running) {
                devices->shift = 0;
                return 0;
        }
        if (!S_ISREG(stat.st_mode) || stat.st_nlink > 1)
                return -EACCES;
        devices->shift = system.f_type == FUSE_MAGIC ? 0 : 3;
        return 0;
}

static int open_device(struct msr_devices *devices, int32_t cpu, int flags) {
        char path[32];
        int fd, error;

        snprintf(path, sizeof(path), "%d/%s", cpu, devices->driver == NODEOS_MSR_SAFE ? "msr_safe" : "msr");
        fd = open_below(devices->directory_fd, path, flags);
        if (fd < 0)
                return fd;
        error = check_device(devices, fd);
        if (error < 0)
                close(fd);
        return error < 0 ? error : fd;
}

/* The descriptor of a CPU, opened when it is first asked for. */
static int device_fd(struct msr_devices *devices, int32_t cpu) {
        if (cpu < 0 || cpu >= NODEOS_MSR_CPUS)
                return -ENXIO;
        if (cpu >= devices->count) {
                int32_t count = cpu + 64;
                int *fds = realloc(devices->fds, sizeof(*fds) * (size_t) count);

                if (!fds)
                        return -ENOMEM;
                for (int32_t i = devices->count; i < count; i++)
                        fds[i] = -1;
                devices->fds = fds;
                devices->count = count;
        }
        if (devices->fds[cpu] < 0) {
                int fd = open_device(devices, cpu, O_RDONLY);

                if (fd < 0)
                        return fd;
                devices->fds[cpu] = fd;
        }
        return devices->fds[cpu];
}

int msr_devices_open(const char *root, int32_t driver, struct msr_devices **ret_devices) {
        CLEANUP_FD int root_fd = -1;
        struct msr_devices *devices;
        int fd;

        if (driver != NODEOS_MSR_STOCK && driver != NODEOS_MSR_SAFE)
                return -EINVAL;
#if !defined(__x86_64__)
        if (!strcmp(root, "/"))
                return -ENOTSUP;
#endif
        root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root_fd < 0)
                return -errno;
        fd = open_below(root_fd, "dev/cpu", O_PATH | O_DIRECTORY);
        if (fd < 0)
                return fd;
        devices = calloc(1, sizeof(*devices));
        if (!devices) {
                close(fd);
                return -ENOMEM;
        }
        *devices = (struct msr_devices) { .driver = driver, .is_running = !strcmp(root, "/"), .directory_fd = fd, .batch_fd = -1 };
        if (driver == NODEOS_MSR_SAFE && devices->is_running)
                devices->batch_fd = msr_batch_open(fd);
        *ret_devices = devices;
        return 0;
}

void msr_devices_close(struct msr_devices *devices) {
        for (int32_t i = 0; i < devices->count; i++)
                close_fd(&devices->fds[i]);
        close_fd(&devices->batch_fd);
        close_fd(&devices->directory_fd);
        free(devices->fds);
        free(devices);
}

/* Not pread(): that is a cancellation point, on which glibc spends another fifth of the time in a process with threads. */
static ssize_t read_at(int fd, uint64_t *ret_value, off_t offset) {
        return (ssize_t) syscall(SYS_pread64, fd, ret_value, sizeof(*ret_value), offset);
}

static int32_t read_one(struct msr_devices *devices, int32_t cpu, uint32_t address, uint64_t *ret_value) {
        int fd = device_fd(devices, cpu);
        ssize_t n;

        if (fd < 0)
                return fd;
        do
                n = read_at(fd, ret_value, (off_t) address << devices->shift);
        while (n < 0 && errno == EINTR);
        if (n == sizeof(*ret_value))
                return 0;
        *ret_value = 0;
        if (n >= 0)
                return n == 0 ? -EIO : -ENODATA;
        n = -errno;
        if (n == -ENXIO || n == -ENODEV) {
                /* The CPU went; should it come back, its device is another one. */
                close(fd);
                devices->fds[cpu] = -1;
        }
        return (int32_t) n;
}

int32_t msr_devices_read(struct msr_devices *devices, const uint64_t *requests, int32_t count, uint64_t *ret_values, int32_t *ret_errors) {
        int32_t good = 0;

        if (devices->batch_fd < 0 || msr_batch_read(devices->batch_fd, requests, count, ret_values, ret_errors) < 0) {
                for (int32_t i = 0; i < count; i++)
                        ret_errors[i] = read_one(devices, (int32_t) (requests[i] >> 32), (uint32_t) requests[i], ret_values + i);
        }
        for (int32_t i = 0; i < count; i++)
                good += ret_errors[i] == 0;
        return good;
}

int32_t nodeos_msr_open(const char *root, int32_t driver) {
        struct msr_devices *devices;
        int32_t handle = msr_devices_open(root, driver, &devices);

        if (handle < 0)
                return handle;
        handle = handle_put(&handles, devices);
        if (handle < 0)
                msr_devices_close(devices);
        return handle;
}

int32_t nodeos_msr_close(int32_t handle) {
        struct msr_devices *devices = handle_take(&handles, handle);

        if (!devices)
                return -EBADF;
        msr_devices_close(devices);
        return 0;
}

int32_t nodeos_msr_read(int32_t handle, const uint64_t *requests, int32_t count, uint64_t *ret_values, int32_t *ret_errors,
                        int64_t *ret_times) {
        struct msr_devices *devices;
        int32_t result = -EBADF;

        if (count < 0 || count > NODEOS_MSR_BATCH)
                return -EINVAL;
        devices = handle_get(&handles, handle);
        if (devices) {
                ret_times[0] = nodeos_clock_ns();
                result = msr_devices_read(devices, requests, count, ret_values, ret_errors);
                ret_times[1] = nodeos_clock_ns();
        }
        handle_done(&handles);
        return result;
}

static int32_t write_one(struct msr_devices *devices, int32_t cpu, uint32_t address, uint64_t value, uint64_t mask) {
        CLEANUP_FD int fd = -1;
        uint64_t old;
        int32_t error;
        ssize_t n;

        error = read_one(devices, cpu, address, &old);
        if (error < 0)
                return error;
        fd = open_device(devices, cpu, O_RDWR);
        if (fd < 0)
                return fd;
        value = (old & ~mask) | (value & mask);
        do
                n = pwrite(fd, &value, sizeof(value), (off_t) address << devices->shift);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        return n == sizeof(value) ? 0 : -EIO;
}

int32_t nodeos_msr_write(int32_t handle, int32_t cpu, uint32_t address, uint64_t value, uint64_t mask) {
        struct msr_devices *devices;
        int32_t result = -EBADF;

        if (!mask || mask & ~write_mask(address) || value & ~mask)
                return -EACCES;
        devices = handle_get(&handles, handle);
        if (devices)
                result = write_one(devices, cpu, address, value, mask);
        handle_done(&handles);
        return result;
}

int32_t nodeos_msr_mask(uint32_t address, uint64_t *ret_mask) {
        *ret_mask = write_mask(address);
        return 0;
}
