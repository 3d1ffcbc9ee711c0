/* What an agent can do at all, whatever code runs in it: it reads what its peer wrote, and its peer's own filter is not on it. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "agent.h"

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#else
#define OWN_ARCH AUDIT_ARCH_AARCH64
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define REFUSE BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS)
#define PASS BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
/* Lets a call pass with one descriptor of ours, and no other one. */
#define ONLY_WITH(call, fd) \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 4), LOAD(args[0]), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (fd), 1, 0), REFUSE, PASS

enum { START = 14, BLOCK = 64, FILTER_MAX = START + 2 * NODEOS_BOARD_CALLS + NODEOS_BOARD_CALLS / BLOCK + 1 };

/* What an agent does for itself. */
static const uint16_t own_needs[] = {
        SYS_recvfrom,   SYS_sendto,        SYS_shutdown,     SYS_ppoll,        SYS_read,       SYS_write,           SYS_pread64, SYS_close,
        SYS_openat,     SYS_fstat,         SYS_newfstatat,   SYS_fstatfs,      SYS_readlinkat, SYS_getpid,          SYS_capget,  SYS_brk,
        SYS_exit_group, SYS_clock_gettime, SYS_gettimeofday, SYS_rt_sigreturn, SYS_exit,       SYS_restart_syscall,
#ifdef __x86_64__
        SYS_poll,       SYS_stat,          SYS_readlink,     SYS_time,
#endif
};

static bool is_needed(const struct nodeos_board *board, uint32_t call) {
        for (size_t i = 0; i < sizeof(own_needs) / sizeof(*own_needs); i++)
                if (own_needs[i] == call)
                        return true;
        return agent_may_execute(agent_row(board, call), call);
}

/* Numbers in a row that have one answer: up to the next that has another one. */
static struct sock_filter *put_runs(struct sock_filter *to, const struct nodeos_board *board, uint32_t first, uint32_t end) {
        for (uint32_t next; first < end; first = next) {
                bool passes = is_needed(board, first);

                for (next = first + 1; next < end && is_needed(board, next) == passes; next++)
                        ;
                *to++ = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, next, 1, 0);
                *to++ = passes ? (struct sock_filter) PASS : (struct sock_filter) REFUSE;
        }
        return to;
}

int agent_confine(const struct nodeos_board *board) {
        const struct sock_filter start[START] = {
                LOAD(arch),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 1, 0),
                REFUSE,
                LOAD(nr),
                ONLY_WITH(ioctl, AGENT_PEER),
                ONLY_WITH(fcntl, AGENT_CLIENT),
        };
        static struct sock_filter code[FILTER_MAX];
        struct sock_filter *at = code + START;
        struct sock_fprog program = { .filter = code };

        memcpy(code, start, sizeof(start));
        /* In blocks, since the kernel tries every number beforehand: most of them pass over most of the rest. */
        for (uint32_t first = 0; first < NODEOS_BOARD_CALLS; first += BLOCK) {
                struct sock_filter *jump = at++;

                at = put_runs(at, board, first, first + BLOCK);
                *jump = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first + BLOCK, (uint8_t) (at - jump - 1), 0);
        }
        *at++ = (struct sock_filter) REFUSE;
        program.len = (unsigned short) (at - code);
#ifdef __SANITIZE_ADDRESS__
        /* The sanitizer maps memory as it goes. */
        return 0;
#endif
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}
