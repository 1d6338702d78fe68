/* Against OpenSSL's SipHash. */
#include "base/siphash.h"

#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>

#include "../test.h"

static EVP_MAC *mac;

static int start(void **state)
{
    (void)state;
    mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    return mac ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    EVP_MAC_free(mac);
    return 0;
}

static uint64_t by_openssl(const unsigned char key[16], const unsigned char *bytes, size_t size)
{
    size_t wanted = 8, written = 0;
    unsigned char out[8];
    OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t("size", &wanted),
                           OSSL_PARAM_construct_end()};
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
    assert_non_null(context);
    assert_int_equal(EVP_MAC_init(context, key, 16, params), 1);
    assert_int_equal(EVP_MAC_update(context, bytes, size), 1);
    assert_int_equal(EVP_MAC_final(context, out, &written, sizeof out), 1);
    EVP_MAC_CTX_free(context);
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | out[i];
    return value;
}

static uint64_t word(const unsigned char *bytes)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

static void every_length_agrees(void **state)
{
    (void)state;
    unsigned char bytes[300], key[16];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 37 + 11);
    memcpy(key, bytes + 100, sizeof key);
    uint64_t words[2] = {word(key), word(key + 8)};
    for (size_t size = 0; size < sizeof bytes; size++)
        assert_true(siphash(words, bytes, size) == by_openssl(key, bytes, size));
}

static void a_number_is_its_eight_bytes(void **state)
{
    (void)state;
    const unsigned char bytes[8] = {0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01};
    const uint64_t key[2] = {1, 2};
    assert_true(siphash_number(key, 0x0123456789abcdef) == siphash(key, bytes, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_agrees),
        cmocka_unit_test(a_number_is_its_eight_bytes),
    };
    return cmocka_run_group_tests(tests, start, end);
}
