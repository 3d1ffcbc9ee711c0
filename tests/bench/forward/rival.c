/* The least that somebody can do who answers system calls of others: one loop, no rights of the caller, no journal, no
 * counters, no policy, no second thread. What a correct forwarder costs more than this is what its care costs.
 *
 * rival CONTROL
 *
 * Takes listeners at the socket CONTROL as a keeper does (board.h), one after the other, and serves each until its programs
 * have ended. getppid, fsync, openat and newfstatat are executed here, everything else goes back. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../../ffi/native/board.h"

enum { PATH_BYTES = 256 };

static int read_path(int listener, const struct seccomp_notif *call, char ret_path[PATH_BYTES]) {
        struct iovec to = { ret_path, PATH_BYTES }, from = { (void *) (uintptr_t) call->data.args[1], PATH_BYTES };
        uint64_t id = call->id;

        if (process_vm_readv((pid_t) call->pid, &to, 1, &from, 1, 0) < 1)
                return -EFAULT;
        return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) < 0 ? -errno : 0;
}

static int64_t look_for(int listener, const struct seccomp_notif *call) {
        const __u64 *given = call->data.args;
        struct stat file;
        struct iovec from = { &file, sizeof(file) }, to = { (void *) (uintptr_t) given[2], sizeof(file) };
        uint64_t id = call->id;
        char path[PATH_BYTES];
        int error = read_path(listener, call, path);

        if (error)
                return error;
        if (syscall(SYS_newfstatat, (int) given[0], path, &file, (int) given[3]) < 0 || ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) < 0)
                return -errno;
        return process_vm_writev((pid_t) call->pid, &from, 1, &to, 1, 0) < 0 ? -errno : 0;
}

/* Returns the descriptor that the caller has now, or -errno. */
static int64_t open_for(int listener, const struct seccomp_notif *call) {
        const __u64 *given = call->data.args;
        struct seccomp_notif_addfd gift = { .id = call->id, .newfd_flags = given[2] & O_CLOEXEC };
        char path[PATH_BYTES];
        int64_t result = read_path(listener, call, path);
        int fd;

        if (result < 0)
                return result;
        fd = openat((int) given[0], path, (int) given[2] | O_CLOEXEC, (mode_t) given[3]);
        if (fd < 0)
                return -errno;
        gift.srcfd = (uint32_t) fd;
        result = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &gift);
        close(fd);
        return result < 0 ? -errno : result;
}

static void answer(int listener, const struct seccomp_notif *call) {
        struct seccomp_notif_resp response = { .id = call->id };
        int64_t result = 0;

        if (call->data.nr == SYS_openat)
                result = open_for(listener, call);
        else if (call->data.nr == SYS_newfstatat)
                result = look_for(listener, call);
        else if (call->data.nr == SYS_getppid)
                result = syscall(SYS_getppid);
        else if (call->data.nr == SYS_fsync)
                result = syscall(SYS_fsync, (int) call->data.args[0]) < 0 ? -errno : 0;
        else
                response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        if (result < 0)
                response.error = (int32_t) result;
        else
                response.val = result;
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static void serve(int listener) {
        struct pollfd fd = { .fd = listener };

        for (;;) {
                struct seccomp_notif call = { 0 };

                if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) == 0)
                        answer(listener, &call);
                else if (poll(&fd, 1, 0) > 0 && fd.revents & POLLHUP)
                        break;
        }
        close(listener);
}

/* Returns a listener that somebody gives us, and has told that it is served; or -1. */
static int receive(int control) {
        struct nodeos_control message;
        union {
                char bytes[CMSG_SPACE(sizeof(int))];
                struct cmsghdr header;
        } descriptor;
        struct iovec data = { &message, sizeof(message) };
        struct msghdr packet = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &descriptor, .msg_controllen = sizeof(descriptor) };
        int connection = accept4(control, NULL, NULL, SOCK_CLOEXEC), listener = -1;

        if (connection >= 0 && recvmsg(connection, &packet, MSG_CMSG_CLOEXEC) == sizeof(message) && CMSG_FIRSTHDR(&packet)) {
                memcpy(&listener, CMSG_DATA(CMSG_FIRSTHDR(&packet)), sizeof(listener));
                message.result = 0;
                if (send(connection, &message, sizeof(message), MSG_NOSIGNAL) < 0)
                        perror("rival: send");
        }
        if (connection >= 0)
                close(connection);
        return listener;
}

/* As the keeper does: whether who was woken goes on at once, or when we sleep, is worth half a microsecond. */
static void hurry(void) {
        FILE *group = fopen("/proc/self/autogroup", "we");

        if (setpriority(PRIO_PROCESS, 0, -20) < 0)
                perror("rival: setpriority");
        if (group) {
                fputs("-20", group);
                fclose(group);
        }
}

int main(int argc, char **argv) {
        int control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path))
                return 2;
        strcpy(address.sun_path, argv[1]);
        if (control < 0 || bind(control, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(control, 8) < 0) {
                perror("rival");
                return 1;
        }
        hurry();
        for (;;) {
                int listener = receive(control);

                if (listener >= 0)
                        serve(listener);
        }
}
