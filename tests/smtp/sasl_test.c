/* AUTH: each response that is taken, each that is not, and what follows each outcome. */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/metrics.h"
#include "smtp/guesses.h"

#include "../captured_log.h"
#include "../test.h"
#include "base/log.h"
#include "fixture.h"

#define GREETING "220 mx.test ESMTP mxhook\r\n"
#define UNREAD   "501 5.5.2 Cannot read the response\r\n"
#define NO_CODE  "501 5.5.2 Cannot read base64\r\n"
#define RIGHT    "235 2.7.0 Authentication succeeded\r\n"
#define WRONG    "535 5.7.8 Authentication failed\r\n"
#define HANG_UP  "421 4.7.0 mx.test too many authentication failures, closing\r\n"

static const struct listen_address listener = {.auth = LISTEN_AUTH_REQUIRED,
                                               .auth_without_tls = true};
static struct config *config;
static struct peer peer;

static int start(void **state)
{
    (void)state;
    config = fixture_config("");
    peer_start_on(&peer, config, "/tmp", &listener, false);
    peer_say(&peer, "EHLO c.test\r\n");
    assert_non_null(strstr(peer.replies, "250-AUTH PLAIN LOGIN\r\n"));
    peer_expect(&peer, peer.replies);
    return 0;
}

static int end(void **state)
{
    (void)state;
    peer_end(&peer);
    config_unref(config);
    return 0;
}

/* A line of base64, behind `before`. */
static void say_encoded(const char *before, const char *bytes, size_t size, const char *replies)
{
    static char line[20000];
    size_t used = (size_t)sprintf(line, "%s", before);
    used += (size_t)EVP_EncodeBlock((unsigned char *)line + used, (const unsigned char *)bytes,
                                    (int)size);
    strcpy(line + used, "\r\n");
    peer_exchange(&peer, line, replies);
}

static void assert_verifies(const char *expected)
{
    assert_string_equal(peer.verified, expected);
    *peer.verified = 0;
}

static void login(enum login_result result, const char *replies)
{
    say_encoded("AUTH PLAIN ", "\0ann\0secret", 11, "");
    assert_verifies("ann|secret");
    session_verified(peer.session, result);
    peer_expect(&peer, replies);
}

/* ---- Responses ---- */

static void plain(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *verified; /* "": it cannot be read */
    } rows[] = {
        {"\0ann\0secret", 11, "ann|secret"},
        {"ann\0ann\0secret", 14, "ann|secret"},
        {"\0a\0b", 4, "a|b"},
        {"bob\0ann\0secret", 14, ""}, /* for another */
        {"an\0ann\0secret", 13, ""},
        {"\0\0secret", 8, ""},
        {"\0ann\0", 5, ""},
        {"\0ann", 4, ""},
        {"ann", 3, ""},
        {"\0", 1, ""},
        {"\0ann\0sec\0ret", 12, ""},
        {"\0ann\0secret\0", 12, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int later = 0; later < 2; later++) {
            if (later)
                peer_exchange(&peer, "AUTH plain\r\n", "334 \r\n");
            say_encoded(later ? "" : "auth PLAIN  ", rows[i].bytes, rows[i].size,
                        *rows[i].verified ? "" : UNREAD);
            assert_verifies(rows[i].verified);
            end(NULL);
            start(NULL);
        }
}

static void login_in_two_steps(void **state)
{
    (void)state;
    for (int at_once = 0; at_once < 2; at_once++) {
        if (!at_once)
            peer_exchange(&peer, "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n");
        say_encoded(at_once ? "AUTH LOGIN " : "", "ann", 3, "334 UGFzc3dvcmQ6\r\n");
        say_encoded("", "secret", 6, "");
        assert_verifies("ann|secret");
        session_verified(peer.session, LOGIN_WRONG);
        peer_expect(&peer, WRONG);
    }
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {{"", 0}, {"a\0b", 3}, {"a\0", 2}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (int step = 0; step < 2; step++) {
            peer_exchange(&peer, "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n");
            if (step)
                say_encoded("", "ann", 3, "334 UGFzc3dvcmQ6\r\n");
            say_encoded("", bad[i].bytes, bad[i].size, UNREAD);
            assert_verifies("");
            end(NULL);
            start(NULL);
        }
}

/* Of a name and of a password, on both sides. */
static void as_long_as_they_may_be(void **state)
{
    (void)state;
    for (size_t name = 254; name <= 256; name++)
        for (size_t password = 254; password <= 256; password++) {
            char bytes[600] = "", expected[1000];
            memset(bytes + 1, 'n', name);
            memset(bytes + 1 + name + 1, 'p', password);
            bytes[1 + name] = 0;
            snprintf(expected, sizeof expected, "%s|%.*s", bytes + 1, (int)password,
                     bytes + 2 + name);
            bool fine = name <= 255 && password <= 255;
            say_encoded("AUTH PLAIN ", bytes, 2 + name + password, fine ? "" : UNREAD);
            assert_verifies(fine ? expected : "");
            end(NULL);
            start(NULL);
            say_encoded("AUTH LOGIN ", bytes + 1, name,
                        name <= 255 ? "334 UGFzc3dvcmQ6\r\n" : UNREAD);
            if (name <= 255)
                say_encoded("", bytes + 2 + name, password, fine ? "" : UNREAD);
            assert_verifies(fine ? expected : "");
            end(NULL);
            start(NULL);
        }
}

static void what_is_no_base64(void **state)
{
    static const struct {
        const char *line, *replies;
    } rows[] = {
        {"A", NO_CODE},
        {"AB", NO_CODE},
        {"ABC", NO_CODE},
        {"AGFubg", NO_CODE},
        {"A===", NO_CODE},
        {"====", NO_CODE},
        {"AG!ubgBz", NO_CODE},
        {"AGFu bgBz", NO_CODE},
        {"AGF=bgBz", NO_CODE},
        {"=AGF", NO_CODE},
        {"=", UNREAD},
        {"==", NO_CODE},
        {"AGFubgBzA===", NO_CODE},
        {"*", "501 5.7.0 Cancelled\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char line[100];
        peer_exchange(&peer, "AUTH PLAIN\r\n", "334 \r\n");
        snprintf(line, sizeof line, "%s\r\n", rows[i].line);
        peer_exchange(&peer, line, rows[i].replies);
        assert_verifies("");
        end(NULL);
        start(NULL);
    }
    peer_exchange(&peer, "AUTH PLAIN AGEAYg==\r\n", ""); /* each padding there is */
    assert_verifies("a|b");
    end(NULL);
    start(NULL);
    peer_exchange(&peer, "AUTH PLAIN AGEAYmM=\r\n", "");
    assert_verifies("a|bc");
}

static void commands(void **state)
{
    (void)state;
    peer_exchange(&peer, "AUTH PLAI AGEAYg==\r\n", "504 5.5.4 Mechanisms: PLAIN LOGIN\r\n");
    peer_exchange(&peer, "AUTH PLAINS AGEAYg==\r\n", "504 5.5.4 Mechanisms: PLAIN LOGIN\r\n");
    end(NULL);
    start(NULL);
    peer_exchange(&peer, "AUTH LOGIM\r\n", "504 5.5.4 Mechanisms: PLAIN LOGIN\r\n");
    peer_exchange(&peer, "MAIL FROM:<a@b.test>\r\n", "530 5.7.0 Authentication required\r\n");
    end(NULL);
    start(NULL);
    login(LOGIN_RIGHT, RIGHT);
    peer_exchange(&peer, "AUTH PLAIN AGEAYg==\r\n", "503 5.5.1 Authenticated already\r\n");
    peer_exchange(&peer, "AUTH PLAIN\r\n", "503 5.5.1 Authenticated already\r\n");
    peer_exchange(&peer, "MAIL FROM:<a@b.test>\r\n", "250 2.1.0 Sender OK\r\n");
    peer_say(&peer, "EHLO c.test\r\n");
    assert_null(strstr(peer.replies, "AUTH"));
    peer_expect(&peer, peer.replies);
}

static void in_the_clear(void **state)
{
    static const struct listener_row {
        struct listen_address listener;
        const char *reply;
    } rows[] = {
        {{.auth = LISTEN_AUTH_OFFERED}, "538 5.7.11 Only inside TLS: STARTTLS first\r\n"},
        {{.auth = LISTEN_AUTH_REQUIRED}, "538 5.7.11 Only inside TLS: STARTTLS first\r\n"},
        {{.auth = LISTEN_AUTH_OFFERED, .auth_without_tls = true}, "334 \r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        peer_end(&peer);
        peer_start_on(&peer, config, "/tmp", &rows[i].listener, false);
        peer_say(&peer, "EHLO c.test\r\n");
        assert_int_equal(strstr(peer.replies, "AUTH") != NULL, rows[i].listener.auth_without_tls);
        peer_expect(&peer, peer.replies);
        peer_exchange(&peer, "AUTH PLAIN\r\n", rows[i].reply);
    }
}

/* ---- Outcomes ---- */

/* A right one does not forgive the wrong ones, and three of these end the session. */
static void three_wrong_ones(void **state)
{
    (void)state;
    double right = metric_value(METRIC_LOGINS_TOTAL, "right", NULL),
           wrong = metric_value(METRIC_LOGINS_TOTAL, "wrong", NULL),
           away = metric_value(METRIC_LOGINS_TOTAL, "turned away", NULL);
    log_set_level(LOG_INFO);
    CAPTURE(login(LOGIN_WRONG, WRONG));
    assert_int_equal(
        captured_lines(" warn authentication-failed id=connection client=192.0.2.1 user=ann"), 1);
    CAPTURE(login(LOGIN_WRONG, WRONG));
    peer_exchange(&peer, "NOOP\r\n", "250 2.0.0 OK\r\n");
    CAPTURE(login(LOGIN_WRONG, WRONG HANG_UP));
    assert_true(peer.closed);
    end(NULL);
    start(NULL);
    log_set_level(LOG_INFO);
    CAPTURE(login(LOGIN_RIGHT, RIGHT));
    assert_string_equal(after_time(),
                        "info authenticated id=connection client=192.0.2.1 user=ann\n");
    assert_false(peer.closed);
    end(NULL);
    start(NULL);
    log_set_level(LOG_INFO);
    char text[200];
    snprintf(
        text, sizeof text,
        "454 4.7.0 Too many failed logins from your network, try again in %d minutes\r\n" HANG_UP,
        GUESSES_FORGET_MS / 60000);
    CAPTURE(login(LOGIN_REFUSED, text));
    assert_int_equal(
        captured_lines(" warn authentication-refused id=connection client=192.0.2.1 user=ann"), 1);
    assert_true(peer.closed);
    assert_true(metric_value(METRIC_LOGINS_TOTAL, "right", NULL) == right + 1);
    assert_true(metric_value(METRIC_LOGINS_TOTAL, "wrong", NULL) == wrong + 3);
    assert_true(metric_value(METRIC_LOGINS_TOTAL, "turned away", NULL) == away + 1);
}

/* What comes when nothing is being checked changes nothing. */
static void an_outcome_that_is_late(void **state)
{
    (void)state;
    session_verified(peer.session, LOGIN_RIGHT);
    peer_expect(&peer, "");
    peer_exchange(&peer, "MAIL FROM:<a@b.test>\r\n", "530 5.7.0 Authentication required\r\n");
    login(LOGIN_WRONG, WRONG);
    session_verified(peer.session, LOGIN_RIGHT);
    peer_expect(&peer, "");
    assert_string_equal(session_claimed(peer.session), "ann");
    peer_exchange(&peer, "MAIL FROM:<a@b.test>\r\n", "530 5.7.0 Authentication required\r\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(plain),
        TEST(login_in_two_steps),
        TEST(as_long_as_they_may_be),
        TEST(what_is_no_base64),
        TEST(commands),
        TEST(in_the_clear),
        TEST(three_wrong_ones),
        TEST(an_outcome_that_is_late),
    };
    return RUN_TESTS(tests);
}
