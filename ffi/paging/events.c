/* What the program does to a region's addresses itself: of what it unmaps or moves away, nothing is ours any more. Threads of a
 * region read that with its faults; for regions without threads one thread does. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "paging.h"
#include "uffd.h"

static struct lock events_lock; /* held while an event is dealt with */
static int epoll_fd = -1;
static bool has_thread;

/* Pages of addresses that somebody else may have now. */
static void lose(struct nodeos_region *region, uint64_t start, uint64_t end) {
        uint64_t base = (uintptr_t) region->address, limit = base + region->mapped, small = 0, dirty = 0;
        struct nodeos_buffer *buffer = region->buffer;

        start = start > base ? start : base;
        end = end < limit ? end : limit;
        if (start >= end)
                return;
        lock_take(&buffer->lock);
        for (uint64_t page = (start - base) / region->page_bytes; base + page * region->page_bytes < end; page++) {
                page_charge(region, page);
                while (state_of(region, page) >= BUSY)
                        page_wait(region, page);
                small += state_of(region, page) == CLEAN || state_of(region, page) == DIRTY ? region->small : 0;
                dirty += state_of(region, page) == DIRTY ? region->small : 0;
                region->states[page] |= LOST;
                pages_set(region, page, 1, POISONED);
        }
        region->has_lost = true;
        counts(region)->resident_pages -= small;
        counts(region)->dirty_pages -= dirty;
        buffer->resident -= small;
        event_happens(&buffer->room);
        lock_release(&buffer->lock);
}

void event_handle(struct nodeos_region *region, const struct uffd_msg *message) {
        if (message->event == UFFD_EVENT_UNMAP)
                lose(region, message->arg.remove.start, message->arg.remove.end);
        else if (message->event == UFFD_EVENT_REMAP)
                lose(region, message->arg.remap.from, message->arg.remap.from + message->arg.remap.len);
}

static void *run(void *argument) {
        (void) argument;
        pthread_setname_np(pthread_self(), "nodeos-events");
        for (;;) {
                struct epoll_event event;
                struct uffd_msg message;
                struct nodeos_region *region;

                if (epoll_wait(epoll_fd, &event, 1, -1) != 1)
                        continue;
                /* Nothing is read before it is sure that the region stays until it is dealt with. */
                lock_take(&events_lock);
                region = event.data.ptr;
                if (registry_has(region) && region->has_events && read(region->uffd, &message, sizeof message) == sizeof message)
                        event_handle(region, &message);
                lock_release(&events_lock);
        }
        return NULL;
}

int events_add(struct nodeos_region *region) {
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = region };
        pthread_t thread;
        int error = 0;

        lock_take(&events_lock);
        if (epoll_fd < 0) {
                epoll_fd = epoll_create1(EPOLL_CLOEXEC);
                error = epoll_fd < 0 ? -errno : 0;
        }
        if (!error && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, region->uffd, &event) < 0)
                error = -errno;
        if (!error && !has_thread) {
                error = worker_start(&thread, run, NULL);
                if (!error)
                        pthread_detach(thread);
                has_thread = !error;
        }
        region->has_events = !error;
        lock_release(&events_lock);
        return error;
}

void events_remove(struct nodeos_region *region) {
        if (!region->has_events)
                return;
        lock_take(&events_lock);
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, region->uffd, NULL);
        region->has_events = false;
        lock_release(&events_lock);
}

/* The descriptor is the parent's: closing ours leaves it as it is. */
void events_reset(void) {
        if (epoll_fd >= 0)
                close(epoll_fd);
        epoll_fd = -1;
        has_thread = false;
        atomic_store(&events_lock.word, 0);
}
