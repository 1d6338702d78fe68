/* PROXY headers, version 1 and 2, whole and cut in any way. */
#include "smtp/proxy.h"

#include <stdlib.h>
#include <string.h>

#include "../test.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"

struct outcome {
    enum proxy_result result;
    size_t used;
    struct proxy_client client;
    const char *reason;
};

/* `step` bytes at a time. */
static struct outcome take(const char *bytes, size_t size, size_t step)
{
    struct proxy_reader *reader = proxy_reader_new();
    struct outcome o = {.result = PROXY_MORE};
    assert_non_null(reader);
    while (o.result == PROXY_MORE && o.used < size) {
        size_t used, piece = size - o.used < step ? size - o.used : step;
        char *copy = malloc(piece);
        memcpy(copy, bytes + o.used, piece);
        o.result = proxy_take(reader, copy, piece, &used, &o.client, &o.reason);
        free(copy);
        assert_true(used <= piece && (used == piece || o.result != PROXY_MORE));
        o.used += used;
    }
    proxy_reader_free(reader);
    return o;
}

/* Whatever the pieces, the outcome is the same. */
static struct outcome take_all_ways(const char *bytes, size_t size)
{
    struct outcome whole = take(bytes, size, size);
    for (size_t step = 1; step < 40; step++) {
        struct outcome o = take(bytes, size, step);
        assert_int_equal(o.result, whole.result);
        assert_int_equal(o.used, whole.used);
        if (o.result == PROXY_DONE)
            assert_memory_equal(&o.client, &whole.client, sizeof o.client);
        if (o.result == PROXY_BAD)
            assert_string_equal(o.reason, whole.reason);
    }
    return whole;
}

static void expect_client(const struct outcome *o, const char *ip, unsigned port)
{
    char text[46];
    assert_int_equal(o->result, PROXY_DONE);
    assert_true(o->client.known);
    ip_address_format(&o->client.address, text);
    assert_string_equal(text, ip);
    assert_int_equal(o->client.port, port);
}

static void version_1(void **state)
{
    (void)state;
    static const struct {
        const char *line, *ip;
        unsigned port;
    } good[] = {
        {"PROXY TCP4 192.0.2.1 192.0.2.2 56324 25\r\n", "192.0.2.1", 56324},
        {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255", 65535},
        {"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0", 0},
        {"PROXY TCP6 2001:db8::1 ::1 56324 25\r\n", "2001:db8::1", 56324},
        {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535},
        {"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 25\r\n", "192.0.2.1", 1},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char text[256];
        size_t size = strlen(good[i].line);
        memcpy(text, good[i].line, size);
        memcpy(text + size, "EHLO a\r\n", 8); /* is not the header's */
        struct outcome o = take_all_ways(text, size + 8);
        expect_client(&o, good[i].ip, good[i].port);
        assert_int_equal(o.used, size);
    }
}

static void version_1_unknown(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN whatever stands here \1\r\n",
        ("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
    };
    assert_int_equal(strlen(lines[2]), PROXY_V1_OCTETS);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct outcome o = take_all_ways(lines[i], strlen(lines[i]));
        assert_int_equal(o.result, PROXY_DONE);
        assert_false(o.client.known);
    }
}

static void not_version_1(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "EHLO client.test\r\n",
        "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY\r\n",
        "PROXY \r\n",
        "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 192.0.2.1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
        "PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP6 2001:db8::1::1 ::1 1 2\r\n",
        "PROXY TCP6 [2001:db8::1] ::1 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 +2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rEHLO a\r\n",
        "PROXY UNKNOWN\n",
        "PROXY UNKNOWNS\r\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (take_all_ways(lines[i], strlen(lines[i])).result != PROXY_BAD)
            fail_msg("taken: %s", lines[i]);
    static const char nul[] = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\0\r\n";
    assert_int_equal(take_all_ways(nul, sizeof nul - 1).result, PROXY_BAD);
    char endless[PROXY_V1_OCTETS + 2];
    memset(endless, 'x', sizeof endless);
    memcpy(endless, "PROXY UNKNOWN ", 14);
    struct outcome o = take_all_ways(endless, sizeof endless);
    assert_int_equal(o.result, PROXY_BAD);
    assert_int_equal(o.used, PROXY_V1_OCTETS); /* no byte more is waited for */
}

static void incomplete(void **state)
{
    (void)state;
    static const char line[] = "PROXY TCP4 192.0.2.1 192.0.2.2 56324 25\r";
    static const char binary[] = V2 "\x21\x11\0\x0c\xc0\0\x02\x07\xc0\0\x02\x19\x7a\x69\0";
    for (size_t size = 1; size < sizeof line; size++)
        assert_int_equal(take_all_ways(line, size).result, PROXY_MORE);
    for (size_t size = 1; size < sizeof binary; size++)
        assert_int_equal(take_all_ways(binary, size).result, PROXY_MORE);
}

/* The fixed part, `size` bytes after it, and a byte that is not the header's. */
static struct outcome take_v2(unsigned char version_command, unsigned char family, const char *rest,
                              size_t size, size_t stated)
{
    char *bytes = calloc(1, 16 + size + 1);
    memcpy(bytes, V2, 12);
    bytes[12] = (char)version_command;
    bytes[13] = (char)family;
    bytes[14] = (char)(stated >> 8);
    bytes[15] = (char)stated;
    if (rest)
        memcpy(bytes + 16, rest, size);
    struct outcome o = take_all_ways(bytes, 16 + size + 1);
    free(bytes);
    return o;
}

static const char v4[] = "\xc0\0\x02\x07\xc0\0\x02\x19\x7a\x69\0\x19"; /* 192.0.2.7, port 31337 */
static const char v6[] = "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
                         "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x19\x7a\x69\0\x19";

static void version_2(void **state)
{
    (void)state;
    struct outcome o = take_v2(0x21, 0x11, v4, 12, 12);
    expect_client(&o, "192.0.2.7", 31337);
    assert_int_equal(o.used, 16 + 12);
    o = take_v2(0x21, 0x21, v6, 36, 36);
    expect_client(&o, "2001:db8::7", 31337);
    assert_int_equal(o.used, 16 + 36);
    /* Additional fields: PP2_TYPE_AUTHORITY, an empty one, and one of a type that nobody knows. */
    char fields[12 + 3 + 4 + 3 + 3 + 1];
    memcpy(fields, v4, 12);
    memcpy(fields + 12, "\2\0\4host\4\0\0\xee\0\1x", sizeof fields - 12);
    o = take_v2(0x21, 0x11, fields, sizeof fields, sizeof fields);
    expect_client(&o, "192.0.2.7", 31337);
    assert_int_equal(o.used, 16 + sizeof fields);
}

static void version_2_without_a_client(void **state)
{
    (void)state;
    static const struct {
        unsigned char version_command, family;
        size_t size;
    } headers[] = {
        {0x20, 0x00, 0},   {0x20, 0x11, 12},  {0x20, 0xff, 5},    {0x21, 0x00, 0},
        {0x21, 0x00, 9},   {0x21, 0x12, 12},  {0x21, 0x22, 36},   {0x21, 0x10, 12},
        {0x21, 0x31, 216}, {0x21, 0x32, 216}, {0x20, 0x00, 4080},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        size_t size = headers[i].size;
        struct outcome o = take_v2(headers[i].version_command, headers[i].family, NULL, size, size);
        assert_int_equal(o.result, PROXY_DONE);
        assert_false(o.client.known);
        assert_int_equal(o.used, 16 + size);
    }
}

static void not_version_2(void **state)
{
    (void)state;
    static const struct {
        unsigned char version_command, family;
        size_t size;
        const char *reason;
    } headers[] = {
        {0x11, 0x11, 12, "unknown version"},
        {0x31, 0x11, 12, "unknown version"},
        {0x22, 0x11, 12, "unknown command"},
        {0x2f, 0x11, 12, "unknown command"},
        {0x21, 0x41, 12, "unknown address family or transport"},
        {0x21, 0xf1, 12, "unknown address family or transport"},
        {0x21, 0x13, 12, "unknown address family or transport"},
        {0x21, 0x11, 11, "too short for its addresses"},
        {0x21, 0x11, 0, "too short for its addresses"},
        {0x21, 0x21, 35, "too short for its addresses"},
        {0x21, 0x31, 215, "too short for its addresses"},
        {0x21, 0x11, 13, "malformed additional fields"},
        {0x21, 0x11, 14, "malformed additional fields"},
        {0x21, 0x11, 4081, "longer than any that is taken"},
        {0x20, 0x00, 65535, "longer than any that is taken"},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        size_t size = headers[i].size;
        struct outcome o = take_v2(headers[i].version_command, headers[i].family, NULL, size, size);
        assert_int_equal(o.result, PROXY_BAD);
        assert_string_equal(o.reason, headers[i].reason);
    }
    static const char almost[] = "\r\n\r\n\0\r\nQUIT\r\n";
    assert_int_equal(take_all_ways(almost, sizeof almost - 1).result, PROXY_BAD);
    char field[12 + 4];
    memcpy(field, v4, 12);
    memcpy(field + 12, "\2\0\2x", 4); /* a field that is longer than the header */
    assert_int_equal(take_v2(0x21, 0x11, field, sizeof field, sizeof field).result, PROXY_BAD);
}

/* CRC-32C over all of it, zeros in place of the checksum; this one made by another implementation
 * (a table-driven one in Python, checked by its "123456789": 0xe3069283). */
static void checksum(void **state)
{
    (void)state;
    char rest[12 + 7 + 3];
    memcpy(rest, v4, 12);
    memcpy(rest + 12, "\3\0\4\0\0\0\0\4\0\0", 10);
    memcpy(rest + 15, "\x0c\x1e\x80\xa0", 4);
    struct outcome o = take_v2(0x21, 0x11, rest, sizeof rest, sizeof rest);
    expect_client(&o, "192.0.2.7", 31337);
    for (size_t i = 0; i < sizeof rest; i++) {
        rest[i] ^= 0x10;
        o = take_v2(0x21, 0x11, rest, sizeof rest, sizeof rest);
        /* One bit of it elsewhere: wrong; of a field's type or size: perhaps no checksum at all. */
        if (i < 12 || (i >= 15 && i < 19)) {
            assert_int_equal(o.result, PROXY_BAD);
            assert_string_equal(o.reason, "wrong checksum");
        }
        rest[i] ^= 0x10;
    }
    memcpy(rest + 12, "\3\0\3", 3); /* a checksum of three bytes */
    assert_int_equal(take_v2(0x21, 0x11, rest, 18, 18).result, PROXY_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_1),     cmocka_unit_test(version_1_unknown),
        cmocka_unit_test(not_version_1), cmocka_unit_test(incomplete),
        cmocka_unit_test(version_2),     cmocka_unit_test(version_2_without_a_client),
        cmocka_unit_test(not_version_2), cmocka_unit_test(checksum),
    };
    return RUN_TESTS(tests);
}
