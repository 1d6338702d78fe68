#include "base/spill.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../test.h"

static char directory[] = "/tmp/mxhook-spill-XXXXXX";
static char piece[SPILL_THRESHOLD + 1];

static int make_directory(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof piece; i++)
        piece[i] = (char)(i % 251);
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory); /* fails where a test left a file */
}

static void assert_holds(const struct spill *spill, const char *bytes, size_t size)
{
    char *read = malloc(size + 1);
    size_t done = 0;
    ssize_t n;
    while ((n = spill_read(spill, done, read + done, size + 1 - done)) > 0)
        done += (size_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(done, size);
    assert_int_equal(spill_size(spill), size);
    assert_memory_equal(read, bytes, size);
    free(read);
}

static void stays_in_memory_up_to_the_threshold(void **state)
{
    (void)state;
    struct spill *spill = spill_new(directory, "body");
    assert_int_equal(spill_write(spill, piece, SPILL_THRESHOLD), 0);
    assert_int_equal(spill_fd(spill), -1);
    assert_null(spill_name(spill));
    assert_memory_equal(spill_memory(spill), piece, SPILL_THRESHOLD);
    assert_int_equal(spill_sync(spill), 0);
    assert_holds(spill, piece, SPILL_THRESHOLD);
    spill_free(spill);
}

static void moves_to_a_file_past_the_threshold(void **state)
{
    (void)state;
    struct spill *spill = spill_new(directory, NULL);
    assert_int_equal(spill_write(spill, piece, SPILL_THRESHOLD), 0);
    assert_int_equal(spill_write(spill, piece + SPILL_THRESHOLD, 1), 0);
    assert_true(spill_fd(spill) >= 0);
    assert_null(spill_memory(spill));
    assert_null(spill_name(spill)); /* unlinked: remove_directory() would fail */
    assert_holds(spill, piece, sizeof piece);
    spill_free(spill);
}

static void a_named_file_stays_and_opens_again(void **state)
{
    (void)state;
    char path[128];
    struct stat st;
    snprintf(path, sizeof path, "%s/body", directory);
    struct spill *spill = spill_new(directory, "body"), *again;
    spill_write(spill, piece, sizeof piece);
    assert_int_equal(spill_sync(spill), 0);
    assert_string_equal(spill_name(spill), "body");
    spill_free(spill);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(spill_open(&again, path), 0);
    assert_string_equal(spill_name(again), "body");
    assert_holds(again, piece, sizeof piece);
    spill_free(again);
    unlink(path);
    assert_int_equal(spill_open(&again, path), -ENOENT);
}

static void unlink_removes_a_named_file_only(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/body", directory);
    struct spill *spill = spill_new(directory, "body");
    spill_unlink(spill); /* still in memory: nothing to do */
    spill_write(spill, piece, sizeof piece);
    assert_int_equal(access(path, F_OK), 0);
    spill_unlink(spill);
    assert_int_equal(access(path, F_OK), -1);
    assert_holds(spill, piece, sizeof piece);
    spill_free(spill);
}

static void never_overwrites_a_file(void **state)
{
    (void)state;
    struct spill *first = spill_new(directory, "body"), *second = spill_new(directory, "body");
    assert_int_equal(spill_write(first, piece, sizeof piece), 0);
    assert_int_equal(spill_write(second, piece, sizeof piece), -EEXIST);
    assert_int_equal(spill_write(second, "x", 1), -EEXIST); /* a failure lasts */
    spill_unlink(first);
    spill_free(first);
    spill_free(second);
}

static void a_reference_keeps_it(void **state)
{
    (void)state;
    struct spill *spill = spill_from_bytes("mail", 4), *kept = spill_ref(spill);
    spill_free(spill);
    assert_holds(kept, "mail", 4);
    spill_free(kept);
    spill_free(NULL);
}

static void reads_nothing_past_the_end(void **state)
{
    (void)state;
    char byte;
    struct spill *spill = spill_from_bytes("", 0);
    assert_int_equal(spill_read(spill, 0, &byte, 1), 0);
    assert_int_equal(spill_read(spill, UINT64_MAX, &byte, 1), 0);
    assert_non_null(spill_memory(spill));
    spill_free(spill);
}

static void a_folder_that_is_gone_is_an_error(void **state)
{
    (void)state;
    struct spill *spill = spill_new("/nonexistent", NULL);
    assert_int_equal(spill_write(spill, piece, sizeof piece), -ENOENT);
    spill_free(spill);
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = SPILL_THRESHOLD;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    struct spill *spill = spill_new(directory, NULL);
    assert_int_equal(spill_write(spill, piece, SPILL_THRESHOLD), 0);
    assert_int_equal(spill_write(spill, piece, 1), -EFBIG);
    spill_free(spill);
    setrlimit(RLIMIT_FSIZE, &old);
}

static uint64_t disk_free(void)
{
    struct statvfs disk;
    assert_int_equal(statvfs(directory, &disk), 0);
    return (uint64_t)disk.f_bavail * disk.f_frsize;
}

/* What is free changes while a test runs, since others write too: so by far more than they may. */
static void a_disk_keeps_what_it_must(void **state)
{
    (void)state;
    static char step[SPILL_ROOM_STEP];
    struct spill *spill = spill_new(directory, NULL);
    spill_keep_free(spill, disk_free() / 2);
    for (int i = 0; i < 3; i++)
        assert_int_equal(spill_write(spill, step, sizeof step), 0);
    spill_keep_free(spill, disk_free() * 2);           /* what others have taken meanwhile */
    assert_int_equal(spill_write(spill, piece, 1), 0); /* not looked at yet */
    assert_int_equal(spill_write(spill, step, sizeof step), -ENOSPC);
    assert_int_equal(spill_write(spill, piece, 1), -ENOSPC);
    spill_free(spill);
    spill = spill_new(directory, NULL);
    spill_keep_free(spill, disk_free() * 2);
    assert_int_equal(spill_write(spill, piece, SPILL_THRESHOLD), 0); /* memory is no disk */
    assert_int_equal(spill_write(spill, piece, 1), -ENOSPC);
    spill_free(spill);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stays_in_memory_up_to_the_threshold),
        cmocka_unit_test(moves_to_a_file_past_the_threshold),
        cmocka_unit_test(a_named_file_stays_and_opens_again),
        cmocka_unit_test(unlink_removes_a_named_file_only),
        cmocka_unit_test(never_overwrites_a_file),
        cmocka_unit_test(a_reference_keeps_it),
        cmocka_unit_test(reads_nothing_past_the_end),
        cmocka_unit_test(a_folder_that_is_gone_is_an_error),
        cmocka_unit_test(a_full_disk_is_an_error),
        cmocka_unit_test(a_disk_keeps_what_it_must),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
