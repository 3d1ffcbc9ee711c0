/* Integers as text: O_RDONLY|O_CLOEXEC, 0644, 0x1ff, -1. */
#include <ctype.h>
#include <string.h>

#include "agent_batch.h"

/* Digits that 64 bits may need: more of them are the sidecar's, zeros or not. */
enum { HEXADECIMAL_DIGITS = 16, OCTAL_DIGITS = 22 };

/* As in C, with 0o besides 0 for octal; what fits 64 bits. */
static bool read_digits(const char *digits, uint64_t *ret_value) {
        bool is_negative = *digits == '-';
        const char *at = digits + is_negative;
        unsigned base = 10;
        uint64_t value = 0;

        if (*at == '0' && at[1]) {
                base = at[1] == 'x' || at[1] == 'X' ? 16 : 8;
                at += base == 16 || at[1] == 'o' || at[1] == 'O' ? 2 : 1;
        }
        if (!*at || (is_negative && base != 10) || (base != 10 && strlen(at) > (base == 8 ? OCTAL_DIGITS : HEXADECIMAL_DIGITS)))
                return false;
        for (; *at; at++) {
                unsigned digit = isdigit((unsigned char) *at) ? (unsigned) (*at - '0')
                                 : isxdigit((unsigned char) *at) ? (unsigned) (tolower((unsigned char) *at) - 'a') + 10 : 16;

                if (digit >= base || __builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit, &value))
                        return false;
        }
        if (is_negative && value > (uint64_t) 1 << 63)
                return false;
        *ret_value = is_negative ? -value : value;
        return true;
}

/* A number, or a constant, in small letters or large ones. */
static bool read_term(const uint8_t *text, size_t size, uint64_t *ret_value) {
        const struct agent_name *constant;
        char word[AGENT_NAME_SIZE];

        if (size == 0 || size >= sizeof(word))
                return false;
        for (size_t i = 0; i < size; i++) {
                if (!isalnum(text[i]) && text[i] != '_' && text[i] != '-')
                        return false;
                word[i] = (char) text[i];
        }
        word[size] = 0;
        if (isdigit((unsigned char) *word) || *word == '-')
                return read_digits(word, ret_value);
        for (size_t i = 0; i < size; i++)
                word[i] = (char) toupper((unsigned char) word[i]);
        constant = agent_name_find(word);
        if (!constant || constant->is_call)
                return false;
        *ret_value = (uint64_t) constant->value;
        return true;
}

bool integer_read(const uint8_t *text, size_t size, uint64_t *ret_value) {
        const uint8_t *end = text + size;

        *ret_value = 0;
        for (;;) {
                const uint8_t *bar = memchr(text, '|', (size_t) (end - text)), *from = text, *to = bar ? bar : end;
                uint64_t term;

                while (from < to && *from == ' ')
                        from++;
                while (from < to && to[-1] == ' ')
                        to--;
                if (!read_term(from, (size_t) (to - from), &term))
                        return false;
                *ret_value |= term;
                if (!bar)
                        return true;
                text = bar + 1;
        }
}
