/* test.h - what every cmocka test includes, in the order that cmocka needs. */
#ifndef MXHOOK_TEST_H
#define MXHOOK_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define RUN_TESTS(tests) cmocka_run_group_tests(tests, NULL, NULL)

#endif
