/* The file of addresses that logins came from: written, read, damaged, or not to be written. */
#include "smtp/known_logins.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#include "../test.h"

static uv_loop_t loop;
static struct guesses *guesses;
static struct known_logins *known;
static char folder[64], file[128];
static int closed;

static void on_closed(void *context)
{
    assert_ptr_equal(context, &loop);
    closed++;
}

static void open_it(const char *directory)
{
    guesses = guesses_new();
    assert_non_null(guesses);
    known = known_logins_open(&loop, guesses, directory);
    assert_non_null(known);
}

static void close_it(void)
{
    closed = 0;
    known_logins_close(known, on_closed, &loop);
    assert_int_equal(closed, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(closed, 1);
    guesses_free(guesses);
}

static int start(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/mxhook-known-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(file, sizeof file, "%s/" KNOWN_LOGINS_FILE, folder);
    return uv_loop_init(&loop);
}

static int end(void **state)
{
    (void)state;
    unlink(file);
    rmdir(folder);
    return uv_loop_close(&loop);
}

static void login(const char *user, const char *ip)
{
    struct ip_address from;
    assert_int_equal(ip_address_parse(ip, &from), 0);
    if (guesses_right(guesses, user, &from, (int64_t)uv_now(&loop)))
        known_logins_changed(known);
}

static bool is_known(const char *user, const char *ip)
{
    struct ip_address from;
    int64_t delay_ms;
    assert_int_equal(ip_address_parse(ip, &from), 0);
    for (int i = 0; i < 2 * GUESSES_MAX_FAILS; i++)
        if (!guesses_begin(guesses, user, &from, (int64_t)uv_now(&loop), &delay_ms))
            return false;
    return true;
}

static void write_lines(const char *text)
{
    FILE *out = fopen(file, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static void kept_at_the_end(void **state)
{
    (void)state;
    struct stat status;
    open_it(folder);
    login("printer", "192.0.2.1");
    login("a user", "2001:db8::1");
    close_it();
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    open_it(folder);
    assert_true(is_known("printer", "192.0.2.1"));
    assert_true(is_known("a user", "2001:db8::1"));
    assert_false(is_known("printer", "192.0.2.2"));
    assert_false(is_known("else", "192.0.2.1"));
    close_it();
}

/* By the timer and the pool, with no end in sight. */
static void kept_as_it_runs(void **state)
{
    (void)state;
    open_it(folder);
    login("printer", "192.0.2.1");
    for (int i = 0; access(file, F_OK) != 0 && i < 1000; i++)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(access(file, F_OK), 0);
    login("else", "192.0.2.9"); /* while it is written, or behind that */
    close_it();
    open_it(folder);
    assert_true(is_known("printer", "192.0.2.1"));
    assert_true(is_known("else", "192.0.2.9"));
    close_it();
}

static void damaged_lines_are_passed_over(void **state)
{
    (void)state;
    char text[1000];
    long long now = clock_unix_ms() / 1000;
    snprintf(text, sizeof text,
             "\n \nx\n%lld\n%lld 192.0.2.5\n%lld 192.0.2.6 \n%lld nowhere printer\n%lld 192.0.2.1 "
             "printer\n"
             "%lld 192.0.2.7 old\n%lld 192.0.2.8 new\n%lld 192.0.2.9 ahead\n%lld 192.0.2.3 cut",
             now, now, now, now, now, now - GUESSES_KNOWN_MS / 1000 - 5,
             now - GUESSES_KNOWN_MS / 1000 + 60, now + 1000000, now);
    write_lines(text);
    open_it(folder);
    assert_int_equal(guesses_known(guesses), 4);
    assert_true(is_known("printer", "192.0.2.1"));
    assert_true(is_known("new", "192.0.2.8"));
    assert_true(is_known("ahead", "192.0.2.9"));
    assert_true(is_known("cut", "192.0.2.3"));
    close_it();
}

/* One that cannot be written is no reason to stop. */
static void no_folder(void **state)
{
    (void)state;
    char nowhere[80];
    snprintf(nowhere, sizeof nowhere, "%s/nowhere", folder);
    open_it(nowhere);
    login("printer", "192.0.2.1");
    close_it();
    open_it(NULL);
    login("printer", "192.0.2.1");
    close_it();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(kept_at_the_end),
        TEST(kept_as_it_runs),
        TEST(damaged_lines_are_passed_over),
        TEST(no_folder),
    };
    return RUN_TESTS(tests);
}
