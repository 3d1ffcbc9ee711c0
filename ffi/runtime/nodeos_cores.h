/* Using more and fewer cores while a program runs, as the power of the machine allows. `nodeos power cap` starts a program with
 * NODEOS_CORES in its environment; the program asks between two pieces of work how many cores it should use, and says how many
 * it uses. Link with -lnodeos-rt; see CORES.md. Every function may be called by any thread, and costs less than a microsecond.
 *
 *         for (step = 0; step < steps; step++) {
 *                 int cores = nodeos_cores_wanted();
 *
 *                 nodeos_cores_active(work(step, cores ? cores : omp_get_max_threads()));
 *                 nodeos_heartbeat();
 *         } */
#ifndef NODEOS_CORES_H
#define NODEOS_CORES_H

#ifdef __cplusplus
extern "C" {
#endif

/* How many cores this process should use from now on, at least 1; 0: as many as it likes, since nobody asks, or does so no more.
 * Several processes of a program, such as ranks of MPI, share the cores evenly: each one that has called this gets its part. */
int nodeos_cores_wanted(void);

/* Answers the wish that nodeos_cores_wanted() saw last: the process uses so many cores. A program that does not answer for a
 * second is held to a quarter of its cores by force. */
void nodeos_cores_active(int cores);

/* Says that another piece of work is done; pieces should be of equal size. Where several processes work together on a piece, one
 * of them says so. */
void nodeos_heartbeat(void);

#ifdef __cplusplus
}
#endif

#endif
