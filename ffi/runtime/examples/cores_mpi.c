/* A program of MPI and OpenMP that uses more and fewer cores while it runs: it integrates a function again and again. Between two
 * integrals each rank asks how many cores it should use, all tell one another, and the work is divided as the cores are.
 *
 *         mpicc -fopenmp cores_mpi.c -o cores_mpi -lnodeos-rt
 *         nodeos power cap 90 --follow -- mpirun -n 2 ./cores_mpi 1000 */
#include <math.h>
#include <mpi.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "nodeos_cores.h"

enum { INTERVALS = 2000000, RANKS_MOST = 1024 };

/* The part of pi between two of the intervals. */
static double integrate(long from, long to, int threads) {
        double sum = 0;

#pragma omp parallel for num_threads(threads) reduction(+ : sum)
        for (long i = from; i < to; i++) {
                double x = (i + 0.5) / INTERVALS;

                sum += 4 / (1 + x * x);
        }
        return sum / INTERVALS;
}

int main(int argc, char **argv) {
        int rank, ranks, provided, steps = argc > 1 ? atoi(argv[1]) : 100;

        MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
        MPI_Comm_rank(MPI_COMM_WORLD, &rank);
        MPI_Comm_size(MPI_COMM_WORLD, &ranks);
        if (ranks > RANKS_MOST)
                MPI_Abort(MPI_COMM_WORLD, 1);
        for (int step = 0; step < steps; step++) {
                int wanted = nodeos_cores_wanted(), cores[RANKS_MOST];
                int own = wanted ? wanted : omp_get_max_threads();
                long before = 0, all = 0;
                double part, pi;

                MPI_Allgather(&own, 1, MPI_INT, cores, 1, MPI_INT, MPI_COMM_WORLD);
                for (int one = 0; one < ranks; one++) {
                        before += one < rank ? cores[one] : 0;
                        all += cores[one];
                }
                nodeos_cores_active(own);
                part = integrate(INTERVALS * before / all, INTERVALS * (before + own) / all, own);
                MPI_Reduce(&part, &pi, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
                if (rank > 0)
                        continue;
                nodeos_heartbeat();
                printf("%d %ld %.9f\n", step, all, pi);
                fflush(stdout);
        }
        MPI_Finalize();
        return 0;
}
