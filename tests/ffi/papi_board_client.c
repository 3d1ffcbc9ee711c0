/* A program that has functions of libsde itself: it loads a library of events and prints what that registers, and their values at
 * each line of its input; after `storm`, which values the first event has while they change. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef long long (*read_t)(void *slot);

static struct {
        char name[128];
        char text[256];
        int mode;
        read_t read;
        void *slot;
} events[70000];
static int event_count;
static int handle;

EXPORT void *papi_sde_init(const char *library) {
        printf("library %s\n", library);
        return &handle;
}

EXPORT int papi_sde_register_counter_cb(void *of, const char *name, int mode, int type, read_t read, void *slot) {
        if (of != &handle || type != 0)
                abort();
        snprintf(events[event_count].name, sizeof(events->name), "%s", name);
        events[event_count].mode = mode;
        events[event_count].read = read;
        events[event_count++].slot = slot;
        return 0;
}

EXPORT int papi_sde_describe_counter(void *of, const char *name, const char *text) {
        if (of != &handle || strcmp(events[event_count - 1].name, name))
                abort();
        snprintf(events[event_count - 1].text, sizeof(events->text), "%s", text);
        return 0;
}

static void *other_init(const char *library) {
        printf("listing %s\n", library);
        return &handle;
}

/* As programs do that list the events of a library; they bring functions of their own. */
static int list(void *library) {
        void *(*hook)(void *functions);
        void *functions[17] = { 0 };
        void *(*init)(const char *) = other_init;
        int (*add)(void *, const char *, int, int, read_t, void *) = papi_sde_register_counter_cb;
        int (*describe)(void *, const char *, const char *) = papi_sde_describe_counter;

        memcpy(&functions[0], &init, sizeof(init));
        memcpy(&functions[3], &add, sizeof(add));
        memcpy(&functions[5], &describe, sizeof(describe));
        *(void **) &hook = dlsym(library, "papi_sde_hook_list_events");
        return hook && hook(functions) ? 0 : 1;
}

static void print_values(void) {
        for (int i = 0; i < event_count; i++)
                printf("%s=%lld%c", events[i].name, events[i].read(events[i].slot), i + 1 < event_count ? ' ' : '\n');
        fflush(stdout);
}

/* Reads the first event again and again, and prints what different values it had. */
static void print_storm(void) {
        long long seen[8];
        int count = 0;

        for (int i = 0; i < 2000000; i++) {
                long long value = events[0].read(events[0].slot);
                int at = 0;

                while (at < count && seen[at] != value)
                        at++;
                if (at == count && count < 8)
                        seen[count++] = value;
        }
        for (int i = 0; i < count; i++)
                printf("%d=%lld%c", i, seen[i], i + 1 < count ? ' ' : '\n');
        fflush(stdout);
}

int main(int argc, char **argv) {
        void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        char line[16];

        if (!library) {
                puts(dlerror());
                return 2;
        }
        if (argc > 2 && list(library))
                return 1;
        for (int i = 0; i < event_count; i++)
                printf("%s %s: %s\n", events[i].mode ? "gauge" : "counter", events[i].name, events[i].text);
        puts("ready");
        fflush(stdout);
        while (fgets(line, sizeof(line), stdin)) {
                if (!strcmp(line, "storm\n"))
                        print_storm();
                else
                        print_values();
        }
        return 0;
}
