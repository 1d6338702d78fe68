/* Each part of a check, while each of its requests for memory fails once: an error is told as one, and nothing that was
 * found so far is given for the whole. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/author.h"
#include "auth/dmarc.h"
#include "auth/dnsbl.h"
#include "auth/iprev.h"
#include "auth/signatures.h"
#include "auth/spf.h"
#include "mail/message.h"

#include "../failing_memory.h"
#include "../test.h"

static const unsigned char client[4] = {192, 0, 2, 1};
static struct lookups lookups;
static struct head head;
static struct spill *data;
static struct dmarc *dmarc;
static struct signatures *signatures;

/* What a part finds, as text; 0 or what it returns. */
typedef int part(struct arena *arena, char text[1000]);

enum { PIECE = 16 };

/* An arena that has room for so many pieces of PIECE bytes before it asks for memory itself. */
static struct arena *arena_with(size_t left)
{
    size_t most = 0;
    struct arena *full = arena_new(), *arena = arena_new();
    memory_fails_after(0);
    while (arena_alloc(full, PIECE))
        most++;
    memory_has_failed();
    arena_free(full);
    if (left < most)
        arena_alloc(arena, (most - left) * PIECE);
    return arena;
}

/* Whether memory failed. */
static bool run_once(part *run, size_t left, long granted, const char *whole)
{
    char text[1000] = "";
    struct arena *arena = arena_with(left);
    memory_fails_after(granted);
    int code = run(arena, text);
    bool failed = memory_has_failed();
    if (code != (failed ? -ENOMEM : 0) || (!failed && strcmp(text, whole) != 0))
        fail_msg("%zu pieces, request %ld: %d \"%s\", not \"%s\"", left, granted, code, text,
                 whole);
    arena_free(arena);
    return failed;
}

/* `least`: how many requests fail in turn, at least. */
static void assert_whole_or_error(part *run, long least)
{
    char whole[1000] = "";
    struct arena *arena = arena_new();
    long fails = 0;
    assert_int_equal(run(arena, whole), 0);
    assert_string_not_equal(whole, "");
    arena_free(arena);
    for (size_t left = 0; left < 30;
         left++) /* each piece of the arena is the one that is too many */
        for (long granted = 0; run_once(run, left, granted, whole); granted++)
            fails++;
    assert_in_range(fails, least, 10000);
}

static void say(const char *name, enum record_type type, const char *bytes, size_t size)
{
    const struct record record = {size, bytes, 0};
    const struct dns_answer *none;
    assert_int_equal(lookups_get(&lookups, name, type, &none), -EAGAIN);
    lookups.items[lookups.count - 1].answer = dns_answer_make(&record, 1, 60);
}

static void say_text(const char *name, const char *text)
{
    say(name, RECORD_TXT, text, strlen(text));
}

static int run_lookups(struct arena *arena, char text[1000])
{
    struct lookups some = {0};
    const struct dns_answer *none;
    char name[20];
    int code = -EAGAIN;
    (void)arena;
    for (int i = 0; i < 100 && code == -EAGAIN; i++) {
        snprintf(name, sizeof name, "n%d.test", i);
        code = lookups_get(&some, name, RECORD_A, &none);
    }
    snprintf(text, 1000, "%zu", some.count);
    lookups_free(&some);
    return code == -EAGAIN ? 0 : code;
}

static int run_head(struct arena *arena, char text[1000])
{
    struct head read;
    (void)arena;
    int code = head_read(data, &read);
    if (code != 0) /* and nothing is left of it */
        assert_true(!read.copy && !read.fields && read.field_count == 0);
    snprintf(text, 1000, "%zu %zu", read.field_count, read.strict_count);
    head_free(&read);
    return code;
}

static int run_author(struct arena *arena, char text[1000])
{
    struct author author;
    int code = author_read(&head, arena, &author);
    for (size_t i = 0; code == 0 && i < author.count; i++)
        snprintf(text + strlen(text), 1000 - strlen(text), "%s,", author.domains[i]);
    snprintf(text + strlen(text), 1000 - strlen(text), "%s", author.flaw ? author.flaw : "");
    return code;
}

static int run_spf(struct arena *arena, char text[1000])
{
    const struct spf_query query = {"192.0.2.9", "helo.test", "x@a.test", "here.test"};
    struct spf_result result;
    int code = spf_check(&query, &lookups, arena, &result);
    if (code == 0)
        snprintf(text, 1000, "%d %s %s", (int)result.code, result.domain, result.explanation);
    return code;
}

static int run_iprev(struct arena *arena, char text[1000])
{
    struct iprev_result result;
    int code = iprev_check(client, 4, &lookups, arena, &result);
    if (code == 0)
        snprintf(text, 1000, "%d %s", (int)result.code, result.name);
    return code;
}

static int run_dnsbl(struct arena *arena, char text[1000])
{
    struct dnsbl_result result;
    int code = dnsbl_check("list.test", client, 4, &lookups, arena, &result);
    if (code == 0)
        snprintf(text, 1000, "%d %s %s", result.listed, result.codes[0], result.reason);
    return code;
}

static int run_dnsbl_that_refuses(struct arena *arena, char text[1000])
{
    struct dnsbl_result result;
    int code = dnsbl_check("refuses.test", client, 4, &lookups, arena, &result);
    if (code == 0)
        snprintf(text, 1000, "%s", result.error);
    return code;
}

static int run_signatures(struct arena *arena, char text[1000])
{
    struct dkim_result *results;
    size_t count;
    int code = signatures_verify(signatures, data, &head, &lookups, arena, &results, &count);
    for (size_t i = 0; code == 0 && i < count; i++)
        snprintf(text + strlen(text), 1000 - strlen(text), "%d %s %s %s %s, ", (int)results[i].code,
                 results[i].domain, results[i].selector, results[i].algorithm,
                 results[i].signature);
    return code;
}

static int run_asking(struct arena *arena, char text[1000])
{
    struct lookups asked = {0};
    struct author author;
    struct head none = {0};
    int code = author_read(&head, arena, &author);
    if (code == 0)
        code = dmarc_ask(dmarc, &author, &asked);
    if (code == -EAGAIN)
        code = signatures_ask(&head, &asked);
    if (code == -EAGAIN)
        code = signatures_ask(&none, &asked);
    snprintf(text, 1000, "%zu", asked.count);
    lookups_free(&asked);
    return code;
}

static void each_part(void **state)
{
    (void)state;
    assert_whole_or_error(run_lookups, 30);
    assert_whole_or_error(run_head, 90);
    assert_whole_or_error(run_author, 90);
    assert_whole_or_error(run_spf, 32);
    assert_whole_or_error(run_iprev, 1);
    assert_whole_or_error(run_dnsbl, 1);
    assert_whole_or_error(run_dnsbl_that_refuses, 1);
    assert_whole_or_error(run_signatures, 1);
    assert_whole_or_error(run_asking, 30);
}

/* A message of many fields, which lies in a file. */
static int set_up(void **state)
{
    static char body[SPILL_THRESHOLD + 1];
    char text[4000] =
        "From: <x@a.test>, \"b@b.test\" <y@=?utf-8?q?c?=.test>\r\nFrom: \"z@d.test\" <>\r\n";
    (void)state;
    for (int i = 0; i < 3; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 "DKIM-Signature: v=1; a=rsa-sha256; d=d%d.test; s=s%d; b=abcdefghi%d\r\n", i, i,
                 i);
    for (int i = 0; i < 100; i++)
        strcat(text, "A: b\r\n");
    strcat(text, "stray\r\nC: d\r\n\r\n");
    data = spill_new("/tmp", NULL);
    assert_int_equal(spill_write(data, text, strlen(text)), 0);
    assert_int_equal(spill_write(data, body, sizeof body), 0);
    assert_int_equal(head_read(data, &head), 0);
    assert_int_equal(head.field_count, 106);
    assert_int_equal(head.strict_count, 105);
    say_text("a.test", "v=spf1 include:b.test -all exp=why.a.test");
    say_text("b.test", "v=spf1 ip4:192.0.2.200 -all");
    say_text("why.a.test", "not from %{i}");
    say("1.2.0.192.in-addr.arpa", RECORD_PTR, "host.test", 9);
    say("host.test", RECORD_A, (const char *)client, 4);
    say("1.2.0.192.list.test", RECORD_A, "\x7f\0\0\x02", 4);
    say_text("1.2.0.192.list.test", "why");
    say("1.2.0.192.refuses.test", RECORD_A, "\x7f\xff\xff\x01", 4);
    dmarc = dmarc_open();
    signatures = signatures_open();
    return dmarc && signatures ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    signatures_close(signatures);
    dmarc_close(dmarc);
    lookups_free(&lookups);
    head_free(&head);
    spill_free(data);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_part, set_up, tear_down)};
    message_init();
    return RUN_TESTS(tests);
}
