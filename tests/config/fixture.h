/* fixture.h - configurations from texts, for tests. */
#ifndef TESTS_CONFIG_FIXTURE_H
#define TESTS_CONFIG_FIXTURE_H

#include "config/config.h"

extern struct error config_err; /* of what was loaded last */

/* As config_load(), of a file that has this text. */
int config_load_text(const char *text, struct config **config);
/* It is refused with this line, which begins with the line's number. */
void assert_config_error(const char *text, const char *expected);
/* The configuration, the caller's; where it is refused the test fails. */
struct config *config_loaded(const char *text);
/* One line beside `domains`: it is taken (NULL), or refused with a text that holds this. */
void assert_config_line(const char *line, const char *refused_with);
/* Around a group of tests: the file. */
int make_config(void **state);
int remove_config(void **state);

#endif
