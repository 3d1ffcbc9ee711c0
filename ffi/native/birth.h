/* Between the files of the launcher: launch.c prepares, birth.c is the child, hold.c stops it before its program, filter.c and
 * handover.c are its filter of system calls and what becomes of the filter's listener. */
#ifndef NODEOS_BIRTH_H
#define NODEOS_BIRTH_H

#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <sys/types.h>

#include "apart.h"

/* The child never returns from its stack, which is unmapped under it: an address sanitizer would remember the frames. */
#define IN_CHILD __attribute__((no_sanitize("address", "undefined")))

/* --- filter.c ----------------------------------------------------------------------------------------------------- */

struct filter {
        const struct sock_filter *program;
        uint32_t count; /* 0: no filter */
        int notifies;   /* some calls wait for an answer: installing it makes a listener */
};

/* Looks through a filter. Returns 0, -EINVAL for one that no program could be started under, or -EOPNOTSUPP when it
 * notifies and the kernel would let signals break into calls that somebody executes already (before Linux 5.19). */
int filter_examine(struct filter *filter);
/* Puts the filter on the calling thread for ever; one with a listener on all threads of its process. Returns the listener, 0
 * for a filter without one, or -1 with errno. */
int filter_install(const struct filter *filter, int no_new_privileges);
/* Before and after a change to another user: keeps the one capability that a filter needs until a program is executed.
 * Where that is not to be had, filter_install falls back on no_new_privs. */
void filter_keep_right(void);
void filter_use_right(void);

/* --- handover.c --------------------------------------------------------------------------------------------------- */

enum { HANDOVER_STACK_SIZE = 16 * 1024 };

struct handover {
        const struct filter *filter;
        int no_new_privileges;
        int control; /* connected to the keeper, or -1: the listener is for our caller */
        const struct nodeos_launched *launched; /* pid and pidfd of the child, once there is one */
        const struct nodeos_sched_attr *sched;  /* to be set before the child executes, or NULL */
        char *stack; /* of the child's second thread */
        int listener; /* the listener's number here, or -1 */
        int step;     /* enum nodeos_launch_step: what failed, and its errno */
        int error;

        int offered;         /* the listener's number in the child */
        uint32_t installing; /* 1 until the second thread of the child has ended; a futex, as the next two */
        uint32_t verdict;    /* whether the child may execute */
        uint32_t owner;      /* our thread, marked by the kernel when it was killed */
        uint32_t over;       /* the child is gone */
        struct robust_list_head robust;
        struct robust_list entry;
        pthread_t thread;
};

/* Connects to the keeper's socket. Returns the descriptor, or -errno. */
int handover_connect(const char *path);
/* Starts our thread. Returns 0, or -errno. */
int handover_start(struct handover *handover);
/* Ends it, when the child has executed or is gone. */
void handover_end(struct handover *handover);
/* In the child: installs the filter. Returns 0 when it may execute, or -1 with `step` and `error`. */
int handover_offer(struct handover *handover);

/* --- hold.c ------------------------------------------------------------------------------------------------------- */

struct child;

/* In the child: it will stop when it executes. */
void hold_child(struct child *child);
/* In the parent: waits until it has stopped. Returns whether it has. */
int hold_wait(const struct child *child, pid_t pid);

/* --- birth.c ------------------------------------------------------------------------------------------------------ */

/* All that the child needs, prepared before the clone: it allocates nothing. */
struct child {
        const struct nodeos_launch *request;
        const uint8_t *base; /* of the request, and its strings: `size` bytes */
        uint32_t size;
        char **argv;
        char **envp;
        const char *search;
        struct filter filter;
        struct handover *handover; /* NULL: no listener */
        int tasks[8];
        int task_count;
        pid_t parent;
        sigset_t mask; /* what the program inherits */
        int is_sibling; /* a child of our parent */
        volatile int is_held; /* it will stop before the program's first instruction */
        volatile int step;
        volatile int error;
};

/* What the child does. */
_Noreturn void child_main(void *child);
/* clone3 with a stack of its own for the new thread or process, which calls entry and never comes back. */
long clone_into(struct clone_args *args, void (*entry)(void *), void *argument);

#endif
