/* NODEOS_PRELOAD_REPORT=1: at the program's end, what of its private memory lies in huge pages and what does not, as the kernel
 * has it in /proc/self/smaps. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "preload.h"

struct mapping {
        uintptr_t from;
        char name[40]; /* the end of it */
        size_t resident, huge;
};

struct sums {
        size_t stack, brk, files, other, huge;
};

static void count(struct sums *sums, const struct mapping *mapping) {
        bool is_test = preload.is_ordinary && (heaps_have((void *) mapping->from) || maps_have((void *) mapping->from));

        sums->huge += mapping->huge + (is_test ? mapping->resident : 0);
        if (is_test)
                return;
        if (!strcmp(mapping->name, "[stack]"))
                sums->stack += mapping->resident;
        else if (!strcmp(mapping->name, "[heap]"))
                sums->brk += mapping->resident;
        else if (mapping->name[0] && mapping->name[0] != '[')
                sums->files += mapping->resident;
        else
                sums->other += mapping->resident;
}

static void take_line(struct sums *sums, struct mapping *mapping, const char *line) {
        char *after;
        uintptr_t from = strtoul(line, &after, 16);
        size_t kib;

        if (*after == '-' && after > line) {
                const char *name = strrchr(line, ' ');

                count(sums, mapping);
                *mapping = (struct mapping) { .from = from };
                if (name && strlen(name) > 1)
                        snprintf(mapping->name, sizeof(mapping->name), "%.39s", name + 1);
        } else if (sscanf(line, "Anonymous: %zu kB", &kib) == 1) {
                mapping->resident = kib << 10;
        } else if (sscanf(line, "Private_Hugetlb: %zu kB", &kib) == 1) {
                mapping->huge = kib << 10;
        }
}

static bool read_sums(struct sums *sums) {
        char text[4096], line[256];
        struct mapping mapping = { 0 };
        size_t used = 0;
        ssize_t n;
        int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return false;
        while ((n = read(fd, text, sizeof(text))) > 0)
                for (ssize_t i = 0; i < n; i++) {
                        if (text[i] != '\n') {
                                /* Of a line that is too long the end counts. */
                                if (used == sizeof(line) - 1)
                                        memmove(line + 100, line + 101, --used - 100);
                                line[used++] = text[i];
                                continue;
                        }
                        line[used] = 0;
                        take_line(sums, &mapping, line);
                        used = 0;
                }
        count(sums, &mapping);
        close(fd);
        return n == 0;
}

void report_write(void) {
        struct sums sums = { 0 };
        char text[800];
        int n;

        if (!read_sums(&sums))
                return;
        n = snprintf(text, sizeof(text),
                     "nodeos: %s (%d): %zu KiB in huge pages, of %zu KiB taken: heap %zu KiB, mappings %zu KiB, static data %zu KiB\n"
                     "nodeos: %s (%d): not in huge pages: stack %zu KiB, program and libraries %zu KiB, brk %zu KiB, other %zu KiB; "
                     "fallbacks %zu KiB, left as they are %zu KiB\n",
                     program_invocation_short_name, (int) getpid(), sums.huge >> 10,
                     (preload.heap_bytes + preload.map_bytes + preload.static_bytes) >> 10, preload.heap_bytes >> 10,
                     preload.map_bytes >> 10, preload.static_bytes >> 10, program_invocation_short_name, (int) getpid(), sums.stack >> 10,
                     sums.files >> 10, sums.brk >> 10, sums.other >> 10, preload.fallback_bytes >> 10, preload.left_bytes >> 10);
        if (write(STDERR_FILENO, text, (size_t) n) < 0)
                return;
}
