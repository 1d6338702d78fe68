/* pretty.h - JSON for people. */
#ifndef MXHOOK_CLI_PRETTY_H
#define MXHOOK_CLI_PRETTY_H

#include <stddef.h>
#include <stdio.h>

/* Prints JSON with a value a line, indented by `indent` and more; long strings (an attachment's
 * base64) are cut, and say how long they are. What is not JSON comes out as it is, but without
 * control characters. */
void pretty_json(FILE *out, const char *text, size_t size, int indent);

/* Prints text of foreign origin: what is not printable (base/printable.h) as \xNN, as the log does. */
void pretty_safe(FILE *out, const char *text, size_t size);
void pretty_text(const char *text); /* the same, of a string, to stdout */
/* The same, of lines: their ends and tabs stay. */
void pretty_lines(FILE *out, const char *text, size_t size);
/* JSON to stdout: as it is for a program; on a terminal what is not printable as \uNNNN, which means the
 * same in the strings that alone can hold it. A character must not be cut. */
void pretty_program(const char *json, size_t size);
void pretty_url(const char *url); /* as pretty_text(), without user and password */

#endif
