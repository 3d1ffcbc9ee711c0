/* Time and words: the log, and how often something may be started again. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "keeper.h"

int64_t keeper_now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * SECOND_NS + now.tv_nsec;
}

void keeper_say(const char *format, ...) {
        time_t now = time(NULL);
        va_list arguments;
        char line[1024];
        struct tm utc;
        size_t used = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%SZ nodeos-forwarder: ", gmtime_r(&now, &utc));
        int n;

        va_start(arguments, format);
        n = vsnprintf(line + used, sizeof(line) - used - 1, format, arguments);
        va_end(arguments);
        used += n < 0 ? 0 : (size_t) n < sizeof(line) - used - 1 ? (size_t) n : sizeof(line) - used - 2;
        line[used] = '\n';
        /* A full disk is no reason to stop. */
        (void) !write(LOG_FD, line, used + 1);
}

int64_t pace_next_ns(const struct pace *pace, int64_t now_ns) {
        int64_t next_ns = pace->paid_until_ns - pace->burst * pace->interval_ns;

        return next_ns > now_ns ? next_ns : now_ns;
}

void pace_pay(struct pace *pace, int64_t now_ns) {
        pace->paid_until_ns = (pace->paid_until_ns > now_ns ? pace->paid_until_ns : now_ns) + pace->interval_ns;
}
