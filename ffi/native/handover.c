/* Who answers the calls that a filter sends to user space: the filter's listener goes to the keeper, or to our caller, before
 * the program's first instruction.
 *
 * Our caller stands still until the child executes, and from its filter on the child may do nothing that a filter could hold
 * up. So a thread of ours takes the listener out of the child, and the child sleeps meanwhile: a second thread of its own puts
 * the filter on both (TSYNC) and ends, which the kernel tells us. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#include "birth.h"
#include "board.h"
#include "thread.h"

/* What the child waits for. */
enum { WAIT = 0, EXECUTE, END };

/* What a keeper may take for an answer, or for room in its queue. */
static const struct timeval patience = { .tv_sec = 5 };

static uint32_t value_of(const uint32_t *word) {
        return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* The kernel wakes those of other processes, too, so that these words are no private ones. */
static void wait_while(const uint32_t *word, uint32_t value) {
        while (value_of(word) == value)
                syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static void wake(const uint32_t *word) {
        syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void set(uint32_t *word, uint32_t value) {
        __atomic_store_n(word, value, __ATOMIC_RELEASE);
        wake(word);
}

/* Whether our process was killed. */
static int is_orphan(const struct handover *handover) {
        return (value_of(&handover->owner) & FUTEX_OWNER_DIED) != 0;
}

/* The child's first thread sleeps at one of the two. */
static void decide(struct handover *handover, uint32_t verdict) {
        set(&handover->verdict, verdict);
        wake(&handover->owner);
}

int handover_connect(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd, error;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
            connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0)
                return fd;
        error = errno == EAGAIN ? -ETIMEDOUT : -errno;
        close(fd);
        return error;
}

/* Sends the listener to the keeper, and waits until somebody serves it. Returns 0, or -errno. */
static int hand_over(int control, int listener) {
        struct nodeos_control message = { .kind = NODEOS_CONTROL_LISTEN };
        union {
                char bytes[CMSG_SPACE(sizeof(int))];
                struct cmsghdr header;
        } descriptor = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
        struct iovec data = { &message, sizeof(message) };
        struct msghdr packet = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &descriptor, .msg_controllen = sizeof(descriptor) };
        ssize_t size;

        memcpy(CMSG_DATA(&descriptor.header), &listener, sizeof(listener));
        size = sendmsg(control, &packet, MSG_NOSIGNAL);
        if (size >= 0)
                size = recv(control, &message, sizeof(message), 0);
        if (size < 0)
                return errno == EAGAIN ? -ETIMEDOUT : -errno;
        if (size != sizeof(message))
                return size == 0 ? -ECONNRESET : -EPROTO;
        return message.result < 0 ? message.result : 0;
}

static int refuse(struct handover *handover, int step, int error) {
        handover->step = step;
        handover->error = -error;
        return error;
}

static int take(struct handover *handover) {
        CLEANUP_FD int listener = (int) syscall(SYS_pidfd_getfd, handover->launched->pidfd, handover->offered, 0);
        int error = listener < 0 ? -errno : 0;

        if (error == 0 && handover->control >= 0)
                error = hand_over(handover->control, listener);
        if (error < 0)
                return refuse(handover, NODEOS_STEP_HANDOVER, error);
        if (handover->sched && (error = nodeos_sched_set(handover->launched->pid, handover->sched)) < 0)
                return refuse(handover, NODEOS_STEP_SCHED, error);
        if (handover->control < 0) {
                handover->listener = listener;
                listener = -1;
        }
        return 0;
}

static void *handover_main(void *argument) {
        struct handover *handover = argument;

        /* When our process is killed, the kernel marks `owner` and wakes the child, which would wait for ever. */
        handover->robust.list.next = &handover->entry;
        handover->robust.futex_offset = (long) offsetof(struct handover, owner) - (long) offsetof(struct handover, entry);
        handover->entry.next = &handover->robust.list;
        syscall(SYS_set_robust_list, &handover->robust, sizeof(handover->robust));
        set(&handover->owner, (uint32_t) gettid() | FUTEX_WAITERS);

        wait_while(&handover->installing, 1);
        if (value_of(&handover->over))
                return NULL;
        decide(handover, handover->step || take(handover) < 0 ? END : EXECUTE);
        return NULL;
}

int handover_start(struct handover *handover) {
        int error;

        handover->installing = 1;
        error = thread_start(&handover->thread, handover_main, handover);
        if (error == 0)
                wait_while(&handover->owner, 0);
        return error;
}

void handover_end(struct handover *handover) {
        handover->over = 1;
        set(&handover->installing, 0);
        pthread_join(handover->thread, NULL);
}

/* The child's second thread. The first one has to sleep before there is a filter: it is asleep when it can be moved from one
 * word to another. From then on it waits at a word that the kernel watches. */
IN_CHILD static void install(void *argument) {
        static const struct timespec moment = { .tv_nsec = 10000 };
        struct handover *handover = argument;

        while (!is_orphan(handover) && syscall(SYS_futex, &handover->verdict, FUTEX_CMP_REQUEUE, 0, 1, &handover->owner, WAIT) != 1)
                syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &moment, NULL);
        if (is_orphan(handover)) {
                decide(handover, END);
        } else {
                handover->offered = filter_install(handover->filter, handover->no_new_privileges);
                if (handover->offered < 0)
                        refuse(handover, NODEOS_STEP_FILTER, -errno);
        }
        for (;;)
                syscall(SYS_exit, 0);
}

IN_CHILD int handover_offer(struct handover *handover) {
        struct clone_args args = {
                .flags = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_FILES | CLONE_CHILD_CLEARTID,
                .child_tid = (uint64_t) (uintptr_t) &handover->installing,
                .stack = (uint64_t) (uintptr_t) handover->stack,
                .stack_size = HANDOVER_STACK_SIZE,
        };

        if (clone_into(&args, install, handover) < 0)
                return refuse(handover, NODEOS_STEP_HANDOVER, -errno);
        while (value_of(&handover->verdict) == WAIT && !is_orphan(handover))
                syscall(SYS_futex, &handover->verdict, FUTEX_WAIT, WAIT, NULL, NULL, 0);
        return value_of(&handover->verdict) == EXECUTE ? 0 : -1;
}
