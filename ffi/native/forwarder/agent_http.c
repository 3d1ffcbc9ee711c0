/* The head of a request, as far as it is plain:
 *
 *   head   = "POST /v1/syscalls HTTP/1.1" CRLF 1*(header CRLF) CRLF                   at most 2048 bytes
 *   header = 1*(letter / "-") ":" *(space / tab) *(printable ASCII) *(space / tab)
 *
 * with one Content-Length of at most seven digits, one Host, no Connection but keep-alive, and besides these only headers
 * that change nothing. Everything else is the sidecar's, byte for byte: nothing is read in two ways. */
#define _GNU_SOURCE
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "agent.h"

enum { HEAD_MAX = 2048, HOST_MAX = 255 };

static const char start[] = "POST /v1/syscalls HTTP/1.1\r\n";

/* A piece of a head. */
struct piece {
        const char *at;
        size_t size;
};

/* What headers have said so far. */
struct said {
        int hosts, lengths;
        size_t body_size;
};

static bool is_name(struct piece name, const char *wanted) {
        return name.size == strlen(wanted) && !strncasecmp(name.at, wanted, name.size);
}

static bool read_length(struct piece value, size_t *ret_size) {
        *ret_size = 0;
        if (value.size < 1 || value.size > 7)
                return false;
        for (size_t i = 0; i < value.size; i++) {
                if (value.at[i] < '0' || value.at[i] > '9')
                        return false;
                *ret_size = 10 * *ret_size + (size_t) (value.at[i] - '0');
        }
        return true;
}

static bool is_host(struct piece value) {
        for (size_t i = 0; i < value.size; i++)
                if (!isalnum((unsigned char) value.at[i]) && !strchr("_.-", value.at[i]))
                        return false;
        return value.size >= 1 && value.size <= HOST_MAX;
}

static bool take_header(struct piece name, struct piece value, struct said *said) {
        static const char *const harmless[] = { "content-type", "accept", "accept-encoding", "accept-language", "user-agent" };

        if (is_name(name, "content-length"))
                return said->lengths++ == 0 && read_length(value, &said->body_size);
        if (is_name(name, "host"))
                return said->hosts++ == 0 && is_host(value);
        if (is_name(name, "connection"))
                return is_name(value, "keep-alive");
        for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++)
                if (is_name(name, harmless[i]))
                        return true;
        return false;
}

static bool is_blank(char letter) {
        return letter == ' ' || letter == '\t';
}

/* One line, without its end. */
static bool take_line(struct piece line, struct said *said) {
        struct piece name = { line.at, 0 }, value;

        while (name.size < line.size && (isalpha((unsigned char) line.at[name.size]) || line.at[name.size] == '-'))
                name.size++;
        if (name.size == 0 || name.size == line.size || line.at[name.size] != ':')
                return false;
        value = (struct piece){ line.at + name.size + 1, line.size - name.size - 1 };
        while (value.size > 0 && is_blank(*value.at)) {
                value.at++;
                value.size--;
        }
        while (value.size > 0 && is_blank(value.at[value.size - 1]))
                value.size--;
        for (size_t i = 0; i < value.size; i++)
                if (value.at[i] < 0x20 || value.at[i] > 0x7e)
                        return false;
        return take_header(name, value, said);
}

static enum http_found read_headers(const char *at, const char *end, struct said *ret_said) {
        *ret_said = (struct said){ 0 };
        while (at < end) {
                const char *next = memmem(at, (size_t) (end - at), "\r\n", 2);

                if (!take_line((struct piece){ at, (size_t) (next - at) }, ret_said))
                        return HTTP_OTHER;
                at = next + 2;
        }
        return ret_said->hosts == 1 && ret_said->lengths == 1 && ret_said->body_size <= HTTP_BODY_MAX ? HTTP_PLAIN : HTTP_OTHER;
}

enum http_found http_read_head(const uint8_t *bytes, size_t size, struct http_head *ret_head) {
        /* The last head that was plain: the next one is probably the same. */
        static struct http_head last;
        static uint8_t last_bytes[HEAD_MAX];
        const size_t known = sizeof(start) - 1;
        const char *text = (const char *) bytes, *end;
        enum http_found found;
        struct said said;

        if (last.size && size >= last.size && !memcmp(bytes, last_bytes, last.size)) {
                *ret_head = last;
                return HTTP_PLAIN;
        }
        if (memcmp(text, start, size < known ? size : known))
                return HTTP_OTHER;
        if (size < known)
                return HTTP_MORE;
        end = memmem(text + known - 2, (size < HEAD_MAX ? size : HEAD_MAX) - known + 2, "\r\n\r\n", 4);
        if (!end)
                return size < HEAD_MAX ? HTTP_MORE : HTTP_OTHER;
        found = read_headers(text + known, end + 2, &said);
        if (found != HTTP_PLAIN)
                return found;
        last = (struct http_head){ .size = (size_t) (end + 4 - text), .body_size = said.body_size };
        memcpy(last_bytes, bytes, last.size);
        *ret_head = last;
        return HTTP_PLAIN;
}
