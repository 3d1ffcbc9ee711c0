/* Capabilities of the calling thread, without a library. */
#ifndef NODEOS_TRAP_CAPS_H
#define NODEOS_TRAP_CAPS_H

#include <linux/capability.h>

#include "trap.h"

static inline uint64_t bit_of(int capability) {
        return UINT64_C(1) << capability;
}

static inline uint64_t permitted_now(void) {
        struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
        struct __user_cap_data_struct data[2];

        MUST(syscall(SYS_capget, &header, data));
        return data[0].permitted | (uint64_t) data[1].permitted << 32;
}

/* Sets the effective set, and leaves the others alone. */
static inline void set_effective(uint64_t effective) {
        struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
        struct __user_cap_data_struct data[2];

        MUST(syscall(SYS_capget, &header, data));
        data[0].effective = (uint32_t) effective;
        data[1].effective = (uint32_t) (effective >> 32);
        MUST(syscall(SYS_capset, &header, data));
}

static inline void drop(uint64_t capabilities) {
        set_effective(permitted_now() & ~capabilities);
}

#endif
