/* JSON of plain requests, and the text of answers. */
#ifndef NODEOS_FORWARDER_AGENT_JSON_H
#define NODEOS_FORWARDER_AGENT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Largest whole number that a number of JSON can be without being another one. */
#define JSON_INTEGER_MAX ((int64_t) 9007199254740991)

/* What is still to be read. After a function said false it is of no use any more. */
struct json {
        const uint8_t *at, *end;
};

/* Takes a letter of the grammar, if it comes next, space or not. */
bool json_take(struct json *json, char letter);
/* Takes true, false or null, if that comes next. */
bool json_take_word(struct json *json, const char *word);
/* Whether nothing but space is left. */
bool json_is_done(struct json *json);
/* Takes a string, decoded and ended by a NUL, in room of `room` bytes. False when none comes, when it does not fit, or when
 * it is not UTF-8, or half a surrogate pair. */
bool json_string(struct json *json, uint8_t *ret_text, size_t room, size_t *ret_size);
/* Takes a whole number of at most JSON_INTEGER_MAX, written as such. */
bool json_integer(struct json *json, int64_t *ret_value);

/* Turns base64 into its bytes, in place. False for what is not written as usual: with padding, without space. */
bool base64_decode(uint8_t *text, size_t *size);
bool utf8_is_valid(const uint8_t *text, size_t size);
/* Bytes of the letter at `at`, 0 when it is none: too long, half a surrogate pair, beyond the last one, or cut off. Then
 * *ret_broken is how many bytes stand for one. */
size_t utf8_letter(const uint8_t *at, size_t left, size_t *ret_broken);

/* Text on its way to a room, which has to be large enough: who writes has counted. */
struct text {
        uint8_t *at;
};

void text_put(struct text *text, const char *words);
void text_put_number(struct text *text, int64_t value);
/* As numbers of JavaScript's where these are exact, otherwise as strings. */
void text_put_signed(struct text *text, int64_t value);
void text_put_word(struct text *text, uint64_t value);
/* As a string of JSON: bytes that are UTF-8, at most 6 for each; and any bytes, in base64. */
void text_put_string(struct text *text, const uint8_t *bytes, size_t size);
/* Bytes that may be no UTF-8: what is none becomes U+FFFD, and a mark of the byte order at the start is left out. */
void text_put_lossy(struct text *text, const uint8_t *bytes, size_t size, bool is_start);
void text_put_base64(struct text *text, const uint8_t *bytes, size_t size);

#endif
