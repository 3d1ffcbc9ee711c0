/* Prints the layout of the board of power as JSON. */
#include <stdio.h>

#include "board.h"

#define AT(field) offsetof(struct nodeos_power_board, field)

int main(void) {
        printf("{\"size\":%zu,\"offsets\":{\"magic\":%zu,\"version\":%zu,\"slotCount\":%zu,\"sequence\":%zu,\"writerPid\":%zu,"
               "\"reserved\":%zu,\"writerStartTicks\":%zu,\"valuesAt\":%zu},\"slot\":%zu,\"kindAt\":%zu}\n",
               sizeof(struct nodeos_power_board), AT(magic), AT(version), AT(slot_count), AT(sequence), AT(writer_pid), AT(reserved),
               AT(writer_start_ticks), AT(values_at), sizeof(struct nodeos_power_slot), offsetof(struct nodeos_power_slot, kind));
        return 0;
}
