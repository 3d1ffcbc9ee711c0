/* A small keeper for the tests of the forwarder alone: runs a program under a filter, a forwarder beside it, and says at
 * the end what was counted. It holds what the keeper holds: the board and the listener.
 *
 * usage: harness [options] -- program arguments
 *   -f NAMES   forward these calls, with commas between them; "all": every one that can be
 *   -n NAMES   notified, and allowed        -d NAME:ERRNO  denied      -r NAMES  recorded, into the file of -R
 *   -h NAMES   handled by who connects to the socket of -H
 *   -u UID:GID run the program as                -c CPU:CPU  the program's, the forwarder's
 *   -k MS      kill the forwarder so often, and start another one
 *   -s US      busy polling     -l N  soft limit of open files of the forwarder
 *   -o FILE    the counters, as JSON
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "forwarder/forwarder.h"
#include "rows.h"

static struct nodeos_board *board;
static struct {
        int uid, gid, own_cpu, forwarder_cpu, kill_ms, files;
        const char *counters, *handlers;
        int record_fd;
        int notified[NODEOS_BOARD_CALLS];
} options = { .uid = -1, .gid = -1, .own_cpu = -1, .forwarder_cpu = -1, .record_fd = -1 };

static void die(const char *what) {
        perror(what);
        exit(99);
}

static void pin(int cpu) {
        cpu_set_t set;

        if (cpu < 0)
                return;
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        if (sched_setaffinity(0, sizeof(set), &set) < 0)
                die("sched_setaffinity");
}

/* --- the policy --------------------------------------------------------------------------------------------------------- */

static void set_policy(const char *name, int action) {
        const struct test_row *row = test_row_named(name);
        const char *colon = strchr(name, ':');
        int error = colon ? atoi(colon + 1) : 0;

        if (!row && colon) {
                char *copy = strndup(name, (size_t) (colon - name));

                row = test_row_named(copy);
                free(copy);
        }
        if (!row) {
                fprintf(stderr, "no row for %s\n", name);
                exit(99);
        }
        ((uint32_t *) ((char *) board + NODEOS_BOARD_POLICY_AT))[row->number] = (uint32_t) action | (uint32_t) error << 16;
        options.notified[row->number] = 1;
}

/* What has an identity or a namespace flag is always notified, as real filters do. */
static void set_policies(const char *names, int action) {
        char *copy = strdup(names), *place = NULL;

        for (char *name = strtok_r(copy, ",", &place); name; name = strtok_r(NULL, ",", &place)) {
                if (strcmp(name, "all")) {
                        set_policy(name, action);
                        continue;
                }
                for (int i = 0; i < test_row_count; i++)
                        if (test_rows[i].flags & NODEOS_ROW_FORWARDABLE && !(test_rows[i].flags & NODEOS_ROW_DATA))
                                set_policy(test_rows[i].name, action);
        }
        free(copy);
}

static int install_filter(void) {
        static struct sock_filter code[2 * NODEOS_BOARD_CALLS + 8];
        struct sock_fprog program = { .filter = code };
        unsigned short n = 0;

        code[n++] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
        for (unsigned int i = 0; i < NODEOS_BOARD_CALLS; i++) {
                if (!options.notified[i])
                        continue;
                code[n++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, i, 0, 1);
                code[n++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
        }
        code[n++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        program.len = n;
        return (int) syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
                             &program);
}

/* --- messages -------------------------------------------------------------------------------------------------------------- */

static int send_fd(int socket, const void *data, size_t size, int fd) {
        char control[CMSG_SPACE(sizeof(int))] = { 0 };
        struct iovec part = { (void *) (uintptr_t) data, size };
        struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
        struct cmsghdr *first = CMSG_FIRSTHDR(&header);

        first->cmsg_level = SOL_SOCKET;
        first->cmsg_type = SCM_RIGHTS;
        first->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(first), &fd, sizeof(fd));
        return sendmsg(socket, &header, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int receive_fd(int socket) {
        char control[CMSG_SPACE(sizeof(int))], byte;
        struct iovec part = { &byte, 1 };
        struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
        int fd = -1;

        if (recvmsg(socket, &header, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&header))
                memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(fd));
        return fd;
}

/* --- the two sides ------------------------------------------------------------------------------------------------------------ */

static pid_t start_program(char **argv, int *ret_listener) {
        int pair[2];
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                die("socketpair");
        pid = fork();
        if (!pid) {
                char byte;
                int listener;

                pin(options.own_cpu);
                if (options.uid >= 0) {
                        gid_t gid = (gid_t) options.gid;

                        if (setgroups(1, &gid) < 0 || setresgid(gid, gid, gid) < 0)
                                die("setresgid");
                        /* Who has no CAP_SYS_ADMIN any more when the filter comes needs this. */
                        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                        if (setresuid((uid_t) options.uid, (uid_t) options.uid, (uid_t) options.uid) < 0)
                                die("setresuid");
                        /* A test reads what the kernel lets only dumpable processes' owners read. */
                        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
                }
                listener = install_filter();
                if (listener < 0)
                        die("seccomp");
                if (send_fd(pair[1], "", 1, listener) < 0)
                        die("sendmsg");
                syscall(SYS_close, listener);
                if (recv(pair[1], &byte, 1, 0) != 1)
                        _exit(99);
                execvp(argv[0], argv);
                perror(argv[0]);
                _exit(99);
        }
        *ret_listener = receive_fd(pair[0]);
        if (*ret_listener < 0)
                die("no listener");
        close(pair[1]);
        options.own_cpu = pair[0]; /* kept: it starts the program */
        return pid;
}

static pid_t start_forwarder(int *ret_channel) {
        int pair[2];
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                die("socketpair");
        board->forwarder_starts++;
        pid = fork();
        if (!pid) {
                close(pair[0]);
                pin(options.forwarder_cpu);
                if (options.files) {
                        struct rlimit files = { (rlim_t) options.files, (rlim_t) options.files };

                        setrlimit(RLIMIT_NOFILE, &files);
                }
                signal(SIGTERM, SIG_DFL);
                forwarder_run(board, pair[1], options.record_fd);
        }
        close(pair[1]);
        board->forwarder_pid = pid;
        *ret_channel = pair[0];
        return pid;
}

static int tell(int channel, uint32_t kind, int fd) {
        struct keeper_message message = { .kind = kind, .number = 7 };
        int32_t result = -EPIPE;

        if (send_fd(channel, &message, sizeof(message), fd) < 0 || recv(channel, &result, sizeof(result), 0) != sizeof(result))
                return -EPIPE;
        return result;
}

/* --- the end ---------------------------------------------------------------------------------------------------------------------- */

static void write_counters(void) {
        FILE *file = options.counters ? fopen(options.counters, "w") : NULL;
        const struct nodeos_counter *counters = (const struct nodeos_counter *) ((char *) board + NODEOS_BOARD_COUNTERS_AT);
        const struct nodeos_refusal *refusals = (const struct nodeos_refusal *) ((char *) board + NODEOS_BOARD_REFUSALS_AT);
        const char *comma = "";

        if (!file)
                return;
        fprintf(file, "{\"starts\":%u,\"threads\":%u,\"listeners\":%u,\"calls\":{", board->forwarder_starts, board->threads, board->listeners);
        for (int i = 0; i < test_row_count; i++) {
                const struct nodeos_counter *one = &counters[test_rows[i].number];
                uint64_t in_buckets = 0;

                for (int b = 0; b < NODEOS_BOARD_BUCKETS; b++)
                        in_buckets += one->buckets[b];
                if (!one->calls)
                        continue;
                fprintf(file,
                        "%s\"%s\":{\"calls\":%lu,\"forwarded\":%lu,\"returned\":%lu,\"allowed\":%lu,\"denied\":%lu,\"handled\":%lu,"
                        "\"stale\":%lu,\"failed\":%lu,\"totalNs\":%lu,\"inBuckets\":%lu}",
                        comma, test_rows[i].name, one->calls, one->forwarded, one->returned, one->allowed, one->denied, one->handled, one->stale,
                        one->failed, one->total_ns, in_buckets);
                comma = ",";
        }
        fprintf(file, "},\"refusals\":[");
        comma = "";
        for (uint64_t n = 1; n <= board->refusal_count && n < NODEOS_BOARD_REFUSALS; n++) {
                fprintf(file, "%s{\"number\":%lu,\"call\":%u,\"error\":%d,\"listener\":%u,\"command\":\"%.16s\"}", comma, refusals[n].number,
                        refusals[n].call, refusals[n].error, refusals[n].listener, refusals[n].command);
                comma = ",";
        }
        fprintf(file, "]}\n");
        fclose(file);
}

static int listen_for_handlers(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        strncpy(address.sun_path, options.handlers, sizeof(address.sun_path) - 1);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 8) < 0)
                die("bind");
        return fd;
}

static void wait_for_threads_to_end(void) {
        struct timespec moment = { .tv_nsec = 2000000 };

        for (int i = 0; i < 2500 && __atomic_load_n(&board->listeners, __ATOMIC_ACQUIRE); i++)
                nanosleep(&moment, NULL);
}

static void make_board(void) {
        int fd = memfd_create("board", MFD_CLOEXEC);

        if (fd < 0 || ftruncate(fd, NODEOS_BOARD_SIZE) < 0)
                die("memfd_create");
        board = mmap(NULL, NODEOS_BOARD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (board == MAP_FAILED)
                die("mmap");
        close(fd);
        board->magic = NODEOS_BOARD_MAGIC;
        board->size = NODEOS_BOARD_SIZE;
#if defined(__x86_64__)
        board->audit_arch = AUDIT_ARCH_X86_64;
#else
        board->audit_arch = AUDIT_ARCH_AARCH64;
#endif
        test_rows_write(board);
}

static void read_options(int argc, char **argv) {
        int option;

        while ((option = getopt(argc, argv, "+f:n:d:r:R:h:H:u:c:k:s:l:o:")) != -1)
                switch (option) {
                case 'f': set_policies(optarg, NODEOS_ACTION_FORWARD); break;
                case 'n': set_policies(optarg, NODEOS_ACTION_ALLOW); break;
                case 'd': set_policies(optarg, NODEOS_ACTION_DENY); break;
                case 'r': set_policies(optarg, NODEOS_ACTION_RECORD); break;
                case 'h': set_policies(optarg, NODEOS_ACTION_HANDLE); break;
                case 'H': options.handlers = optarg; break;
                case 'R': options.record_fd = open(optarg, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600); break;
                case 'u': sscanf(optarg, "%d:%d", &options.uid, &options.gid); break;
                case 'c': sscanf(optarg, "%d:%d", &options.own_cpu, &options.forwarder_cpu); break;
                case 'k': options.kill_ms = atoi(optarg); break;
                case 's': board->spin_us = (uint32_t) atoi(optarg); break;
                case 'l': options.files = atoi(optarg); break;
                case 'o': options.counters = optarg; break;
                default: exit(99);
                }
        for (int i = 0; i < test_row_count; i++)
                if (test_rows[i].flags & (NODEOS_ROW_IDENTITY | NODEOS_ROW_NAMESPACE))
                        options.notified[test_rows[i].number] = 1;
}

/* Starts a forwarder that serves the listener; it may be the successor of one that was killed. */
static pid_t serve(int listener, int *channel) {
        pid_t pid = start_forwarder(channel);
        int result = tell(*channel, NODEOS_CONTROL_LISTEN, listener);

        if (result < 0) {
                fprintf(stderr, "LISTEN: %s\n", strerror(-result));
                exit(99);
        }
        return pid;
}

int main(int argc, char **argv) {
        int listener, channel, handlers = -1, status = 0, pidfd;
        pid_t program, forwarder;

        make_board();
        read_options(argc, argv);
        if (options.handlers)
                handlers = listen_for_handlers();
        program = start_program(argv + optind, &listener);
        forwarder = serve(listener, &channel);
        if (write(options.own_cpu, "g", 1) != 1)
                die("start");
        pidfd = (int) syscall(SYS_pidfd_open, program, 0);
        for (;;) {
                struct pollfd polled[] = { { .fd = pidfd, .events = POLLIN }, { .fd = handlers, .events = POLLIN }, { .fd = channel } };
                int n = poll(polled, 3, options.kill_ms ? options.kill_ms : -1);

                if (n > 0 && polled[0].revents)
                        break;
                if (n > 0 && polled[1].revents) {
                        int fd = accept4(handlers, NULL, NULL, SOCK_CLOEXEC);

                        if (tell(channel, NODEOS_CONTROL_HANDLE, fd) < 0)
                                die("HANDLE");
                        close(fd);
                        continue;
                }
                /* Time to kill it, or somebody else did. */
                if (n == 0)
                        kill(forwarder, SIGKILL);
                waitpid(forwarder, NULL, 0);
                close(channel);
                forwarder = serve(listener, &channel);
        }
        waitpid(program, &status, 0);
        wait_for_threads_to_end();
        write_counters();
        close(channel);
        waitpid(forwarder, NULL, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
