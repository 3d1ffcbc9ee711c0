/* Between the .c files of the forwarder process: what its threads share, and what a call is on its way.
 *
 * Each seccomp filter has a pool of workers. A worker is a thread with a file-system identity, a descriptor table and a
 * journal slot of its own; it receives a call, executes it as the caller, answers it, and receives the next one. */
#ifndef NODEOS_FORWARDER_SERVE_H
#define NODEOS_FORWARDER_SERVE_H

#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "forwarder.h"
#include "identity.h"

enum {
        PATH_ROOM = 4096 + 64,        /* a path, or 4096 bytes that are none and a NUL */
        DATA_MAX = 1 << 20,           /* bytes of one argument that we move at once */
        ARENA_SIZE = 2 * DATA_MAX + 8 * 65536,
        CALLER_SETS = 32,             /* of known callers, by thread number */
        CALLER_WAYS = 4,
        FEW_DESCRIPTORS = 32,
        WAKE_SIGNAL = SIGUSR2         /* has no other purpose than to end a wait */
};

/* Of a step on a call's way: go on, give the call back to the caller, forget it. Negative: answer that -errno. */
enum step { STEP_ON = 0, STEP_BACK = 1, STEP_GONE = 2 };

/* The process. */
struct forwarder {
        struct nodeos_board *board;
        int record_fd;           /* -1: nothing is recorded */
        int wake_fd;             /* an event for the main thread: a worker is needed, or one ended */
        int self;                /* a pidfd of our own: workers take handlers' sockets by it */
        atomic_int executing;    /* calls */
        atomic_int asleep;       /* the main thread waits for events only, and does not look after the pools */
        uint64_t permitted;      /* our capabilities */
        bool receives_in_place;  /* the kernel's notification fits a journal slot */
};
extern struct forwarder forwarder;

/* One filter, for as long as programs run under it. */
struct pool {
        struct pool *next;
        uint32_t number;         /* the keeper's, for the listener */
        int listener;            /* in the main thread's table */
        sem_t ready;             /* posted when the first worker waits for calls */
        sem_t parked;            /* workers wait here while enough others receive */
        atomic_int over;         /* no program is left, or its channel is gone: end */
        atomic_int workers;      /* alive */
        atomic_int starting;     /* POOL_* */
        atomic_int announced;    /* ready was posted */
        atomic_int receiving;    /* wait for a call */
        atomic_int parked_count;
        atomic_int wanted;       /* so many should wait for calls, at least 1 */
        atomic_int failed;       /* -errno of a worker that could not start */
        _Atomic uint32_t taken;  /* calls, ever */
        _Atomic uint32_t queued; /* calls that had waited for a worker, ever */
        /* What is known of callers is good for one epoch: a call that gives one other groups ends it (caller.c). */
        _Atomic uint32_t identity_epoch;
        atomic_int leaders_move; /* a thread beside the leader changed its identity, and may become the leader by exec */
        atomic_int watches;      /* somebody sees who does what to files, and may expect to see itself: all goes back */
        atomic_int roots_move;   /* somebody may have another root or namespace: look every time */
        _Atomic uint64_t refused[NODEOS_BOARD_CALLS / 64];
        /* The main thread's: what it saw last. */
        uint32_t seen_taken, seen_queued, quiet, calm, ticks;
        bool executing; /* at the last look, a worker was in the middle of a call */
};

/* A worker more: not asked for, asked for by a worker, being started by the main thread. */
enum { POOL_CONTENT = 0, POOL_ASKED, POOL_STARTING };

/* Somebody whose calls a worker has executed. */
struct caller {
        int32_t tid;   /* 0: nobody */
        int pidfd;     /* of the thread where the kernel has such, else of its process */
        int status_fd; /* its /proc/TID/status, -1 until it is read */
        uint32_t epoch;
        uint32_t used; /* the worker's clock at the last use */
        bool own_pidfd; /* pidfd is of the thread itself */
        bool foreign;   /* has another root or namespace: never executed for, for good */
        bool fresh;     /* identity was read for this very call */
        struct identity_more more;
        struct identity *identity; /* allocated with as many groups as it has */
};

/* What a worker is for the file system now. */
struct skin {
        bool knows_ids, knows_capabilities; /* false at first, and after a failure */
        uint32_t fsuid, fsgid, umask;
        uint64_t effective;
        uint32_t group_count;
        uint32_t groups[IDENTITY_GROUPS];
};

struct worker {
        struct pool *pool;
        uint32_t slot;
        bool adopts; /* begins with a call that a predecessor left in the slot */
        struct nodeos_journal *journal;
        int listener, root; /* in its own descriptor table */
        uint64_t idle_ns;   /* when it was done with its last call */
        int32_t last_tid;   /* whose that was */
        uint32_t vain_polls, calls_unpolled; /* how often polling brought no call, one after the other; calls until it is tried again */
        uint32_t clock;     /* calls it made, for the age of callers */
        struct caller callers[CALLER_SETS][CALLER_WAYS];
        struct identity scratch;
        struct skin skin;
        char *arena;
        size_t arena_used, arena_peak;
};

enum argument_state {
        ARGUMENT_PLAIN = 0, /* value is what to pass */
        ARGUMENT_NULL,
        ARGUMENT_BAD,       /* unreadable: value is a bad address of ours */
        ARGUMENT_LONG,      /* no path or name: 4096 bytes without a NUL */
        ARGUMENT_READ,      /* value points to length bytes that were the caller's */
        ARGUMENT_ROOM       /* value points to room for length bytes */
};

struct argument {
        uint64_t value;
        enum argument_state state;
        uint32_t length;
};

/* One call on its way. */
struct call {
        uint64_t id;
        int32_t tid;
        uint32_t number;
        uint64_t given[6];
        uint64_t received_ns;
        const struct nodeos_row *row;
        bool is_read;  /* arguments_read was here */
        bool is_file;  /* it has opened what was a regular file on a disk before */
        bool is_plain; /* it opens or asks for what is there, and neither makes nor changes anything by that */
        bool has_room; /* there is something to write back */
        struct argument arguments[6];
        int taken[6]; /* descriptors of the caller's, -1: none */
        int cwd;      /* its working directory, -1: not needed */
        int64_t position; /* of the descriptor in front of room to fill, -1: has none */
        int failed_with; /* errno of an answer, for the counters */
        bool is_second;  /* repeated, and may have left something the first time: an error may be the consequence of that */
        uint64_t done;   /* open flags that had their effect the first time */
        struct open_how how;
};

/* How a call ended: the counter it belongs to. */
enum outcome { OUTCOME_FORWARDED, OUTCOME_RETURNED, OUTCOME_ALLOWED, OUTCOME_DENIED, OUTCOME_HANDLED, OUTCOME_STALE };

/* --- the board ------------------------------------------------------------------------------------------------------- */

static inline const struct nodeos_row *board_row(uint32_t number) {
        return (const struct nodeos_row *) ((char *) forwarder.board + NODEOS_BOARD_ROWS_AT) + number;
}

static inline uint32_t board_policy(uint32_t number) {
        return __atomic_load_n((uint32_t *) ((char *) forwarder.board + NODEOS_BOARD_POLICY_AT) + number, __ATOMIC_RELAXED);
}

static inline struct nodeos_journal *board_journal(uint32_t slot) {
        return (struct nodeos_journal *) ((char *) forwarder.board + NODEOS_BOARD_JOURNAL_AT) + slot;
}

/* --- pool.c: workers come, wait and go --------------------------------------------------------------------------------- */

/* Starts a worker in a journal slot. Main thread only. Returns 0, or -errno. */
int pool_start_worker(struct pool *pool, uint32_t slot, bool adopts);
/* A journal slot for a new worker, or -EAGAIN. Main thread only. */
int pool_free_slot(const struct pool *pools);
/* Makes sure that somebody will receive the next call although this worker is busy: wakes a parked one or asks for a new one. */
void pool_cover(struct pool *pool);
/* Interrupts whatever its workers wait for. */
void pool_wake_all(struct pool *pool);
/* Interrupts calls that take long: those that only wait go back to their callers. Returns whether any is executed now. */
bool pool_end_waits(struct pool *pool);

/* --- serve.c ----------------------------------------------------------------------------------------------------------- */

/* Wakes the main thread. */
void serve_wake(void);
uint64_t clock_ns(void);

/* --- call.c: one call from its receipt to its answer ------------------------------------------------------------------- */

/* Decides, executes and answers a call; its journal slot is free afterwards. */
void call_run(struct worker *worker, struct call *call);
/* Finishes what a predecessor left in the worker's slot. */
void call_adopt(struct worker *worker);
/* The forward action: executes a call for its caller, without the answer. Returns a step; the result is in ret_result. */
int call_execute(struct worker *worker, struct call *call, int64_t *ret_result);
/* Answers. Returns STEP_ON, or STEP_GONE when nobody waits for it any more. */
int call_answer(struct worker *worker, struct call *call, int64_t result);
/* Whether the caller still waits. */
bool call_is_valid(const struct worker *worker, const struct call *call);
/* An ioctl on the worker's listener; begins again when a signal interrupted it. Returns its result, or -errno. */
int notify(const struct worker *worker, unsigned long request, void *argument);

/* --- execute.c: the call itself ------------------------------------------------------------------------------------------ */

/* Executes as the worker is now. Returns a step; the result is in ret_result. */
int execute(const struct worker *worker, struct call *call, int64_t *ret_result);
/* Whether the caller's real ids count, and not the effective ones. */
bool execute_asks_for_real_user(const struct call *call);
/* Whether it gives another name to what a descriptor is; the caller itself could not, for one that was opened here. */
bool execute_links_descriptor(const struct call *call);

/* --- give.c: descriptors for the caller ---------------------------------------------------------------------------------- */

/* Gives the caller a copy of our descriptor, which is closed. Returns a step; ret_result is its number there, or -errno. */
int give(struct worker *worker, const struct call *call, int fd, uint32_t flags, int64_t *ret_result);
/* Finds the descriptor that a predecessor may have added for this call, and writes it down as the result. Returns its number,
 * -ENOENT when none was added, or -EIO when nobody can know. */
int give_find(struct worker *worker, const struct call *call);
/* Finishes what a predecessor began that had written the result down. */
void give_finish(struct worker *worker, const struct call *call, int64_t result);

/* --- journal.c --------------------------------------------------------------------------------------------------------- */

/* Receives a call into the worker's slot. Returns 0, or -errno. */
int journal_receive(struct worker *worker, struct call *ret_call);
void journal_state(struct worker *worker, enum nodeos_journal_state state);
void journal_result(struct worker *worker, int64_t result);
/* Frees the slot. */
void journal_done(struct worker *worker);
/* Reads what a predecessor left in the slot. Returns its state, or NODEOS_JOURNAL_FREE. */
enum nodeos_journal_state journal_load(struct worker *worker, struct call *ret_call);
/* Whether the slot holds a call of the listener. */
bool journal_holds(uint32_t slot, uint32_t listener);
bool journal_is_free(uint32_t slot);
/* Forgets the call of a listener that has gone. */
void journal_clear(uint32_t slot);

/* --- arguments.c: memory of the caller ---------------------------------------------------------------------------------- */

/* Copies everything that the row says the call reads, once; makes room for what it fills. Returns a step. */
int arguments_read(struct worker *worker, struct call *call);
/* Copies the string of one argument. Returns a step. */
int argument_read_text(struct worker *worker, struct call *call, int i);
/* Writes back what the call filled. Returns 0, STEP_GONE, or -EFAULT. */
int arguments_write(struct worker *worker, struct call *call, int64_t result);
/* Copies to the caller. Returns 0, or -errno. */
int caller_write(int32_t tid, uint64_t address, const void *data, size_t size);

/* --- descriptors.c: what a call refers to: descriptors and the working directory ------------------------------------------ */

/* Replaces descriptors by ours, and opens the working directory where a path starts from it. Returns a step. */
int descriptors_take(struct call *call, struct caller *caller);
/* Closes them. */
void descriptors_close(struct call *call);
/* Whether numbers of the caller's mean what its pidfd gives for them. */
bool descriptors_are_known(const struct caller *caller);
/* Whether a path names what is another thing for every process: /proc, the terminal, standard streams. */
bool is_personal_path(const char *path);
/* The kernel's number of the file system that a descriptor is on, or -errno. */
int64_t file_system_of(int fd);
/* Whether files of that file system are other ones for each process (/proc), or remember who opened them and ask for that one
 * later (cgroups): then it has to be the caller. */
bool is_personal_system(int64_t file_system);
/* Also FUSE: it admits a user by who it really is, and that is not what we pretend to be. And what does not say what it is. */
bool is_private_system(int64_t file_system);

/* --- caller.c: who calls --------------------------------------------------------------------------------------------------- */

/* Finds out who the caller is now. Returns STEP_ON, STEP_BACK for one that we cannot execute for, or STEP_GONE. */
int caller_find(struct worker *worker, const struct call *call, struct caller **ret_caller);
/* Reads the caller's umask, which changes without notice. Returns STEP_ON, STEP_BACK or STEP_GONE. */
int caller_read_umask(struct worker *worker, struct caller *caller);
/* A call that may change the caller's identity or root is about to be executed by it. */
void caller_may_change(struct worker *worker, const struct call *call);
/* Whether the last number that the caller may have is free, and so another descriptor certainly has one. */
bool caller_has_free_number(const struct caller *caller);
/* Whether one below FEW_DESCRIPTORS is free, which is asked faster; who may have so few is another matter. */
bool caller_has_few_descriptors(const struct caller *caller);
/* Whether the caller may not make files as large as it likes, or we cannot know. */
bool caller_has_file_limit(int32_t tid);
void caller_forget_all(struct worker *worker);
/* Finds out what this kernel has. */
void caller_probe(void);

/* --- become.c ---------------------------------------------------------------------------------------------------------------- */

/* Takes on the caller's rights; real: those that access(2) asks for; reads: and the right to read callers. Returns STEP_ON or
 * STEP_BACK. */
int become_caller(struct worker *worker, const struct identity *identity, bool real, bool reads);
/* Makes sure that we may read callers and their memory, with whatever else we have. Returns STEP_ON or STEP_BACK. */
int become_reader(struct worker *worker);
/* Takes back our own capabilities; the file-system ids stay, they do no harm. Returns STEP_ON or STEP_BACK. */
int become_self(struct worker *worker);
void become_umask(struct worker *worker, uint32_t mask);
/* At the start of a worker, and after a failure. */
void become_nobody_known(struct worker *worker);

/* --- open.c ------------------------------------------------------------------------------------------------------------------- */

/* Takes the flags of an open call from its arguments. Returns a step; before anything else is done for the call. */
int open_prepare(struct call *call);
/* Whether it makes a file or cuts one off. */
bool open_changes(const struct call *call);
/* Whether a second execution does no harm; was_done: the first one succeeded. It is prepared for that. */
bool open_repeats(struct call *call, bool was_done);
/* Opens as somebody who is `skin`. Returns a step; the descriptor is in ret_result. */
int open_execute(const struct skin *skin, struct call *call, int64_t *ret_result);

/* --- below.c: opens that change something ------------------------------------------------------------------------------------- */

/* Opens as openat2 does, where nobody asks who we really are. Returns the descriptor, or -1 with an errno; ELOOP where the
 * caller has to do it. */
int below_open(int directory, const char *path, const struct open_how *how);

/* --- walk.c: paths of calls that open nothing -------------------------------------------------------------------------------- */

/* Executes a call that has paths and opens nothing. Returns a step; ret_result is its result, or -errno. */
int walk_execute(const struct worker *worker, const struct call *call, int64_t *ret_result);
/* follow.c: the AT_* flags of a call. */
uint64_t follow_flags(const struct call *call);
/* Whether a symbolic link at the end of a path, the call's argument, is followed: 1, 0, or -1 for a call that we do not know. */
int follow_last(const struct call *call, int path);

/* --- counters.c ----------------------------------------------------------------------------------------------------------------- */

void counters_add(const struct call *call, enum outcome outcome, uint64_t now_ns);
/* Remembers the first time that a program under this filter is refused this call. */
void counters_refuse(struct pool *pool, const struct call *call, int error);

/* --- record.c -------------------------------------------------------------------------------------------------------------------- */

/* Appends the paths that a call names to the record. */
void record_paths(struct worker *worker, struct call *call);

/* --- handler.c: calls that TypeScript decides ------------------------------------------------------------------------------------ */

/* Takes a connection; the descriptor is handler.c's from now on. Returns 0, or -errno. */
int handler_connect(int fd);
/* Asks the handler of the call. Returns a step, with the result in ret_result; STEP_ON is also for what it executed through us. */
int handler_ask(struct worker *worker, struct call *call, int64_t *ret_result);

#endif
