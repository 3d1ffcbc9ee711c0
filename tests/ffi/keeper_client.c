/* What the tests of the keeper and of agents need beside them, and Deno cannot be: a program under a filter, a peer with a
 * user of its own, a client that breaks the rules. Each is told what to do by lines on its standard input. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#else
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

struct control {
        uint32_t kind;
        int32_t result;
};

static int fail(const char *what) {
        printf("%s %d\n", what, errno);
        return 1;
}

static int connect_to(const char *path, int type) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, type, 0);

        strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
        return fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ? -1 : fd;
}

/* Sends `size` bytes and `count` times descriptor `fd`. Returns the result in the answer, 1 for none. */
static int ask(int socket, const void *data, size_t size, int fd, int count) {
        struct iovec part = { .iov_base = (void *) data, .iov_len = size };
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(8 * sizeof(int))];
        } control = { 0 };
        struct msghdr packet = { .msg_iov = &part, .msg_iovlen = 1 };
        struct control answer;

        if (count > 0) {
                packet.msg_control = &control;
                packet.msg_controllen = CMSG_SPACE((size_t) count * sizeof(int));
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN((size_t) count * sizeof(int));
                for (int i = 0; i < count; i++)
                        memcpy(CMSG_DATA(&control.header) + (size_t) i * sizeof(int), &fd, sizeof(int));
        }
        if (sendmsg(socket, &packet, MSG_NOSIGNAL) < 0 || recv(socket, &answer, sizeof(answer), 0) != sizeof(answer))
                return 1;
        return answer.result;
}

/* A filter that sends getppid to user space. Returns the listener. */
static int install_filter(void) {
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { .len = sizeof(code) / sizeof(*code), .filter = code };

        return (int) syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                             SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
}

/* filtered CONTROL: says its listener's number, then for each line what getppid returns. */
static int filtered(char **argv) {
        struct control request = { .kind = 1 };
        int control = connect_to(argv[2], SOCK_SEQPACKET), listener = install_filter();
        char line[64];

        if (control < 0 || listener < 0)
                return fail("filter");
        printf("listener %d\n", ask(control, &request, sizeof(request), listener, 1));
        close(listener);
        close(control);
        while (fgets(line, sizeof(line), stdin)) {
                long result = syscall(SYS_getppid);

                printf("getppid %ld %d\n", result, result < 0 ? errno : 0);
        }
        return 0;
}

/* peer SOCKET UID GID UMASK CWD FILES: becomes that, connects, and waits. Line "exec FILE" executes it, "orphan" leaves the
 * connection to a child. With an eighth argument its memory is guarded, as that of an agent for keys. */
static int peer(char **argv) {
        gid_t gid = (gid_t) atoi(argv[4]), groups[] = { gid, 4242 };
        uid_t uid = (uid_t) atoi(argv[3]);
        struct rlimit files = { (rlim_t) atoi(argv[7]), (rlim_t) atoi(argv[7]) };
        char line[4096];
        int fd;

        umask((mode_t) strtol(argv[5], NULL, 8));
        if (setrlimit(RLIMIT_NOFILE, &files) < 0 || chdir(argv[6]) < 0)
                return fail("prepare");
        if (setgroups(2, groups) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
                return fail("become");
        /* A change of user guards the memory, until something is executed: as after a login. */
        if (prctl(PR_SET_DUMPABLE, argv[8] == NULL) < 0)
                return fail("dumpable");
        fd = connect_to(argv[2], SOCK_STREAM);
        if (fd < 0)
                return fail("connect");
        printf("connected %d\n", getpid());
        while (fgets(line, sizeof(line), stdin)) {
                line[strcspn(line, "\n")] = 0;
                if (!strncmp(line, "exec ", 5)) {
                        execl(line + 5, line + 5, "wait", NULL);
                        return fail("exec");
                }
                if (!strcmp(line, "orphan") && fork() > 0)
                        _exit(0);
                printf("done %d\n", getpid());
        }
        return 0;
}

/* dial SOCKET: connects as what it is. */
static int dial(char **argv) {
        char line[64];

        if (connect_to(argv[2], SOCK_STREAM) < 0)
                return fail("connect");
        printf("connected %d\n", getpid());
        (void) !fgets(line, sizeof(line), stdin);
        return 0;
}

/* get SOCKET UID PATH: asks over HTTP as that user; says the last line of the answer. */
static int get(char **argv) {
        uid_t uid = (uid_t) atoi(argv[3]);
        char text[4096], *last;
        ssize_t n, used = 0;
        int fd;

        if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0)
                return fail("become");
        fd = connect_to(argv[2], SOCK_STREAM);
        if (fd < 0)
                return fail("connect");
        n = snprintf(text, sizeof(text), "GET %s HTTP/1.0\r\n\r\n", argv[4]);
        /* Who has nobody to answer may close the connection before. */
        if (send(fd, text, (size_t) n, MSG_NOSIGNAL) != n && errno != EPIPE)
                return fail("write");
        while ((n = read(fd, text + used, sizeof(text) - 1 - (size_t) used)) > 0)
                used += n;
        text[used] = 0;
        last = strrchr(text, '\n');
        printf("%s\n", last ? last + 1 : "nothing");
        return 0;
}

/* raw CONTROL BYTES FDS KIND: one message of so many bytes, with so many descriptors; says the result. */
static int raw(char **argv) {
        static char bytes[65536];
        uint32_t kind = (uint32_t) strtoul(argv[5], NULL, 10);
        int control = connect_to(argv[2], SOCK_SEQPACKET);

        if (control < 0)
                return fail("connect");
        memcpy(bytes, &kind, sizeof(kind));
        printf("result %d\n", ask(control, bytes, (size_t) atoi(argv[3]), control, atoi(argv[4])));
        return 0;
}

/* idle CONTROL COUNT: connections that say nothing. */
static int idle(char **argv) {
        char line[64];

        for (int i = atoi(argv[3]); i > 0; i--)
                if (connect_to(argv[2], SOCK_SEQPACKET) < 0)
                        return fail("connect");
        printf("idle\n");
        (void) !fgets(line, sizeof(line), stdin);
        return 0;
}

/* wait: says who it is, and waits. */
static int wait_here(char **argv) {
        char line[64];

        (void) argv;
        printf("waiting %d\n", geteuid());
        (void) !fgets(line, sizeof(line), stdin);
        return 0;
}

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                int (*main)(char **argv);
                int argc;
        } commands[] = {
                { "filtered", filtered, 3 }, { "peer", peer, 8 }, { "dial", dial, 3 }, { "get", get, 5 },
                { "raw", raw, 6 }, { "idle", idle, 4 }, { "wait", wait_here, 2 },
        };

        setvbuf(stdout, NULL, _IOLBF, 0);
        for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
                if (argc > 1 && argc >= commands[i].argc && !strcmp(argv[1], commands[i].name))
                        return commands[i].main(argv);
        return 2;
}
