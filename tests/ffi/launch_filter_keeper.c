/* What a keeper does with the listener of a filter, and what it might do wrong; for launch_filter_test.ts.
 *
 * keeper           serves the listener that is its standard input until its programs have ended
 * keeper ask       asks for its parent, and says who that is and how many signals came meanwhile
 * keeper PATH HOW  takes listeners at the socket PATH; HOW is serve, refuse, close, short or silent */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* In an argument that the call does not have: whoever answers sends a signal first. */
enum { SIGNAL_FIRST = 0x7369676e };

/* Everybody's parent is 4242; all other calls go back to the caller. */
static void *serve(void *argument) {
        int listener = (int) (intptr_t) argument;
        struct pollfd fd = { .fd = listener, .events = POLLIN };

        while (poll(&fd, 1, -1) > 0 && !(fd.revents & POLLHUP)) {
                struct seccomp_notif call = { 0 };
                struct seccomp_notif_resp answer = { 0 };

                if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
                        continue;
                if (call.data.nr == SYS_getppid && call.data.args[0] == SIGNAL_FIRST) {
                        kill((pid_t) call.pid, SIGALRM);
                        usleep(50000);
                }
                answer.id = call.id;
                if (call.data.nr == SYS_getppid)
                        answer.val = 4242;
                else
                        answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
                ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
        }
        close(listener);
        return NULL;
}

static int receive(int connection, uint32_t *ret_kind) {
        union {
                char bytes[CMSG_SPACE(sizeof(int))];
                struct cmsghdr header;
        } descriptor;
        uint32_t message[2];
        struct iovec data = { message, sizeof(message) };
        struct msghdr packet = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &descriptor, .msg_controllen = sizeof(descriptor) };
        int listener = -1;

        if (recvmsg(connection, &packet, MSG_CMSG_CLOEXEC) != sizeof(message) || !CMSG_FIRSTHDR(&packet))
                return -1;
        memcpy(&listener, CMSG_DATA(CMSG_FIRSTHDR(&packet)), sizeof(listener));
        *ret_kind = message[0];
        return listener;
}

static void answer(int connection, const char *how) {
        uint32_t kind = 0;
        int listener = receive(connection, &kind);
        int32_t message[2] = { 1, 0 };
        pthread_t thread;

        if (!strcmp(how, "close") || kind != 1 || listener < 0) {
                close(listener);
                close(connection);
                return;
        }
        if (!strcmp(how, "silent")) {
                printf("taken\n");
                fflush(stdout);
                return;
        }
        if (!strcmp(how, "serve") && pthread_create(&thread, NULL, serve, (void *) (intptr_t) listener) == 0)
                pthread_detach(thread);
        else
                message[1] = -EBUSY;
        if (write(connection, message, strcmp(how, "short") ? sizeof(message) : 1) < 0)
                perror("answer");
        close(connection);
}

static volatile sig_atomic_t signals;

static void count(int signal) {
        (void) signal;
        signals++;
}

static int ask(void) {
        struct sigaction action = { .sa_handler = count };

        sigaction(SIGALRM, &action, NULL);
        printf("%ld", syscall(SYS_getppid, SIGNAL_FIRST));
        printf(" %d\n", (int) signals);
        return 0;
}

int main(int argc, char **argv) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        if (argc == 2)
                return ask();
        if (argc < 3) {
                serve((void *) 0);
                return 0;
        }
        strncpy(address.sun_path, argv[1], sizeof(address.sun_path) - 1);
        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 64) < 0)
                return 1;
        if (write(1, "ready\n", 6) < 0)
                return 1;
        for (;;)
                answer(accept4(fd, NULL, NULL, SOCK_CLOEXEC), argv[2]);
}
