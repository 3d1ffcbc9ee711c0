/* Structures that the kernel fills, as JSON: what decodeStructure() of lib/sidecar/structures.ts makes of the same bytes. */
#define _GNU_SOURCE
#include <string.h>

#include "agent_batch.h"

enum { NAME_ROOM = 65, ENTRY_NAME_AT = 19, ENTRY_MIN = 20 };

/* Bytes, as far as they are there. */
struct bytes {
        const uint8_t *at;
        size_t size;
};

/* A number of so many bytes; little-endian, as both architectures are. */
static uint64_t number_at(struct bytes bytes, size_t at, size_t size) {
        uint64_t value = 0;

        memcpy(&value, bytes.at + at, size);
        return value;
}

static void put_time(struct text *text, struct bytes bytes, size_t nanosecond_size) {
        text_put(text, "{\"seconds\":");
        text_put_signed(text, (int64_t) number_at(bytes, 0, 8));
        text_put(text, ",\"nanoseconds\":");
        text_put_word(text, number_at(bytes, 8, nanosecond_size));
        text_put(text, "}");
}

static void put_pair(struct text *text, struct bytes bytes) {
        text_put(text, "[");
        text_put_number(text, (int32_t) number_at(bytes, 0, 4));
        text_put(text, ",");
        text_put_number(text, (int32_t) number_at(bytes, 4, 4));
        text_put(text, "]");
}

/* Up to a NUL, or to the end. */
static void put_string(struct text *text, struct bytes bytes) {
        text_put_lossy(text, bytes.at, strnlen((const char *) bytes.at, bytes.size), true);
}

/* What no NUL ends is left out. */
static void put_strings(struct text *text, struct bytes bytes) {
        const uint8_t *from = bytes.at, *end = bytes.at + bytes.size, *to;

        text_put(text, "[");
        for (; from < end && (to = memchr(from, 0, (size_t) (end - from))); from = to + 1) {
                text_put(text, from > bytes.at ? "," : "");
                text_put_lossy(text, from, (size_t) (to - from), from == bytes.at);
        }
        text_put(text, "]");
}

static const char *type_of(uint8_t type) {
        static const char *const types[] = {
                [1] = "fifo", [2] = "character device", [4] = "directory", [6] = "block device",
                [8] = "file", [10] = "link", [12] = "socket"
        };

        return type < sizeof(types) / sizeof(*types) && types[type] ? types[type] : "unknown";
}

static bool put_entries(struct text *text, struct bytes bytes) {
        text_put(text, "[");
        for (size_t at = 0, size; at < bytes.size; at += size) {
                struct bytes entry = { bytes.at + at, bytes.size - at };

                size = entry.size < ENTRY_MIN ? 0 : number_at(entry, 16, 2);
                if (size < ENTRY_MIN || size > entry.size)
                        return false;
                text_put(text, at > 0 ? ",{\"name\":" : "{\"name\":");
                put_string(text, (struct bytes){ entry.at + ENTRY_NAME_AT, size - ENTRY_NAME_AT });
                text_put(text, ",\"type\":\"");
                text_put(text, type_of(entry.at[18]));
                text_put(text, "\",\"ino\":");
                text_put_word(text, number_at(entry, 0, 8));
                text_put(text, ",\"offset\":");
                text_put_signed(text, (int64_t) number_at(entry, 8, 8));
                text_put(text, "}");
        }
        text_put(text, "]");
        return true;
}

/* Bytes that a value needs at least. */
static size_t size_of(uint8_t value) {
        static const uint8_t sizes[] = {
                [VALUE_WORD] = 8, [VALUE_SIGNED] = 8, [VALUE_SMALL] = 4, [VALUE_SHORT] = 2, [VALUE_TIME] = 16, [VALUE_SHORT_TIME] = 12,
                [VALUE_PAIR] = 8, [VALUE_NAME] = NAME_ROOM, [VALUE_ENTRIES] = 0
        };

        return value < sizeof(sizes) ? sizes[value] : SIZE_MAX;
}

static bool put_one(struct text *text, uint8_t value, struct bytes bytes) {
        switch (value) {
        case VALUE_WORD: text_put_word(text, number_at(bytes, 0, 8)); return true;
        case VALUE_SIGNED: text_put_signed(text, (int64_t) number_at(bytes, 0, 8)); return true;
        case VALUE_SMALL: text_put_word(text, number_at(bytes, 0, 4)); return true;
        case VALUE_SHORT: text_put_word(text, number_at(bytes, 0, 2)); return true;
        case VALUE_TIME: put_time(text, bytes, 8); return true;
        case VALUE_SHORT_TIME: put_time(text, bytes, 4); return true;
        case VALUE_PAIR: put_pair(text, bytes); return true;
        case VALUE_NAME: put_string(text, (struct bytes){ bytes.at, NAME_ROOM }); return true;
        case VALUE_TEXT: text_put_lossy(text, bytes.at, bytes.size, true); return true;
        case VALUE_STRING: put_string(text, bytes); return true;
        case VALUE_STRINGS: put_strings(text, bytes); return true;
        case VALUE_ENTRIES: return put_entries(text, bytes);
        default: return false;
        }
}

static bool put_fields(struct text *text, const struct agent_field *fields, size_t count, struct bytes bytes) {
        for (size_t i = 0; i < count; i++) {
                const struct agent_field *field = &fields[i];

                if (*field->name) {
                        text_put(text, i > 0 ? ",\"" : "{\"");
                        text_put(text, field->name);
                        text_put(text, "\":");
                }
                if (field->offset > bytes.size || bytes.size - field->offset < size_of(field->value) ||
                    !put_one(text, field->value, (struct bytes){ bytes.at + field->offset, bytes.size - field->offset }))
                        return false;
        }
        if (*fields->name)
                text_put(text, "}");
        return true;
}

void structure_put(struct text *text, uint8_t layout, const uint8_t *bytes, size_t size) {
        uint8_t *start = text->at;
        size_t count;
        const struct agent_field *fields = agent_layout_find(layout, &count);

        text_put(text, ",\"decoded\":");
        /* One that is cut off is none. */
        if (count == 0 || !put_fields(text, fields, count, (struct bytes){ bytes, size }))
                text->at = start;
}
