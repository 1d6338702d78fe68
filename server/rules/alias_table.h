/*
 * alias_table.h - many aliases in one table that all states of a ruleset share.
 *
 * The file is read once, and stays in memory as its own text: keys are lower-cased in place, an
 * index of line offsets is hashed by key (map_hash()), four bytes a slot. A table never changes; a
 * reload reads the file again.
 *
 * A line is `address,destination[,destination]...[,profile]`; a field may stand in double quotes (RFC 4180), the
 * destinations together; a profile is a name of the configuration's, for each of them; it stands behind the last in
 * what is handed out; empty lines and those that begin with '#' are skipped, and so is a byte order mark. The address
 * may be `*@host`, another wildcard, or a regular expression between slashes (in quotes, where it holds a comma):
 * these two are handed out as they stand, since a Lua state compiles them.
 */
#ifndef MXHOOK_RULES_ALIAS_TABLE_H
#define MXHOOK_RULES_ALIAS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "../base/error.h"

#define ALIAS_TABLE_MAX_SIZE     UINT32_MAX /* bytes of a file */
#define ALIAS_TABLE_MAX_PATTERNS 10000      /* wildcards and regular expressions of a file */
#define ALIAS_TABLE_ERRORS       5          /* malformed lines that are told of */

struct alias_table;

struct rules_config;

/* Every table that a ruleset's files asked for, by path. */
struct alias_tables {
    uv_mutex_t mutex;
    struct alias_table *first;
    const struct rules_config *config; /* the profiles that destinations may name; NULL: none */
};

int alias_tables_init(struct alias_tables *tables);     /* 0 or a negative errno */
void alias_tables_destroy(struct alias_tables *tables); /* frees every table */

/* The table of that file, which is read where it was not yet. Any thread; blocking. 0, or a
 * negative errno with `err`, which names file and line of what is malformed. */
int alias_tables_get(struct alias_tables *tables, const char *path, struct alias_table **out,
                     struct error *err);

/* The destinations of an address in lower case, as they stand in the file; NULL: none. Any thread.
 */
const char *alias_table_find(const struct alias_table *table, const char *address, size_t size);
/* The wildcards (lower case) and regular expressions, by index from 0, in the order of the file; NULL:
 * no more. *value: as alias_table_find() gives it. Any thread. */
const char *alias_table_pattern(const struct alias_table *table, size_t index, const char **value,
                                size_t *line);
/* Tells each() of every address, in no order; it stops where that returns false. Any thread. */
void alias_table_each(const struct alias_table *table,
                      bool (*each)(void *context, const char *address), void *context);
/* Lines that have an alias, of all kinds. */
size_t alias_table_count(const struct alias_table *table);

#endif
