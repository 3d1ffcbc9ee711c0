/* Memory of a file is allocated by a process of its own: where it comes from, and whom it is counted for, are properties of
 * the process that allocates it. That is a child of nodeos-helper: our memory would move to the nodes of the cgroups that it joins. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "apart.h"
#include "memory.h"

enum {
        CGROUPS_MAX = 8,
        CHUNK_BYTES = 16 << 20,
        LOOK_MS = 250
};
/* Without progress for so long, it gets a CPU before everybody else, and then it ends: to clear a page of 1 GiB takes a second.
 * Even to end takes a CPU. */
static const int64_t RAISE_NS = 2000000000, GIVE_UP_NS = 60000000000, DIE_NS = 10000000000;

/* Shared with the child. */
struct progress {
        int32_t error;
        volatile int64_t done;
};

struct job {
        int parent_fd; /* of the directory */
        const char *name;
        int cgroups[CGROUPS_MAX];
        int cgroup_count;
        int32_t node;
        int64_t from; /* -1: the file is new */
        int64_t to;
        uint32_t uid, gid;
        int joined; /* an eventfd */
        struct progress *progress;
};

/* Where memory is short, this process is the one to end, and not a program of the container. */
static int offer_to_end(void) {
        CLEANUP_FD int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

        return fd < 0 || write(fd, "1000", 4) < 0 ? -errno : 0;
}

/* Waits until we are in the cgroups. */
static int get_ready(const struct job *job) {
        uint64_t mask[NODEOS_NODE_WORDS] = { 0 }, one;
        int error = offer_to_end();

        if (error < 0)
                return error;
        if (read(job->joined, &one, sizeof(one)) != sizeof(one))
                return -EIO;
        if (job->node < 0)
                return 0;
        mask[job->node / 64] = 1ull << job->node % 64;
        return syscall(SYS_set_mempolicy, MPOL_BIND, mask, NODEOS_NODE_WORDS * 64 + 1) < 0 ? -errno : 0;
}

static int allocate(const struct job *job, int fd) {
        struct stat facts;
        int64_t chunk = CHUNK_BYTES;

        if (fstat(fd, &facts) < 0)
                return -errno;
        if (!S_ISREG(facts.st_mode) || facts.st_nlink != 1 || job->to % facts.st_blksize)
                return -EINVAL;
        if (chunk < facts.st_blksize)
                chunk = facts.st_blksize;
        for (int64_t at = job->from < 0 ? 0 : job->from; at < job->to; at += chunk) {
                if (fallocate(fd, 0, at, job->to - at < chunk ? job->to - at : chunk) < 0)
                        return -errno;
                job->progress->done = at + 1;
        }
        /* Only now somebody else may open it. */
        return fchown(fd, job->uid, job->gid) < 0 ? -errno : 0;
}

static int work(const struct job *job) {
        int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (job->from < 0 ? O_CREAT | O_EXCL : 0);
        int error = get_ready(job), fd;

        if (error < 0)
                return error;
        fd = openat(job->parent_fd, job->name, flags, 0600);
        return fd < 0 ? -errno : allocate(job, fd);
}

static void raise_priority(pid_t pid) {
        struct sched_param param = { .sched_priority = sched_get_priority_max(SCHED_FIFO) };

        (void) !sched_setscheduler(pid, SCHED_FIFO, &param);
}

/* Moves the child, which waits for that. If it moved itself, it might have to wait for a CPU of the container with the
 * kernel's locks of all cgroups in its hands, and on old kernels nobody could give it another priority any more. */
static int join(const struct job *job, pid_t pid) {
        uint64_t one = 1;
        char text[16];
        int length = snprintf(text, sizeof(text), "%d", pid);

        for (int i = 0; i < job->cgroup_count; i++)
                if (write(job->cgroups[i], text, (size_t) length) < 0)
                        return errno == ENOSPC ? -EINVAL : -errno; /* a cpuset that has no CPUs yet: memory is not what lacks */
        return write(job->joined, &one, sizeof(one)) < 0 ? -errno : 0;
}

/* Waits until the child ends, and tells what of. Programs of the container may leave it no CPU: then it gets theirs. */
static int wait_for(int pidfd, pid_t pid, const struct progress *progress, int64_t patience_ns) {
        struct pollfd polled = { .fd = pidfd, .events = POLLIN };
        int64_t done = -1, since_ns = 0;
        siginfo_t info = { 0 };

        while (poll(&polled, 1, LOOK_MS) <= 0) {
                int64_t now_ns = nodeos_clock_ns();

                if (progress->done != done)
                        since_ns = now_ns;
                done = progress->done;
                if (now_ns - since_ns >= patience_ns)
                        return -ETIMEDOUT;
                if (now_ns - since_ns >= RAISE_NS)
                        raise_priority(pid);
        }
        while (waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED | __WALL) < 0 && errno == EINTR)
                ;
        /* The kernel ends it when there is no memory left for it. */
        return info.si_code == CLD_EXITED ? progress->error : -ENOMEM;
}

static int run_child(const struct job *job, int pidfd, pid_t pid) {
        int error = join(job, pid);

        if (error == 0)
                error = wait_for(pidfd, pid, job->progress, GIVE_UP_NS);
        if (error == 0 || waitid(P_PIDFD, (id_t) pidfd, &(siginfo_t){ 0 }, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0)
                return error;
        kill(pid, SIGKILL);
        wait_for(pidfd, pid, job->progress, DIE_NS);
        return error;
}

static int run(const struct job *job) {
        int pidfd = -1;
        struct clone_args args = {
                .flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
                .pidfd = (uint64_t) (uintptr_t) &pidfd,
        };
        pid_t parent = getpid(), pid;
        sigset_t all, old;
        int error;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        pid = (pid_t) syscall(SYS_clone3, &args, sizeof(args));
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                job->progress->error = getppid() == parent ? work(job) : -ESRCH;
                _exit(0);
        }
        error = pid < 0 ? -errno : 0;
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (error < 0)
                return error;
        error = run_child(job, pidfd, pid);
        close(pidfd);
        return error;
}

/* Puts the file back to what it was. */
static void take_back(const struct job *job, int64_t keep) {
        CLEANUP_FD int fd = openat(job->parent_fd, job->name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

        if (fd >= 0)
                (void) !ftruncate(fd, keep < 0 ? 0 : keep);
        if (keep < 0)
                unlinkat(job->parent_fd, job->name, 0);
}

static int open_cgroups(struct job *job, const char *paths) {
        for (; *paths; paths += strlen(paths) + 1) {
                int fd = job->cgroup_count < CGROUPS_MAX ? kernel_open(paths, O_WRONLY) : -E2BIG;

                if (fd < 0)
                        return fd;
                job->cgroups[job->cgroup_count++] = fd;
        }
        return 0;
}

static int populate(struct job *job, int64_t keep) {
        struct stat facts;
        int error;

        if (fstatat(job->parent_fd, job->name, &facts, AT_SYMLINK_NOFOLLOW) == 0) {
                if (job->from < 0)
                        return -EEXIST;
        } else if (job->from >= 0 || errno != ENOENT) {
                return -errno;
        }
        job->joined = eventfd(0, EFD_CLOEXEC);
        if (job->joined < 0)
                return -errno;
        job->progress = mmap(NULL, sizeof(*job->progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        error = job->progress == MAP_FAILED ? -errno : run(job);
        if (job->progress != MAP_FAILED)
                munmap(job->progress, sizeof(*job->progress));
        close(job->joined);
        if (error < 0)
                take_back(job, keep);
        return error;
}

int memory_populate_here(const char *path, int64_t from, int64_t to, int64_t keep, int32_t node, uint32_t uid, uint32_t gid,
                         const char *cgroups) {
        struct job job = { .node = node, .from = from, .to = to, .uid = uid, .gid = gid };
        CLEANUP_FD int parent = memory_open_parent(path, 1, &job.name);
        int error;

        if (parent < 0)
                return parent;
        if (to <= 0 || from > to || keep > to || (from < 0) != (keep < 0) || node >= NODEOS_NODE_WORDS * 64)
                return -EINVAL;
        job.parent_fd = parent;
        error = open_cgroups(&job, cgroups);
        if (error == 0)
                error = populate(&job, keep);
        while (job.cgroup_count > 0)
                close(job.cgroups[--job.cgroup_count]);
        return error;
}

static int add_text(struct apart_request *request, const char *text) {
        size_t size = strlen(text) + 1;

        /* One byte stays for the end of the list. */
        if (size >= sizeof(request->text) - request->size)
                return -E2BIG;
        memcpy(request->text + request->size, text, size);
        request->size += (uint32_t) size;
        return 0;
}

int32_t nodeos_memory_populate(const char *path, int64_t from, int64_t to, int64_t keep, int32_t node, uint32_t uid, uint32_t gid,
                               const char *cgroups) {
        struct apart_request request = { .from = from, .to = to, .keep = keep, .node = node, .uid = uid, .gid = gid };
        int error = add_text(&request, path);

        for (; error == 0 && *cgroups; cgroups += strlen(cgroups) + 1)
                error = add_text(&request, cgroups);
        return error < 0 ? error : apart_populate(&request);
}
