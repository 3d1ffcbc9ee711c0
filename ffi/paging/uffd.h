/* The kernel's user-fault interface, with what newer kernels than the headers of the build machine have. Everything here may be
 * called from a signal handler, and returns 0 or -errno. */
#ifndef NODEOS_PAGING_UFFD_H
#define NODEOS_PAGING_UFFD_H

#include <linux/userfaultfd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

#ifndef UFFDIO_REGISTER_MODE_MINOR
#define UFFDIO_REGISTER_MODE_MINOR ((__u64) 1 << 2)
#endif
#define FEATURE_MINOR_SHMEM ((uint64_t) 1 << 10)
#define FEATURE_POISON ((uint64_t) 1 << 14)
#define FEATURE_WP_ASYNC ((uint64_t) 1 << 15)
#define FEATURE_MOVE ((uint64_t) 1 << 16)
/* Not a bit of the kernel's: what PAGEMAP_SCAN and process_madvise on oneself are to `uffd_without`. */
#define FEATURE_SCAN ((uint64_t) 1 << 40)
#define FEATURE_BATCH ((uint64_t) 1 << 41)
#define FEATURE_DEVICE ((uint64_t) 1 << 42)
#define FEATURE_SYSCALL ((uint64_t) 1 << 43)
#define FEATURE_HUGE ((uint64_t) 1 << 44)
#define FEATURE_EVENTS ((uint64_t) 1 << 45)

/* What this kernel has, less what NODEOS_PAGING_WITHOUT names (comma-separated: move, poison, scan, batch, device, syscall, minor,
 * wp, huge, events). 0: this user has no user faults of any kind. */
uint64_t uffd_features(void);
/* A descriptor with these features; in_kernel: faults of system calls too, and reads wait. -EPERM: this user may not. */
int uffd_open(uint64_t features, bool in_kernel);
int uffd_register(int fd, void *address, uint64_t bytes, uint64_t mode);
int uffd_unregister(int fd, void *address, uint64_t bytes);

/* Of pages that are there already (EEXIST), they are left as they are. -ENOENT: the range is mapped no more. */
int uffd_copy(int fd, void *to, const void *from, uint64_t bytes, bool protect, bool wake);
int uffd_protect(int fd, void *address, uint64_t bytes, bool on);
int uffd_wake(int fd, void *address, uint64_t bytes);
int uffd_poison(int fd, void *address, uint64_t bytes);
/* Moves pages that are all there. Returns how many bytes went, or -errno when none did. */
int64_t uffd_move(int fd, void *to, void *from, uint64_t bytes);
/* -EFAULT: the file has no page there. */
int uffd_continue(int fd, void *address, uint64_t bytes);

#endif
