/* Descriptors of all kinds go on working beside those that somebody else opened for the caller. */
#define _GNU_SOURCE
#include "trap.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

static int open_text(const char *name, const char *text) {
        make_file(name, 0644, text);
        return (int) MUST(open(name, O_RDWR | O_CLOEXEC));
}

static void ready(void) {
        int fifo, timer, event, poll_fd;
        struct epoll_event found = {0}, wish = {.events = EPOLLIN};
        struct itimerspec soon = {.it_value.tv_nsec = 1000000};
        uint64_t one = 1;

        MUST(mkfifo("fifo", 0600));
        fifo = (int) MUST(open("fifo", O_RDWR | O_NONBLOCK | O_CLOEXEC));
        poll_fd = (int) or_refused(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
        event = (int) or_refused(eventfd(0, EFD_CLOEXEC), "eventfd2");
        timer = (int) or_refused(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), "timerfd_create");
        wish.data.fd = fifo;
        MUST(epoll_ctl(poll_fd, EPOLL_CTL_ADD, fifo, &wish));
        EXPECT(epoll_wait(poll_fd, &found, 1, 0), 0);
        EXPECT(write(fifo, "x", 1), 1);
        EXPECT(epoll_wait(poll_fd, &found, 1, -1), 1);
        EXPECT(found.data.fd, fifo);
        MUST(epoll_ctl(poll_fd, EPOLL_CTL_DEL, fifo, NULL));
        wish.data.fd = event;
        MUST(epoll_ctl(poll_fd, EPOLL_CTL_ADD, event, &wish));
        EXPECT(write(event, &one, sizeof(one)), sizeof(one));
        EXPECT(epoll_wait(poll_fd, &found, 1, -1), 1);
        EXPECT(read(event, &one, sizeof(one)), sizeof(one));
        MUST(timerfd_settime(timer, 0, &soon, NULL));
        EXPECT(poll(&(struct pollfd){timer, POLLIN, 0}, 1, -1), 1);
        EXPECT(read(timer, &one, sizeof(one)), sizeof(one));
        // A regular file is always ready, and epoll takes none.
        FAILS(epoll_ctl(poll_fd, EPOLL_CTL_ADD, open_text("f", ""), &wish), EPERM);
}

static void watched(void) {
        _Alignas(struct inotify_event) char room[1024];
        const struct inotify_event *event = (const struct inotify_event *) room;
        int fd = (int) or_refused(inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "inotify_init1"), watch;

        watch = (int) MUST(inotify_add_watch(fd, ".", IN_CREATE | IN_CLOSE_WRITE));
        MUST(mkdir("made", 0755));
        HOLDS(MUST(read(fd, room, sizeof(room))) > 0);
        HOLDS(event->wd == watch && event->mask == (IN_CREATE | IN_ISDIR) && !strcmp(event->name, "made"));
        make_file("f", 0644, "x");
        HOLDS(MUST(read(fd, room, sizeof(room))) > 0);
        HOLDS(event->mask == IN_CREATE && !strcmp(event->name, "f"));
}

/* A watcher hears of a close once the last one has closed: nobody keeps a file open a little longer. */
static void closed_at_once(void) {
        _Alignas(struct inotify_event) char room[1024];
        int fd = (int) or_refused(inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "inotify_init1");

        make_file("f", 0644, "");
        MUST(inotify_add_watch(fd, "f", IN_CLOSE_WRITE));
        for (int i = 0; i < 200; i++) {
                MUST(close((int) MUST(open("f", O_WRONLY | O_CLOEXEC))));
                HOLDS(MUST(read(fd, room, sizeof(room))) == sizeof(struct inotify_event));
        }
}

static void between_files(void) {
        int from = open_text("from", "0123456789"), to = open_text("to", ""), pipes[2];
        off_t at = 2;

        EXPECT(sendfile(to, from, &at, 4), 4);
        EXPECT(at, 6);
        HOLDS(has_text("to", "2345"));
        EXPECT(copy_file_range(from, NULL, to, NULL, 3, 0), 3);
        HOLDS(has_text("to", "2345012"));
        MUST(pipe2(pipes, O_CLOEXEC));
        EXPECT(splice(from, NULL, pipes[1], NULL, 5, 0), 5);
        EXPECT(splice(pipes[0], NULL, to, NULL, 5, 0), 5);
        HOLDS(has_text("to", "234501234567"));
}

/* A descriptor that goes through a socket is the same open file. */
static void handed_over(void) {
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(int))];
        } control = {0};
        char byte = 'x';
        struct iovec data = {&byte, 1};
        struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
        int ends[2], fd = open_text("f", "0123456789"), got;

        or_refused(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
        control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        EXPECT(sendmsg(ends[0], &message, 0), 1);
        EXPECT(recvmsg(ends[1], &message, MSG_CMSG_CLOEXEC), 1);
        memcpy(&got, CMSG_DATA(&control.header), sizeof(got));
        HOLDS(got != fd);
        EXPECT(lseek(fd, 4, SEEK_SET), 4);
        EXPECT(lseek(got, 0, SEEK_CUR), 4);
}

static void network(void) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof(address);
        int listener = (int) or_refused(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"), client, server;
        char found[8] = "";

        if (bind(listener, (struct sockaddr *) &address, sizeof(address)) < 0)
                trap_skip("there is no network here");
        MUST(listen(listener, 1));
        MUST(getsockname(listener, (struct sockaddr *) &address, &size));
        client = (int) MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        MUST(connect(client, (struct sockaddr *) &address, size));
        server = (int) MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
        EXPECT(write(client, "hello", 5), 5);
        EXPECT(read(server, found, sizeof(found)), 5);
        FAILS(lseek(client, 0, SEEK_CUR), ESPIPE);
}

static void named_socket(void) {
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
        int listener = (int) or_refused(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"), client;
        struct stat status;

        umask(077);
        MUST(bind(listener, (struct sockaddr *) &address, sizeof(address)));
        MUST(listen(listener, 1));
        MUST(stat("socket", &status));
        HOLDS(S_ISSOCK(status.st_mode) && (status.st_mode & 0777) == 0700);
        client = (int) MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        MUST(rename("socket", "moved"));
        strcpy(address.sun_path, "moved");
        MUST(connect(client, (struct sockaddr *) &address, sizeof(address)));
}

static void signals(void) {
        struct signalfd_siginfo info;
        sigset_t set;
        int fd;

        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        MUST(sigprocmask(SIG_BLOCK, &set, NULL));
        fd = (int) or_refused(signalfd(-1, &set, SFD_CLOEXEC), "signalfd4");
        MUST(kill(getpid(), SIGUSR1));
        EXPECT(read(fd, &info, sizeof(info)), sizeof(info));
        EXPECT(info.ssi_signo, SIGUSR1);
        EXPECT(info.ssi_pid, getpid());
}

/* A file that somebody else opened is mapped, executed from, and its owner of signals is the caller. */
static void fully_ours(void) {
        char *text;
        int fd = open_text("f", "0123456789");
        struct f_owner_ex owner = {F_OWNER_PID, getpid()}, found = {0};

        text = mmap(NULL, 10, PROT_READ, MAP_PRIVATE, fd, 0);
        HOLDS(text != MAP_FAILED && !memcmp(text, "0123456789", 10));
        MUST(fcntl(fd, F_SETOWN_EX, &owner));
        MUST(fcntl(fd, F_GETOWN_EX, &found));
        EXPECT(found.pid, getpid());
        EXPECT(fcntl(fd, F_SETFL, O_APPEND), 0);
        EXPECT(write(fd, "A", 1), 1);
        HOLDS(has_text("f", "0123456789A"));
        EXPECT(lseek(fd, 3, SEEK_SET), 3);
        EXPECT(lseek(fd, 0, SEEK_DATA), 0);
        MUST(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
}

TRAPS({"epoll, events and timers are ready when they should be", ready},
      {"inotify tells what calls do", watched},
      {"a close is the last one at once", closed_at_once},
      {"data goes from descriptor to descriptor", between_files},
      {"a descriptor goes through a socket", handed_over},
      {"a connection is made and used", network},
      {"a socket has a name", named_socket},
      {"signals are read", signals},
      {"an opened file is fully the caller's", fully_ours})
