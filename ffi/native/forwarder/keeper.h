/* Between the files of the keeper: keeper.c (its loop), control.c (who asks), succession.c (the forwarder and its
 * successors), sidecar.c, peer.c (who gets an agent), tally.c (what agents did), child.c (what a child of the keeper keeps)
 * and pace.c (time and words). One thread, one struct keeper. */
#ifndef NODEOS_KEEPER_H
#define NODEOS_KEEPER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "forwarder.h"

#define SECOND_NS 1000000000LL

enum {
        LISTENERS = 1024,
        CLIENTS = 32,  /* control connections at once; a new one takes the place of the one that is idle longest */
        AGENTS = 256,  /* peers at once */
        HANDLES = 16   /* handlers' connections on their way to the forwarder */
};

/* What nodeos gives the keeper. */
enum { CONTROL_FD = 0, BOARD_FD = 1, LOG_FD = 2 };

/* An agent's own descriptors lie above all that it may open for its peer. */
enum { AGENT_SOCKET = 1024, AGENT_TALLY, AGENT_PEER /* a pidfd */, AGENT_CLIENT /* the peer's connection */, AGENT_OWN_END };

struct keeper_options {
        int32_t owner_pid; /* 0: none */
        uint64_t owner_start_ticks;
        const char *record;         /* or NULL */
        const char *sidecar_socket; /* or NULL */
        uint32_t sidecar_uid, sidecar_gid;
        char **sidecar_argv; /* NULL: no sidecar */
};

/* How often something that dies is started again: `burst` times at once, from then on once each interval. */
struct pace {
        int64_t paid_until_ns;
        int64_t interval_ns;
        int32_t burst;
};

/* A seccomp listener: our dup, which outlives a forwarder. */
struct listener {
        int fd;
        uint32_t number; /* from 1, never used again */
        uint32_t client; /* that waits until it is served; 0: none */
        int is_sent;     /* the forwarder of now has it */
};

struct handle {
        int fd;
        uint32_t client;
};

struct client {
        int fd;
        uint32_t serial; /* from 1: tells it from a later one in its place */
        int is_waiting;  /* for the answer to something that takes time */
        int is_refused;  /* not root: it learns so when it asks */
        int64_t heard_ns;
};

struct agent {
        int pidfd;
        int socket;      /* its end: hangs up when nobody has the other one */
        int other_end;   /* for the client, when the agent is ready; then -1 */
        int peer_pidfd;  /* until then */
        int connection;  /* the peer's: without anybody at its other end, nobody waits for what the agent does */
        uint32_t client;
};

struct keeper {
        const struct keeper_options *options;
        struct nodeos_board *board;
        const struct nodeos_board *board_view; /* header, rows and policy, read-only: all that an agent sees of it */
        int signal_fd, record_fd, owner_pidfd;
        int stays;     /* when the owner dies */
        int board_watch_fd; /* -1: none */
        int is_removed; /* the board has no name any more */
        int is_ending;
        uint32_t stop_client; /* that is told when all has ended */

        struct client clients[CLIENTS];
        int client_count;
        uint32_t client_serial;
        int64_t accept_ns; /* no connection before */

        struct listener listeners[LISTENERS];
        int listener_count;
        uint32_t listener_number;
        struct handle handles[HANDLES];
        int handle_count;

        int forwarder_pidfd; /* -1: none runs */
        int channel;
        uint32_t asked_kind; /* what the forwarder has not answered yet; 0: nothing */
        uint32_t asked_number;
        struct pace forwarder_pace;
        int64_t forwarder_ns; /* none before */

        int sidecar_fd; /* listening socket, -1: none */
        int sidecar_pidfd;
        int sidecar_stays; /* it was asked for: when it dies the next one starts at once */
        struct pace sidecar_pace;
        int64_t sidecar_ns;

        struct agent agents[AGENTS];
        int agent_count;
        int tally_fds[2]; /* pipe: what agents did, for the counters */
        int64_t tally_ns; /* not read before */
};

/* --- keeper.c --- */

/* Serves until it is told to stop, or nobody needs it. Returns the exit status. ready_fd gets a byte when all is set up. */
int keeper_run(const struct keeper_options *options, struct nodeos_board *board, const struct nodeos_board *view, int ready_fd);
/* Does what a client asks, and closes fd or keeps it. Returns 0 with the answer, or 1 when that comes later. */
int keeper_do(struct keeper *keeper, uint32_t client, uint32_t kind, int fd, int32_t *ret_result);

/* --- pace.c --- */

int64_t keeper_now_ns(void);
/* Writes a line to the log. */
void keeper_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* When the next start may be, and that it happens. */
int64_t pace_next_ns(const struct pace *pace, int64_t now_ns);
void pace_pay(struct pace *pace, int64_t now_ns);

/* --- control.c --- */

void control_accept(struct keeper *keeper);
void control_read(struct keeper *keeper, int index);
void control_drop(struct keeper *keeper, int index);
/* Answers a client, if it is still there; fd, when >= 0, goes with the answer. Returns 0, or -errno. */
int control_answer(struct keeper *keeper, uint32_t client, int32_t result, int fd);

/* --- succession.c --- */

void forwarder_start(struct keeper *keeper);
void forwarder_ended(struct keeper *keeper);
/* Reads its answer; sends it what it has not got yet. */
void forwarder_answered(struct keeper *keeper);
void forwarder_supply(struct keeper *keeper);
int32_t listener_add(struct keeper *keeper, uint32_t client, int fd);
void listener_drop(struct keeper *keeper, int index, int32_t result);
int32_t handle_add(struct keeper *keeper, uint32_t client, int fd);

/* --- sidecar.c --- */

/* Makes its socket. Returns 0, or -errno. */
int sidecar_open(struct keeper *keeper);
/* Starts it, unless it runs. Returns its process id, or -errno. */
int32_t sidecar_start(struct keeper *keeper);
void sidecar_ended(struct keeper *keeper);

/* --- confine.c --- */

/* Takes from this process, for good, what the sidecar has no use for: processes, other sockets than Unix ones, signals to
 * others and their memory. Returns 0, or -errno. */
int sidecar_confine(void);

/* --- peer.c --- */

/* Starts an agent for the process at the other end of a connection, which is the keeper's then; the client is answered when
 * the agent is ready. */
int32_t peer_add(struct keeper *keeper, uint32_t client, int connection);
/* The agent said whether it is ready; nobody has its other end any more, or that of its peer's connection; it ended. */
void peer_ready(struct keeper *keeper, int index);
void peer_left(struct keeper *keeper, int index);
void peer_ended(struct keeper *keeper, int index);
/* 1 when a process is what `identity` says, and nobody but its user may look into it. */
int peer_is(const struct identity *identity, int32_t pid);

/* --- tally.c --- */

/* Adds what agents did to the counters. */
void tally_read(struct keeper *keeper);

/* Bytes of the pipe, if the kernel gives so many: what agents do in 20 ms. */
enum { TALLY_ROOM = 1 << 20 };

/* What an agent did, on the pipe to its keeper. */
struct tally {
        uint32_t call;
        uint32_t outcome; /* enum tally_outcome */
        uint64_t ns;
};

enum tally_outcome { TALLY_FORWARDED = 1, TALLY_RETURNED, TALLY_DENIED, TALLY_FAILED = 16 /* and the first of these */ };

/* --- agent_rights.c --- */

/* Becomes what `identity` says, in the working directory and with the limits and umask of process pid. Returns 0, or -errno. */
int agent_become(const struct identity *identity, int32_t pid);

/* --- child.c --- */

/* Programs wait for this process: it runs before everything else that is not real-time. Its children do not, until they say so. */
void child_hurry(void);
/* Forks a child that dies with us, takes all signals, and has this name. Returns 0 there, its id here, or -errno. */
pid_t child_fork(const char *name, int *ret_pidfd);
/* Dies when `parent` does. A change of user ends that: it is called again then. */
void child_follow(pid_t parent);
/* In a child: from[i] becomes number to[i], in ascending order, and everything else is closed. Returns 0, or -errno. */
int child_descriptors(const int *from, const int *to, int count);
/* Takes all capabilities but these away for good. Returns 0, or -errno. */
int child_bound_capabilities(uint64_t keep);
int child_set_capabilities(uint64_t set);
/* What this process is allowed. */
uint64_t child_capabilities(void);
/* Field 22 of /proc/PID/stat, 0 when there is no such process. */
uint64_t start_ticks_of(int32_t pid);
/* Ends it and waits for its end at most so long; closes the pidfd. */
void child_end(int pidfd, int signal, int wait_ms);
/* Its end, as words for the log. Closes the pidfd. Returns its exit status, or -signal. */
int child_collect(int pidfd, char *ret_words, size_t size);

#endif
