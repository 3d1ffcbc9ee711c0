/* The filter of system calls that a program is born with: looked through before there is a child, installed by the child. */
#define _GNU_SOURCE
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "birth.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* Linux 5.19 */
#endif

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#endif

enum {
        LISTENER_FLAGS = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG_TSYNC |
                         SECCOMP_FILTER_FLAG_TSYNC_ESRCH
};

/* A run of the filter over one call. */
struct run {
        uint32_t a, x;
        uint32_t memory[BPF_MEMWORDS];
        struct seccomp_data data;
};

static int load(struct run *run, const struct sock_filter *instruction) {
        uint32_t *to = BPF_CLASS(instruction->code) == BPF_LD ? &run->a : &run->x;

        switch (BPF_MODE(instruction->code)) {
        case BPF_IMM:
                *to = instruction->k;
                return 0;
        case BPF_LEN:
                *to = sizeof(run->data);
                return 0;
        case BPF_MEM:
                if (instruction->k >= BPF_MEMWORDS)
                        return -EINVAL;
                *to = run->memory[instruction->k];
                return 0;
        case BPF_ABS:
                if (instruction->k % 4 || instruction->k >= sizeof(run->data))
                        return -EINVAL;
                memcpy(to, (const uint8_t *) &run->data + instruction->k, sizeof(*to));
                return 0;
        default:
                return -EINVAL;
        }
}

static int compute(struct run *run, uint16_t code, uint32_t operand) {
        switch (BPF_OP(code)) {
        case BPF_ADD: run->a += operand; return 0;
        case BPF_SUB: run->a -= operand; return 0;
        case BPF_MUL: run->a *= operand; return 0;
        case BPF_DIV: return operand ? run->a /= operand, 0 : -EINVAL;
        case BPF_AND: run->a &= operand; return 0;
        case BPF_OR: run->a |= operand; return 0;
        case BPF_XOR: run->a ^= operand; return 0;
        case BPF_LSH: run->a <<= operand & 31; return 0;
        case BPF_RSH: run->a >>= operand & 31; return 0;
        case BPF_NEG: run->a = -run->a; return 0;
        default: return -EINVAL;
        }
}

/* How many instructions a jump leaves out, or -EINVAL. */
static int64_t distance(const struct run *run, const struct sock_filter *instruction, uint32_t operand) {
        switch (BPF_OP(instruction->code)) {
        case BPF_JA: return instruction->k;
        case BPF_JEQ: return run->a == operand ? instruction->jt : instruction->jf;
        case BPF_JGT: return run->a > operand ? instruction->jt : instruction->jf;
        case BPF_JGE: return run->a >= operand ? instruction->jt : instruction->jf;
        case BPF_JSET: return run->a & operand ? instruction->jt : instruction->jf;
        default: return -EINVAL;
        }
}

/* What the filter says of a call with arguments of 0: SECCOMP_RET_*, or -EINVAL when it says nothing. Jumps go forward
 * only, so that it ends. */
static int64_t verdict(const struct filter *filter, int call) {
        struct run run = { .data = { .nr = call, .arch = OWN_ARCH } };
        int64_t skipped = 0;

        for (int64_t at = 0; at < filter->count; at += 1 + skipped) {
                const struct sock_filter *instruction = filter->program + at;
                uint32_t operand = BPF_SRC(instruction->code) == BPF_X ? run.x : instruction->k;

                skipped = 0;
                switch (BPF_CLASS(instruction->code)) {
                case BPF_LD:
                case BPF_LDX:
                        skipped = load(&run, instruction);
                        break;
                case BPF_ST:
                case BPF_STX:
                        if (instruction->k >= BPF_MEMWORDS)
                                return -EINVAL;
                        run.memory[instruction->k] = BPF_CLASS(instruction->code) == BPF_ST ? run.a : run.x;
                        break;
                case BPF_ALU:
                        skipped = compute(&run, instruction->code, operand);
                        break;
                case BPF_JMP:
                        skipped = distance(&run, instruction, operand);
                        break;
                case BPF_RET:
                        return BPF_RVAL(instruction->code) == BPF_A ? run.a : instruction->k;
                default:
                        if (BPF_MISCOP(instruction->code) == BPF_TXA)
                                run.a = run.x;
                        else
                                run.x = run.a;
                }
                if (skipped < 0)
                        return skipped;
        }
        return -EINVAL;
}

static int lets_through(const struct filter *filter, int call) {
        int64_t result = verdict(filter, call);
        int64_t action = result < 0 ? SECCOMP_RET_KILL_PROCESS : result & SECCOMP_RET_ACTION_FULL;

        return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
}

static int notifies(const struct sock_filter *instruction) {
        return instruction->code == (BPF_RET | BPF_K) && (instruction->k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF;
}

int filter_examine(struct filter *filter) {
        if (filter->count == 0 || filter->count > BPF_MAXINSNS)
                return -EINVAL;
        /* With the filter on, the child has to become the program, or to end. */
        if (!lets_through(filter, SYS_execve) || !lets_through(filter, SYS_exit))
                return -EINVAL;
        for (uint32_t i = 0; i < filter->count; i++)
                filter->notifies |= notifies(filter->program + i);
        /* The kernel looks at the flags before it looks for a program: EINVAL instead of EFAULT when it knows not all of them. */
        if (filter->notifies && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, LISTENER_FLAGS, NULL) < 0 && errno == EINVAL)
                return -EOPNOTSUPP;
        return 0;
}

IN_CHILD int filter_install(const struct filter *filter, int no_new_privileges) {
        struct sock_fprog program = { .len = (unsigned short) filter->count, .filter = (struct sock_filter *) filter->program };
        unsigned int flags = filter->notifies ? LISTENER_FLAGS : 0;
        long listener = -1;

        errno = EACCES;
        if (!no_new_privileges)
                listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
        /* Without CAP_SYS_ADMIN the kernel wants the promise. */
        if (listener < 0 && errno == EACCES && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
                listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
        return (int) listener;
}

IN_CHILD void filter_keep_right(void) {
        prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
}

IN_CHILD void filter_use_right(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct sets[2];

        if (syscall(SYS_capget, &header, sets) < 0)
                return;
        for (int i = 0; i < 2; i++)
                sets[i].permitted &= i == CAP_TO_INDEX(CAP_SYS_ADMIN) ? CAP_TO_MASK(CAP_SYS_ADMIN) : 0;
        for (int i = 0; i < 2; i++)
                sets[i].effective = sets[i].permitted;
        syscall(SYS_capset, &header, sets);
}
