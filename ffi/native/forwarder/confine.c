/* What the sidecar cannot do, whatever code runs in it: it is user 0, if without capabilities, and calls our library. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "keeper.h"

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#else
#define OWN_ARCH AUDIT_ARCH_AARCH64
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define REFUSE(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define PASS BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
/* Refuses a call altogether. */
#define NEVER(call, error) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), REFUSE(error)
/* Lets a call pass when its first argument is `value`. */
#define ONLY(call, value, error) \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 4), LOAD(args[0]), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 1, 0), \
                REFUSE(error), PASS

int sidecar_confine(void) {
        struct sock_filter code[] = {
                LOAD(arch),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 1, 0),
                REFUSE(ENOSYS),
                LOAD(nr),
                BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
                REFUSE(ENOSYS),
                /* Threads, and no processes. */
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4),
                LOAD(args[0]),
                BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0),
                REFUSE(EPERM),
                PASS,
                /* Whose flags lie in memory: the C library takes clone instead. */
                NEVER(clone3, ENOSYS),
#ifdef SYS_fork
                NEVER(fork, EPERM),
                NEVER(vfork, EPERM),
#endif
                /* Its own socket, agents and keeper. */
                ONLY(socket, AF_UNIX, EACCES),
                /* Other processes of root's. */
                ONLY(tgkill, (uint32_t) getpid(), EPERM),
                NEVER(kill, EPERM),
                NEVER(tkill, EPERM),
                NEVER(rt_sigqueueinfo, EPERM),
                NEVER(rt_tgsigqueueinfo, EPERM),
                NEVER(pidfd_send_signal, EPERM),
                NEVER(pidfd_getfd, EPERM),
                NEVER(ptrace, EPERM),
                NEVER(process_vm_readv, EPERM),
                NEVER(process_vm_writev, EPERM),
                NEVER(kcmp, EPERM),
                NEVER(keyctl, EPERM),
                /* Ways around all this. */
                NEVER(io_uring_setup, ENOSYS),
                NEVER(userfaultfd, EPERM),
                NEVER(unshare, EPERM),
                NEVER(setns, EPERM),
                PASS,
        };
        struct sock_fprog program = { .len = sizeof(code) / sizeof(*code), .filter = code };

        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}
