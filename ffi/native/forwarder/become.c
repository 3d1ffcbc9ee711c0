/* Acting as somebody else, for the file system only.
 *
 * A worker's real and effective user stay root's: a caller can neither kill nor trace it. What the file system asks for is
 * replaced: file-system ids, groups, effective capabilities. All by plain system calls, which change this thread alone;
 * those of the C library change every thread of the process.
 *
 * While a worker executes, it has the capabilities of its caller, and CAP_SYS_PTRACE only where the caller has it: with it
 * one could look into other processes through /proc. To read and write the caller's memory it takes its own back. Changing
 * them twice for each call costs more than the rest of our care together, so plain opens have an exception (call.c). Ids
 * and groups stay until another caller comes. */
#define _GNU_SOURCE
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "serve.h"

#define READING (1ULL << CAP_SYS_PTRACE)

static int set_capabilities(struct skin *skin, uint64_t effective) {
        struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
        uint64_t permitted = forwarder.permitted;
        struct __user_cap_data_struct sets[2] = {
                { .effective = (uint32_t) effective, .permitted = (uint32_t) permitted },
                { .effective = (uint32_t) (effective >> 32), .permitted = (uint32_t) (permitted >> 32) },
        };

        if (skin->knows_capabilities && skin->effective == effective)
                return STEP_ON;
        skin->knows_capabilities = syscall(SYS_capset, &header, sets) == 0;
        skin->effective = effective;
        return skin->knows_capabilities ? STEP_ON : STEP_BACK;
}

static bool has_ids(const struct skin *skin, uint32_t fsuid, uint32_t fsgid, const struct identity *identity) {
        return skin->knows_ids && skin->fsuid == fsuid && skin->fsgid == fsgid && skin->group_count == identity->group_count &&
               !memcmp(skin->groups, identity->groups, identity->group_count * sizeof(uint32_t));
}

/* setfsuid and setfsgid do not say whether they did it: asked for an impossible id they tell the present one. */
static int set_ids(struct skin *skin, uint32_t fsuid, uint32_t fsgid, const struct identity *identity) {
        skin->knows_ids = false;
        if (set_capabilities(skin, forwarder.permitted) != STEP_ON)
                return STEP_BACK;
        /* A change of the file-system user changes the effective capabilities as well. */
        skin->knows_capabilities = false;
        if (syscall(SYS_setgroups, identity->group_count, identity->groups) < 0)
                return STEP_BACK;
        syscall(SYS_setfsgid, fsgid);
        syscall(SYS_setfsuid, fsuid);
        if ((uint32_t) syscall(SYS_setfsgid, -1) != fsgid || (uint32_t) syscall(SYS_setfsuid, -1) != fsuid)
                return STEP_BACK;
        skin->fsuid = fsuid;
        skin->fsgid = fsgid;
        skin->group_count = identity->group_count;
        memcpy(skin->groups, identity->groups, identity->group_count * sizeof(uint32_t));
        skin->knows_ids = true;
        return STEP_ON;
}

/* access(2) asks for the real user. It has no capabilities then, except root, who has all that it may have. */
static int capabilities_of(const struct identity *identity, bool real, uint64_t *ret_effective) {
        *ret_effective = identity->effective & forwarder.permitted;
        if (!real)
                return STEP_ON;
        if (identity->ruid)
                *ret_effective = 0;
        /* Unless its secure bits say otherwise, and those are nowhere to read. */
        else if (identity->effective != identity->permitted)
                return STEP_BACK;
        return STEP_ON;
}

int become_caller(struct worker *worker, const struct identity *identity, bool real, bool reads) {
        uint32_t fsuid = real ? identity->ruid : identity->fsuid, fsgid = real ? identity->rgid : identity->fsgid;
        struct skin *skin = &worker->skin;
        uint64_t effective;

        if (capabilities_of(identity, real, &effective) != STEP_ON)
                return STEP_BACK;
        if (!has_ids(skin, fsuid, fsgid, identity) && set_ids(skin, fsuid, fsgid, identity) != STEP_ON)
                return STEP_BACK;
        return set_capabilities(skin, reads ? effective | (forwarder.permitted & READING) : effective);
}

int become_reader(struct worker *worker) {
        const struct skin *skin = &worker->skin;

        return skin->knows_capabilities && skin->effective & READING ? STEP_ON : become_self(worker);
}

int become_self(struct worker *worker) {
        return set_capabilities(&worker->skin, forwarder.permitted);
}

void become_umask(struct worker *worker, uint32_t mask) {
        if (worker->skin.umask != mask)
                umask((mode_t) mask);
        worker->skin.umask = mask;
}

void become_nobody_known(struct worker *worker) {
        worker->skin.knows_ids = worker->skin.knows_capabilities = false;
        worker->skin.umask = UINT32_MAX;
}
