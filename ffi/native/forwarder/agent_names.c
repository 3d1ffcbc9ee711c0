/* Names that requests use, and layouts of structures, as the sidecar knows them: our own list would be another one some day. */
#include <stdlib.h>
#include <string.h>

#include "agent.h"

enum { NAMES = 1024, FIELDS = 128 };

static struct agent_name names[NAMES];
static struct agent_field fields[FIELDS];
static uint32_t name_count, field_count;

static int compare(const void *one, const void *other) {
        return strcmp(((const struct agent_name *) one)->name, ((const struct agent_name *) other)->name);
}

static bool is_fine(const struct agent_name *name) {
        return memchr(name->name, 0, sizeof(name->name)) && memchr(name->filled, 0, sizeof(name->filled)) &&
               (!name->is_call || (name->value >= 0 && name->value < NODEOS_BOARD_CALLS));
}

int agent_names_take(const uint8_t *bytes, size_t size) {
        uint32_t counts[2];

        name_count = field_count = 0;
        if (size < sizeof(counts))
                return -1;
        memcpy(counts, bytes, sizeof(counts));
        if (counts[0] > NAMES || counts[1] > FIELDS || size != sizeof(counts) + counts[0] * sizeof(*names) + counts[1] * sizeof(*fields))
                return -1;
        memcpy(names, bytes + sizeof(counts), counts[0] * sizeof(*names));
        memcpy(fields, bytes + sizeof(counts) + counts[0] * sizeof(*names), counts[1] * sizeof(*fields));
        for (uint32_t i = 0; i < counts[0]; i++)
                if (!is_fine(&names[i]))
                        return -1;
        for (uint32_t i = 0; i < counts[1]; i++)
                if (!memchr(fields[i].name, 0, sizeof(fields[i].name)))
                        return -1;
        qsort(names, counts[0], sizeof(*names), compare);
        name_count = counts[0];
        field_count = counts[1];
        return 0;
}

const struct agent_name *agent_name_find(const char *name) {
        uint32_t low = 0, high = name_count;

        while (low < high) {
                uint32_t middle = (low + high) / 2;
                int order = strcmp(name, names[middle].name);

                if (order == 0)
                        return &names[middle];
                if (order < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return NULL;
}

const struct agent_field *agent_layout_find(uint8_t layout, size_t *ret_count) {
        uint32_t first = 0, end;

        while (first < field_count && fields[first].layout != layout)
                first++;
        for (end = first; end < field_count && fields[end].layout == layout; end++)
                ;
        *ret_count = end - first;
        return &fields[first];
}
