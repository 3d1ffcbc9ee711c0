/* libnodeos: what argo-nodeos needs from the kernel and cannot get from Deno.
 *
 * The whole ABI is integers and buffers owned by the caller. A result is >= 0, or -errno; nothing returns a pointer,
 * calls back, or keeps a buffer after it returned. Outputs are named ret_. Every function may be called from any
 * thread unless its comment says otherwise.
 */
#ifndef NODEOS_H
#define NODEOS_H

#include <stdint.h>

/* Raised whenever a prototype, a structure or a meaning below changes; ffi/mod.ts compares it when it loads us. */
#define NODEOS_ABI 3

#define NODEOS_EXPORT __attribute__((visibility("default")))

/* CPU and node masks are arrays of 64-bit words, bit 0 of word 0 first: 4,096 CPUs, 1,024 nodes. */
#define NODEOS_CPU_WORDS 64
#define NODEOS_NODE_WORDS 16

/* --- abi.c ------------------------------------------------------------------------------------------------------- */

/* NODEOS_ABI of this build. */
extern NODEOS_EXPORT const int32_t nodeos_abi;
/* Size of structure `type`, or offset of its field `field` (0-based, in declaration order) for field >= 0; -EINVAL. */
NODEOS_EXPORT int32_t nodeos_layout(int32_t type, int32_t field);
/* Writes "ENAME" and the C library's words for it, separated by a NUL; returns the byte count. */
NODEOS_EXPORT int32_t nodeos_errno_text(int32_t error, uint8_t *ret_text, int32_t size);
/* Nanoseconds of CLOCK_MONOTONIC. */
NODEOS_EXPORT int64_t nodeos_clock_ns(void);

/* --- file.c: kernel files, only below the roots in its table ------------------------------------------------------ */

/* The three functions that every command needs take a small structure by value: for such a function Deno compiles no
 * trampoline, so that it is registered in 0.1 ms instead of 0.4 and called in 200 ns instead of 50. */

/* What nodeos_file does with the file of an absolute path. */
enum nodeos_file_action {
        NODEOS_FILE_READ = 0,     /* fills data with the whole text; the byte count */
        NODEOS_FILE_WRITE = 1,    /* writes data in one call, never creates */
        NODEOS_FILE_LINK = 2,     /* fills data with the target of a symbolic link; the byte count */
        NODEOS_FILE_EXISTS = 3,   /* 0, or why not */
        NODEOS_FILE_WRITABLE = 4, /* 0, or why not */
        NODEOS_FILE_LIST = 5,     /* fills data with the names in a directory: d, l or f, the name, NUL; the byte count */
        NODEOS_FILE_MAKE = 6,     /* makes a directory */
        NODEOS_FILE_REMOVE = 7    /* removes an empty directory */
};

struct nodeos_file_call {
        int32_t action; /* enum nodeos_file_action */
        int32_t size;   /* bytes of data */
};

/* Returns >= 0 as said above, or -errno: -EACCES outside the roots, -EFBIG when data is too small. */
NODEOS_EXPORT int32_t nodeos_file(struct nodeos_file_call call, const char *path, uint8_t *data);

/* --- task.c: one thread's scheduling, affinity and memory policy -------------------------------------------------- */

/* The kernel's struct sched_attr, version 1 (with the utilization clamps): SCHED_ATTR_SIZE_VER1 = 56 bytes. */
struct nodeos_sched_attr {
        uint32_t size;
        uint32_t policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns;
        uint64_t deadline_ns;
        uint64_t period_ns;
        uint32_t util_min;
        uint32_t util_max;
};

NODEOS_EXPORT int32_t nodeos_sched_get(int32_t tid, struct nodeos_sched_attr *ret_attr);
NODEOS_EXPORT int32_t nodeos_sched_set(int32_t tid, const struct nodeos_sched_attr *attr);
/* Fills ret_mask (NODEOS_CPU_WORDS words) and returns the highest CPU set, or -errno. */
NODEOS_EXPORT int32_t nodeos_affinity_get(int32_t tid, uint64_t *ret_mask);
NODEOS_EXPORT int32_t nodeos_affinity_set(int32_t tid, const uint64_t *mask);
/* Memory policy of the calling thread; mode is MPOL_* and mask has NODEOS_NODE_WORDS words. */
NODEOS_EXPORT int32_t nodeos_mempolicy_get(int32_t *ret_mode, uint64_t *ret_mask);
NODEOS_EXPORT int32_t nodeos_mempolicy_set(int32_t mode, const uint64_t *mask);
/* Sends signal through a pidfd, so that a reused number is never hit: start_ticks is field 22 of /proc/PID/stat. */
NODEOS_EXPORT int32_t nodeos_signal(int32_t pid, uint64_t start_ticks, int32_t signal);

/* Ignores a signal, which the programs that we start then do as well. */
NODEOS_EXPORT int32_t nodeos_signal_ignore(int32_t signal);
/* Effective user id and effective capability word of this process. */
NODEOS_EXPORT int32_t nodeos_uid(void);
NODEOS_EXPORT int64_t nodeos_capabilities(void);
/* 1 when system call `number` exists here (probed with arguments that cannot succeed), 0 when ENOSYS, or -errno. */
NODEOS_EXPORT int32_t nodeos_syscall_probe(int32_t which);

/* --- ask.c: a service of the machine, over its Unix socket ---------------------------------------------------------- */

/* Sends request to the socket at socket_path, and fills ret_reply with all that comes until the service closes. Returns
 * the byte count (0: it closed without a word), or -errno: -EACCES for a path that is not in the table of ask.c,
 * -ENOENT or -ECONNREFUSED when nobody listens there, -ETIMEDOUT after 1 s without a word, -EFBIG when the answer does
 * not leave a byte of ret_reply free. */
NODEOS_EXPORT int32_t nodeos_ask(const char *socket_path, const char *request, uint8_t *ret_reply, int32_t size);

/* --- launch.c, birth.c, hold.c, filter.c, handover.c: a program born where it belongs ------------------------------------ */

enum nodeos_launch_flag {
        NODEOS_LAUNCH_AFFINITY = 1,        /* apply cpus */
        NODEOS_LAUNCH_SCHED = 2,           /* apply sched */
        NODEOS_LAUNCH_MEMPOLICY = 4,       /* apply memory_mode and nodes */
        NODEOS_LAUNCH_CREDENTIALS = 8,     /* apply gid, then uid */
        NODEOS_LAUNCH_DIE_WITH_PARENT = 16, /* SIGKILL the program when the calling thread dies */
        NODEOS_LAUNCH_FORWARD_SIGNALS = 32, /* pass on to the program what other processes signal to us, until
                                             * nodeos_wait has seen its end; what the terminal sends reaches it by
                                             * itself, in our process group. One program at a time. */
        NODEOS_LAUNCH_ADD_ENV = 64,         /* envp is added to our own environment, and wins over it */
        NODEOS_LAUNCH_NO_NEW_PRIVILEGES = 128, /* with a filter: the program and what it starts gain no privileges by
                                               * executing, so that setuid is without effect */
        NODEOS_LAUNCH_OWN_MEMORY = 256, /* nodeos-helper, beside the library, starts the program for us, and it is our child all the
                                        * same: from Linux 7 on, if not before, memory that is shared with whoever is born into a
                                        * cgroup with other NUMA nodes moves there */
        NODEOS_LAUNCH_HELD = 512 /* the program stops before its first instruction, until nodeos_launch_release; not with
                                  * NODEOS_LAUNCH_OWN_MEMORY. It is traced until then: setuid is without effect, unless we have
                                  * CAP_SYS_PTRACE. Where tracing is not permitted it runs at once. */
};

/* In stdio: /dev/null, instead of a descriptor of ours. */
#define NODEOS_STDIO_NULL (-2)

/* What the child was doing when it failed; the order is the order of the steps. */
enum nodeos_launch_step {
        NODEOS_STEP_NONE = 0,
        NODEOS_STEP_REQUEST,
        NODEOS_STEP_CLONE,
        NODEOS_STEP_CGROUP,
        NODEOS_STEP_AFFINITY,
        NODEOS_STEP_MEMPOLICY,
        NODEOS_STEP_DATA,
        NODEOS_STEP_SCHED,
        NODEOS_STEP_STDIO,
        NODEOS_STEP_CREDENTIALS,
        NODEOS_STEP_CWD,
        NODEOS_STEP_FILTER,
        NODEOS_STEP_HANDOVER,
        NODEOS_STEP_EXEC
};

/* The filter is the last thing before the program. It has to let execve and exit through. Without CAP_SYS_ADMIN, which
 * another user (uid) keeps for that from us until the program is executed, the kernel demands
 * NODEOS_LAUNCH_NO_NEW_PRIVILEGES, and it is as if it were given.
 *
 * A filter that returns SECCOMP_RET_USER_NOTIF has a listener, and a signal breaks into none of its calls once it was
 * received (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV; -EOPNOTSUPP before Linux 5.19). With `control`, the keeper at that
 * socket has the listener and has answered (board.h, NODEOS_CONTROL_LISTEN) before the program's first instruction;
 * otherwise it is in ret_launched, and notified calls wait until somebody serves it. A filter without one leaves
 * `control` alone. The scheduling is set after a filter with a listener. */

/* Strings are offsets into the request, from its first byte; 0 means absent. argv, envp and tasks are runs of
 * NUL-terminated strings, counted. Without envp the child gets our own environment. */
struct nodeos_launch {
        uint32_t size;  /* of this structure, as the caller knows it */
        uint32_t flags; /* enum nodeos_launch_flag */
        int32_t stdio[3]; /* descriptors for 0, 1, 2; -1 keeps ours, NODEOS_STDIO_NULL */
        uint32_t uid;
        uint32_t gid;
        int32_t memory_mode;
        uint32_t cgroup;  /* cgroup v2 directory to be born in */
        uint32_t tasks;   /* cgroup v1 `tasks` files to join before exec */
        uint32_t task_count;
        uint32_t argv;
        uint32_t argc;
        uint32_t envp;
        uint32_t envc;
        uint32_t cwd;
        uint32_t search; /* where to look for argv[0] when it has no slash; absent: our own PATH */
        uint32_t filter; /* array of struct sock_filter, at a multiple of 8 */
        uint32_t filter_count;
        uint32_t control; /* path of the keeper's control socket */
        struct nodeos_sched_attr sched;
        uint64_t cpus[NODEOS_CPU_WORDS];
        uint64_t nodes[NODEOS_NODE_WORDS];
        uint64_t data_bytes; /* RLIMIT_DATA: the most private memory that may be asked for; 0 keeps ours */
};

struct nodeos_launched {
        int32_t pid;
        int32_t pidfd;
        int32_t step;  /* enum nodeos_launch_step: what failed */
        int32_t error; /* its errno; 0 when the program runs */
        int64_t exec_ns; /* from the clone call to the successful exec */
        int32_t listener; /* of the filter, close-on-exec, for the caller to close; -1 when the keeper has it, or there is none */
        int32_t held; /* whether it waits for nodeos_launch_release */
};

/* Starts a program. Returns 0 when it was executed, or -errno with ret_launched->step saying what was refused; then
 * no child is left. Credentials, cgroup and affinity are in force before the program's first instruction. */
struct nodeos_launch_call {
        int32_t size; /* bytes of the request, its strings included */
};

NODEOS_EXPORT int32_t nodeos_launch(struct nodeos_launch_call call, const uint8_t *request, struct nodeos_launched *ret_launched);

/* Lets a program run that is held; by the thread that launched it. Returns 0, also when it was killed meanwhile, or -errno. */
NODEOS_EXPORT int32_t nodeos_launch_release(int32_t pid);

/* --- supervise.c: waiting ----------------------------------------------------------------------------------------- */

struct nodeos_wait_call {
        int32_t pidfd;
        int32_t stop_fd; /* -1: none */
};

/* Waits for the program of `pidfd`, closes it and returns the exit code, or 256 + signal. When threads_path (a cgroup's
 * list of thread ids) is not empty, each new thread in it that may run on all of the container's CPUs is moved to the
 * least used of them as soon as it runs, and keeps its mask; one with a narrower mask chose for itself and is only
 * counted. `cpus` are the container's CPUs; where the cgroup is a cpuset, they are read anew at every look, and after a
 * change all threads are placed anew. stop_fd, when >= 0, ends the wait with -ECANCELED as soon as it is readable and
 * leaves pidfd open. */
NODEOS_EXPORT int32_t nodeos_wait(struct nodeos_wait_call call, const char *threads_path, const uint64_t *cpus);
/* The same on a thread of its own, which connects to the Unix socket at socket_path and sends the result as one
 * int32. Returns the descriptor that nodeos_wait_stop takes, or -errno. The caller keeps that descriptor until it
 * has received the result, and closes it then: the thread is done with it by that time. */
NODEOS_EXPORT int32_t nodeos_wait_start(int32_t pidfd, const char *threads_path, const uint64_t *cpus, const char *socket_path);
NODEOS_EXPORT int32_t nodeos_wait_stop(int32_t stop_fd);
NODEOS_EXPORT int32_t nodeos_wait_close(int32_t stop_fd);

/* --- relay.c: lines of several programs on one descriptor --------------------------------------------------------- */

/* Makes a pipe, and a thread that writes each line from it to to_fd, after `prefix` and in one piece; a line of more than
 * 64 KiB becomes several. Returns the end to write to, which a launched program gets by stdio only, or -errno. When to_fd
 * takes no more, the pipe breaks. */
NODEOS_EXPORT int32_t nodeos_relay_start(int32_t to_fd, const char *prefix);
/* Ends the relay of the descriptor that nodeos_relay_start returned, and closes it: blocks until to_fd has taken all that
 * was written into the pipe so far, and does not wait for others that have it open. Returns 0, or the -errno of to_fd. */
NODEOS_EXPORT int32_t nodeos_relay_end(int32_t write_fd);

/* --- ending.c: waiting for several programs ------------------------------------------------------------------------- */

/* Waits for a program as nodeos_wait does, on a thread of its own that keeps the result under `token`. Returns 0, or
 * -errno; then pidfd is still open. */
NODEOS_EXPORT int32_t nodeos_ending_watch(int32_t token, int32_t pidfd, const char *threads_path, const uint64_t *cpus);
/* Blocks until a watched program has ended, and returns what nodeos_wait would have. Each ending is returned once. */
NODEOS_EXPORT int32_t nodeos_ending_next(int32_t *ret_token);

/* --- place.c: threads on CPUs of their own, once ------------------------------------------------------------------ */

/* Places the threads of a cgroup as nodeos_wait does, for up to 100 ms, so that those that run get there. `cpus` are the
 * container's CPUs before a change, or now. Returns how many threads were moved or given the new CPUs, or -errno. */
NODEOS_EXPORT int32_t nodeos_place(const char *threads_path, const uint64_t *cpus);

/* --- device_filter.c: devices that the programs of a cgroup v2 may open ------------------------------------------- */

/* Fills ret_text with the rules of our filter on a cgroup, as they were given; of several, one on each line. Returns the
 * byte count, 0 without a filter, or -errno: -EBADF on a cgroup v1, -EFBIG when ret_text is too small. */
NODEOS_EXPORT int32_t nodeos_device_filter_read(const char *cgroup, uint8_t *ret_text, int32_t size);
/* Replaces our filter on a cgroup by a program of instructions of struct bpf_insn, the first two of which refer to a map
 * that is made to hold `text`; with size 0, by none. Filters of others stay. Returns 0, or -errno. */
NODEOS_EXPORT int32_t nodeos_device_filter_write(const char *cgroup, const uint8_t *program, int32_t size, const char *text);

/* --- keeper.c: talking to the keeper of a container's system calls (board.h says what) ------------------------------ */

/* Makes the keeper's control socket: listening, at a path where nothing is, open to its owner alone. Returns it, or -errno. */
NODEOS_EXPORT int32_t nodeos_keeper_listen(const char *path);

/* What nodeos_keeper_file opens. */
enum nodeos_keeper_file_kind {
        NODEOS_KEEPER_BOARD = 0, /* a file that is there, to read and write */
        NODEOS_KEEPER_LOG = 1    /* to append to; made when it is not there, for its owner alone */
};

/* Opens a file for a program that is launched with it as standard input or output; no link is followed. Returns the
 * descriptor, which a launched program gets by stdio only, or -errno. */
NODEOS_EXPORT int32_t nodeos_keeper_file(const char *path, int32_t kind);
/* Asks the keeper at a control socket for something, with send_fd unless that is negative, and waits up to 5 s for the
 * answer. kind is an enum nodeos_control_kind. Returns the keeper's answer, or -errno: -ENOENT or -ECONNREFUSED when there
 * is no keeper, -ETIMEDOUT, -ECONNRESET when it ended. *ret_fd becomes the descriptor that came with the answer, or -1;
 * without ret_fd none is taken. */
NODEOS_EXPORT int32_t nodeos_keeper_call(const char *path, int32_t kind, int32_t send_fd, int32_t *ret_fd);
/* Makes two connected stream sockets. */
NODEOS_EXPORT int32_t nodeos_socketpair(int32_t *ret_fds);
/* Who connected to a Unix socket: fills ret_ids with uid, gid and process id. */
NODEOS_EXPORT int32_t nodeos_peer_uid(int32_t fd, uint32_t *ret_ids);
/* Sends what a socket takes without waiting. Returns how many bytes, or -errno: -EAGAIN when it takes nothing. */
NODEOS_EXPORT int32_t nodeos_send(int32_t fd, const uint8_t *data, int32_t size);
/* Returns another descriptor of the same file, or -errno. */
NODEOS_EXPORT int32_t nodeos_duplicate(int32_t fd);
NODEOS_EXPORT int32_t nodeos_close(int32_t fd);

/* --- memory*.c: memory with a name -------------------------------------------------------------------------------- */

/* Paths are those of directories and files below /run/nodeos/memory; others are refused with -EACCES. What changes something
 * needs /run/nodeos to be ours alone, -EPERM; directories above a path are made, and removed as soon as they are empty. */

/* Makes a directory and mounts a file system of memory ("tmpfs" or "hugetlbfs") on it, without devices, programs and set-ids.
 * Returns 0, or -errno and leaves nothing: -EBUSY when something is mounted there. */
NODEOS_EXPORT int32_t nodeos_memory_mount(const char *path, const char *type, const char *options);
/* Gives a mounted one other options. */
NODEOS_EXPORT int32_t nodeos_memory_remount(const char *path, const char *options);
/* Unmounts it, if it is mounted, and removes the directory; with detach even if files of it are open, which are then the last
 * to have it. */
NODEOS_EXPORT int32_t nodeos_memory_unmount(const char *path, int32_t detach);
/* What is at a path there, or at /dev/daxN.M. Fills ret_facts with 9 numbers: size, allocated bytes, user, group, mode with its
 * type, size of a page, major and minor number of its file system, inode. Follows no link. */
NODEOS_EXPORT int32_t nodeos_memory_stat(const char *path, int64_t *ret_facts);
/* Allocates bytes `from` to `to` of a file in a process of its own that joins the cgroups (paths of cgroup.procs or tasks, each
 * with its NUL, and one more NUL) and takes memory of one NUMA node only, of any with -1; then gives the file to uid and gid.
 * With from -1 the file is made, for its owner alone; -EEXIST when it is there. When that fails, the file is cut off at
 * `keep`, and is gone with -1. -ENOMEM or -ENOSPC when there is not enough memory, -ETIMEDOUT when nothing came forward for a
 * minute. */
NODEOS_EXPORT int32_t nodeos_memory_populate(const char *path, int64_t from, int64_t to, int64_t keep, int32_t node, uint32_t uid,
                                             uint32_t gid, const char *cgroups);
/* Cuts a file off at a size that it has at least, and gives it to uid and gid. */
NODEOS_EXPORT int32_t nodeos_memory_shrink(const char *path, int64_t bytes, uint32_t uid, uint32_t gid);
/* Removes a file or a link. The memory of a file is free at once: whoever still maps it gets SIGBUS. */
NODEOS_EXPORT int32_t nodeos_memory_remove(const char *path);
/* Makes a symbolic link to a device /dev/daxN.M. */
NODEOS_EXPORT int32_t nodeos_memory_link(const char *path, const char *device);
/* Where a link leads; the byte count. */
NODEOS_EXPORT int32_t nodeos_memory_target(const char *path, uint8_t *ret_target, int32_t size);
/* Takes a device /dev/daxN.M for root, fills its first zero_bytes with zeroes, and gives it to uid and gid. */
NODEOS_EXPORT int32_t nodeos_memory_own(const char *device, int64_t zero_bytes, uint32_t uid, uint32_t gid);

/* The text of a small file there; the byte count. */
NODEOS_EXPORT int32_t nodeos_memory_text(const char *path, uint8_t *ret_text, int32_t size);
/* Gives a small file, made if need be, a text for everybody to read; with "" removes it. -ETIMEDOUT when programs have had it
 * locked (flock) for 10 s. */
NODEOS_EXPORT int32_t nodeos_memory_set_text(const char *path, const char *text);

/* The names in a directory there, as nodeos_file lists them. */
NODEOS_EXPORT int32_t nodeos_memory_list(const char *path, uint8_t *ret_names, int32_t size);

/* Maps `bytes` of an object (a file there, or a link to a device) from offset on, shared with all who map it, and tells where.
 * -EINVAL for what lies behind its end. */
NODEOS_EXPORT int32_t nodeos_map_object(const char *path, int64_t offset, int64_t bytes, uint64_t *ret_address);
/* Maps huge pages of 1 << page_shift bytes, all of them there, and tells where. -ENOMEM when there are not enough left,
 * -EOPNOTSUPP before Linux 5.14. */
NODEOS_EXPORT int32_t nodeos_map_huge(int64_t bytes, int32_t page_shift, uint64_t *ret_address);
NODEOS_EXPORT int32_t nodeos_unmap(uint64_t address, int64_t bytes);

/* Page frames: their numbers, as in /proc/kpageflags. For root; others get -EPERM or -EACCES. */

/* How many pages are looked at in one call, at most. */
#define NODEOS_FRAMES_WINDOW 65536

/* What a page of a process is. */
enum nodeos_frames_kind {
        NODEOS_FRAMES_ANONYMOUS = 0, /* its own memory */
        NODEOS_FRAMES_HUGE = 1,      /* a huge page out of a pool */
        NODEOS_FRAMES_FILE = 2,      /* of a file on a disk */
        NODEOS_FRAMES_SHARED = 3     /* of a file in memory, or shared without one */
};

/* Where pages of a process are, `count` of them from number `first` of its address space on. Fills ret_runs, which has room
 * for as many, with runs of pages that follow each other in frames, too: first frame, count, kind, first page. Pages that are
 * not there, and the kernel's one page of zeroes, are left out. Returns how many. */
NODEOS_EXPORT int32_t nodeos_frames_process(int32_t pid, int64_t first, int64_t count, uint64_t *ret_runs);
/* Which addresses of a process from start to end have pages: pairs of first and end, as many as there is room for, 256 at most.
 * Returns how many, or -errno: -ENOTTY before Linux 6.7. */
NODEOS_EXPORT int32_t nodeos_frames_present(int32_t pid, uint64_t start, uint64_t end, uint64_t *ret_ranges, int32_t capacity);
/* As nodeos_frames_process, for a file below /run/nodeos/memory and pages of it. Nothing of it is made that is not there; of
 * a file with holes only pages that somebody has used are found, and no huge ones. -EINVAL for anything but a file, and before Linux 5.14. */
NODEOS_EXPORT int32_t nodeos_frames_file(const char *path, int64_t first, int64_t count, uint64_t *ret_runs);
/* Fills ret_words with what the kernel says of frames: flags (which 0), how often they are mapped (1), or the inode of the
 * memory cgroup that they are counted for (2). Returns how many of them there are. */
NODEOS_EXPORT int32_t nodeos_frames_facts(int32_t which, int64_t first, int64_t count, uint64_t *ret_words);
/* The inode of a cgroup's directory, by which facts of frames name it. Returns it, or -errno. */
NODEOS_EXPORT int64_t nodeos_frames_cgroup(const char *path);

/* --- noise.c ------------------------------------------------------------------------------------------------------ */

enum nodeos_noise_mode {
        NODEOS_NOISE_QUANTUM = 0, /* fixed work quantum: how long the same work takes, again and again */
        NODEOS_NOISE_DETOUR = 1   /* selfish detour: a loop that reads the clock, and the gaps it sees */
};

enum nodeos_noise_clock {
        NODEOS_NOISE_CLOCK_SYSTEM = 0, /* clock_gettime, where the CPU has no steady counter */
        NODEOS_NOISE_CLOCK_TSC = 1,
        NODEOS_NOISE_CLOCK_CNTVCT = 2
};

struct nodeos_noise {
        int32_t mode;         /* in: enum nodeos_noise_mode */
        int32_t count;        /* out: samples stored */
        int64_t duration_ns;  /* in: how long to sample; out: how long it was */
        int64_t quantum_ns;   /* in: length of a quantum of undisturbed work (quantum) */
        int64_t threshold_ns; /* in: shortest detour that counts (detour); out: what was used, at least four loops */
        int64_t lost_ns;      /* out: sum of the detours, or of the excess of all quanta over the shortest */
        int64_t minimum_ns;   /* out: shortest quantum, or shortest loop */
        int64_t truncated;    /* out: samples that found no room; the longest of them took the last place */
        int64_t start_ns;     /* out: CLOCK_MONOTONIC at the first sample */
        int64_t voluntary;    /* out: context switches of this thread while it sampled */
        int64_t involuntary;
        int32_t clock;        /* out: enum nodeos_noise_clock */
        int32_t locked;       /* out: 1 when the samples were locked in memory, 0 when the kernel refused */
};

/* Samples on the CPU that the calling thread is pinned to. ret_samples holds pairs (offset from start in ns, length
 * in ns) in the order of time, room for `capacity` pairs; it is touched and, where allowed, locked before sampling
 * begins, and nothing is allocated or asked of the kernel while it runs. Returns the count, or -errno. */
NODEOS_EXPORT int32_t nodeos_noise(struct nodeos_noise *noise, int64_t *ret_samples, int32_t capacity);

#endif
