/* The board of one container's forwarder: a file that the forwarder maps and TypeScript reads and writes as a file. Rows
 * say how a call is executed for somebody else, the policy says what happens to it now, the rest is what happened.
 *
 * One writer each: rows and policy are TypeScript's, everything else is the keeper's and the forwarder's. All fields are
 * naturally aligned and little-endian; a field that changes while the other side runs is loaded and stored whole. */
#ifndef NODEOS_BOARD_H
#define NODEOS_BOARD_H

#include <stdint.h>

#define NODEOS_BOARD_MAGIC 0x3144524f4257464eULL /* "NFWBORD1" */

enum {
        NODEOS_BOARD_CALLS = 512,   /* call numbers 0 to 511: x86-64 and aarch64 have no higher one */
        NODEOS_BOARD_SLOTS = 512,   /* calls in flight at once */
        NODEOS_BOARD_REFUSALS = 256, /* the last first refusals */
        NODEOS_BOARD_BUCKETS = 24   /* of a latency histogram: bucket b counts [2^(b+8), 2^(b+9)) ns, the first from 0, the last without end */
};

/* Where everything starts, in bytes from the start of the file. */
enum {
        NODEOS_BOARD_ROWS_AT = 4096,
        NODEOS_BOARD_POLICY_AT = NODEOS_BOARD_ROWS_AT + NODEOS_BOARD_CALLS * 32,
        NODEOS_BOARD_COUNTERS_AT = NODEOS_BOARD_POLICY_AT + NODEOS_BOARD_CALLS * 4,
        NODEOS_BOARD_JOURNAL_AT = NODEOS_BOARD_COUNTERS_AT + NODEOS_BOARD_CALLS * 192,
        NODEOS_BOARD_REFUSALS_AT = NODEOS_BOARD_JOURNAL_AT + NODEOS_BOARD_SLOTS * 128,
        NODEOS_BOARD_SIZE = NODEOS_BOARD_REFUSALS_AT + NODEOS_BOARD_REFUSALS * 64
};

struct nodeos_board {
        uint64_t magic;
        uint32_t size;             /* NODEOS_BOARD_SIZE */
        uint32_t audit_arch;       /* AUDIT_ARCH_* that the rows are for */
        uint64_t keeper_start_ticks; /* field 22 of its stat: tells the keeper from a later process of its number */
        int32_t keeper_pid;
        int32_t forwarder_pid;     /* 0: none runs now */
        uint32_t forwarder_starts; /* more than 1: it died and was replaced */
        int32_t sidecar_pid;       /* 0: none runs now */
        uint32_t sidecar_starts;
        uint32_t threads;          /* of the forwarder's pools */
        uint32_t listeners;        /* filters whose programs still run */
        uint32_t spin_us;          /* in: a thread that answered a call polls this long for the next one; 0 sleeps at once */
        uint64_t refusal_count;    /* ever; the last NODEOS_BOARD_REFUSALS are kept, number n at n % that */
        uint64_t handlers;         /* TypeScript handlers that are connected now */
};

/* What an argument is; the kind of each of the six. */
enum nodeos_argument {
        NODEOS_ARGUMENT_NONE = 0,
        NODEOS_ARGUMENT_INTEGER,    /* passed on as it is */
        NODEOS_ARGUMENT_DIRFD,      /* a directory of the caller's, or AT_FDCWD; the next argument is the path below it */
        NODEOS_ARGUMENT_PATH,       /* a path; without a DIRFD before it, below the working directory */
        NODEOS_ARGUMENT_TEXT,       /* another string: the name of an attribute, the target of a symbolic link */
        NODEOS_ARGUMENT_FD,         /* a descriptor of the caller's */
        NODEOS_ARGUMENT_IN,         /* a structure of sizes[i] bytes to read, or NULL */
        NODEOS_ARGUMENT_OUT,        /* a structure of sizes[i] bytes to fill, or NULL */
        NODEOS_ARGUMENT_IN_SIZED,   /* bytes to read; the next argument says how many */
        NODEOS_ARGUMENT_OUT_SIZED,  /* room to fill; the next argument says how much */
        NODEOS_ARGUMENT_OPEN_FLAGS, /* an integer with O_* flags */
        NODEOS_ARGUMENT_POINTER     /* nobody else can use it: a call with one is never executed for its caller */
};

enum nodeos_row_flag {
        NODEOS_ROW_DESCRIPTOR = 1,  /* returns a descriptor, which is given to the caller */
        NODEOS_ROW_OPENS = 2,       /* open and its kin: O_PATH, terminals and FIFOs go back to the caller */
        NODEOS_ROW_CREATES = 4,     /* the caller's umask counts */
        NODEOS_ROW_ACCESS = 8,      /* access and its kin: the caller's real ids count */
        NODEOS_ROW_LIMITED = 16,    /* goes back to a caller with a limit on file sizes */
        NODEOS_ROW_DATA = 32,       /* moves data: for regular files only, everything else goes back to the caller */
        NODEOS_ROW_REPEATABLE = 64, /* executed twice it does no harm; of calls that open, the flags decide (open.c) */
        NODEOS_ROW_NAMESPACE = 128, /* may give the caller another root: goes back to it, which is watched from then on */
        NODEOS_ROW_IDENTITY = 256,  /* may give the caller other groups or capabilities: the same */
        NODEOS_ROW_FORWARDABLE = 512, /* may be executed for its caller at all */
        NODEOS_ROW_WATCHES = 1024    /* its caller sees afterwards who does what to files: all goes back from then on */
};

/* How a call is executed for somebody else. */
struct nodeos_row {
        uint8_t kinds[6];  /* enum nodeos_argument */
        uint16_t flags;    /* enum nodeos_row_flag */
        uint16_t sizes[6]; /* bytes, of IN and OUT */
        uint8_t reserved[12];
};

/* What happens to a call that the filter sends to us: a policy is action | errno << 16. */
enum nodeos_action {
        NODEOS_ACTION_ALLOW = 0,   /* the caller executes it itself */
        NODEOS_ACTION_FORWARD = 1, /* we execute it for the caller; what cannot be goes back to the caller */
        NODEOS_ACTION_DENY = 2,    /* the errno */
        NODEOS_ACTION_HANDLE = 3,  /* a TypeScript handler decides */
        NODEOS_ACTION_RECORD = 4   /* as allow, and the paths it names are appended to the record (keeper.c) */
};

/* What happened to one call. A call counts once in `calls`, and once in one of the six after it. */
struct nodeos_counter {
        uint64_t calls;
        uint64_t forwarded; /* executed for the caller, also when the answer was an error */
        uint64_t returned;  /* should be forwarded, and had to go back to the caller */
        uint64_t allowed;
        uint64_t denied;
        uint64_t handled;
        uint64_t stale;     /* the caller was gone, or had been interrupted */
        uint64_t failed;    /* of forwarded and handled: those answered with an error */
        uint64_t total_ns;  /* from receiving to answering, of all of them */
        uint32_t buckets[NODEOS_BOARD_BUCKETS];
        uint8_t reserved[24];
};

enum nodeos_journal_state {
        NODEOS_JOURNAL_FREE = 0,
        NODEOS_JOURNAL_RECEIVED, /* nothing done yet: a successor begins anew */
        NODEOS_JOURNAL_RUNNING,  /* may be done: a successor repeats what is REPEATABLE, and answers EIO otherwise */
        NODEOS_JOURNAL_ANSWERED, /* done, `result` is the answer: a successor sends it */
        NODEOS_JOURNAL_HANDED,   /* with a TypeScript handler: a successor answers EIO */
        NODEOS_JOURNAL_ADDING    /* done, and its descriptor is being given to the caller: a successor looks whether it was (give.c) */
};

/* A call in flight; each thread of the forwarder has one of its own. */
struct nodeos_journal {
        uint32_t state;    /* enum nodeos_journal_state */
        uint32_t listener; /* the keeper's number for the filter */
        /* The notification, as the kernel writes it: struct seccomp_notif. A free slot with an id holds one, too (journal.c). */
        uint64_t id;
        uint32_t tid;
        uint32_t flags;
        uint32_t call;
        uint32_t arch;
        uint64_t instruction;
        uint64_t arguments[6];
        int64_t result;    /* value, or -errno */
        uint64_t received_ns; /* CLOCK_MONOTONIC */
        uint8_t reserved[24];
};

/* The first time that a program is refused a call by policy: one for each filter and call. */
struct nodeos_refusal {
        uint64_t number;  /* from 1; written last */
        uint64_t time_ns; /* CLOCK_REALTIME */
        uint32_t call;
        uint32_t tid;
        int32_t error;    /* errno */
        uint32_t listener;
        char command[16]; /* the thread's name */
        uint8_t reserved[16];
};

_Static_assert(sizeof(struct nodeos_board) <= NODEOS_BOARD_ROWS_AT, "board");
_Static_assert(sizeof(struct nodeos_row) == 32, "row");
_Static_assert(sizeof(struct nodeos_counter) == 192, "counter");
_Static_assert(sizeof(struct nodeos_journal) == 128, "journal");
_Static_assert(sizeof(struct nodeos_refusal) == 64, "refusal");

/* --- the keeper's control socket: SOCK_SEQPACKET, of root alone ------------------------------------------------------ */

enum nodeos_control_kind {
        NODEOS_CONTROL_LISTEN = 1, /* with a seccomp listener: serve it. Answered when threads wait for its calls. */
        NODEOS_CONTROL_STAY = 2,   /* live on when the owner dies */
        NODEOS_CONTROL_STOP = 3,   /* end, with forwarder, sidecar and agents. Answered when they are gone. */
        NODEOS_CONTROL_PEER = 4,   /* with a connected Unix socket: start an agent with the rights of the process at its other
                                    * end. Answered with a descriptor: the agent's socket. */
        NODEOS_CONTROL_HANDLE = 5, /* with a connected Unix stream socket: it speaks the handlers' protocol (handler.h) */
        NODEOS_CONTROL_SIDECAR = 6 /* start the sidecar now, not at its first connection */
};

struct nodeos_control {
        uint32_t kind;   /* enum nodeos_control_kind */
        int32_t result;  /* in an answer: >= 0, or -errno */
};

/* --- agent and handlers: calls as frames ------------------------------------------------------------------------------ */

/* One call with its data, on a stream socket: to an agent, and to a TypeScript handler. After the header, for each
 * argument of kind PATH, TEXT, IN and IN_SIZED, in their order: uint32 byte count (0xffffffff: NULL), and the bytes, without
 * a NUL. OUT has no bytes here. */
struct nodeos_call_frame {
        uint32_t size;   /* of the frame, this header included; at most NODEOS_FRAME_MAX */
        uint32_t slot;   /* of the journal; the answer repeats it. For an agent: anything */
        uint64_t id;     /* the answer repeats it */
        uint32_t call;
        uint32_t tid;    /* who calls; 0 for an agent */
        uint32_t uid;    /* its fsuid and fsgid */
        uint32_t gid;
        uint64_t arguments[6]; /* as they were; of an agent's data arguments only the size in the argument after it counts */
};

enum nodeos_verdict {
        NODEOS_VERDICT_VALUE = 0,   /* value is the result, or -errno */
        NODEOS_VERDICT_FORWARD = 1, /* as if the policy said forward */
        NODEOS_VERDICT_ALLOW = 2,   /* the caller executes it itself */
        NODEOS_VERDICT_CONTENT = 3  /* the caller gets a new descriptor that holds the first data block; value has O_CLOEXEC or 0 */
};

/* The answer; after the header, for each OUT and OUT_SIZED argument in their order (for CONTENT: once): uint32 byte count
 * (0xffffffff: leave it alone), and the bytes. */
struct nodeos_answer_frame {
        uint32_t size;
        uint32_t slot;
        uint64_t id;
        uint32_t verdict; /* enum nodeos_verdict; of an agent always VALUE */
        uint32_t reserved;
        int64_t value;
};

enum { NODEOS_FRAME_MAX = 1 << 20 };

#endif
