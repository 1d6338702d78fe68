/* A message checked while each request for memory fails once: the check ends, and what it found is the whole truth or an
 * error, never a part of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../dns/responder.h"
#include "../failing_memory.h"
#include "../test.h"
#include "auth/auth.h"
#include "base/spill.h"
#include "mail/message.h"

/* Of whatever is asked: the client may send for it. */
static const char record[] = "\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\x1a\x19"
                             "v=spf1 ip4:192.0.2.1 -all";
/* Its signature is broken, which is found without a key. */
static const char mail[] = "DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=s\r\n"
                           "From: <x@a.test>\r\nSubject: s\r\n\r\ntext\r\n";

static uv_loop_t loop;
static uv_async_t told;
static bool done;

static void on_told(uv_async_t *async)
{
    (void)async;
    done = true;
}

static void on_done(void *context)
{
    uv_async_send(context);
}

static void tick(uv_timer_t *timer)
{
    timer->data = timer;
}

/* The outcome; *text is what goes into Authentication-Results, "" without one. */
static int check(struct auth *auth, const struct config *config, const struct spill *data,
                 char text[2000])
{
    struct envelope envelope = {
        .sender = "x@a.test", .helo = "client.test", .client_ip = "192.0.2.1"};
    struct auth_check *c;
    struct auth_result *result;
    text[0] = 0;
    int code = auth_begin(auth, config, &envelope, &c);
    if (code != 0)
        return code;
    done = false;
    auth_finish(c, data, on_done, &told);
    while (!done)
        uv_run(&loop, UV_RUN_ONCE);
    code = auth_conclude(c, &result);
    if (code == 0)
        snprintf(text, 2000, "%s", result->authentication_results);
    if (code == 0)
        auth_result_free(result);
    auth_check_free(c);
    return code;
}

static void the_whole_truth_or_an_error(void **state)
{
    (void)state;
    struct responder responder;
    struct auth *auth;
    struct error err;
    uv_timer_t timer;
    assert_int_equal(uv_loop_init(&loop), 0);
    uv_async_init(&loop, &told, on_told);
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, tick, 5, 5);
    responder_open(&responder, &loop);
    responder.count = 1;
    responder.records = record;
    responder.size = sizeof record - 1;
    struct config config = {.hostname = "mx.test",
                            .auth = {.spf = true,
                                     .dkim = true,
                                     .dmarc = true,
                                     .reverse_name = true,
                                     .timeout_ms = 2000},
                            .dns = responder.config};
    config.dns.cache_size = 0;
    if (auth_start(&config.dns, &auth, &err) != 0)
        fail_msg("%s", err.text);
    struct spill *data = spill_from_bytes(mail, sizeof mail - 1);
    char whole[2000], text[2000];
    assert_int_equal(check(auth, &config, data, whole), 0);
    if (!strstr(whole, "spf=pass"))
        fail_msg("%s", whole);
    assert_non_null(strstr(whole, "dkim="));
    assert_non_null(strstr(whole, "dmarc="));
    config.auth.timeout_ms = 250; /* of what was not even asked */
    long errors = 0, partly = 0;
    bool failed = true;
    for (long i = 0; failed; i++) {
        memory_fails_after(i);
        int code = check(auth, &config, data, text);
        failed = memory_has_failed();
        if (code != 0)
            assert_int_equal(code, -ENOMEM);
        else if (strcmp(text, whole) != 0 && !strstr(text, "temperror"))
            fail_msg("request %ld: \"%s\", not \"%s\"", i, text, whole);
        errors += code != 0;
        partly += code == 0 && strcmp(text, whole) != 0;
    }
    assert_true(errors >= 10);
    assert_true(partly >= 1);
    spill_free(data);
    auth_stop(auth);
    responder_close(&responder);
    uv_close((uv_handle_t *)&told, NULL);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_whole_truth_or_an_error)};
    message_init();
    return RUN_TESTS(tests);
}
