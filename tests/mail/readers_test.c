/* Every reader of a header sees the same: the parser, the checks, and who forwards. Each mail that we
 * have goes through them, and many that are made of it by chance: MXHOOK_ROUNDS of each. */
#include "mail_test.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/head.h"
#include "mail/fields.h"
#include "mail/original.h"
#include "mail/provenance.h"
#include "mail/structure.h"

#define HOST      "mx.example.com"
#define MUTATIONS 150 /* of each mail, where MXHOOK_ROUNDS does not say */

static size_t inputs, mutations = MUTATIONS;
static uint64_t chance_state = 42;

static size_t chance(size_t below)
{
    chance_state = chance_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (size_t)(chance_state >> 33) % below;
}

static bool is_ours(const struct head_field *f)
{
    return f->name_size == 22 && strncasecmp(f->bytes, "Authentication-Results", 22) == 0 &&
           provenance_claims(f->value, f->value_size, HOST);
}

/* The parser's fields are the checks'. */
static void compare_parser(struct spill *data, const struct head *head)
{
    struct arena *arena = arena_new();
    struct structure found;
    struct field field;
    size_t at = 0, i = 0;
    assert_int_equal(structure_find(data, arena, &found), 0);
    assert_int_equal(found.too_large, head->too_large);
    for (; !found.too_large && field_next(found.header, found.header_size, &at, &field); i++) {
        assert_true(i < head->field_count);
        assert_int_equal(field.name_size, head->fields[i].name_size);
        assert_memory_equal(field.name, head->fields[i].bytes, field.name_size);
        assert_int_equal(field.value_size, head->fields[i].value_size);
        assert_memory_equal(field.value, head->fields[i].value, field.value_size);
    }
    assert_int_equal(i, head->field_count);
    structure_free(&found);
    arena_free(arena);
}

static bool has_ours(const struct head *head)
{
    for (size_t i = 0; i < head->field_count; i++)
        if (is_ours(&head->fields[i]))
            return true;
    return false;
}

/* Who forwards takes away what is ours to the checks; without that, the next server sees the same
 * fields. */
static void compare_original(struct spill *data, const struct head *head)
{
    struct message *message;
    struct spill *out = spill_new("/tmp", NULL);
    struct head sent;
    bool changed;
    assert_int_equal(message_parse(data, RECEIVED_SECONDS, &message, NULL), 0);
    assert_int_equal(message->headers.count, head->field_count);
    assert_int_equal(original_write(message, &(struct receiver){.hostname = HOST}, out, &changed),
                     0);
    assert_int_equal(head_read(out, &sent), 0);
    if (!changed && !has_ours(head))
        assert_int_equal(sent.field_count, head->field_count);
    for (size_t k = 0; k < head->field_count && !changed && !has_ours(head); k++) {
        assert_int_equal(sent.fields[k].size, head->fields[k].size);
        assert_memory_equal(sent.fields[k].bytes, head->fields[k].bytes, sent.fields[k].size);
    }
    assert_false(has_ours(&sent));
    head_free(&sent);
    spill_free(out);
    message_free(message);
}

static void compare(const char *bytes, size_t size, bool file)
{
    struct spill *data = file ? spill_in_file(bytes, size) : spill_from_bytes(bytes, size);
    struct head head;
    assert_int_equal(head_read(data, &head), 0);
    compare_parser(data, &head);
    if (!head.too_large)
        compare_original(data, &head);
    head_free(&head);
    spill_free(data);
    inputs++;
}

/* The beginning of a line near the front. */
static size_t line_start(const struct buffer *mail)
{
    size_t at = chance(mail->size < 2000 ? mail->size + 1 : 2000);
    while (at > 0 && mail->bytes[at - 1] != '\n')
        at--;
    return at;
}

static void insert(struct buffer *mail, size_t at, const char *text)
{
    size_t size = strlen(text);
    assert_int_equal(buffer_append(mail, text, size), 0);
    memmove(mail->bytes + at + size, mail->bytes + at, mail->size - size - at);
    memcpy(mail->bytes + at, text, size);
}

static void mutate(struct buffer *mail)
{
    static const char *const lines[] = {"From x\r\n",
                                        ">From x\r\n",
                                        "no field\r\n",
                                        "\r\n",
                                        "\n",
                                        " more\r\n",
                                        "From: a@b\r\n",
                                        "A : b\r\n",
                                        ": c\r\n",
                                        "http://x\r\n",
                                        "X\rY: z\r\n",
                                        "\r",
                                        " ",
                                        "\t",
                                        "x",
                                        "Authentication-Results: " HOST "; dkim=pass\r\n",
                                        "Authentication-Results:\r\n (c) " HOST "; dkim=pass\r\n",
                                        "Content-Type: text/html\r\n"};
    for (size_t left = 1 + chance(4); left > 0; left--) {
        size_t at = line_start(mail);
        if (chance(4) > 0) {
            insert(mail, at, lines[chance(sizeof lines / sizeof *lines)]);
        } else if (mail->size > at) {
            size_t size = 1 + chance(mail->size - at < 30 ? mail->size - at : 30);
            memmove(mail->bytes + at, mail->bytes + at + size, mail->size - at - size);
            mail->size -= size;
        }
    }
}

static void compare_mutations(const char *path)
{
    static char bytes[4 << 20];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    compare(bytes, size, false);
    compare(bytes, size, true);
    for (size_t i = 0; i < mutations && size < 100000; i++) {
        struct buffer mail = {0};
        assert_int_equal(buffer_append(&mail, bytes, size), 0);
        mutate(&mail);
        compare(mail.size ? mail.bytes : "", mail.size, i % 8 == 0);
        buffer_free(&mail);
    }
}

static size_t compare_folder(const char *folder, const char *pattern)
{
    char path[4096];
    glob_t found;
    snprintf(path, sizeof path, "%s/%s", folder, pattern);
    if (glob(path, 0, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.gl_pathc; i++)
        compare_mutations(found.gl_pathv[i]);
    size_t count = found.gl_pathc;
    globfree(&found);
    return count;
}

static void test_readers_agree(void **state)
{
    (void)state;
    const char *shared = getenv("MXHOOK_SHARED");
    const char *rounds = getenv("MXHOOK_ROUNDS");
    shared = shared ? shared : SOURCE_DIR "/../shared";
    mutations = rounds ? strtoul(rounds, NULL, 10) : MUTATIONS;
    size_t own = compare_folder(SOURCE_DIR "/tests/payload/mails", "*.eml");
    assert_true(own > 40);
    size_t others = compare_folder(shared, "corpora/mail/*/*.eml");
    size_t faults = compare_folder(shared, "faults/mime/*.eml");
    printf("%zu inputs, from %zu mails\n", inputs, own + others + faults);
    if (others == 0 || faults == 0)
        printf("skipped: the corpora, as there is no %s\n", shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_readers_agree)};
    message_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
