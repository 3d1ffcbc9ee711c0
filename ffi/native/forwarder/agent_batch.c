/* The body of a plain request:
 *
 *   batch    = { "calls": [ call, ... ], "stopOnError": true | false, "encoding": "base64" | "text" }
 *   call     = { "call": NAME, "args": [ argument, ... ], "as": NAME }
 *   argument = whole number | string | null | { "base64": TEXT } | { "words": [ whole number, ... ] }
 *
 * in any order, each at most once; only "calls" and "call" are needed. Arguments by name, and every mistake, are the sidecar's. */
#include <ctype.h>
#include <string.h>

#include "agent_batch.h"

enum { KEY_SIZE = 16, STRINGS = 1 << 16 };

/* Strings and bytes of one call, until its frame is made. */
static struct {
        uint8_t bytes[STRINGS];
        size_t used;
} strings;

/* Takes a string that is a word of ours. */
static bool take_word(struct json *json, char *ret_word, size_t room) {
        size_t size;

        return json_string(json, (uint8_t *) ret_word, room, &size) && strlen(ret_word) == size;
}

/* 64-bit words, as of times. */
static bool take_words(struct json *json, uint8_t *ret_bytes, size_t room, size_t *ret_size) {
        *ret_size = 0;
        if (!json_take(json, '['))
                return false;
        if (json_take(json, ']'))
                return true;
        do {
                int64_t word;

                if (*ret_size + sizeof(word) > room || !json_integer(json, &word))
                        return false;
                memcpy(ret_bytes + *ret_size, &word, sizeof(word));
                *ret_size += sizeof(word);
        } while (json_take(json, ','));
        return json_take(json, ']');
}

/* What is left of bytes that are no text, behind their opening brace. */
static bool take_bytes(struct json *json, uint8_t *ret_bytes, size_t room, size_t *ret_size) {
        char key[KEY_SIZE];

        if (!take_word(json, key, sizeof(key)) || !json_take(json, ':'))
                return false;
        if (!strcmp(key, "words"))
                return take_words(json, ret_bytes, room, ret_size) && json_take(json, '}');
        return !strcmp(key, "base64") && json_string(json, ret_bytes, room, ret_size) && base64_decode(ret_bytes, ret_size) &&
               json_take(json, '}');
}

static bool take_argument(struct json *json, struct given *ret_given) {
        uint8_t *bytes = strings.bytes + strings.used;
        size_t room = STRINGS - strings.used;
        bool is_fine;

        *ret_given = (struct given){ .kind = GIVEN_NULL, .bytes = bytes };
        if (json_take_word(json, "null"))
                return true;
        if (json_take(json, '{')) {
                ret_given->kind = GIVEN_BYTES;
                is_fine = take_bytes(json, bytes, room, &ret_given->size);
        } else if (json->at < json->end && *json->at == '"') {
                ret_given->kind = GIVEN_STRING;
                is_fine = json_string(json, bytes, room, &ret_given->size);
        } else {
                ret_given->kind = GIVEN_INTEGER;
                is_fine = json_integer(json, &ret_given->integer);
        }
        strings.used += ret_given->size;
        return is_fine;
}

static bool take_arguments(struct json *json, struct given *ret_given, int *ret_count) {
        if (!json_take(json, '['))
                return false;
        if (json_take(json, ']'))
                return true;
        do
                if (*ret_count == ARGUMENTS || !take_argument(json, &ret_given[(*ret_count)++]))
                        return false;
        while (json_take(json, ','));
        return json_take(json, ']');
}

/* A letter or _, and digits from the second on; nobody has it already. */
static bool is_new_name(const struct batch *batch, const char *name) {
        if (!*name || isdigit((unsigned char) *name))
                return false;
        for (const char *at = name; *at; at++)
                if (!isalnum((unsigned char) *at) && *at != '_')
                        return false;
        for (int i = 0; i < batch->count; i++)
                if (!strcmp(batch->steps[i].as, name))
                        return false;
        return true;
}

/* What a call is made of, while it is read. */
struct parts {
        char call[AGENT_NAME_SIZE];
        char as[NAME_MAX_SIZE + 6];
        bool has_arguments;
        struct given given[ARGUMENTS];
        int count;
};

static bool take_part(struct json *json, struct parts *parts) {
        char key[KEY_SIZE];

        if (!take_word(json, key, sizeof(key)) || !json_take(json, ':'))
                return false;
        if (!strcmp(key, "call") && !*parts->call)
                return take_word(json, parts->call, sizeof(parts->call));
        if (!strcmp(key, "as") && !*parts->as)
                return take_word(json, parts->as, sizeof(parts->as)) && *parts->as && strlen(parts->as) <= NAME_MAX_SIZE;
        if (!strcmp(key, "args") && !parts->has_arguments) {
                parts->has_arguments = true;
                return take_arguments(json, parts->given, &parts->count);
        }
        return false;
}

static bool take_call(struct json *json, struct batch *batch, const struct nodeos_board *board) {
        struct step *step = &batch->steps[batch->count];
        struct parts parts = { 0 };

        strings.used = 0;
        if (batch->count == BATCH_STEPS || !json_take(json, '{'))
                return false;
        do
                if (!take_part(json, &parts))
                        return false;
        while (json_take(json, ','));
        if (!json_take(json, '}') || !*parts.call)
                return false;
        *step = (struct step){ .call = agent_name_find(parts.call) };
        if (!step->call || !step->call->is_call || !step_encode(batch, step, board, parts.given, parts.count))
                return false;
        if (*parts.as && !is_new_name(batch, parts.as))
                return false;
        strcpy(step->as, parts.as);
        batch->count++;
        return true;
}

static bool take_calls(struct json *json, struct batch *batch, const struct nodeos_board *board) {
        if (!json_take(json, '['))
                return false;
        if (json_take(json, ']'))
                return true;
        do
                if (!take_call(json, batch, board))
                        return false;
        while (json_take(json, ','));
        return json_take(json, ']');
}

static bool take_flag(struct json *json, bool *ret_flag) {
        *ret_flag = json_take_word(json, "true");
        return *ret_flag || json_take_word(json, "false");
}

static bool take_encoding(struct json *json, bool *ret_is_text) {
        char word[KEY_SIZE];

        if (!take_word(json, word, sizeof(word)))
                return false;
        *ret_is_text = !strcmp(word, "text");
        return *ret_is_text || !strcmp(word, "base64");
}

bool batch_read(struct batch *batch, const struct nodeos_board *board, const uint8_t *body, size_t size) {
        struct json json = { body, body + size };
        bool has_calls = false, has_stop = false, has_encoding = false, stops = true;

        batch->count = 0;
        batch->frames_used = 0;
        batch->data_size = batch->answer_size = 0;
        batch->is_text = false;
        if (!json_take(&json, '{'))
                return false;
        do {
                char key[KEY_SIZE];
                bool is_fine = take_word(&json, key, sizeof(key)) && json_take(&json, ':');

                if (!is_fine)
                        return false;
                if (!strcmp(key, "calls") && !has_calls)
                        is_fine = has_calls = take_calls(&json, batch, board);
                else if (!strcmp(key, "stopOnError") && !has_stop)
                        is_fine = has_stop = take_flag(&json, &stops);
                else if (!strcmp(key, "encoding") && !has_encoding)
                        is_fine = has_encoding = take_encoding(&json, &batch->is_text);
                else
                        is_fine = false;
                if (!is_fine)
                        return false;
        } while (json_take(&json, ','));
        batch->goes_on = !stops;
        /* Letters of text may become six. */
        return json_take(&json, '}') && has_calls && json_is_done(&json) &&
               (!batch->is_text || batch->answer_size + 6 * batch->data_size <= BATCH_ANSWER);
}
