/* The Sender Rewriting Scheme: there and back, what is not ours, and what a stranger may write. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "deliver/srs.h"

#define DAY 86400ll
#define NOW (20000 * DAY)

static char secret[] = "a secret that is long enough",
            other_secret[] = "another that is long enough";
static char domain[] = "example.com", other_domain[] = "fwd.example";
static const struct forward_config config = {
    .srs = true, .srs_domain = domain, .srs_secret = secret, .srs_valid_ms = 21 * DAY * 1000};
static const struct forward_config other = {.srs = true,
                                            .srs_domain = other_domain,
                                            .srs_secret = other_secret,
                                            .srs_valid_ms = 21 * DAY * 1000};

static const char *rewrite(const struct forward_config *c, const char *sender)
{
    static char out[SRS_SIZE];
    srs_rewrite(c, sender, NOW, out);
    return out;
}

static void assert_is_a_path(const char *address)
{
    char text[SRS_SIZE + 3];
    struct path path;
    snprintf(text, sizeof text, "<%s>", address);
    const char *end = path_parse(text, PATH_FORWARD, &path);
    if (!end || *end || !path.domain)
        fail_msg("not an address that servers take: %s", address);
}

/* ... as `original`: the same address, but quoted where it has to be only. */
static void assert_comes_back_as(const char *sender, const char *original)
{
    char there[SRS_SIZE], back[SRS_SIZE];
    srs_rewrite(&config, sender, NOW, there);
    assert_string_not_equal(there, sender);
    assert_non_null(strstr(there, "@example.com"));
    assert_is_a_path(there);
    assert_int_equal(srs_reverse(&config, there, NOW, back), SRS_VALID);
    assert_is_a_path(back);
    assert_string_equal(back, original);
}

static void assert_comes_back(const char *sender)
{
    assert_comes_back_as(sender, sender);
}

static void senders_go_there_and_back(void **state)
{
    (void)state;
    assert_comes_back("alice@a.example");
    assert_comes_back("alice=b+c-d@a.example");
    assert_comes_back("gr\xc3\xbc\xc3\x9f"
                      "e@a.example");
    assert_comes_back("\"a b\\\"@c\"@a.example");
    assert_comes_back("x@[192.0.2.1]");
    assert_comes_back("srs@a.example");
    assert_comes_back("SRS0@a.example");
    assert_comes_back("SRS1=hash==rest@a.example"); /* it only looks like one */
}

/* RFC 5321 section 4.1.2: what is no dot-string is quoted, and what need not be is not. */
static void they_are_quoted_where_it_has_to_be(void **state)
{
    (void)state;
    assert_comes_back("\"\"@a.example");
    assert_comes_back("x@[IPv6:2001:db8::1]");
    assert_comes_back("\"a@b\"@[192.0.2.1]");
    assert_comes_back("\"a..b\"@a.example");
    assert_comes_back("\".a\"@a.example");
    assert_comes_back("\"a.\"@a.example");
    assert_comes_back("\" \"@a.example");
    assert_comes_back("\"\\\\\"@a.example");
    assert_comes_back("\"\\\"\"@a.example");
    assert_comes_back("\"a=b@c=d\"@a.example");
    assert_comes_back_as("\"alice\"@a.example", "alice@a.example");
    assert_comes_back_as("\"a\\ b\\c\"@a.example", "\"a bc\"@a.example");
    assert_int_equal(strncmp(rewrite(&config, "a@[192.0.2.1]"), "\"SRS0=", 6), 0);
    assert_string_equal(rewrite(&config, "a@[x:b=c]"), "a@[x:b=c]"); /* it could not come back */
    assert_int_equal(strncmp(rewrite(&config, "\"alice\"@a.example"), "SRS0=", 5), 0);
}

/* What only begins as another forwarder's does is a name: it comes back as it was, not as an address that nobody has. */
static void what_has_another_shape_is_a_name(void **state)
{
    static const char *const senders[] = {
        "SRS1=aaaaaaaa=b.example=x@a.example", "SRS1==b.example=e@a.example",
        "\"SRS1=aaaaaaaa=b..example==x\"@a.example", "\"SRS1=aaaaaaaa=b c==x\"@a.example",
        "SRS1=aaaaaaaa=b.example=@a.example"};
    (void)state;
    for (size_t i = 0; i < sizeof senders / sizeof *senders; i++) {
        assert_int_equal(strncmp(rewrite(&config, senders[i]) + (senders[i][0] == '"'), "SRS0=", 5),
                         0);
        assert_comes_back(senders[i]);
    }
}

/* What has passed us before goes back over the one who had it in between, not from us to us. */
static void what_comes_by_us_again_goes_back_by_the_other(void **state)
{
    char first[SRS_SIZE], second[SRS_SIZE], third[SRS_SIZE], back[SRS_SIZE];
    (void)state;
    srs_rewrite(&config, "a@a.example", NOW, first);
    srs_rewrite(&other, first, NOW, second);
    srs_rewrite(&config, second, NOW, third);
    assert_int_equal(srs_reverse(&config, third, NOW, back), SRS_VALID);
    assert_string_equal(back, second);
    assert_int_equal(srs_reverse(&other, back, NOW, third), SRS_VALID);
    assert_string_equal(third, first);
    assert_int_equal(srs_reverse(&config, third, NOW, back), SRS_VALID);
    assert_string_equal(back, "a@a.example");
}

/* The same over a second forwarder. */
static void a_second_forwarder_quotes_too(void **state)
{
    static const char *const senders[] = {"a@[192.0.2.1]", "\"\"@a.example", "\"a b\"@a.example"};
    char first[SRS_SIZE], second[SRS_SIZE], back[SRS_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof senders / sizeof *senders; i++) {
        srs_rewrite(&other, senders[i], NOW, first);
        srs_rewrite(&config, first, NOW, second);
        assert_is_a_path(second);
        assert_int_equal(srs_reverse(&config, second, NOW, back), SRS_VALID);
        assert_string_equal(back, first);
        assert_int_equal(srs_reverse(&other, back, NOW, second), SRS_VALID);
        assert_string_equal(second, senders[i]);
    }
}

/* Made by Mail::SRS 0.31 with HashLength 8 at that day. */
static void it_is_the_same_as_mail_srs(void **state)
{
    (void)state;
    assert_string_equal(rewrite(&config, "alice@a.example"),
                        "SRS0=AnQEIuIS=RA=a.example=alice@example.com");
    assert_string_equal(rewrite(&config, "SRS0=abcd=QA=b.example=bob@fwd.example"),
                        "SRS1=ScHm9GE7=fwd.example==abcd=QA=b.example=bob@example.com");
}

static void some_stay_as_they_are(void **state)
{
    char longest[300] = "";
    (void)state;
    assert_string_equal(rewrite(&config, ""), "");
    assert_string_equal(rewrite(&config, "alice@Example.COM"), "alice@Example.COM");
    struct forward_config off = config;
    off.srs_secret = NULL;
    assert_string_equal(rewrite(&off, "alice@a.example"), "alice@a.example");
    memset(longest, 'x', 210); /* 254 bytes of any path is the end */
    strcpy(longest + 210, "@a.example");
    assert_comes_back(longest);
    assert_int_equal(strlen(rewrite(&config, longest)),
                     210 + strlen("SRS0=12345678=AB=a.example=@example.com"));
    memset(longest, 'x', 216);
    strcpy(longest + 216, "@a.example");
    assert_string_equal(rewrite(&config, longest), longest);
}

static void a_second_forwarder_adds_one_hop_only(void **state)
{
    char first[SRS_SIZE], second[SRS_SIZE], third[SRS_SIZE], back[SRS_SIZE];
    struct forward_config last = config;
    char last_domain[] = "last.example";
    (void)state;
    last.srs_domain = last_domain;
    srs_rewrite(&other, "alice@a.example", NOW, first);
    srs_rewrite(&config, first, NOW, second);
    assert_int_equal(strncmp(second, "SRS1=", 5), 0);
    assert_non_null(strstr(second, "=fwd.example=="));
    srs_rewrite(&last, second, NOW, third);
    assert_int_equal(strlen(third), strlen(second) + 1); /* the domain's length only */
    assert_int_equal(srs_reverse(&last, third, NOW, back), SRS_VALID);
    assert_string_equal(back, first);
    assert_int_equal(srs_reverse(&config, second, NOW, back), SRS_VALID);
    assert_string_equal(back, first);
    assert_int_equal(srs_reverse(&other, first, NOW, back), SRS_VALID);
    assert_string_equal(back, "alice@a.example");
}

static void servers_on_the_way_may_change_the_case(void **state)
{
    char there[SRS_SIZE], back[SRS_SIZE];
    (void)state;
    srs_rewrite(&config, "Alice@a.example", NOW, there);
    for (char *p = there; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    assert_int_equal(srs_reverse(&config, there, NOW, back), SRS_VALID);
    assert_string_equal(back, "alice@a.example");
    there[4] = '+'; /* the separator too */
    assert_int_equal(srs_reverse(&config, there, NOW, back), SRS_VALID);
}

static enum srs_answer reverse_at(const char *address, int64_t now)
{
    char back[SRS_SIZE];
    return srs_reverse(&config, address, now, back);
}

static void it_expires(void **state)
{
    (void)state;
    const char *there = rewrite(&config, "alice@a.example");
    assert_int_equal(reverse_at(there, NOW + 22 * DAY - 1), SRS_VALID);
    assert_int_equal(reverse_at(there, NOW + 22 * DAY), SRS_EXPIRED);
    assert_int_equal(reverse_at(there, NOW - DAY), SRS_EXPIRED);      /* of tomorrow */
    assert_int_equal(reverse_at(there, NOW + 1024 * DAY), SRS_VALID); /* a known limit */
}

static void what_we_did_not_make_is_forged(void **state)
{
    static const char *const forged[] = {
        "SRS0=@example.com",
        "SRS0==@example.com",
        "SRS0===@example.com",
        "SRS0====@example.com",
        "SRS0=a=b=c=d@example.com",
        "SRS0=12345678=QA=a.example=@example.com",
        "SRS0=12345678=QA=a.example=alice@example.com",
        "SRS0=12345678=Q1=a.example=alice@example.com",
        "SRS1=@example.com",
        "SRS1==@example.com",
        "SRS1===@example.com",
        "SRS1=12345678=a.example==x@example.com",
        "srs0-12345678=QA=a.example=alice@example.com",
        "\"SRS0=12345678=QA=a.example=a b\"@example.com",
    };
    char back[SRS_SIZE], there[SRS_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++)
        assert_int_equal(reverse_at(forged[i], NOW), SRS_FORGED);
    srs_rewrite(&config, "alice@a.example", NOW, there);
    for (size_t i = 5; there[i] != '@'; i++) { /* no character can be another one */
        char changed[SRS_SIZE];
        strcpy(changed, there);
        changed[i] = changed[i] == 'z' ? 'y' : 'z';
        if (toupper((unsigned char)there[i]) != 'Z')
            assert_int_equal(reverse_at(changed, NOW), SRS_FORGED);
    }
    struct forward_config rekeyed = config;
    rekeyed.srs_secret = other_secret;
    assert_int_equal(srs_reverse(&rekeyed, there, NOW, back), SRS_FORGED);
}

static void others_are_not_asked_for(void **state)
{
    static const char *const none[] = {
        "alice@example.com",
        "SRS0@example.com",
        "SRS2=a@example.com",
        "SRS0x=a@example.com",
        "@example.com",
        "SRS0=12345678=QA=a.example=alice@fwd.example",
        "",
        "@",
        "SRS0=",
        "\"@example.com",
        "\"\"@example.com",
    };
    (void)state;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(reverse_at(none[i], NOW), SRS_NONE);
}

/* Whatever a stranger writes: never more than the buffers, never valid. */
static void any_bytes_are_harmless(void **state)
{
    static const char alphabet[] = "SRS01=+-@.\"\\aZ7 \xc3\xa9\x01";
    char text[600], out[SRS_SIZE];
    unsigned random = 1;
    (void)state;
    for (int round = 0; round < 200000; round++) {
        size_t size = 0, wanted = (random >> 8) % 300;
        size += (size_t)sprintf(text, "%s", round % 3 ? "SRS0=" : round % 2 ? "SRS1=" : "");
        while (size < wanted) {
            random = random * 1664525u + 1013904223u;
            text[size++] = alphabet[(random >> 16) % (sizeof alphabet - 1)];
        }
        strcpy(text + size, round % 4 ? "@example.com" : "");
        assert_int_not_equal(srs_reverse(&config, text, NOW, out), SRS_VALID);
        srs_rewrite(&config, text, NOW, out);
    }
}

/* ---- The key ---- */

static struct config *loaded(const char *directory, const char *key, enum srs_mode mode,
                             int expected)
{
    struct config *c;
    struct error err = {""};
    assert_int_equal(config_defaults("/none", &c, &err), 0);
    c->forward.srs_key = key ? arena_strdup(c->arena, key) : NULL;
    assert_int_equal(srs_load(c, directory, mode, &err), expected);
    return c;
}

static void a_key_is_made_once_and_private(void **state)
{
    char directory[] = "/tmp/mxhook-srs-XXXXXX", path[64];
    struct stat st;
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/srs.key", directory);
    struct config *none = loaded(directory, NULL, SRS_LOOK, 0);
    assert_null(none->forward.srs_secret);
    struct config *first = loaded(directory, NULL, SRS_MAKE, 0);
    struct config *second = loaded(directory, NULL, SRS_MAKE, 0);
    assert_int_equal(strlen(first->forward.srs_secret), 64);
    assert_string_equal(first->forward.srs_secret, second->forward.srs_secret);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    unlink(path);
    assert_int_equal(rmdir(directory), 0); /* nothing else was left */
    config_unref(none);
    config_unref(first);
    config_unref(second);
}

static void a_key_may_be_given(void **state)
{
    (void)state;
    struct config *given = loaded("/none", "sixteen letters!", SRS_MAKE, 0);
    assert_string_equal(given->forward.srs_secret, "sixteen letters!");
    config_unref(given);
    config_unref(loaded("/none", "fifteen letters", SRS_MAKE, -EINVAL));
    config_unref(loaded("/none", "env:MXHOOK_NO_SUCH_KEY", SRS_MAKE, -ENOENT));
    config_unref(loaded("/none", NULL, SRS_MAKE, -ENOENT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(senders_go_there_and_back),
        cmocka_unit_test(they_are_quoted_where_it_has_to_be),
        cmocka_unit_test(what_has_another_shape_is_a_name),
        cmocka_unit_test(what_comes_by_us_again_goes_back_by_the_other),
        cmocka_unit_test(a_second_forwarder_quotes_too),
        cmocka_unit_test(it_is_the_same_as_mail_srs),
        cmocka_unit_test(some_stay_as_they_are),
        cmocka_unit_test(a_second_forwarder_adds_one_hop_only),
        cmocka_unit_test(servers_on_the_way_may_change_the_case),
        cmocka_unit_test(it_expires),
        cmocka_unit_test(what_we_did_not_make_is_forged),
        cmocka_unit_test(others_are_not_asked_for),
        cmocka_unit_test(any_bytes_are_harmless),
        cmocka_unit_test(a_key_is_made_once_and_private),
        cmocka_unit_test(a_key_may_be_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
