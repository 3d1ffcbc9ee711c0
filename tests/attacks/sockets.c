/* Sockets and files of the service: whose they are, and who is at their other end when a call is made. */
#define _GNU_SOURCE
#include "attack.h"

#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

static char answer[65536];

const char *in_state(const char *name, bool other) {
        static char paths[4][512];
        static unsigned int next;
        const char *directory = getenv(other ? "ATTACK_OTHER" : "ATTACK_STATE");
        char *path = paths[next++ % 4];

        if (!directory)
                skip("there is no service");
        snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
        return path;
}

int connect_to(const char *path, int type) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct timeval patience = { .tv_sec = 5 };
        int fd = (int) MUST(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));

        strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        return connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ? -1 : fd;
}

/* --- files and sockets ---------------------------------------------------------------------------------------------------- */

static const char *const files[] = { "board", "control.sock", "filter", "policy.json", "log", "sidecar.sock" };

static void use_file(const struct attack *attack) {
        const char *path = in_state(files[attack->which % 6], attack->how == 10 || attack->which >= 6);

        switch (attack->how) {
        case 0: REFUSED(open(path, O_RDONLY)); break;
        case 1: REFUSED(open(path, O_RDWR)); break;
        case 2: REFUSED(unlink(path)); break;
        case 3: REFUSED(rename(path, "taken")); break;
        case 4: REFUSED(chmod(path, 0666)); break;
        case 5: REFUSED(chown(path, getuid(), getgid())); break;
        case 6: REFUSED(link(path, "taken")); break;
        case 7: REFUSED(truncate(path, 0)); break;
        }
}

static void use_directory(const struct attack *attack) {
        const char *path = in_state(attack->which == 3 ? "board.new" : attack->which == 5 ? "" : "new", attack->how);

        switch (attack->which) {
        case 0: REFUSED(open(path, O_CREAT | O_WRONLY, 0666)); break;
        case 1: REFUSED(mkdir(path, 0777)); break;
        case 2: REFUSED(symlink("/etc/passwd", path)); break;
        case 3: REFUSED(symlink("/etc/passwd", path)); break;
        case 4: REFUSED(mknod(path, S_IFIFO | 0666, 0)); break;
        case 5: REFUSED(open(path, O_RDONLY | O_DIRECTORY)); break;
        }
}

static void use_socket(const struct attack *attack) {
        static const int types[] = { SOCK_SEQPACKET, SOCK_STREAM, SOCK_DGRAM };

        REFUSED(connect_to(in_state(attack->which ? "sidecar.sock" : "control.sock", attack->how), types[attack->which]));
}

static void use_others_sidecar(const struct attack *attack) {
        (void) attack;
        REFUSED(connect_to(in_state("sidecar.sock", true), SOCK_STREAM));
}

/* --- who is at the other end ------------------------------------------------------------------------------------------------- */

/* Whether the service executed the call; -1 when the connection ended. */
static int ask_over(int fd, const char *call) {
        char request[1024], body[512];
        ssize_t n;

        snprintf(body, sizeof(body), "{\"calls\":[%s]}", call);
        snprintf(request, sizeof(request), "POST /v1/syscalls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                 strlen(body), body);
        if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
                return -1;
        n = recv(fd, answer, sizeof(answer) - 1, 0);
        answer[n > 0 ? n : 0] = 0;
        return n <= 0 ? -1 : strstr(answer, "\"value\"") != NULL;
}

static void ask_to_open(int fd, const char *path) {
        char call[512];

        snprintf(call, sizeof(call), "{\"call\":\"openat\",\"args\":[-100,\"%s\",0]}", path);
        if (ask_over(fd, call) == 1)
                gained("%s was opened: %.200s", path, strchr(answer, '{') ? strchr(answer, '{') : answer);
}

static int connection(void) {
        int fd = connect_to(in_state("sidecar.sock", false), SOCK_STREAM);

        if (fd < 0)
                skip("cannot connect: %s", strerror(errno));
        return fd;
}

static char secret[600];

/* A file of root's in our directory. */
static void make_secret(void) {
        char directory[512];

        if (geteuid())
                skip("it needs root");
        MUST(getcwd(directory, sizeof(directory)) ? 0 : -1);
        make_file("secret", 0600, "text");
        MUST(chown("secret", 1234, 1234));
        MUST(chmod(".", 0755));
        snprintf(secret, sizeof(secret), "%s/secret", directory);
}

static void drop(int how) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct none[2] = { 0 };

        switch (how) {
        case 0: MUST(setgroups(0, NULL)); MUST(setresgid(65534, 65534, 65534)); MUST(setresuid(65534, 65534, 65534)); break;
        case 1: MUST(syscall(SYS_capset, &header, none)); break;
        case 2: MUST(unshare(CLONE_NEWUSER)); break;
        case 3: MUST(mkdir("jail", 0755)); MUST(chroot("jail")); MUST(chdir("/")); break;
        case 4: MUST(seteuid(65534)); break;
        }
}

/* A connection that was made with more rights than its maker has now. The native attempt is the call itself. */
static void dropped_after_connecting(const struct attack *attack) {
        int fd;

        make_secret();
        fd = connection();
        if (attack->how && ask_over(fd, "{\"call\":\"getpid\"}") < 0)
                skip("the service does not answer");
        drop(attack->which);
        REFUSED(open(secret, O_RDONLY));
        if (is_forwarded())
                ask_to_open(fd, secret);
}

/* A connection that root made, and a user has. */
static void passed_on(const struct attack *attack) {
        int fd;
        pid_t pid;

        make_secret();
        fd = connection();
        fcntl(fd, F_SETFD, 0);
        pid = (pid_t) MUST(fork());
        if (pid == 0) {
                drop(0);
                pause_ms(attack->which ? 100 : 0);
                if (open(secret, O_RDONLY) >= 0)
                        gained("natively");
                if (is_forwarded() && attack->which)
                        ask_to_open(fd, secret);
                _exit(0);
        }
        /* Root is gone: who asks now is nobody that the service knows. */
        if (attack->which) {
                int status;

                if (attack->how) {
                        MUST(setgroups(0, NULL));
                        MUST(setresuid(65534, 65534, 65534));
                }
                waitpid(pid, &status, 0);
        }
}

/* A name space of our own, where we are root: out there we are who we were. */
static void from_namespace(const struct attack *attack) {
        int fd, flags = attack->which == 0 ? CLONE_NEWUSER : CLONE_NEWUSER | CLONE_NEWNS;

        if (unshare(flags) < 0)
                skip("unshare: %s", strerror(errno));
        REFUSED(open(arena("secret"), O_RDONLY));
        fd = connect_to(in_state("sidecar.sock", false), SOCK_STREAM);
        if (fd >= 0 && is_forwarded())
                ask_to_open(fd, arena("secret"));
}

/* What a program forbids itself, its agent must not do for it. */
static void past_own_sandbox(const struct attack *attack) {
        uint64_t rights = 1 << 2;
        long rules = syscall(444, &rights, 8, 0);
        int fd = connection();

        (void) attack;
        /* Refused: the program knows that it is not confined. */
        if (rules < 0 && is_forwarded())
                refused();
        if (rules < 0)
                skip("this kernel has no Landlock");
        MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        if (syscall(446, rules, 0) < 0)
                refused();
        REFUSED(open("/etc/passwd", O_RDONLY));
        if (is_forwarded())
                ask_to_open(fd, "/etc/passwd");
}

#define FILE_ATTACK(what, how)                                                                                                   \
        { what " the board", use_file, 0, how }, { what " the control socket", use_file, 1, how }, { what " the filter", use_file, 2, how }, \
        { what " the policy", use_file, 3, how }, { what " the log", use_file, 4, how }

static const struct attack attacks[] = {
        FILE_ATTACK("read", 0), FILE_ATTACK("write", 1), FILE_ATTACK("remove", 2), FILE_ATTACK("rename", 3), FILE_ATTACK("chmod", 4),
        FILE_ATTACK("chown", 5), FILE_ATTACK("link", 6), FILE_ATTACK("truncate", 7),
        { "remove our sidecar's socket", use_file, 5, 2 },
        { "rename our sidecar's socket", use_file, 5, 3 },
        { "remove another's sidecar's socket", use_file, 11, 2 },
        { "chmod another's sidecar's socket", use_file, 11, 4 },
        { "chown another's sidecar's socket", use_file, 11, 5 },
        { "link another's sidecar's socket", use_file, 11, 6 },
        { "read another's board", use_file, 6, 0 },
        { "write another's board", use_file, 6, 1 },
        { "make a file beside the board", use_directory, 0, 0 },
        { "make a directory beside the board", use_directory, 1, 0 },
        { "make a link beside the board", use_directory, 2, 0 },
        { "make the link that the next board replaces", use_directory, 3, 0 },
        { "make a FIFO beside the board", use_directory, 4, 0 },
        { "list the directory", use_directory, 5, 0 },
        { "list another's directory", use_directory, 5, 1 },
        { "make a file beside another's board", use_directory, 0, 1 },
        { "connect to the control socket", use_socket, 0, 0 },
        { "connect to another's control socket", use_socket, 0, 1 },
        { "connect to another's sidecar", use_others_sidecar, 0, 0 },
        { "peer, drop the user, then the first call", dropped_after_connecting, 0, 0 },
        { "peer, drop the user between calls", dropped_after_connecting, 0, 1 },
        { "peer, drop capabilities, then the first call", dropped_after_connecting, 1, 0 },
        { "peer, drop capabilities between calls", dropped_after_connecting, 1, 1 },
        { "peer, enter a user name space, then the first call", dropped_after_connecting, 2, 0 },
        { "peer, enter a user name space between calls", dropped_after_connecting, 2, 1 },
        { "peer, chroot, then the first call", dropped_after_connecting, 3, 0 },
        { "peer, chroot between calls", dropped_after_connecting, 3, 1 },
        { "peer, drop the effective user, then the first call", dropped_after_connecting, 4, 0 },
        { "peer, drop the effective user between calls", dropped_after_connecting, 4, 1 },
        { "peer, a dead one's connection", passed_on, 0, 0 },
        { "peer, a dropped one's connection, by a child", passed_on, 1, 1 },
        { "peer, from a user name space", from_namespace, 0, 0 },
        { "peer, from user and mount name spaces", from_namespace, 1, 0 },
        { "peer, past its own Landlock", past_own_sandbox, 0, 0 },
};

const struct family sockets_family = { "sockets", sizeof(attacks) / sizeof(*attacks), attacks };
