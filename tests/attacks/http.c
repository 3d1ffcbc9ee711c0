/* Calls by HTTP: each is made natively first, and then by a request to the sidecar. Its agent must get no further than we. */
#define _GNU_SOURCE
#include "attack.h"

#include <ctype.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { ROOM = 65536 };

/* Arguments, one letter each: @ is AT_FDCWD; p the path of the target; w a path of ours; b room of 4096 bytes, and its size;
 * o room for a structure; x the name of an attribute, v its value and how long it is; l the target of a link; n two times;
 * h how to open, to read, and its size. Numbers are numbers. */
struct request {
        const char *name, *target;
        long number;
        const char *arguments;
};

#define CALL(name, target, arguments) { #name, target, SYS_##name, arguments }

static const struct request requests[] = {
        CALL(open, "secret", "p 0"), CALL(open, "readable", "p 1"), CALL(open, "readable", "p 512"), CALL(open, "theirs", "p 2"),
        CALL(open, "readable", "p 262144"), CALL(open, "shut/new", "p 193 420"), CALL(creat, "readable", "p 438"),
        CALL(openat, "hidden/open", "@ p 0"), CALL(openat, "shut/file", "@ p 2049"), CALL(openat, "hidden", "@ p 65536"),
        CALL(openat, "shut", "@ p 4259842 384"), CALL(openat2, "theirs", "@ p h"), CALL(stat, "hidden/open", "p o"),
        CALL(lstat, "hidden/link", "p o"), CALL(newfstatat, "hidden/open", "@ p o 0"), CALL(statx, "hidden/open", "@ p 0 2047 o"),
        CALL(statfs, "hidden/open", "p o"), CALL(access, "hidden/open", "p 0"), CALL(access, "secret", "p 4"),
        CALL(faccessat, "readable", "@ p 2"), CALL(faccessat2, "secret", "@ p 4 512"), CALL(readlink, "hidden/link", "p b"),
        CALL(readlinkat, "hidden/link", "@ p b"), CALL(mkdir, "shut/new", "p 511"), CALL(mkdirat, "shut/new", "@ p 511"),
        CALL(mknod, "shut/new", "p 4534 0"), CALL(mknodat, "shut/new", "@ p 33206 0"), CALL(rmdir, "shut/empty", "p"),
        CALL(rmdir, "sticky/empty", "p"), CALL(unlink, "shut/file", "p"), CALL(unlink, "sticky/victim", "p"),
        CALL(unlinkat, "shut/file", "@ p 0"), CALL(unlinkat, "shut/empty", "@ p 512"), CALL(rename, "shut/file", "p w"),
        CALL(rename, "sticky/victim", "p w"), CALL(renameat, "shut/file", "@ p @ w"), CALL(renameat2, "sticky/victim", "@ p @ w 1"),
        CALL(symlink, "shut/new", "l p"), CALL(symlinkat, "shut/new", "l @ p"), CALL(link, "secret", "p w"), CALL(link, "setuid", "p w"),
        CALL(linkat, "hidden/open", "@ p @ w 0"), CALL(chmod, "secret", "p 2559"), CALL(fchmodat, "theirs", "@ p 438"),
        CALL(chown, "secret", "p 65534 65534"), CALL(lchown, "theirs", "p 65534 65534"), CALL(fchownat, "setuid", "@ p 65534 65534 0"),
        CALL(truncate, "readable", "p 0"), CALL(utimensat, "readable", "@ p n 0"), CALL(setxattr, "readable", "p x v 0"),
        CALL(lsetxattr, "readable", "p x v 0"), CALL(getxattr, "secret", "p x b"), CALL(listxattr, "hidden/open", "p b"),
        CALL(removexattr, "readable", "p x"), CALL(lremovexattr, "readable", "p x"), CALL(chdir, "hidden", "p"),
};

enum { REQUESTS = sizeof(requests) / sizeof(*requests) };

static char answer[ROOM];

/* Passes a request to the sidecar, and waits for the end of the answer. Returns its status, or -1 when there was none. */
static int ask(const char *body) {
        static char request[ROOM];
        size_t used = 0;
        ssize_t n;
        int fd, status = -1, size = snprintf(request, sizeof(request),
                                             "POST /v1/syscalls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                                             "Connection: close\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);

        fd = (int) MUST(connect_to(in_state("sidecar.sock", false), SOCK_STREAM));
        MUST(send(fd, request, (size_t) size, MSG_NOSIGNAL));
        while (used < sizeof(answer) - 1 && (n = recv(fd, answer + used, sizeof(answer) - 1 - used, 0)) > 0)
                used += (size_t) n;
        answer[used] = 0;
        close(fd);
        return sscanf(answer, "HTTP/1.1 %d", &status) == 1 ? status : -1;
}

static const char *body_of_answer(void) {
        const char *body = strstr(answer, "\r\n\r\n");

        return body ? body + 4 : answer;
}

static bool was_done(void) {
        return strstr(answer, "\"value\":") && !strstr(answer, "\"value\":-");
}

/* The value of an argument for the kernel; some are two. */
static int push_native(char letter, const char *path, const char *own, long *arguments, int count) {
        static char room[8192];
        static const struct timespec times[2] = { { 86400, 0 }, { 86400, 0 } };
        static const struct open_how how = { .flags = O_RDONLY };

        switch (letter) {
        case '@': arguments[count++] = AT_FDCWD; break;
        case 'p': arguments[count++] = (long) path; break;
        case 'w': arguments[count++] = (long) own; break;
        case 'b': arguments[count++] = (long) room; arguments[count++] = 4096; break;
        case 'o': arguments[count++] = (long) room; break;
        case 'x': arguments[count++] = (long) "user.mark"; break;
        case 'v': arguments[count++] = (long) "1"; arguments[count++] = 1; break;
        case 'l': arguments[count++] = (long) "/etc/passwd"; break;
        case 'n': arguments[count++] = (long) times; break;
        case 'h': arguments[count++] = (long) &how; arguments[count++] = sizeof(how); break;
        }
        return count;
}

static const char *json_of(char letter) {
        switch (letter) {
        case '@': return "-100";
        case 'b': return "0,4096";
        case 'o': return "0";
        case 'x': return "\"user.mark\"";
        case 'v': return "\"1\",1";
        case 'l': return "\"/etc/passwd\"";
        case 'n': return "{\"words\":[86400,0,86400,0]}";
        case 'h': return "{\"words\":[0,0,0]},24";
        default: return "";
        }
}

static long make_natively(const struct request *request, const char *path, const char *own) {
        long arguments[8] = { 0 };
        int count = 0;

        for (const char *at = request->arguments; *at; at++) {
                if (isdigit(*at)) {
                        char *end;

                        arguments[count++] = strtol(at, &end, 10);
                        at = end - 1;
                } else if (*at != ' ') {
                        count = push_native(*at, path, own, arguments, count);
                }
        }
        return syscall(request->number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
}

static void make_by_http(const struct request *request, const char *path, const char *own) {
        char body[2048], *to = body;

        to += sprintf(to, "{\"calls\":[{\"call\":\"%s\",\"args\":[", request->name);
        for (const char *at = request->arguments; *at; at++) {
                if (*at == ' ')
                        *to++ = ',';
                else if (isdigit(*at))
                        *to++ = *at;
                else if (*at == 'p' || *at == 'w')
                        to += sprintf(to, "\"%s\"", *at == 'p' ? path : own);
                else
                        to += sprintf(to, "%s", json_of(*at));
        }
        sprintf(to, "]}]}");
        if (ask(body) != 200)
                skip("%.200s", body_of_answer());
}

static void by_http(const struct attack *attack) {
        const struct request *request = &requests[attack->which];
        char own[600];

        MUST(getcwd(own, sizeof(own) - 8) ? 0 : -1);
        strcat(own, "/taken");
        if (!is_forwarded()) {
                REFUSED(make_natively(request, arena(request->target), own));
                return;
        }
        make_by_http(request, arena(request->target), own);
        if (was_done())
                gained("%.200s", body_of_answer());
}

/* --- what belongs to the agent ----------------------------------------------------------------------------------------------- */

static const char *const parts[] = {
        "/proc/self/mem", "/proc/self/environ", "/proc/self/maps", "/proc/self/auxv", "/proc/self/syscall", "/proc/self/stack",
        "/proc/self/pagemap", "/proc/self/fd/1024", "/proc/self/fd/1025", "/proc/self/fd/1026",
        "/proc/self/fd/1027", "/proc/self/fd/1028", "/dev/fd/1025", "/dev/fd/1027", "/proc/thread-self/fd/1025",
        "/proc/self/task/../fd/1025", "/proc/self/io", "/proc/self/personality", "/proc/self/root/proc/self/mem", "/proc/self/cwd/../../proc/self/mem",
};

enum { PARTS = sizeof(parts) / sizeof(*parts) };

/* It was root's: of what is left of that, it shows us nothing. */
static void part_of_agent(const struct attack *attack) {
        char body[512];

        if (!is_forwarded())
                return;
        for (int flags = 0; flags < 3; flags++) {
                sprintf(body, "{\"calls\":[{\"call\":\"open\",\"args\":[\"%s\",%d,0]}]}", parts[attack->which], flags);
                if (ask(body) != 200)
                        skip("%.200s", body_of_answer());
                if (was_done())
                        gained("%s was opened with flags %d", parts[attack->which], flags);
        }
}

/* --- the same on what is ours --------------------------------------------------------------------------------------------- */

static void own_by_http(const struct attack *attack) {
        const struct request *request = &requests[attack->which];
        char own[600], directory[512];

        make_own_arena();
        MUST(getcwd(directory, sizeof(directory)) ? 0 : -1);
        snprintf(own, sizeof(own), "%s/own/%s", directory, request->target);
        strcat(directory, "/taken");
        if (!is_forwarded()) {
                REFUSED(make_natively(request, own, directory));
                return;
        }
        make_by_http(request, own, directory);
        if (was_done())
                gained("%.200s", body_of_answer());
}

static struct attack attacks[REQUESTS + PARTS], controls[REQUESTS];
static char names[REQUESTS][64];

struct family http_family = { "http", REQUESTS + PARTS, attacks }, http_controls_family = { "controls over http", REQUESTS, controls };

__attribute__((constructor)) static void list(void) {
        for (int i = 0; i < REQUESTS; i++) {
                snprintf(names[i], sizeof(names[i]), "%s of %s (%s)", requests[i].name, requests[i].target, requests[i].arguments);
                attacks[i] = (struct attack){ names[i], by_http, i, 0 };
                controls[i] = (struct attack){ names[i], own_by_http, i, 0 };
        }
        for (int i = 0; i < PARTS; i++)
                attacks[REQUESTS + i] = (struct attack){ parts[i], part_of_agent, i, 0 };
}
