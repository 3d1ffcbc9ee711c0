/* A client of the sidecar for runtimes in C and C++: system calls that the ServiceOS executes with the rights of this
 * process, one or many in a request, and the policy of the container. C99 or C++11, POSIX, nothing to link; see README.md.
 *
 *         struct nodeos_sidecar sidecar;
 *         char room[65536];
 *
 *         if (nodeos_sidecar_open(&sidecar, NULL, room, sizeof(room)) < 0)
 *                 return fail(sidecar.error);
 *         nodeos_sidecar_call(&sidecar, "openat", "f");
 *         nodeos_sidecar_word(&sidecar, "AT_FDCWD");
 *         nodeos_sidecar_text(&sidecar, "data.bin");
 *         nodeos_sidecar_word(&sidecar, "O_RDONLY|O_CLOEXEC");
 *         nodeos_sidecar_call(&sidecar, "pread64", NULL);
 *         nodeos_sidecar_result(&sidecar, "f");
 *         nodeos_sidecar_integer(&sidecar, 4096);
 *         nodeos_sidecar_integer(&sidecar, 0);
 *         if (nodeos_sidecar_run(&sidecar) < 0)
 *                 return fail(sidecar.error);
 *         size = nodeos_sidecar_data(&sidecar, 1, "data", buffer, sizeof(buffer));
 *
 * Results are >= 0, or -errno; then `error` says in words what was the case. One connection belongs to one thread. No
 * function allocates memory, and none but open, run, switch and close makes a system call. */
#ifndef NODEOS_SIDECAR_H
#define NODEOS_SIDECAR_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Before the body of a request, for its head; a room of fewer than twice as many bytes is refused. */
#define NODEOS_SIDECAR_HEAD 256

/* A connection, and the request or answer that is in its room. */
struct nodeos_sidecar {
        int fd;          /* -1: closed */
        int status;      /* of the last answer in HTTP: 200 when calls were made, whatever became of them; 0: none came */
        char *room;      /* yours, for as long as the connection is open */
        size_t size;
        size_t used;     /* of the request that is being written, or of the answer */
        int calls;       /* in the request */
        int arguments;   /* of its last call */
        const char *answer; /* JSON, with a NUL; NULL: none */
        char error[512]; /* the last failure, as a sentence */
};

/* --- for this file alone --------------------------------------------------------------------------------------------- */

static inline int nodeos_sidecar_fail_(struct nodeos_sidecar *s, int error, const char *doing, const char *what) {
        snprintf(s->error, sizeof(s->error), "Cannot %s: %s", doing, what);
        return -error;
}

/* What was executed is unknown, and the descriptors are closed. */
static inline int nodeos_sidecar_lost_(struct nodeos_sidecar *s, int error, const char *what) {
        close(s->fd);
        s->fd = -1;
        return nodeos_sidecar_fail_(s, error, "use the sidecar", what);
}

/* Writes into the request. What does not fit is not there, and run says so. */
static inline void nodeos_sidecar_put_(struct nodeos_sidecar *s, const char *text, size_t size) {
        if (s->used < s->size && size < s->size - s->used)
                memcpy(s->room + s->used, text, size);
        else
                size = s->size;
        s->used = s->used + size < s->size ? s->used + size : s->size;
}

static inline void nodeos_sidecar_puts_(struct nodeos_sidecar *s, const char *text) {
        nodeos_sidecar_put_(s, text, strlen(text));
}

static inline void nodeos_sidecar_begin_(struct nodeos_sidecar *s) {
        s->used = NODEOS_SIDECAR_HEAD;
        s->calls = s->arguments = 0;
        s->answer = NULL;
        s->status = 0;
}

static inline void nodeos_sidecar_argument_(struct nodeos_sidecar *s) {
        if (s->arguments++ > 0)
                nodeos_sidecar_put_(s, ",", 1);
}

/* Whether a letter is ASCII that JSON takes as it is. */
static inline int nodeos_sidecar_is_plain_(char letter) {
        return letter >= ' ' && letter < 127 && letter != '"' && letter != '\\';
}

/* A name that needs no escaping in JSON, in quotes. */
static inline void nodeos_sidecar_quote_(struct nodeos_sidecar *s, const char *before, const char *name) {
        nodeos_sidecar_puts_(s, before);
        for (; *name; name++)
                nodeos_sidecar_put_(s, nodeos_sidecar_is_plain_(*name) ? name : "?", 1);
        nodeos_sidecar_put_(s, "\"", 1);
}

/* Sends the request in the room, whose body begins after the place for its head. */
static inline int nodeos_sidecar_send_(struct nodeos_sidecar *s, const char *line) {
        char head[NODEOS_SIDECAR_HEAD];
        size_t body = s->used - NODEOS_SIDECAR_HEAD, at, end = s->used;
        int n = snprintf(head, sizeof(head), "%s HTTP/1.1\r\nhost: nodeos\r\ncontent-type: application/json\r\ncontent-length: %lu\r\n\r\n",
                         line, (unsigned long) body);

        at = NODEOS_SIDECAR_HEAD - (size_t) n;
        memcpy(s->room + at, head, (size_t) n);
        while (at < end) {
                ssize_t sent = send(s->fd, s->room + at, end - at, MSG_NOSIGNAL);

                if (sent < 0 && errno == EINTR)
                        continue;
                /* It may have said why it closes. */
                if (sent < 0 && errno == EPIPE)
                        return 0;
                if (sent < 0)
                        return nodeos_sidecar_lost_(s, errno, strerror(errno));
                at += (size_t) sent;
        }
        return 0;
}

/* The length that a head announces, or -1. */
static inline long nodeos_sidecar_length_(const char *head, const char *end) {
        static const char name[] = "\r\ncontent-length:";

        for (; head < end; head++) {
                size_t i = 0;

                while (name[i] && (head[i] == name[i] || (head[i] >= 'A' && head[i] <= 'Z' && head[i] + 32 == name[i])))
                        i++;
                if (!name[i])
                        return strtol(head + i, NULL, 10);
        }
        return -1;
}

/* Receives the answer into the room. */
static inline int nodeos_sidecar_receive_(struct nodeos_sidecar *s) {
        char *body = NULL;
        size_t whole = 0;

        for (s->used = 0; !whole || s->used < whole;) {
                ssize_t n;

                if (s->used + 1 >= s->size)
                        return nodeos_sidecar_lost_(s, E2BIG, "its answer does not fit into the room");
                n = recv(s->fd, s->room + s->used, s->size - 1 - s->used, 0);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return nodeos_sidecar_lost_(s, n < 0 ? errno : EPIPE, n < 0 ? strerror(errno) : "it closed the connection");
                s->used += (size_t) n;
                s->room[s->used] = 0;
                if (!whole && (body = strstr(s->room, "\r\n\r\n")) != NULL) {
                        long length = nodeos_sidecar_length_(s->room, body);

                        if (length < 0 || strncmp(s->room, "HTTP/1.1 ", 9))
                                return nodeos_sidecar_lost_(s, EPROTO, "its answer cannot be read");
                        body += 4;
                        whole = (size_t) (body - s->room) + (size_t) length;
                }
        }
        s->status = atoi(s->room + 9);
        s->answer = body;
        return 0;
}

/* The end of a JSON value, in text that ends with a NUL. */
static inline const char *nodeos_sidecar_skip_(const char *at) {
        int depth = 0;

        do {
                if (*at == '"') {
                        for (at++; *at && *at != '"'; at++)
                                if (*at == '\\' && at[1])
                                        at++;
                } else if (*at == '{' || *at == '[') {
                        depth++;
                } else if (*at == '}' || *at == ']') {
                        depth--;
                } else if (!depth) {
                        while (at[1] && !strchr(",}] \n", at[1]))
                                at++;
                }
                if (*at)
                        at++;
        } while (*at && depth > 0);
        return at;
}

/* The value of a member of an object, or NULL. The sidecar writes JSON without spaces. */
static inline const char *nodeos_sidecar_member_(const char *object, const char *name) {
        size_t length = strlen(name);
        const char *at = object;

        while (at && (*at == '{' || *at == ',') && at[1] == '"') {
                const char *key = at + 2, *colon = nodeos_sidecar_skip_(at + 1);

                if (*colon != ':')
                        return NULL;
                if (!strncmp(key, name, length) && key[length] == '"')
                        return colon + 1;
                at = nodeos_sidecar_skip_(colon + 1);
        }
        return NULL;
}

/* The result of call `index`, or NULL. */
static inline const char *nodeos_sidecar_entry_(const struct nodeos_sidecar *s, int index) {
        const char *at = s->answer && s->status == 200 ? nodeos_sidecar_member_(s->answer, "results") : NULL;

        if (!at || *at != '[' || at[1] != '{' || index < 0)
                return NULL;
        for (at++; index > 0; index--) {
                at = nodeos_sidecar_skip_(at);
                if (*at++ != ',')
                        return NULL;
        }
        return at;
}

/* Copies a JSON text, without its rarer escapes. Returns its length. */
static inline size_t nodeos_sidecar_copy_(const char *text, char *ret_text, size_t size) {
        size_t used = 0;

        if (text && *text == '"')
                for (text++; *text && *text != '"' && used + 1 < size; text++) {
                        if (*text == '\\' && text[1])
                                text++;
                        ret_text[used++] = *text;
                }
        ret_text[used] = 0;
        return used;
}

/* What a problem of the sidecar's says, with its remedy. */
static inline int nodeos_sidecar_problem_(struct nodeos_sidecar *s) {
        const char *remedy = nodeos_sidecar_member_(s->answer, "remedy");
        size_t used = nodeos_sidecar_copy_(nodeos_sidecar_member_(s->answer, "detail"), s->error, sizeof(s->error) - 3);

        if (!used)
                snprintf(s->error, sizeof(s->error), "Cannot use the sidecar: it answered with status %d", s->status);
        if (used && remedy) {
                memcpy(s->error + used, "; ", 3);
                nodeos_sidecar_copy_(remedy, s->error + used + 2, sizeof(s->error) - used - 2);
        }
        switch (s->status) {
        case 400:
                return -EINVAL;
        case 403:
                return -EPERM;
        case 409:
                return -EOPNOTSUPP;
        case 413:
                return -E2BIG;
        case 503:
                return -EAGAIN;
        default:
                close(s->fd);
                s->fd = -1;
                return -EIO;
        }
}

/* Sends the request that is in the room, and receives the answer. */
static inline int nodeos_sidecar_ask_(struct nodeos_sidecar *s, const char *line) {
        int error;

        if (s->used >= s->size) {
                nodeos_sidecar_begin_(s);
                return nodeos_sidecar_fail_(s, E2BIG, "use the sidecar", "the request does not fit into the room");
        }
        if (s->fd < 0) {
                nodeos_sidecar_begin_(s);
                return nodeos_sidecar_fail_(s, EPIPE, "use the sidecar", "the connection is closed; open it again");
        }
        error = nodeos_sidecar_send_(s, line);
        if (error == 0)
                error = nodeos_sidecar_receive_(s);
        if (error == 0 && s->status != 200)
                error = nodeos_sidecar_problem_(s);
        s->calls = 0;
        return error;
}

/* --- the connection -------------------------------------------------------------------------------------------------- */

/* Connects to the sidecar at path, or at the one that NODEOS_SIDECAR names where path is NULL. The room is for requests and
 * answers, and stays yours; data take 4 bytes of it for 3. Returns 0, or -errno: -ENOENT and -ECONNREFUSED when there is no
 * sidecar, -EACCES when it is another user's. */
static inline int nodeos_sidecar_open(struct nodeos_sidecar *s, const char *path, char *room, size_t size) {
        struct sockaddr_un address;

        memset(s, 0, sizeof(*s));
        s->fd = -1;
        s->room = room;
        s->size = size;
        nodeos_sidecar_begin_(s);
        if (!path)
                path = getenv("NODEOS_SIDECAR");
        if (!path)
                return nodeos_sidecar_fail_(s, ENOENT, "connect to the sidecar", "NODEOS_SIDECAR is not set");
        if (size < 2 * NODEOS_SIDECAR_HEAD)
                return nodeos_sidecar_fail_(s, EINVAL, "connect to the sidecar", "the room is too small");
        memset(&address, 0, sizeof(address));
        address.sun_family = AF_UNIX;
        if (strlen(path) >= sizeof(address.sun_path))
                return nodeos_sidecar_fail_(s, ENAMETOOLONG, "connect to the sidecar", "its path is too long");
        memcpy(address.sun_path, path, strlen(path));
        s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (s->fd < 0)
                return nodeos_sidecar_fail_(s, errno, "connect to the sidecar", strerror(errno));
        if (connect(s->fd, (const struct sockaddr *) &address, sizeof(address)) < 0) {
                int error = errno;

                close(s->fd);
                s->fd = -1;
                return nodeos_sidecar_fail_(s, error, "connect to the sidecar", strerror(error));
        }
        return 0;
}

/* Closes the connection, and with it everything that was opened on it. */
static inline void nodeos_sidecar_close(struct nodeos_sidecar *s) {
        if (s->fd >= 0)
                close(s->fd);
        s->fd = -1;
}

/* --- a request: calls with their arguments, in the order of C, without buffers to fill ------------------------------------ */

/* Begins a call, by the kernel's name of it. What the answer before held is gone. Later calls may use the result as `as`, which
 * may be NULL. */
static inline void nodeos_sidecar_call(struct nodeos_sidecar *s, const char *call, const char *as) {
        if (s->calls == 0)
                nodeos_sidecar_begin_(s);
        nodeos_sidecar_quote_(s, s->calls++ ? "]},{\"call\":\"" : "{\"calls\":[{\"call\":\"", call);
        if (as)
                nodeos_sidecar_quote_(s, ",\"as\":\"", as);
        nodeos_sidecar_puts_(s, ",\"args\":[");
        s->arguments = 0;
}

/* An integer. */
static inline void nodeos_sidecar_integer(struct nodeos_sidecar *s, long long value) {
        char text[32];

        nodeos_sidecar_argument_(s);
        /* As text where JSON's numbers are not exact. */
        snprintf(text, sizeof(text), value > 9007199254740991LL || value < -9007199254740991LL ? "\"%lld\"" : "%lld", value);
        nodeos_sidecar_puts_(s, text);
}

/* Constants by name, as in "O_WRONLY|O_CREAT". */
static inline void nodeos_sidecar_word(struct nodeos_sidecar *s, const char *word) {
        nodeos_sidecar_argument_(s);
        nodeos_sidecar_quote_(s, "\"", word);
}

/* The result of an earlier call of the request, by its `as`. */
static inline void nodeos_sidecar_result(struct nodeos_sidecar *s, const char *as) {
        nodeos_sidecar_argument_(s);
        nodeos_sidecar_quote_(s, "\"$", as);
}

static inline void nodeos_sidecar_null(struct nodeos_sidecar *s) {
        nodeos_sidecar_argument_(s);
        nodeos_sidecar_puts_(s, "null");
}

/* Data to read, or a structure. */
static inline void nodeos_sidecar_bytes(struct nodeos_sidecar *s, const void *data, size_t size) {
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const unsigned char *from = (const unsigned char *) data;

        nodeos_sidecar_argument_(s);
        nodeos_sidecar_puts_(s, "{\"base64\":\"");
        for (size_t i = 0; i < size && s->used < s->size; i += 3) {
                uint32_t three = (uint32_t) from[i] << 16 | (i + 1 < size ? (uint32_t) from[i + 1] << 8 : 0) | (i + 2 < size ? from[i + 2] : 0);
                char four[4];

                four[0] = digits[three >> 18];
                four[1] = digits[three >> 12 & 63];
                four[2] = i + 1 < size ? digits[three >> 6 & 63] : '=';
                four[3] = i + 2 < size ? digits[three & 63] : '=';
                nodeos_sidecar_put_(s, four, 4);
        }
        nodeos_sidecar_puts_(s, "\"}");
}

/* A path or another text: any bytes but NUL. */
static inline void nodeos_sidecar_text(struct nodeos_sidecar *s, const char *text) {
        size_t size = strlen(text);

        for (size_t i = 0; i < size; i++)
                if (!nodeos_sidecar_is_plain_(text[i])) {
                        nodeos_sidecar_bytes(s, text, size);
                        return;
                }
        nodeos_sidecar_argument_(s);
        nodeos_sidecar_put_(s, "\"", 1);
        nodeos_sidecar_put_(s, text, size);
        nodeos_sidecar_put_(s, "\"", 1);
}

/* Has the calls executed one after the other, up to the first that fails. Returns 0 when all succeeded, or -errno: of the call
 * that failed where `status` is 200; otherwise no call, or nobody knows which, was executed (README.md, Errors). */
static inline int nodeos_sidecar_run(struct nodeos_sidecar *s) {
        const char *failed, *entry, *number;
        char name[32], words[256];
        int error;

        if (s->calls == 0)
                return nodeos_sidecar_fail_(s, EINVAL, "make calls", "there is none");
        nodeos_sidecar_puts_(s, "]}]}");
        error = nodeos_sidecar_ask_(s, "POST /v1/syscalls");
        failed = error == 0 ? nodeos_sidecar_member_(s->answer, "failed") : NULL;
        if (!failed)
                return error;
        entry = nodeos_sidecar_entry_(s, atoi(failed));
        number = nodeos_sidecar_member_(entry, "number");
        nodeos_sidecar_copy_(nodeos_sidecar_member_(entry, "errno"), name, sizeof(name));
        nodeos_sidecar_copy_(nodeos_sidecar_member_(entry, "message"), words, sizeof(words));
        snprintf(s->error, sizeof(s->error), "Cannot make call %d: %s (%s)", atoi(failed), name, words);
        return number ? -atoi(number) : -EPROTO;
}

/* --- its answer, until the next request is begun ------------------------------------------------------------------------- */

/* What call `index` returned: its result, or -errno. -ENODATA when there is no such call in the answer. */
static inline long long nodeos_sidecar_value(const struct nodeos_sidecar *s, int index) {
        const char *entry = nodeos_sidecar_entry_(s, index), *value, *number;

        if (!entry)
                return -ENODATA;
        value = nodeos_sidecar_member_(entry, "value");
        if (value)
                return *value == '"' ? (long long) strtoull(value + 1, NULL, 10) : strtoll(value, NULL, 10);
        number = nodeos_sidecar_member_(entry, "number");
        return number ? -strtoll(number, NULL, 10) : -EPROTO;
}

/* Copies what call `index` filled for an argument, whose name GET /v1/calls/NAME has. Returns its bytes, at most size of which
 * are in ret_data; -ENODATA when it filled nothing of that name. */
static inline long nodeos_sidecar_data(const struct nodeos_sidecar *s, int index, const char *argument, void *ret_data, size_t size) {
        const char *out = nodeos_sidecar_member_(nodeos_sidecar_entry_(s, index), "out");
        const char *text = nodeos_sidecar_member_(nodeos_sidecar_member_(out, argument), "base64");
        unsigned char *to = (unsigned char *) ret_data;
        uint32_t bits = 0;
        size_t count = 0;

        if (!text || *text != '"')
                return -ENODATA;
        for (int have = 0; *++text && *text != '"' && *text != '=';) {
                int c = (unsigned char) *text;

                bits = bits << 6 | (uint32_t) (c >= 'a' ? c - 'a' + 26 : c >= 'A' ? c - 'A' : c >= '0' ? c - '0' + 52 : c == '+' ? 62 : 63);
                have += 6;
                if (have >= 8) {
                        have -= 8;
                        if (count < size)
                                to[count] = (unsigned char) (bits >> have);
                        count++;
                }
        }
        return (long) count;
}

/* --- the policy --------------------------------------------------------------------------------------------------------- */

/* Changes what happens to a call, or to a group such as "@path", in all programs of the container: "allow", "forward", "handle",
 * "deny:EPERM". Returns 0, or -errno: -EOPNOTSUPP when it cannot be switched any more, -EPERM when it is not yours to switch. */
static inline int nodeos_sidecar_switch(struct nodeos_sidecar *s, const char *call, const char *action) {
        nodeos_sidecar_begin_(s);
        nodeos_sidecar_quote_(s, "{\"", call);
        nodeos_sidecar_quote_(s, ":\"", action);
        nodeos_sidecar_put_(s, "}", 1);
        return nodeos_sidecar_ask_(s, "PATCH /v1/policy");
}

#ifdef __cplusplus
}
#endif

#endif
