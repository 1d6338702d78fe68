/*
 * fixture.h - rules in a temporary folder, a message, and what the rules make of it.
 *
 *     struct fixture *f = state;
 *     fixture_rules(f, "10.lua", "return function(msg) return 'https://a.example/' end");
 *     fixture_load(f);
 *     fixture_run(f, "user@example.com");
 *     assert_goes_to(f, "https://a.example/");
 */
#ifndef RULES_FIXTURE_H
#define RULES_FIXTURE_H

#include "../test.h"

#include "rules/ruleset.h"

struct fixture {
    char directory[64];
    struct rules_config config;
    struct ruleset *ruleset;
    struct error err;
    struct message *message;
    struct transaction *transaction;
    struct verdict *verdict;
    char log[65536]; /* what the last load or run logged */
};

int fixture_setup(void **state); /* limits that honest rules do not meet, a plain message */
int fixture_teardown(void **state);

/* Writes a file below the rules' folder, "lib/x.lua" too. */
void fixture_rules(struct fixture *f, const char *name, const char *text);
void fixture_load(struct fixture *f);              /* must succeed; replaces what was loaded */
const char *fixture_load_error(struct fixture *f); /* must fail */
/* Replaces the message; lines end with \n, which becomes CRLF. */
void fixture_message(struct fixture *f, const char *text);
void fixture_run(struct fixture *f, const char *recipient);

/* One rule file, loaded and run for user@example.com. */
void fixture_rule(struct fixture *f, const char *text);
/* The same; the rule is `return function(msg) BODY end`. */
void fixture_body(struct fixture *f, const char *body);

void assert_kind(struct fixture *f, enum verdict_kind kind);
/* To these, joined by a blank. */
void assert_goes_to(struct fixture *f, const char *urls);
void assert_logged(struct fixture *f, const char *text);
/* The rule raised, and the log says this. */
void assert_raises(struct fixture *f, const char *text);
/* The header as it stands in the verdict; values joined by "|"; "(none)". */
void assert_header(struct fixture *f, const char *name, const char *values);

#define RULES_TEST(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

#endif
