/* The text of answers, letter by letter as JSON.stringify() of JavaScript writes it. */
#include <stdio.h>
#include <string.h>

#include "agent_json.h"

void text_put(struct text *text, const char *words) {
        size_t length = strlen(words);

        memcpy(text->at, words, length);
        text->at += length;
}

static void put_digits(struct text *text, uint64_t value) {
        char digits[20];
        int used = 0;

        do
                digits[used++] = (char) ('0' + value % 10);
        while (value /= 10);
        while (used > 0)
                *text->at++ = (uint8_t) digits[--used];
}

void text_put_number(struct text *text, int64_t value) {
        if (value < 0)
                *text->at++ = '-';
        put_digits(text, value < 0 ? -(uint64_t) value : (uint64_t) value);
}

void text_put_signed(struct text *text, int64_t value) {
        const char *mark = value > JSON_INTEGER_MAX || value < -JSON_INTEGER_MAX ? "\"" : "";

        text_put(text, mark);
        text_put_number(text, value);
        text_put(text, mark);
}

void text_put_word(struct text *text, uint64_t value) {
        const char *mark = value > (uint64_t) JSON_INTEGER_MAX ? "\"" : "";

        text_put(text, mark);
        put_digits(text, value);
        text_put(text, mark);
}

/* Letters below a space, a quotation mark and a backslash; everything else is itself. */
static void put_escape(struct text *text, uint8_t letter) {
        static const char letters[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
        const char *found = letter ? strchr(letters, letter) : NULL;
        char code[7];

        *text->at++ = '\\';
        if (found) {
                *text->at++ = (uint8_t) names[found - letters];
                return;
        }
        snprintf(code, sizeof(code), "u%04x", letter);
        text_put(text, code);
}

static void put_byte(struct text *text, uint8_t byte) {
        if (byte < 0x20 || byte == '"' || byte == '\\')
                put_escape(text, byte);
        else
                *text->at++ = byte;
}

void text_put_string(struct text *text, const uint8_t *bytes, size_t size) {
        *text->at++ = '"';
        for (size_t i = 0; i < size; i++)
                put_byte(text, bytes[i]);
        *text->at++ = '"';
}

void text_put_lossy(struct text *text, const uint8_t *bytes, size_t size, bool is_start) {
        size_t i = is_start && size >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3) ? 3 : 0;

        *text->at++ = '"';
        while (i < size) {
                size_t broken, length = utf8_letter(bytes + i, size - i, &broken);

                if (!length)
                        text_put(text, "\xef\xbf\xbd");
                for (size_t j = 0; j < length; j++)
                        put_byte(text, bytes[i + j]);
                i += length ? length : broken;
        }
        *text->at++ = '"';
}

void text_put_base64(struct text *text, const uint8_t *bytes, size_t size) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

        *text->at++ = '"';
        for (size_t i = 0; i < size; i += 3) {
                size_t count = size - i < 3 ? size - i : 3;
                uint32_t three = (uint32_t) bytes[i] << 16;

                three |= count > 1 ? (uint32_t) bytes[i + 1] << 8 : 0;
                three |= count > 2 ? bytes[i + 2] : 0;
                for (size_t j = 0; j < 4; j++)
                        *text->at++ = (uint8_t) (j <= count ? letters[three >> (18 - 6 * j) & 0x3f] : '=');
        }
        *text->at++ = '"';
}
