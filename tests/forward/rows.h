/* How calls are executed for somebody else: rows of the board, for the tests of the forwarder alone. */
#ifndef NODEOS_TEST_ROWS_H
#define NODEOS_TEST_ROWS_H

#include "board.h"

/* One letter for each argument: i integer, d directory, p path, t text, f descriptor, F flags of open, < > sized bytes to
 * read and to fill, P pointer, and s or S with a size in parentheses: a structure to read or to fill. */
struct test_row {
        int number;
        const char *name, *kinds;
        unsigned int flags;
};

extern const struct test_row test_rows[];
extern const int test_row_count;

/* The row of a call, or NULL. */
const struct test_row *test_row_named(const char *name);
/* Writes the rows to a board. */
void test_rows_write(struct nodeos_board *board);

#endif
