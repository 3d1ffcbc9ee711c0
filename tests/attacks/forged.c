/* Requests that are not what they seem: calls that are nobody's business, descriptors of the agent's, JSON and HTTP that can be
 * read in two ways. Natively there is nobody to be deceived, so natively all are refused. What would be a gain: a call that
 * must not be made is made, a request is executed that is none, or the service answers with an error of its own, or not at all. */
#define _GNU_SOURCE
#include "attack.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { ANSWER_ROOM = 1 << 20, SOON_MS = 8000 };

static char answer[ANSWER_ROOM];

/* Whether the first answer is here as a whole. */
static bool is_whole(size_t used) {
        const char *body = strstr(answer, "\r\n\r\n"), *length = strcasestr(answer, "content-length:");

        return body && length && length < body && used >= (size_t) (body + 4 - answer) + strtoul(length + 15, NULL, 10);
}

/* Sends bytes, waits so long for an answer, and returns its status, or -1. */
static int pass(const char *bytes, size_t size, int patience_ms) {
        int fd = (int) MUST(connect_to(in_state("sidecar.sock", false), SOCK_STREAM)), status = -1;
        struct timeval patience = { patience_ms / 1000, patience_ms % 1000 * 1000 };
        size_t used = 0;
        ssize_t n = 0;

        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        for (size_t sent = 0; sent < size && n >= 0; sent += (size_t) n)
                n = send(fd, bytes + sent, size - sent, MSG_NOSIGNAL);
        do {
                answer[used] = 0;
                n = is_whole(used) ? 0 : recv(fd, answer + used, sizeof(answer) - 1 - used, 0);
                used += n > 0 ? (size_t) n : 0;
        } while (n > 0);
        close(fd);
        return sscanf(answer, "HTTP/1.1 %d", &status) == 1 ? status : -1;
}

static int ask(const char *line, const char *body, size_t size) {
        char *request = malloc(size + 512);
        int head, status;

        MUST(request ? 0 : -1);
        head = sprintf(request, "%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", line, size);
        memcpy(request + head, body, size);
        status = pass(request, (size_t) head + size, SOON_MS);
        free(request);
        return status;
}

static int ask_calls(const char *calls) {
        static char body[ANSWER_ROOM];
        int size = snprintf(body, sizeof(body), "{\"stopOnError\":false,\"calls\":[%s]}", calls);

        return ask("POST /v1/syscalls", body, (size_t) size);
}

static const char *words(void) {
        const char *body = strstr(answer, "\r\n\r\n");

        return body ? body + 4 : answer;
}

/* Whoever asks next gets an answer. */
static void must_answer(void) {
        if (ask_calls("{\"call\":\"getpid\"}") != 200)
                gained("the service does not answer any more: %.100s", words());
}

static void must_refuse(int status) {
        if (status < 200 || status >= 500)
                gained("the service failed: %d %.200s", status, words());
        if (strstr(words(), "\"value\":") && !strstr(words(), "\"value\":-"))
                gained("%.200s", words());
}

/* --- calls that are nobody's business ------------------------------------------------------------------------------------- */

static const char *const calls[] = {
        "\"kill\",\"args\":[%d,9]", "\"tkill\",\"args\":[%d,9]", "\"tgkill\",\"args\":[%d,%d,9]", "\"kill\",\"args\":[-1,15]",
        "\"rt_sigqueueinfo\",\"args\":[%d,9,0]", "\"ptrace\",\"args\":[16,%d,0,0]", "\"process_vm_readv\",\"args\":[%d,0,0,0,0,0]",
        "\"process_vm_writev\",\"args\":[%d,0,0,0,0,0]", "\"pidfd_open\",\"args\":[%d,0]", "\"setuid\",\"args\":[0]",
        "\"setgid\",\"args\":[0]", "\"setreuid\",\"args\":[0,0]", "\"setresuid\",\"args\":[0,0,0]", "\"setresgid\",\"args\":[0,0,0]",
        "\"setfsuid\",\"args\":[0]", "\"setfsgid\",\"args\":[0]", "\"setgroups\",\"args\":[0,0]", "\"capset\",\"args\":[0,0]",
        "\"prctl\",\"args\":[4,1,0,0,0]", "\"seccomp\",\"args\":[0,0,0]", "\"unshare\",\"args\":[268435456]", "\"setns\",\"args\":[0,0]",
        "\"chroot\",\"args\":[\"/tmp\"]", "\"pivot_root\",\"args\":[\"/\",\"/\"]", "\"mount\",\"args\":[\"x\",\"/mnt\",\"tmpfs\",0,0]",
        "\"umount2\",\"args\":[\"/proc\",2]", "\"bpf\",\"args\":[0,0,0]", "\"io_uring_setup\",\"args\":[4,0]",
        "\"userfaultfd\",\"args\":[0]", "\"perf_event_open\",\"args\":[0,0,-1,-1,0]", "\"fork\"", "\"vfork\"",
        "\"clone\",\"args\":[17,0,0,0,0]", "\"clone3\",\"args\":[0,0]", "\"execve\",\"args\":[\"/bin/true\",0,0]",
        "\"execveat\",\"args\":[-100,\"/bin/true\",0,0,0]", "\"exit\",\"args\":[0]", "\"exit_group\",\"args\":[0]",
        "\"mmap\",\"args\":[0,4096,7,34,-1,0]", "\"mprotect\",\"args\":[4194304,4096,7]", "\"munmap\",\"args\":[4194304,4096]",
        "\"ioctl\",\"args\":[1024,21531,0]", "\"fcntl\",\"args\":[1024,1,0]", "\"dup2\",\"args\":[0,1024]", "\"dup3\",\"args\":[0,1024,0]",
        "\"close_range\",\"args\":[0,4294967295,0]", "\"setrlimit\",\"args\":[7,0]", "\"prlimit64\",\"args\":[%d,7,0,0]",
        "\"sched_setscheduler\",\"args\":[%d,1,0]", "\"sched_setaffinity\",\"args\":[%d,8,0]", "\"setpriority\",\"args\":[0,%d,19]",
        "\"setpgid\",\"args\":[%d,0]", "\"setsid\"", "\"reboot\",\"args\":[0,0,0,0]", "\"personality\",\"args\":[4294967295]",
        "\"rt_sigreturn\"", "\"rt_sigaction\",\"args\":[9,0,0,8]", "\"alarm\",\"args\":[1]", "\"keyctl\",\"args\":[1,0,0,0,0]",
        "\"connect\",\"args\":[1024,0,0]", "\"sendmsg\",\"args\":[1024,0,0]", "\"recvmsg\",\"args\":[1024,0,0]",
        "\"pause\"", "\"wait4\",\"args\":[-1,0,0,0]", "\"swapon\",\"args\":[\"/x\",0]",
        "\"landlock_create_ruleset\",\"args\":[0,0,1]", "\"nosuchcall\"", "\"__proto__\"", "\"constructor\"", "\"toString\"", "\"\"",
};

enum { CALLS = sizeof(calls) / sizeof(*calls) };

static void forbidden_call(const struct attack *attack) {
        char one[256], format[320];
        int pid = somebody("keeper");

        if (!is_forwarded())
                return;
        snprintf(format, sizeof(format), "{\"call\":%s}", calls[attack->which]);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(one, sizeof(one), format, pid, pid);
#pragma GCC diagnostic pop
        must_refuse(ask_calls(one));
        must_answer();
}

/* --- descriptors and integers ------------------------------------------------------------------------------------------------ */

static const char *const numbers[] = {
        "3", "4", "5", "10", "63", "1023", "1024", "1025", "1026", "1027", "1028", "4294968320", "-4294966272", "65536", "-1", "-100", "-101", "2147483647",
        "2147483648", "4294967295", "9007199254740991", "\"0x400\"", "\"18446744073709551615\"", 
        "\"9223372036854775807\"", "\"4294968320\"",
};

enum { NUMBERS = sizeof(numbers) / sizeof(*numbers) };

static void foreign_descriptor(const struct attack *attack) {
        static const char *const uses[] = {
                "{\"call\":\"fstat\",\"args\":[%s]}", "{\"call\":\"read\",\"args\":[%s,16]}", "{\"call\":\"write\",\"args\":[%s,\"x\"]}",
                "{\"call\":\"close\",\"args\":[%s]}", "{\"call\":\"dup\",\"args\":[%s]}", "{\"call\":\"lseek\",\"args\":[%s,0,1]}",
                "{\"call\":\"fchmod\",\"args\":[%s,511]}", "{\"call\":\"openat\",\"args\":[%s,\".\",0]}",
        };

        if (!is_forwarded())
                return;
        for (size_t i = 0; i < sizeof(uses) / sizeof(*uses); i++) {
                char one[256];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                snprintf(one, sizeof(one), uses[i], numbers[attack->which]);
#pragma GCC diagnostic pop
                /* AT_FDCWD is where we are. */
                if (!strcmp(numbers[attack->which], "-100") && i == 7)
                        continue;
                must_refuse(ask_calls(one));
        }
        must_answer();
}

/* --- JSON ----------------------------------------------------------------------------------------------------------------------- */

#define MAKE "{\"call\":\"mkdir\",\"args\":[\"$MARKER\",511]}"

#define TIMES4(text) text text text text
#define LONG TIMES4(TIMES4(TIMES4(TIMES4("aaaaaaaaaaaaaaaa"))))

/* Each would make a directory if it were taken for what it is not. $MARKER stands for its path. */
static const struct {
        const char *name, *body;
} texts[] = {
        { "no JSON", "mkdir" },
        { "nothing", "" },
        { "null", "null" },
        { "a list", "[" MAKE "]" },
        { "calls that are no list", "{\"calls\":" MAKE "}" },
        { "an end after the end", "{\"calls\":[" MAKE "]}{" },
        { "an unknown word", "{\"calls\":[" MAKE "],\"uid\":0}" },
        { "an unknown word in a call", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\",511],\"uid\":0}]}" },
        { "the word __proto__", "{\"__proto__\":{\"calls\":[" MAKE "]}}" },
        { "the word constructor", "{\"calls\":[" MAKE "],\"constructor\":{\"prototype\":{}}}" },
        { "a path with a NUL", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\\u0000x\",511]}]}" },
        { "a path with a NUL in base64", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[{\"base64\":\"L3RtcC94AHg=\"},511]}]}" },
        { "a number of 400 digits", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\",1e400]}]}" },
        { "half a number", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\",0.5]}]}" },
        { "a number that is none", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\",\"0x\"]}]}" },
        { "a list for a number", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\",[511]]}]}" },
        { "true for a number", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\",true]}]}" },
        { "a name that nobody gave", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\",\"$x\"]}]}" },
        { "a name that comes later", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\",\"$x\"]},{\"call\":\"getpid\",\"as\":\"x\"}]}" },
        { "its own name", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\",\"$x\"],\"as\":\"x\"}]}" },
        { "a name of a call that fails", "{\"stopOnError\":false,\"calls\":[{\"call\":\"open\",\"args\":[\"/x/y\",0],\"as\":\"x\"},"
                "{\"call\":\"mkdir\",\"args\":[\"$MARKER\",\"$x\"]}]}" },
        { "a name twice", "{\"calls\":[{\"call\":\"getpid\",\"as\":\"x\"},{\"call\":\"getpid\",\"as\":\"x\"}," MAKE "]}" },
        { "the name __proto__", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\",\"$__proto__\"]}]}" },
        { "too many arguments", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\",511,0]}]}" },
        { "an argument that it has not", "{\"calls\":[{\"call\":\"mkdir\",\"args\":{\"path\":\"$MARKER\",\"mode\":511,\"uid\":0}}]}" },
        { "an argument __proto__", "{\"calls\":[{\"call\":\"mkdir\",\"args\":{\"__proto__\":{\"path\":\"$MARKER\",\"mode\":511}}}]}" },
        { "a wrong call behind a right one", "{\"calls\":[" MAKE ",{\"call\":\"nosuch\"}]}" },
        { "a call that is a number", "{\"calls\":[{\"call\":83,\"args\":[\"$MARKER\",511]}]}" },
        { "a structure of another size", "{\"calls\":[{\"call\":\"utimensat\",\"args\":[-100,\"$MARKER\",{\"words\":[1]},0]}," MAKE "]}" },
        { "more bytes than are given", "{\"calls\":[{\"call\":\"write\",\"args\":[1,\"x\",4096]}," MAKE "]}" },
        { "half a surrogate pair", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\\ud83d\",511]}," MAKE "]}" },
        { "a surrogate pair the wrong way round", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\\ude00\\ud83d\",511]}," MAKE "]}" },
        { "half an escape", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\\u12\",511]}," MAKE "]}" },
        { "an escape that is none", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\\x41\",511]}," MAKE "]}" },
        { "a slash that is too long", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\xc0\xaf\",511]}," MAKE "]}" },
        { "a letter beyond the last", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\xf4\x90\x80\x80\",511]}," MAKE "]}" },
        { "a string without end", "{\"calls\":[" MAKE ",{\"call\":\"mkdir\",\"args\":[\"" },
        { "a line feed in a string", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\n\",511]}," MAKE "]}" },
        { "a number that begins with 0", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\",0511]}]}" },
        { "a number of 17 digits", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\",99999999999999999]}]}" },
        { "a comma before the end", "{\"calls\":[" MAKE ",]}" },
        { "no comma", "{\"calls\":[" MAKE MAKE "]}" },
        { "seven arguments", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\",1,2,3,4,5,6]}]}" },
        { "a word that is none", "{\"calls\":[" MAKE "],\"stopOnError\":truely}" },
        { "a name of 4096 letters", "{\"calls\":[" MAKE ",{\"call\":\"getpid\",\"as\":\"" LONG "\"}]}" },
        { "a call of 4096 letters", "{\"calls\":[" MAKE ",{\"call\":\"" LONG "\"}]}" },
        { "a constant of 4096 letters", "{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"$MARKER\",\"" LONG "\"]}]}" },
        { "a word of 4096 letters", "{\"calls\":[" MAKE "],\"" LONG "\":1}" },
        { "fewer than no bytes", "{\"calls\":[{\"call\":\"write\",\"args\":[1,\"x\",-1]}," MAKE "]}" },
};

enum { TEXTS = sizeof(texts) / sizeof(*texts) };

static char marker[600];

static void set_marker(void) {
        MUST(getcwd(marker, sizeof(marker) - 10) ? 0 : -1);
        strcat(marker, "/made");
}

/* Copies a text with the marker in its place; returns the size. */
static size_t fill_in(const char *text, char *ret_text) {
        char *to = ret_text;

        while (*text) {
                if (strncmp(text, "$MARKER", 7)) {
                        *to++ = *text++;
                        continue;
                }
                to = stpcpy(to, marker);
                text += 7;
        }
        *to = 0;
        return (size_t) (to - ret_text);
}

static void check_marker(int status) {
        if (access(marker, F_OK) == 0)
                gained("it was executed: %d %.200s", status, words());
        must_answer();
}

static void odd_json(const struct attack *attack) {
        static char body[16384];
        int status;

        if (!is_forwarded())
                return;
        set_marker();
        status = ask("POST /v1/syscalls", body, fill_in(texts[attack->which].body, body));
        if (status < 200 || status >= 500)
                gained("the service failed: %d %.200s", status, words());
        check_marker(status);
}

/* --- sizes ------------------------------------------------------------------------------------------------------------------------ */

static void repeat(const char *before, const char *text, int count, const char *after) {
        size_t size = strlen(before) + strlen(after) + (size_t) count * strlen(text);
        char *body = malloc(size + 1), *to = stpcpy(body, before);
        int status;

        while (count-- > 0)
                to = stpcpy(to, text);
        strcpy(to, after);
        status = ask("POST /v1/syscalls", body, size);
        free(body);
        /* To break the connection off in the middle of what is too large is an answer. */
        if (status >= 500 && status != 503)
                gained("the service failed: %d %.200s", status, words());
        must_answer();
}

static void large(const struct attack *attack) {
        if (!is_forwarded())
                return;
        switch (attack->which) {
        case 0: repeat("{\"calls\":[", "[", 100000, "]}"); break;
        case 1: repeat("{\"calls\":[", "{\"call\":", 100000, ""); break;
        case 2: repeat("{\"calls\":[{\"call\":\"getpid\"}", ",{\"call\":\"getpid\"}", 1000, "]}"); break;
        case 3: repeat("{\"calls\":[{\"call\":\"mkdir\",\"args\":[\"", "a", 1040000, "\",0]}]}"); break;
        case 4: repeat("", " ", (1 << 20) + 1, "{}"); break;
        case 5: repeat("", "0", 40 << 20, ""); break;
        /* 8 MiB of answers at most, from 900 times 64 KiB. */
        case 6: repeat("{\"calls\":[{\"call\":\"open\",\"args\":[\"/dev/zero\",0],\"as\":\"f\"}", ",{\"call\":\"read\",\"args\":[\"$f\",65536]}", 900, "]}"); break;
        case 7: repeat("{\"calls\":[{\"call\":\"getpid\"}", ",{\"call\":\"open\",\"args\":[\"/etc/passwd\",0]}", 999, "]}"); break;
        case 8: repeat("{\"calls\":[{\"call\":\"getpid\"}", ",{\"call\":\"read\",\"args\":[0,18014398509481984]}", 100, "]}"); break;
        case 9: repeat("{\"calls\":[{\"call\":\"getpid\"}", ",{\"call\":\"getdents64\",\"args\":[0,4294967295]}", 100, "]}"); break;
        }
}

/* --- HTTP --------------------------------------------------------------------------------------------------------------------------- */

#define HIDDEN "POST /v1/syscalls HTTP/1.1\r\nHost: x\r\nContent-Length: $SIZE\r\n\r\n$BODY"
#define LINE "POST /v1/syscalls HTTP/1.1\r\nHost: x\r\n"

/* $BODY is the body that makes the marker, $SIZE its size. What must not happen is that it is executed. */
static const struct {
        const char *name, *bytes;
} raws[] = {
        { "Content-Length and Transfer-Encoding", LINE "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN },
        { "Transfer-Encoding and Content-Length", LINE "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" HIDDEN },
        { "two lengths", LINE "Content-Length: $SIZE\r\nContent-Length: 1\r\n\r\n$BODY" },
        { "two lengths, the other order", LINE "Content-Length: 1\r\nContent-Length: $SIZE\r\n\r\n$BODY" },
        { "a list of lengths", LINE "Content-Length: $SIZE, 1\r\n\r\n$BODY" },
        { "a length with a sign", LINE "Content-Length: +$SIZE\r\n\r\n$BODY" },
        { "a length below zero", LINE "Content-Length: -$SIZE\r\n\r\n$BODY" },
        { "a length in hexadecimal", LINE "Content-Length: 0x$SIZE\r\n\r\n$BODY" },
        { "a length of 2^64 and some", LINE "Content-Length: 184467440737095516160$SIZE\r\n\r\n$BODY" },
        { "a length with a letter", LINE "Content-Length: $SIZEx\r\n\r\n$BODY" },
        { "an empty length", LINE "Content-Length:\r\n\r\n" "$BODY" },
        { "a length in the next line", LINE "Content-Length:\r\n $SIZE\r\n\r\n$BODY" },
        { "a folded header", LINE "X: y\r\n Content-Length: $SIZE\r\n\r\n$BODY" },
        { "a space before the colon", LINE "Content-Length : $SIZE\r\n\r\n$BODY" },
        { "a space before the name", LINE " Content-Length: $SIZE\r\n\r\n$BODY" },
        { "a NUL in a header", LINE "X: $NUL\r\nContent-Length: $SIZE\r\n\r\n$BODY" },
        { "a carriage return in a header", LINE "X: a\rContent-Length: $SIZE\r\n\r\n$BODY" },
        { "lines that end with a line feed", "POST /v1/syscalls HTTP/1.1\nHost: x\nContent-Length: $SIZE\n\n$BODY" },
        { "an unknown encoding", LINE "Transfer-Encoding: xchunked\r\nContent-Length: $SIZE\r\n\r\n$BODY" },
        { "two encodings", LINE "Transfer-Encoding: chunked, identity\r\n\r\n$CHUNKS" },
        { "an encoding twice", LINE "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n$CHUNKS" },
        { "a chunk below zero", LINE "Transfer-Encoding: chunked\r\n\r\n-1\r\n$BODY\r\n0\r\n\r\n" },
        { "a chunk of 2^64", LINE "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n$BODY\r\n0\r\n\r\n" },
        { "a chunk without end", LINE "Transfer-Encoding: chunked\r\n\r\n$HEXSIZE\r\n$BODY" },
        { "a chunk with more than it says", LINE "Transfer-Encoding: chunked\r\n\r\n1\r\n$BODY\r\n0\r\n\r\n" },
        { "no length", LINE "\r\n$BODY" },
        { "no host", "POST /v1/syscalls HTTP/1.1\r\nContent-Length: $SIZE\r\n\r\n$BODY" },
        { "two hosts", LINE "Host: y\r\nContent-Length: $SIZE\r\n\r\n$BODY" },
        { "no version", "POST /v1/syscalls\r\n\r\n$BODY" },
        { "HTTP/3.0", "POST /v1/syscalls HTTP/3.0\r\nHost: x\r\nContent-Length: $SIZE\r\n\r\n$BODY" },
        { "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" HIDDEN },
        { "GET with a body", "GET /v1/syscalls HTTP/1.1\r\nHost: x\r\nContent-Length: $SIZE\r\n\r\n$BODY" },
        { "PUT", "PUT /v1/syscalls HTTP/1.1\r\nHost: x\r\nContent-Length: $SIZE\r\n\r\n$BODY" },
        { "an overridden method", "GET /v1/syscalls HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: POST\r\nContent-Length: $SIZE\r\n\r\n$BODY" },
        { "CONNECT", "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN },
        { "a request behind an upgrade", "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: $HIDDENSIZE\r\n\r\n" HIDDEN },
        { "a request in a body", "POST /v1/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: $HIDDENSIZE\r\n\r\n" HIDDEN },
        { "a request in a body of calls", LINE "Content-Length: $HIDDENSIZE\r\n\r\n" HIDDEN },
        { "a request in the name of a path", "GET /v1/calls/%0d%0a%0d%0aPOST%20/v1/syscalls HTTP/1.1\r\nHost: x\r\nContent-Length: $SIZE\r\n\r\n$BODY" },
        { "a NUL in a harmless header", LINE "Accept: a$NUL\r\nContent-Length: $SIZE\r\n\r\n$BODY" },
        { "a NUL in a name", LINE "Content-Length$NUL: $SIZE\r\n\r\n$BODY" },
        { "a NUL in a length", LINE "Content-Length: $SIZE$NUL\r\n\r\n$BODY" },
        { "a header of 4096 letters", LINE "Accept: " LONG "\r\nX: $NUL\r\nContent-Length: $SIZE\r\n\r\n$BODY" },
        { "a header without end", LINE "Accept: " LONG LONG LONG LONG LONG LONG "$BODY" },
        { "a name of 4096 letters", LINE LONG ": x\r\nContent-Length: $SIZE\r\nContent-Length: 1\r\n\r\n$BODY" },
        { "a host of 4096 letters", "POST /v1/syscalls HTTP/1.1\r\nHost: " LONG "\r\nContent-Length: -$SIZE\r\n\r\n$BODY" },
        { "an end in the first line", "POST /v1/syscalls HTTP/1.1\r\n\r\n$BODY" },
        { "another length behind the end", LINE "\r\nContent-Length: $SIZE\r\n\r\n$BODY" },
        { "a length of 8 digits", LINE "Content-Length: 9999999$SIZE\r\n\r\n$BODY" },
        { "a length of one more digit", LINE "Content-Length: $SIZE.0\r\n\r\n$BODY" },
        { "a body that ends too early", LINE "Content-Length: 99999\r\n\r\n$BODY" },
        { "a body that is one too short", LINE "Content-Length: 1$SIZE\r\n\r\n$BODY" },
};

enum { RAWS = sizeof(raws) / sizeof(*raws) };

/* Copies a template; returns the size. */
static size_t expand(const char *from, char *ret_bytes) {
        static char body[2048], hidden[4096];
        size_t body_size = fill_in("{\"calls\":[" MAKE "]}", body);
        int hidden_size = sprintf(hidden, "POST /v1/syscalls HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s", body_size, body);
        char *to = ret_bytes;

        while (*from) {
                const char *start = from;

                if (!strncmp(from, "$BODY", 5))
                        to = stpcpy(to, body), from += 5;
                else if (!strncmp(from, "$SIZE", 5))
                        to += sprintf(to, "%zu", body_size), from += 5;
                else if (!strncmp(from, "$HEXSIZE", 8))
                        to += sprintf(to, "%zx", body_size), from += 8;
                else if (!strncmp(from, "$HIDDENSIZE", 11))
                        to += sprintf(to, "%d", hidden_size), from += 11;
                else if (!strncmp(from, "$CHUNKS", 7))
                        to += sprintf(to, "%zx\r\n%s\r\n0\r\n\r\n", body_size, body), from += 7;
                else if (!strncmp(from, "$NUL", 4))
                        *to++ = 0, from += 4;
                if (from == start)
                        *to++ = *from++;
        }
        return (size_t) (to - ret_bytes);
}

static void odd_http(const struct attack *attack) {
        static char bytes[65536];
        int status;

        if (!is_forwarded())
                return;
        set_marker();
        /* Some wait for more, and get no answer; what is executed is executed by then. */
        status = pass(bytes, expand(raws[attack->which].bytes, bytes), 150);
        if (status >= 500 && status != 501 && status != 505)
                gained("the service failed: %d %.200s", status, words());
        check_marker(status);
}

/* The same behind a request that is as it should be: by then the agent reads the connection, and knows a head. */
static void odd_http_behind(const struct attack *attack) {
        static const char first[] = "POST /v1/syscalls HTTP/1.1\r\nHost: x\r\nContent-Length: 29\r\n\r\n{\"calls\":[{\"call\":\"getpid\"}]}";
        /* For the first answer, which has to come, and for the second, which need not. */
        static const struct timeval patience[2] = { { SOON_MS / 1000, 0 }, { 0, 150000 } };
        static char bytes[65536];
        size_t size, used = 0;
        ssize_t n = 0;
        int fd;

        if (!is_forwarded())
                return;
        set_marker();
        fd = (int) MUST(connect_to(in_state("sidecar.sock", false), SOCK_STREAM));
        size = (size_t) (stpcpy(bytes, first) - bytes);
        for (int i = 0; i < 2; i++) {
                setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience[i], sizeof(patience[i]));
                for (size_t sent = 0; sent < size && n >= 0; sent += (size_t) n)
                        n = send(fd, bytes + sent, size - sent, MSG_NOSIGNAL);
                /* Of the second answer all that comes. */
                for (used = 0, n = 1; n > 0 && used < sizeof(answer) - 1 && (i || !used || !is_whole(used)); used += n > 0 ? (size_t) n : 0) {
                        n = recv(fd, answer + used, sizeof(answer) - 1 - used, 0);
                        answer[n > 0 ? used + (size_t) n : used] = 0;
                }
                if (i == 0 && !strstr(answer, "\"value\":"))
                        gained("the service does not answer: %.200s", answer);
                size = expand(raws[attack->which].bytes, bytes);
        }
        close(fd);
        check_marker(0);
}

/* Who asks is known by the socket, whatever the request says. */
static void claimed_identity(const struct attack *attack) {
        static const char *const claims[] = {
                "X-Forwarded-User: root", "X-Remote-User: root", "X-Uid: 0", "Authorization: Basic cm9vdDpyb290", "X-Peer-Pid: 1",
                "X-Forwarded-For: 127.0.0.1", "Cookie: uid=0", "Forwarded: for=root",
        };
        char body[1024], request[2048];
        int size;

        if (!is_forwarded())
                return;
        size = snprintf(body, sizeof(body), "{\"calls\":[{\"call\":\"openat\",\"args\":[-100,\"%s\",0]}]}", arena("secret"));
        size = snprintf(request, sizeof(request), LINE "%s\r\nContent-Length: %d\r\n\r\n%s", claims[attack->which], size, body);
        must_refuse(pass(request, (size_t) size, SOON_MS));
}

/* --- the policy ----------------------------------------------------------------------------------------------------------------------- */

static void odd_policy(const struct attack *attack) {
        static const char *const bodies[] = {
                "{\"io_uring_setup\":\"allow\"}", "{\"execve\":\"deny:EPERM\"}", "{\"landlock_create_ruleset\":\"allow\"}",
                "{\"kill\":\"forward\"}", "{\"exit_group\":\"handle\"}", "{\"mmap\":\"inject\"}", "{\"openat\":\"deny:4096\"}",
                "{\"openat\":\"deny:-1\"}", "{\"openat\":7}", "{\"__proto__\":\"allow\"}", "{\"@nothing\":\"allow\"}", "[]", "null", "{\"..\":\"allow\"}",
        };
        const char *body = bodies[attack->which];
        int status;

        if (!is_forwarded())
                return;
        status = ask("PATCH /v1/policy", body, strlen(body));
        /* What changes nothing may be called a success. */
        if (status == 200 && strstr(words(), "\"changed\":[{"))
                gained("it was changed: %.200s", words());
        if (status < 200 || status >= 500)
                gained("the service failed: %d %.200s", status, words());
        must_answer();
}

/* --- what comes with bytes ------------------------------------------------------------------------------------------------------------- */

static long send_with(int fd, int type, const void *data, size_t size) {
        char room[1024] __attribute__((aligned(8))) = { 0 };
        struct iovec bytes = { (void *) "P", 1 };
        struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = room, .msg_controllen = CMSG_SPACE(size) };
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);

        *header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = type, .cmsg_len = CMSG_LEN(size) };
        memcpy(CMSG_DATA(header), data, size);
        return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static void forged_credentials(const struct attack *attack) {
        struct ucred roots = { .pid = attack->which ? somebody("root") : getpid(), .uid = 0, .gid = 0 };
        int fd = (int) MUST(connect_to(in_state("sidecar.sock", false), SOCK_STREAM));

        REFUSED(send_with(fd, SCM_CREDENTIALS, &roots, sizeof(roots)));
}

static void sent_descriptors(const struct attack *attack) {
        int fds[200], fd;

        (void) attack;
        for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
                fds[i] = 0;
        for (int i = 0; i < 50; i++) {
                fd = connect_to(in_state("sidecar.sock", false), SOCK_STREAM);
                if (fd < 0)
                        break;
                for (int j = 0; j < 20; j++)
                        send_with(fd, SCM_RIGHTS, fds, sizeof(fds));
                if (i % 2)
                        close(fd);
        }
        if (is_forwarded())
                must_answer();
}

/* --- the list ----------------------------------------------------------------------------------------------------------------------------- */

static const char *const larges[] = {
        "100000 brackets", "100000 objects in one another", "1001 calls", "a path of a MiB", "a body of more than a MiB", "a body of 40 MiB",
        "answers of 56 MiB", "999 open files", "reads of 2^54 bytes", "directories of 2^32 bytes",
};

enum { LARGES = sizeof(larges) / sizeof(*larges), CLAIMS = 8, POLICIES = 14, ALL = CALLS + NUMBERS + TEXTS + LARGES + 2 * RAWS + CLAIMS + POLICIES + 3 };

static struct attack attacks[ALL];
static char titles[ALL][96];

struct family forged_family = { "forged", 0, attacks };

static void add(void (*run)(const struct attack *), int which, const char *kind, const char *name) {
        size_t at = forged_family.count++;

        snprintf(titles[at], sizeof(titles[at]), "%s, %s", kind, name);
        for (char *letter = titles[at]; *letter; letter++)
                if (*letter == ':')
                        *letter = ' ';
        attacks[at] = (struct attack){ titles[at], run, which, 0 };
}

__attribute__((constructor)) static void list(void) {
        char number[16];

        for (int i = 0; i < CALLS; i++)
                add(forbidden_call, i, "a call", calls[i]);
        for (int i = 0; i < NUMBERS; i++)
                add(foreign_descriptor, i, "a descriptor", numbers[i]);
        for (int i = 0; i < TEXTS; i++)
                add(odd_json, i, "JSON", texts[i].name);
        for (int i = 0; i < LARGES; i++)
                add(large, i, "size", larges[i]);
        for (int i = 0; i < RAWS; i++)
                add(odd_http, i, "HTTP", raws[i].name);
        for (int i = 0; i < RAWS; i++)
                add(odd_http_behind, i, "HTTP behind another", raws[i].name);
        for (int i = 0; i < CLAIMS + POLICIES; i++) {
                snprintf(number, sizeof(number), "%d", i < CLAIMS ? i : i - CLAIMS);
                add(i < CLAIMS ? claimed_identity : odd_policy, i < CLAIMS ? i : i - CLAIMS, i < CLAIMS ? "a claim" : "a policy", number);
        }
        add(forged_credentials, 0, "credentials", "root's");
        add(forged_credentials, 1, "credentials", "of a process of root's");
        add(sent_descriptors, 0, "descriptors", "200000 of them");
}
