/* nodeos-helper apart FD: does one thing for the process that started it, and ends. See ../apart.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../apart.h"
#include "../memory.h"
#include "helper.h"

/* The program is a child of who asked, not ours. Its descriptors have other numbers here. */
static int launch_request(const struct apart_request *message, const int *fds, int count, struct nodeos_launched *ret_launched) {
        struct launch_origin origin = { .parent = message->parent, .mask = message->mask };
        struct nodeos_launch *fields;
        int next = 1;

        if (count < 1)
                return -EPROTO;
        fields = mmap(NULL, message->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fds[0], 0);
        if (fields == MAP_FAILED)
                return -errno;
        fields->flags &= ~(uint32_t) (NODEOS_LAUNCH_OWN_MEMORY | NODEOS_LAUNCH_FORWARD_SIGNALS);
        for (int i = 0; i < 3; i++)
                if (fields->stdio[i] >= 0)
                        fields->stdio[i] = next < count ? fds[next++] : NODEOS_STDIO_NULL;
        return launch_for(&origin, (const uint8_t *) fields, (int32_t) message->size, ret_launched);
}

static int populate_request(struct apart_request *message) {
        message->text[sizeof(message->text) - 1] = 0;
        return memory_populate_here(message->text, message->from, message->to, message->keep, message->node, message->uid, message->gid,
                                    message->text + strlen(message->text) + 1);
}

static int answer_to(int socket, const struct apart_answer *answer) {
        int fds[2], count = 0;

        if (answer->launched.pidfd >= 0)
                fds[count++] = answer->launched.pidfd;
        if (answer->launched.listener >= 0)
                fds[count++] = answer->launched.listener;
        return apart_send(socket, answer, sizeof(*answer), fds, count) < 0 ? 1 : 0;
}

int apart_main(int argc, char **argv) {
        static struct apart_request message;
        struct apart_answer answer = { .launched = { .pidfd = -1, .listener = -1 } };
        int socket = argc == 2 ? atoi(argv[1]) : -1, fds[APART_FDS_MAX], count;
        sigset_t all;

        if (socket < 3 || fcntl(socket, F_SETFD, FD_CLOEXEC) < 0)
                return fail(2, "Cannot run apart: only nodeos itself starts it");
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, NULL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (apart_receive(socket, &message, sizeof(message), fds, &count) != sizeof(message) || getppid() != message.parent)
                return fail(1, "Cannot run apart: who started it is gone");
        internal_signals_set(message.ignored);
        answer.result = message.kind == APART_LAUNCH ? launch_request(&message, fds, count, &answer.launched)
                      : message.kind == APART_POPULATE ? populate_request(&message) : -EPROTO;
        return answer_to(socket, &answer);
}
