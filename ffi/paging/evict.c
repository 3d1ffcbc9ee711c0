/* Eviction: writes back victims that are dirty, drops all, many at once. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "paging.h"
#include "uffd.h"

#ifndef PIDFD_SELF_THREAD_GROUP
#define PIDFD_SELF_THREAD_GROUP -10001
#endif

static void sort(struct slot *slot) {
        struct victim *victims = slot->victims;

        for (uint32_t i = 1; i < slot->victims_count; i++) {
                struct victim moved = victims[i];
                uint32_t at = i;

                for (; at && (victims[at - 1].region > moved.region ||
                              (victims[at - 1].region == moved.region && victims[at - 1].first > moved.first));
                     at--)
                        victims[at] = victims[at - 1];
                victims[at] = moved;
        }
}

/* Writes what was moved out, where nobody can change it. False: the store did not take it, and it is where it was. */
static bool write_moved(struct victim *victim) {
        struct nodeos_region *region = victim->region;
        uint64_t piece = write_most(region), writes = 0;
        int error = 0;

        for (uint64_t at = 0; at < victim->count && !error; at += piece, writes++) {
                uint64_t some = victim->count - at < piece ? victim->count - at : piece;

                error = store_write(region, victim->stage + at * region->page_bytes, some * region->page_bytes,
                                    (victim->first + at) * region->page_bytes);
        }
        if (error)
                memory_move(region, victim->first * region->page_bytes, victim->stage, victim->count * region->page_bytes, false);
        victim->written = !error;
        lock_take(&region->buffer->lock);
        counts(region)->writes += writes;
        counts(region)->written_pages += error ? 0 : victim->moved;
        lock_release(&region->buffer->lock);
        return !error;
}

/* The same of all that were moved. What went back is written as what never left. */
static void write_stage(struct slot *slot) {
        bool is_whole = true;

        for (uint32_t i = 0; i < slot->victims_count; i++) {
                struct victim *victim = &slot->victims[i];

                if (victim->moved && victim->dirty && !write_moved(victim)) {
                        victim->moved = 0;
                        is_whole = false;
                }
        }
        if (!is_whole)
                stage_spoil(slot);
}

/* Writes back a run of victims where it is. */
static int write_in_place(struct nodeos_region *region, uint64_t first, uint64_t count, uint64_t *ret_failed, uint64_t *ret_failed_end) {
        int error;

        lock_take(&region->buffer->lock);
        pages_set(region, first, count, WRITING_BACK);
        lock_release(&region->buffer->lock);
        error = writeback(region, first, count, ret_failed, ret_failed_end);
        lock_take(&region->buffer->lock);
        writeback_end(region);
        pages_set(region, first, count, EVICTING);
        lock_release(&region->buffer->lock);
        return error;
}

/* Writes back neighbours as one. Returns the first error. */
static int write_dirty(struct slot *slot) {
        int first_error = 0;

        for (uint32_t i = 0, next; i < slot->victims_count; i = next) {
                struct victim *victim = &slot->victims[i];
                uint64_t end = victim->first + victim->count, failed, failed_end;
                int error;

                next = i + 1;
                if (!victim->dirty || victim->written)
                        continue;
                if (is_scanned(victim->region)) {
                        error = scan_evict(victim->region, victim->first, victim->count, &victim->gone);
                        victim->failed = error < 0;
                        first_error = first_error ? first_error : error;
                        continue;
                }
                while (next < slot->victims_count && slot->victims[next].dirty && slot->victims[next].region == victim->region &&
                       slot->victims[next].first == end && !slot->victims[next].written)
                        end += slot->victims[next++].count;
                error = write_in_place(victim->region, victim->first, end - victim->first, &failed, &failed_end);
                if (!error)
                        continue;
                first_error = first_error ? first_error : error;
                for (struct victim *each = victim; each < slot->victims + next; each++) {
                        each->failed = each->first < failed_end && failed < each->first + each->count;
                        /* All of its pages stay, and are dirty. */
                        if (each->failed && each->region->tracked)
                                uffd_protect(each->region->uffd, page_address(each->region, each->first),
                                             each->count * each->region->page_bytes, false);
                }
        }
        return first_error;
}

/* The kernel is older than 6.14. */
static atomic_bool lacks_batch;

void runs_drop(const struct nodeos_region *region, struct iovec *iov, uint32_t count) {
        ssize_t bytes = 0;

        if (region->shared_fd >= 0) {
                for (uint32_t i = 0; i < count; i++)
                        fallocate(region->shared_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                  (char *) iov[i].iov_base - region->address, (off_t) iov[i].iov_len);
                return;
        }
        for (uint32_t i = 0; i < count; i++)
                bytes += (ssize_t) iov[i].iov_len;
        if (count > 1 && !atomic_load_explicit(&lacks_batch, memory_order_relaxed) && uffd_features() & FEATURE_BATCH) {
                if (syscall(SYS_process_madvise, PIDFD_SELF_THREAD_GROUP, iov, count, MADV_DONTNEED, 0) == bytes)
                        return;
                atomic_store(&lacks_batch, errno == EBADF || errno == EINVAL || errno == EPERM || errno == ENOSYS);
        }
        for (uint32_t i = 0; i < count; i++)
                madvise(iov[i].iov_base, iov[i].iov_len, MADV_DONTNEED);
}

static void drop(struct slot *slot) {
        uint32_t count = 0;

        for (uint32_t i = 0; i < slot->victims_count; i++) {
                struct victim *victim = &slot->victims[i];
                char *address = page_address(victim->region, victim->first);
                size_t bytes = victim->count * victim->region->page_bytes;

                if (victim->failed || victim->moved)
                        bytes = 0;
                else if (count && (char *) slot->iov[count - 1].iov_base + slot->iov[count - 1].iov_len == address)
                        slot->iov[count - 1].iov_len += bytes;
                else
                        slot->iov[count++] = (struct iovec) { address, bytes };
                /* Regions differ in how they give memory back. */
                if (count && (i + 1 == slot->victims_count || slot->victims[i + 1].region != victim->region)) {
                        runs_drop(victim->region, slot->iov, count);
                        count = 0;
                }
        }
}

static uint64_t finish(struct nodeos_buffer *buffer, struct slot *slot) {
        uint64_t freed = 0, moved = 0;

        for (uint32_t i = 0; i < slot->victims_count; i++) {
                struct victim *victim = &slot->victims[i];
                struct nodeos_region *region = victim->region;
                struct nodeos_region_statistics *statistics = counts(region);
                uint64_t left = victim->failed ? victim->count - victim->gone : 0;
                uint64_t small = (victim->count - left) * region->small;

                if (!victim->dirty && region->tracked && !(region->states[victim->first] & WAS_WRITTEN))
                        expect_learn(region, false);
                pages_set(region, victim->first, victim->count - left, ABSENT);
                pages_set(region, victim->first + victim->count - left, left, is_scanned(region) ? CLEAN : DIRTY);
                ring_push(buffer, region, victim->first + victim->count - left, left);
                freed += small;
                statistics->evicted_pages += small;
                statistics->moved_pages += victim->moved;
                statistics->written_pages += victim->dirty && is_scanned(region) ? small : 0;
                moved += victim->moved;
                statistics->resident_pages -= small;
                statistics->dirty_pages -= victim->dirty && !is_scanned(region) ? small : 0;
                table_note(region);
                region_release(region);
        }
        buffer->resident -= freed - moved;
        slot->victims_count = 0;
        return freed;
}

uint64_t victims_evict(struct nodeos_buffer *buffer, struct slot *slot, int *ret_error) {
        uint64_t freed;
        int error;

        busy_begin(buffer);
        buffer->evicting++;
        lock_release(&buffer->lock);
        sort(slot);
        victims_move(slot);
        write_stage(slot);
        error = write_dirty(slot);
        drop(slot);
        lock_take(&buffer->lock);
        freed = finish(buffer, slot);
        buffer->evicting--;
        busy_end(buffer);
        if (error && ret_error)
                *ret_error = error;
        return freed;
}
