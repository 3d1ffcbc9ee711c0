/* The record: a line for each path that a call names. NUMBER, TID and PATH have tabs between them; in the path, control
 * characters and backslashes are written as \ooo. A relative path is completed by where it starts. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "serve.h"

enum { LINE_ROOM = 64 + 4 * 2 * 4096 };

static size_t escape(const char *text, size_t length, char *ret_escaped) {
        size_t used = 0;

        for (size_t i = 0; i < length; i++) {
                unsigned char byte = (unsigned char) text[i];

                if (byte >= 0x20 && byte != 0x7f && byte != '\\')
                        ret_escaped[used++] = (char) byte;
                else
                        used += (size_t) sprintf(ret_escaped + used, "\\%03o", byte);
        }
        return used;
}

/* Where a relative path starts. Returns its length; 0 when that is not to be found out, or is no file that has a path. */
static size_t start_of(const struct call *call, int path, char *ret_start, size_t room) {
        bool has_directory = path > 0 && call->row->kinds[path - 1] == NODEOS_ARGUMENT_DIRFD;
        int directory = has_directory ? (int) call->given[path - 1] : AT_FDCWD;
        char link[64];
        ssize_t n;

        if (directory == AT_FDCWD)
                snprintf(link, sizeof(link), "/proc/%d/cwd", call->tid);
        else
                snprintf(link, sizeof(link), "/proc/%d/fd/%d", call->tid, directory);
        n = readlink(link, ret_start, room - 1);
        return n > 0 && *ret_start == '/' ? (size_t) n : 0;
}

static void record_path(const struct call *call, int i) {
        const struct argument *argument = &call->arguments[i];
        const char *text = (const char *) (uintptr_t) argument->value;
        char line[LINE_ROOM], start[4096];
        size_t used = (size_t) sprintf(line, "%u\t%d\t", call->number, call->tid);

        if (*text != '/') {
                size_t length = start_of(call, i, start, sizeof(start) - 1);

                /* With AT_EMPTY_PATH it is the descriptor's file, which may be a pipe. */
                if (!*text && !length)
                        return;
                if (*text && length && start[length - 1] != '/')
                        start[length++] = '/';
                used += escape(start, length, line + used);
        }
        used += escape(text, argument->length, line + used);
        line[used++] = '\n';
        /* One write for a line: lines of several workers do not mix. A record that cannot be written stops nobody. */
        if (write(forwarder.record_fd, line, used) < 0)
                return;
}

void record_paths(struct worker *worker, struct call *call) {
        for (int i = 0; i < 6 && forwarder.record_fd >= 0; i++)
                if (call->row->kinds[i] == NODEOS_ARGUMENT_PATH && argument_read_text(worker, call, i) == STEP_ON &&
                    call->arguments[i].state == ARGUMENT_READ && call_is_valid(worker, call))
                        record_path(call, i);
}
