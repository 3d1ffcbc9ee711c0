/* Stands for libpapi.so.7, version 7.1: events of a component for processes and of one for the whole machine, and one refusal of
 * each kind. What is done in the wrong order ends the program. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SETS = 8, PER_SET = 8 };

static const struct {
        const char *name;
        int component; /* 0 is for processes; negative: PAPI refuses */
        int add;       /* what adding it answers */
        const char *text;
        const char *unit;
        int data_type;
        int timescope;
} events[] = {
        { "CYCLES", 0, 0, "Cycles of a process", "", 0, 0 },
        { "FULL", 0, -8, "One too many", "", 0, 0 },
        { "node:::ENERGY", 1, 0, "Energy of the node", "nJ", 0, 0 },
        { "node:::WATTS", 1, 0, "Power of the node", "W", 2, 3 },
        { "LOCKED", 2, 0, "Not permitted to start", "", 0, 0 },
        { "OFF", -25, 0, "Its component is off", "", 0, 0 },
        { "BROKEN", 3, 0, "Fails when it is read", "", 0, 0 },
        { "STEPS", 0, 0, "Adds the number of the process when it is read", "", 0, 0 },
        { "HELD", 0, 0, "Whether the process was stopped when counting began", "", 0, 3 },
};

static struct {
        int component, count, is_running, inherits, reads, was_held;
        unsigned long pid;
        int events[PER_SET];
} sets[SETS];
static int set_count;
static int is_ready;

static void must(int holds) {
        if (!holds)
                abort();
}

int PAPI_library_init(int version) {
        if (version != 0x07010000)
                return -1;
        is_ready = 1;
        return version;
}

int PAPI_event_name_to_code(const char *name, int *ret_code) {
        must(is_ready);
        for (int i = 0; i < (int) (sizeof(events) / sizeof(*events)); i++) {
                if (strcmp(events[i].name, name))
                        continue;
                *ret_code = i + 1;
                return 0;
        }
        return -7;
}

int PAPI_get_event_component(int code) {
        return events[code - 1].component;
}

int PAPI_get_event_info(int code, uint8_t *ret_info) {
        if (events[code - 1].component == -25)
                return -25;
        memset(ret_info, 0, 6680);
        strcpy((char *) ret_info + 1092, events[code - 1].text);
        strcpy((char *) ret_info + 2120, events[code - 1].unit);
        memcpy(ret_info + 2188, &events[code - 1].data_type, sizeof(int));
        memcpy(ret_info + 2196, &events[code - 1].timescope, sizeof(int));
        return 0;
}

int PAPI_create_eventset(int *ret_set) {
        must(*ret_set == -1 && set_count < SETS);
        sets[set_count].component = -1;
        *ret_set = set_count++;
        return 0;
}

int PAPI_assign_eventset_component(int set, int component) {
        must(sets[set].component < 0);
        sets[set].component = component;
        return 0;
}

int PAPI_attach(int set, unsigned long pid) {
        must(sets[set].component >= 0 && sets[set].count == 0);
        if (sets[set].component == 1)
                return -4;
        sets[set].pid = pid;
        return pid == 4242 ? -15 : 0;
}

int PAPI_set_opt(int option, const int *value) {
        must(option == 28 && value[1] == 1 && sets[value[0]].pid > 0);
        sets[value[0]].inherits = 1;
        return 0;
}

int PAPI_add_event(int set, int code) {
        must(sets[set].component == events[code - 1].component && !sets[set].is_running);
        if (events[code - 1].add == 0)
                sets[set].events[sets[set].count++] = code - 1;
        return events[code - 1].add;
}

static int is_held(unsigned long pid) {
        char path[64], state = 0;
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%lu/stat", pid);
        file = fopen(path, "r");
        must(file && fscanf(file, "%*d (%*[^)]) %c", &state) == 1);
        fclose(file);
        return state == 't';
}

int PAPI_start(int set) {
        must(sets[set].count > 0);
        sets[set].was_held = sets[set].pid > 1000 && is_held(sets[set].pid);
        if (sets[set].component == 2)
                return -15;
        sets[set].is_running = 1;
        return 0;
}

int PAPI_read(int set, long long *ret_values) {
        const double watts = 205.5;

        must(sets[set].is_running);
        if (sets[set].component == 3)
                return -3;
        for (int i = 0; i < sets[set].count; i++)
                ret_values[i] = sets[set].events[i] == 0 ? 1000 + (long long) sets[set].pid + 100000 * sets[set].inherits : 5000000000;
        sets[set].reads++;
        for (int i = 0; i < sets[set].count; i++) {
                if (sets[set].events[i] == 3)
                        memcpy(&ret_values[i], &watts, sizeof(watts));
                if (sets[set].events[i] == 7)
                        ret_values[i] = sets[set].reads * (long long) sets[set].pid;
                if (sets[set].events[i] == 8)
                        ret_values[i] = sets[set].was_held;
        }
        return 0;
}

int PAPI_stop(int set, long long *ret_values) {
        (void) ret_values;
        sets[set].is_running = 0;
        return 0;
}

int PAPI_cleanup_eventset(int set) {
        must(!sets[set].is_running);
        sets[set].count = 0;
        return 0;
}

int PAPI_destroy_eventset(int *set) {
        must(sets[*set].count == 0);
        *set = -1;
        return 0;
}
