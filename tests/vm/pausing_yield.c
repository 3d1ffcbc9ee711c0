/* Preloaded into MPI ranks in a guest. They wait by polling, and yield in between (mpi_yield_when_idle). The emulator runs
 * one CPU at a time, for milliseconds, and goes on to the next one early only when a CPU says that it waits in a loop. */
#include <sched.h>

int sched_yield(void) {
        __builtin_ia32_pause();
        return 0;
}
