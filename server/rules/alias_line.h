/*
 * alias_line.h - for alias_table.c: one line of an alias file, as alias_table.h has its form, taken apart in place and
 * checked.
 */
#ifndef MXHOOK_RULES_ALIAS_LINE_H
#define MXHOOK_RULES_ALIAS_LINE_H

#include <stdbool.h>

struct rules_config;

struct alias_line {
    char
        *key; /* in `text`, NUL-terminated, the value behind its NUL; NULL: the line has no alias */
    bool is_pattern; /* a regular expression, as it stands, or a wildcard other than *@host */
};

/* `text` is without its line end, and is changed: keys but regular expressions become lower case. `config`: whose
 * profiles may be named; NULL: none. NULL, or what is wrong, a static text. Any thread. */
const char *alias_line_read(char *text, const struct rules_config *config, struct alias_line *line);

#endif
