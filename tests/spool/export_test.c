/* `mxhook queue export`: all of a sound spool, as often as it is there, and nothing twice. */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "spool/sqlite/export.h"

#define MAILS 5
#define URL   "https://hooks.example.com/in"

static void no_loss(void *context, const char *id, const char *recipient, const char *reason)
{
    (void)context, (void)recipient;
    fail_msg("%s is lost: %s", id ? id : "a gap", reason);
}

/* A payload of two sizes: in a row, or in a file. */
static struct payload *payload_of(int mail)
{
    static char text[400000];
    size_t size = mail % 2 ? 20 : sizeof text;
    memset(text, 'a' + mail, size);
    return payload_new(spill_from_bytes(text, size), NULL);
}

/* `count` deliveries of each mail in one commit, as the server stores a mail of several recipients. */
static void store(struct bench *bench, int count)
{
    for (int mail = 0; mail < MAILS; mail++) {
        struct payload *payload = payload_of(mail);
        struct delivery *list = NULL;
        for (int i = 0; i < count; i++) {
            char id[16];
            snprintf(id, sizeof id, "m%d-%d", mail, i);
            struct delivery *d = bench_delivery_of(id, URL, payload);
            d->next = list;
            list = d;
        }
        payload_free(payload);
        assert_int_equal(bench_commit(bench, list, false), 0);
        bench_free_all(list);
    }
}

/* Opens the exported spool in place of the old one, and claims all of it. */
static void check_exported(struct bench *bench, const char *to, int expected)
{
    struct claim claim;
    int count = 0;
    strcpy(bench->directory, to);
    bench_open(bench);
    bench_claim(bench, &claim, 100, 100);
    for (struct delivery *d = claim.deliveries, *next; d; d = next, count++) {
        next = d->next;
        char *body = bench_body(d->payload);
        int mail = d->id[1] - '0';
        assert_int_equal(strspn(body, (char[]){(char)('a' + mail), 0}), mail % 2 ? 20 : 400000);
        assert_int_equal(strlen(body), mail % 2 ? 20 : 400000);
        free(body);
        spool_release(bench->spool, d);
    }
    assert_int_equal(count, expected);
    bench_close(bench);
}

static void exported(struct bench *bench, int each)
{
    struct export_report report = {.lose = no_loss};
    struct error err;
    char old[64], to[80];
    store(bench, each);
    struct claim claim;
    bench_claim(bench, &claim, 1, 1);
    spool_failed(bench->spool, claim.deliveries);
    bench_wait_query(bench, "SELECT count(*) FROM delivery WHERE due IS NULL", 1);
    bench_close(bench);
    snprintf(to, sizeof to, "%.50s-saved", bench->directory);
    if (spool_export(&bench->config, to, &report, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(report.waiting, MAILS * each - 1);
    assert_int_equal(report.failed, 1);
    assert_int_equal(report.lost + report.gaps + report.payloads + report.files, 0);
    assert_string_equal(report.database_error, "");
    strcpy(old, bench->directory);
    check_exported(bench, to, MAILS * each - 1);
    char command[200];
    snprintf(command, sizeof command, "rm -r %.60s", to);
    assert_int_equal(system(command), 0);
    strcpy(bench->directory, old);
}

static void one_delivery_of_each_payload(void **state)
{
    exported(*state, 1);
}

static void several_deliveries_of_each_payload(void **state)
{
    exported(*state, 3);
}

static void an_empty_spool(void **state)
{
    struct bench *bench = *state;
    struct export_report report = {.lose = no_loss};
    struct error err;
    char to[80], command[200];
    bench_close(bench);
    snprintf(to, sizeof to, "%.50s-saved", bench->directory);
    assert_int_equal(spool_export(&bench->config, to, &report, &err), 0);
    assert_int_equal(report.waiting + report.failed + report.lost + report.gaps, 0);
    assert_int_equal(spool_export(&bench->config, to, &report, &err), -EEXIST);
    snprintf(command, sizeof command, "rm -r %.60s", to);
    assert_int_equal(system(command), 0);
}

/* The new folder's disk is full: an error that names the folder, and the old spool as it was. */
static void a_full_disk_is_an_error(void **state)
{
    struct bench *bench = *state;
    struct export_report report = {.lose = no_loss};
    struct error err = {""};
    struct rlimit limit;
    char to[80], command[200];
    store(bench, 1);
    bench_close(bench);
    snprintf(to, sizeof to, "%.50s-saved", bench->directory);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    for (rlim_t most = 100000; most < 300000; most += 60000) {
        limit.rlim_cur = most;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        int code = spool_export(&bench->config, to, &report, &err);
        limit.rlim_cur = RLIM_INFINITY;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_true(code < 0);
        assert_non_null(strstr(err.text, to));
        snprintf(command, sizeof command, "rm -r %.60s", to);
        assert_int_equal(system(command), 0);
    }
    bench_open(bench);
    assert_int_equal(bench_query(bench, "SELECT count(*) FROM delivery"), MAILS);
}

static void assert_found(const char *to, const char *name, char letter, long size)
{
    char path[200];
    snprintf(path, sizeof path, "%.60s/found/%.80s", to, name);
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("%s is not there", path);
    assert_int_equal(fgetc(file), letter);
    fseek(file, 0, SEEK_END);
    assert_int_equal(ftell(file), size);
    fclose(file);
}

/* Payloads that no delivery has any more, and a file that nobody names, each once. */
static void what_is_left_over_is_found(void **state)
{
    struct bench *bench = *state;
    struct export_report report = {.lose = no_loss};
    struct error err;
    char to[80], command[200];
    store(bench, 1);
    bench_close(bench);
    bench_run_sql(bench, "DELETE FROM delivery WHERE row > 1");
    snprintf(command, sizeof command, "printf xyz >%.60s/bodies/nobodys", bench->directory);
    assert_int_equal(system(command), 0);
    snprintf(to, sizeof to, "%.50s-saved", bench->directory);
    if (spool_export(&bench->config, to, &report, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(report.waiting, 1);
    assert_int_equal(report.payloads, MAILS - 1);
    assert_int_equal(report.files, 1);
    for (int mail = 1; mail < MAILS; mail++) {
        char name[32];
        snprintf(name, sizeof name, "payload-%d", mail + 1);
        assert_found(to, name, (char)('a' + mail), mail % 2 ? 20 : 400000);
    }
    assert_found(to, "nobodys", 'x', 3);
    snprintf(command, sizeof command, "test $(ls %.60s/found | wc -l) = %d && rm -r %.60s", to,
             MAILS, to);
    assert_int_equal(system(command), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_delivery_of_each_payload),
        TEST(several_deliveries_of_each_payload),
        TEST(an_empty_spool),
        TEST(what_is_left_over_is_found),
        TEST(a_full_disk_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
