/* What a spool is after its process was killed or its machine lost power; and who may open it. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define URL   "https://hooks.example.com/in"
#define COUNT "SELECT count(*) FROM delivery"

/* ---- Power ---- */

/* What a machine would find that lost its power now: the database as it was when it was last synced. */
static struct bench *synced;
static char after_power_loss[80];

static void copy_file(const char *from, const char *to, const char *name)
{
    char path[200], bytes[65536];
    ssize_t size;
    snprintf(path, sizeof path, "%s/%s", from, name);
    int in = open(path, O_RDONLY);
    snprintf(path, sizeof path, "%s/%s", to, name);
    int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    while (in >= 0 && (size = read(in, bytes, sizeof bytes)) > 0)
        if (write(out, bytes, (size_t)size) != size)
            abort();
    close(in);
    close(out);
}

static int sync_file(int fd)
{
    int code = (int)syscall(SYS_fsync, fd);
    if (synced) {
        copy_file(synced->directory, after_power_loss, "spool.db");
        copy_file(synced->directory, after_power_loss, "spool.db-wal");
    }
    return code;
}

/* SQLite's calls come here. */
int fdatasync(int fd)
{
    return sync_file(fd);
}

int fsync(int fd)
{
    return sync_file(fd);
}

static void a_commit_is_on_disk_before_its_callback(void **state)
{
    struct bench *bench = *state, found = *bench;
    char command[120];
    snprintf(after_power_loss, sizeof after_power_loss, "%.50s-synced", bench->directory);
    assert_int_equal(mkdir(after_power_loss, 0700), 0);
    synced = bench;
    bench_store(bench, "m-1", URL, "{\"n\":1}");
    synced = NULL;
    strcpy(found.directory, after_power_loss);
    assert_int_equal(bench_query(&found, COUNT), 1);
    snprintf(command, sizeof command, "rm -r %s", after_power_loss);
    assert_int_equal(system(command), 0);
}

/* ---- Restart, crash, other processes ---- */

static void a_lease_ends_with_the_process(void **state)
{
    struct bench *bench = *state;
    struct delivery *d = bench_delivery("m-1", URL, "x");
    assert_int_equal(bench_commit(bench, d, true), 0);
    delivery_free(d);
    bench_close(bench);
    bench_open(bench);
    spool_delivered(bench->spool, bench_claim_one(bench));
}

/* In a process of its own: commits, says how often, until it is killed. */
static void commit_forever(const char *directory, int pipe)
{
    struct bench bench = {.config = {(char *)directory}};
    uv_loop_init(&bench.loop);
    bench_open(&bench);
    for (int i = 0;; i++) {
        char id[16];
        snprintf(id, sizeof id, "k-%d", i);
        struct delivery *d = bench_delivery(id, URL, "x");
        if (bench_commit(&bench, d, i % 2) != 0 || write(pipe, "+", 1) != 1)
            _exit(1);
        delivery_free(d);
    }
}

static void what_was_acknowledged_survives_a_kill(void **state)
{
    struct bench *bench = *state;
    int pipes[2], acknowledged = 0, status;
    char byte;
    bench_close(bench);
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0)
        commit_forever(bench->directory, pipes[1]);
    close(pipes[1]);
    while (acknowledged < 50 && read(pipes[0], &byte, 1) == 1)
        acknowledged++;
    kill(child, SIGKILL);
    while (read(pipes[0], &byte, 1) == 1)
        acknowledged++;
    close(pipes[0]);
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    bench_open(bench);
    struct claim claim;
    int found = 0;
    bench_claim(bench, &claim, 1000, 1000);
    for (struct delivery *d = claim.deliveries, *next; d; d = next, found++) {
        next = d->next;
        spool_release(bench->spool, d);
    }
    assert_true(acknowledged >= 50);
    assert_true(found >= acknowledged && found <= acknowledged + 1);
}

static void a_second_process_is_refused(void **state)
{
    struct bench *bench = *state;
    struct error err;
    struct spool *second;
    char expected[128];
    assert_int_equal(spool_open(&bench->config, &bench->loop, &second, &err), -EBUSY);
    snprintf(expected, sizeof expected, "%s: another mxhook works on this spool (process %d)",
             bench->directory, (int)getpid());
    assert_string_equal(err.text, expected);
}

static void a_newer_schema_is_refused(void **state)
{
    struct bench *bench = *state;
    struct error err;
    struct queue *queue;
    bench_run_sql(bench, "PRAGMA user_version = 1000");
    bench_close(bench);
    assert_int_equal(spool_open(&bench->config, &bench->loop, &bench->spool, &err),
                     -EPROTONOSUPPORT);
    uv_run(&bench->loop, UV_RUN_NOWAIT);
    assert_non_null(strstr(err.text, "newer mxhook (schema 1000"));
    assert_int_equal(queue_open(&bench->config, &queue, &err), -EPROTONOSUPPORT);
    bench->spool = NULL;
}

static void what_is_no_spool_is_refused(void **state)
{
    struct bench *bench = *state;
    struct error err;
    char path[128];
    bench_close(bench);
    snprintf(path, sizeof path, "%s/spool.db", bench->directory);
    int fd = open(path, O_WRONLY | O_TRUNC);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(write(fd, "this is no database", 19), 19);
    close(fd);
    assert_true(spool_open(&bench->config, &bench->loop, &bench->spool, &err) < 0);
    uv_run(&bench->loop, UV_RUN_NOWAIT);
    assert_non_null(strstr(err.text, "not a database"));
    bench->spool = NULL;
}

static void nobody_else_can_read_it(void **state)
{
    struct bench *bench = *state;
    char path[128];
    struct stat st;
    bench_close(bench);
    snprintf(path, sizeof path, "%s/inner", bench->directory);
    bench->config.directory = path;
    bench_open(bench);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    const char *const files[] = {"spool.db", "spool.db-wal", "lock"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/inner/%s", bench->directory, files[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    bench_close(bench);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_commit_is_on_disk_before_its_callback),
        TEST(a_lease_ends_with_the_process),
        TEST(what_was_acknowledged_survives_a_kill),
        TEST(a_second_process_is_refused),
        TEST(a_newer_schema_is_refused),
        TEST(what_is_no_spool_is_refused),
        TEST(nobody_else_can_read_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
