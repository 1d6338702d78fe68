/* route_print.h - what would happen to a message for one recipient, as `mxhook route` prints it. */
#ifndef MXHOOK_CLI_ROUTE_PRINT_H
#define MXHOOK_CLI_ROUTE_PRINT_H

#include "../trial.h"

/* For people: each rule and its answer, where it goes or the reply, and the headers that were removed and added. */
void route_print_text(const struct trial *trial);
/* A line of JSON. CLI_OK or CLI_FAILED. */
int route_print_json(const struct trial *trial);

/* Is this very field, name and value, in the list? */
bool route_has_field(const struct header_list *list, const struct header *field);

#endif
