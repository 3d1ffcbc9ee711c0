/* A program that watches what others do to files, and what it does itself. It runs alone: from its beginning on, nothing
 * under its filter is forwarded any more. */
#define _GNU_SOURCE
#include "trap.h"

#include <sys/fanotify.h>

static int watch(uint64_t mask) {
        int fd = (int) or_refused(fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY | O_CLOEXEC), "fanotify_init");

        MUST(fd);
        make_file("f", 0644, "text");
        MUST(fanotify_mark(fd, FAN_MARK_ADD, mask, AT_FDCWD, "f"));
        return fd;
}

/* Who did what is in the next event. */
static pid_t actor(int fd, uint64_t *ret_mask) {
        struct fanotify_event_metadata event;

        MUST(read(fd, &event, sizeof(event)));
        if (event.fd >= 0)
                close(event.fd);
        *ret_mask = event.mask;
        return event.pid;
}

static void open_it(void) {
        int fd = (int) MUST(open("f", O_RDONLY | O_CLOEXEC));

        MUST(close(fd));
}

static void by_itself(void) {
        uint64_t mask;
        int fd;

        needs_root();
        fd = watch(FAN_OPEN | FAN_CLOSE_NOWRITE);
        open_it();
        EXPECT(actor(fd, &mask), getpid());
        EXPECT(mask, FAN_OPEN | FAN_CLOSE_NOWRITE);
}

static void by_child(void) {
        uint64_t mask;
        pid_t pid;
        int fd;

        needs_root();
        fd = watch(FAN_OPEN);
        pid = (pid_t) MUST(fork());
        if (pid == 0) {
                open_it();
                _exit(0);
        }
        EXPECT(ended(pid), 0);
        EXPECT(actor(fd, &mask), pid);
}

TRAPS({"who watches files sees itself", by_itself},
      {"who watches files sees its children", by_child})
