/* Secrets that stand in the environment or a file: what is read, and what is refused with a reason
 * that names the reference and not the secret. */
#include "../test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deliver/reference.h"

static char folder[] = "/tmp/mxhook-reference-XXXXXX";
static char buffer[REFERENCE_SIZE];

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

/* "file:" and the path of a file with these bytes; removed by the next call. */
static const char *file_with(const char *bytes, size_t size)
{
    static char reference[64] = "";
    if (*reference)
        unlink(reference + 5);
    snprintf(reference, sizeof reference, "file:%s/secret", folder);
    FILE *file = fopen(reference + 5, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
    return reference;
}

static void check_value(const char *reference, const char *expected)
{
    const char *value;
    struct error err = {""};
    assert_int_equal(reference_read(reference, buffer, &value, &err), 0);
    assert_string_equal(value, expected);
}

static void check_refused(const char *reference, int code, const char *why)
{
    const char *value;
    struct error err = {""};
    assert_int_equal(reference_read(reference, buffer, &value, &err), code);
    if (!strstr(err.text, why) || !strstr(err.text, reference))
        fail_msg("%s", err.text);
}

static void what_is_no_reference_is_the_value(void **state)
{
    (void)state;
    const char *value;
    assert_int_equal(reference_read("ENV:x", buffer, &value, NULL), 0);
    assert_string_equal(value, "ENV:x");
    assert_false(reference_blocks("/etc/passwd"));
    assert_false(reference_blocks("env:HOME"));
    assert_true(reference_blocks("file:/x"));
}

static void the_environment_is_read(void **state)
{
    (void)state;
    setenv("MXHOOK_REFERENCE", "a secret", 1);
    check_value("env:MXHOOK_REFERENCE", "a secret");
    setenv("MXHOOK_REFERENCE", "", 1);
    check_refused("env:MXHOOK_REFERENCE", -ENODATA, "is empty");
    unsetenv("MXHOOK_REFERENCE");
    check_refused("env:MXHOOK_REFERENCE", -ENOENT, "is not set");
}

static void a_file_is_read_without_its_last_line_ends(void **state)
{
    (void)state;
    check_value(file_with("a secret", 8), "a secret");
    check_value(file_with("one\ntwo\r\n\n", 10), "one\ntwo");
    check_refused(file_with("\n", 1), -ENODATA, "is empty");
    check_refused(file_with("a\0b", 3), -EBADMSG, "holds a NUL");
    unlink(file_with("", 0) + 5);
    check_refused("file:/nowhere/secret", -ENOENT, "No such file");
    check_refused("file:/", -EISDIR, "directory");
}

static void its_size_is_limited(void **state)
{
    (void)state;
    static char most[REFERENCE_SIZE + 1];
    memset(most, 'x', REFERENCE_SIZE);
    const char *value;
    assert_int_equal(reference_read(file_with(most, REFERENCE_SIZE - 1), buffer, &value, NULL), 0);
    assert_int_equal(strlen(value), REFERENCE_SIZE - 1);
    check_refused(file_with(most, REFERENCE_SIZE), -EFBIG, "too large");
    setenv("MXHOOK_REFERENCE", most, 1);
    check_refused("env:MXHOOK_REFERENCE", -EFBIG, "too large");
    most[REFERENCE_SIZE - 1] = 0;
    setenv("MXHOOK_REFERENCE", most, 1);
    check_value("env:MXHOOK_REFERENCE", most);
    unlink(file_with("", 0) + 5);
}

static void a_pipe_is_not_waited_for(void **state)
{
    (void)state;
    char reference[64];
    snprintf(reference, sizeof reference, "file:%s/pipe", folder);
    assert_int_equal(mkfifo(reference + 5, 0600), 0);
    check_refused(reference, -ENODATA, "is empty");
    unlink(reference + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_reference_is_the_value),
        cmocka_unit_test(the_environment_is_read),
        cmocka_unit_test(a_file_is_read_without_its_last_line_ends),
        cmocka_unit_test(its_size_is_limited),
        cmocka_unit_test(a_pipe_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
