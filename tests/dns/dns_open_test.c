/* What cannot be opened says so, and leaves nothing: each request for memory fails once, and resolvers that are none. */
#include <errno.h>
#include <string.h>

#include "dns/dns.h"

#include "../failing_memory.h"
#include "../test.h"

/* Opens it with one resolver, and closes all again. */
static int open_with(const char *host, long granted, struct error *err)
{
    uv_loop_t loop;
    struct listen_address resolver = {.port = 53};
    struct dns_config config = {
        .resolvers = &resolver, .resolver_count = 1, .query_timeout_ms = 100, .cache_size = 1000};
    struct dns *dns = NULL;
    strcpy(resolver.host, host);
    err->text[0] = 0;
    uv_loop_init(&loop);
    memory_fails_after(granted);
    int code = dns_open(&loop, &config, &dns, err);
    bool failed = memory_has_failed();
    assert_int_equal(code < 0, dns == NULL);
    if (failed)
        assert_true(code < 0);
    dns_close(dns);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    return code;
}

static void each_request_for_memory(void **state)
{
    struct error err;
    long granted = 0;
    (void)state;
    while (open_with("127.0.0.1", granted, &err) < 0) {
        assert_non_null(strcasestr(err.text, "out of memory"));
        assert_in_range(++granted, 1, 20);
    }
    assert_in_range(granted, 3, 20);
    assert_string_equal(err.text, "");
}

static void resolvers_that_are_none(void **state)
{
    struct error err;
    (void)state;
    assert_int_equal(open_with("x y", 100, &err), -EINVAL);
    assert_memory_equal(err.text, "dns.resolvers: ", 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_for_memory),
        cmocka_unit_test(resolvers_that_are_none),
    };
    return RUN_TESTS(tests);
}
