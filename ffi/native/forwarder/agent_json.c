/* JSON, as far as plain requests have it. What is not exactly so is no error here: the sidecar reads it again, and says. */
#include <string.h>

#include "agent_json.h"

static void skip_space(struct json *json) {
        while (json->at < json->end && (*json->at == ' ' || *json->at == '\t' || *json->at == '\n' || *json->at == '\r'))
                json->at++;
}

bool json_take(struct json *json, char letter) {
        skip_space(json);
        if (json->at == json->end || *json->at != letter)
                return false;
        json->at++;
        return true;
}

bool json_take_word(struct json *json, const char *word) {
        size_t length = strlen(word);

        skip_space(json);
        if ((size_t) (json->end - json->at) < length || memcmp(json->at, word, length))
                return false;
        json->at += length;
        return true;
}

bool json_is_done(struct json *json) {
        skip_space(json);
        return json->at == json->end;
}

/* Four hexadecimal digits, -1 when there are others. */
static int32_t read_unit(const uint8_t *at, const uint8_t *end) {
        int32_t unit = 0;

        if (end - at < 4)
                return -1;
        for (int i = 0; i < 4; i++) {
                uint8_t letter = at[i] | 0x20;

                if (at[i] >= '0' && at[i] <= '9')
                        unit = unit << 4 | (at[i] - '0');
                else if (letter >= 'a' && letter <= 'f')
                        unit = unit << 4 | (letter - 'a' + 10);
                else
                        return -1;
        }
        return unit;
}

static size_t put_utf8(uint8_t *to, int32_t code) {
        if (code < 0x80) {
                to[0] = (uint8_t) code;
                return 1;
        }
        if (code < 0x800) {
                to[0] = (uint8_t) (0xc0 | code >> 6);
                to[1] = (uint8_t) (0x80 | (code & 0x3f));
                return 2;
        }
        if (code < 0x10000) {
                to[0] = (uint8_t) (0xe0 | code >> 12);
                to[1] = (uint8_t) (0x80 | (code >> 6 & 0x3f));
                to[2] = (uint8_t) (0x80 | (code & 0x3f));
                return 3;
        }
        to[0] = (uint8_t) (0xf0 | code >> 18);
        to[1] = (uint8_t) (0x80 | (code >> 12 & 0x3f));
        to[2] = (uint8_t) (0x80 | (code >> 6 & 0x3f));
        to[3] = (uint8_t) (0x80 | (code & 0x3f));
        return 4;
}

/* What \u stands for, at its first digit: one unit, or the two of a pair. Returns the code, -1 for anything else. */
static int32_t read_escaped_code(struct json *json) {
        int32_t high = read_unit(json->at, json->end), low;

        if (high < 0 || (high >= 0xdc00 && high < 0xe000))
                return -1;
        json->at += 4;
        if (high < 0xd800 || high >= 0xe000)
                return high;
        if (json->end - json->at < 6 || json->at[0] != '\\' || json->at[1] != 'u')
                return -1;
        low = read_unit(json->at + 2, json->end);
        if (low < 0xdc00 || low >= 0xe000)
                return -1;
        json->at += 6;
        return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

/* Behind a backslash. Returns the bytes that it made, 0 for what is no escape. */
static size_t take_escape(struct json *json, uint8_t to[4]) {
        static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
        const char *found;
        int32_t code;

        if (json->at == json->end || *json->at == 0)
                return 0;
        if (*json->at == 'u') {
                json->at++;
                code = read_escaped_code(json);
                return code < 0 ? 0 : put_utf8(to, code);
        }
        found = strchr(letters, *json->at++);
        if (!found)
                return 0;
        *to = (uint8_t) meanings[found - letters];
        return 1;
}

bool json_string(struct json *json, uint8_t *ret_text, size_t room, size_t *ret_size) {
        size_t used = 0;

        if (!json_take(json, '"'))
                return false;
        /* A letter has at most four bytes, and a NUL follows the last. */
        while (json->at < json->end && used + 5 <= room) {
                uint8_t letter = *json->at++;

                if (letter == '"') {
                        ret_text[used] = 0;
                        *ret_size = used;
                        return utf8_is_valid(ret_text, used);
                }
                if (letter < 0x20)
                        return false;
                if (letter != '\\') {
                        ret_text[used++] = letter;
                        continue;
                }
                size_t more = take_escape(json, ret_text + used);

                if (!more)
                        return false;
                used += more;
        }
        return false;
}

bool json_integer(struct json *json, int64_t *ret_value) {
        bool is_negative = json_take(json, '-');
        const uint8_t *start;
        int64_t value = 0;

        /* Nothing stands between the sign and its number. */
        if (!is_negative)
                skip_space(json);
        start = json->at;
        while (json->at < json->end && *json->at >= '0' && *json->at <= '9' && json->at - start < 17)
                value = 10 * value + (*json->at++ - '0');
        /* -0, and what begins with 0, are left to others; a fraction or an exponent is what comes next, and nobody takes it. */
        if (json->at == start || value > JSON_INTEGER_MAX || (*start == '0' && (is_negative || json->at - start > 1)))
                return false;
        *ret_value = is_negative ? -value : value;
        return true;
}

/* The six bits of a letter, -1 for another one. */
static int bits_of(uint8_t letter) {
        if (letter >= 'A' && letter <= 'Z')
                return letter - 'A';
        if (letter >= 'a' && letter <= 'z')
                return letter - 'a' + 26;
        if (letter >= '0' && letter <= '9')
                return letter - '0' + 52;
        return letter == '+' ? 62 : letter == '/' ? 63 : -1;
}

bool base64_decode(uint8_t *text, size_t *size) {
        size_t padding = *size < 4 ? 0 : text[*size - 1] != '=' ? 0 : text[*size - 2] != '=' ? 1 : 2, letters = *size - padding;
        uint8_t *to = text;
        uint32_t four = 0;

        if (*size % 4)
                return false;
        for (size_t i = 0; i < letters; i++) {
                int bits = bits_of(text[i]);

                if (bits < 0)
                        return false;
                four = four << 6 | (uint32_t) bits;
                /* The first of four makes no byte, and each other one does. */
                if (i % 4)
                        *to++ = (uint8_t) (four >> (6 - 2 * (i % 4)));
        }
        *size = (size_t) (to - text);
        /* What is left of the last letter is nothing. */
        return !(four & ((1U << 2 * padding) - 1));
}

size_t utf8_letter(const uint8_t *at, size_t left, size_t *ret_broken) {
        /* The first of the bytes that follow has a range of its own behind four of the leading ones. */
        uint8_t low = at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : 0x80, high = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : 0xbf;
        size_t size = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0, fine = 1;

        while (fine < size && fine < left && at[fine] >= low && at[fine] <= high) {
                fine++;
                low = 0x80;
                high = 0xbf;
        }
        *ret_broken = fine;
        return fine == size ? size : 0;
}

bool utf8_is_valid(const uint8_t *text, size_t size) {
        while (size > 0) {
                size_t broken, length = utf8_letter(text, size, &broken);

                if (!length)
                        return false;
                text += length;
                size -= length;
        }
        return true;
}
