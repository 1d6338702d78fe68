/*
 * postgres_names.h - which addresses a table has not, known without asking while strangers guess names.
 *
 * guess        an address that the table has not; GUESSES of them in two seconds, of a large table one for each
 *              ROWS_FOR_A_GUESS rows, set the reading going
 * reading      all addresses of the table (names.h), by a query or two, on a connection and a thread of its own, which
 *              nobody waits for; again before what the last one said is two seconds old, while guesses go on
 * known        what a reading that began less than two seconds ago says; where a reading itself takes so long that
 *              the next cannot be over by then, what the last one says until it is, so that a database that is slow is
 *              not asked for each guess as well. That is logged, and at most three times the source's timeout
 *
 * So what guesses cost the database does not depend on how many there are: two queries for each reading, and fifty a
 * second at most while nothing is known (postgres.c). A minute after the last guess the memory and the connection are
 * given back. 16 bytes for an address.
 */
#ifndef MXHOOK_SOURCES_POSTGRES_NAMES_H
#define MXHOOK_SOURCES_POSTGRES_NAMES_H

#include <stdbool.h>

#include "../config/config.h"

struct table_names;

/* Starts the thread. `options` outlives it. NULL: it cannot be. */
struct table_names *table_names_new(const struct lookup_config *options);
void table_names_free(
    struct table_names *table); /* joins, in a twentieth of a second; takes NULL */

/* It is known not to have it; that is a guess, and counted. Any thread. */
bool table_names_lack(struct table_names *table, const char *address);

/* It was asked for so many addresses that it has not. Any thread. */
void table_names_guessed(struct table_names *table, size_t count);

/* Guessing goes on, and nothing is known: questions are better asked together. Any thread. */
bool table_names_are_missing(struct table_names *table);

#endif
