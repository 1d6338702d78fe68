#include "sign.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "reference.h"

#define KEY_MAX     256 /* bytes of a secret: SHA-256 takes no more than 64 as they are */
#define SPACE       " \t\r\n"
#define HASH_SIZE   32
#define BUFFER_SIZE 65536

static EVP_MAC *hmac;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL); /* for the life of the process */
}

/* Missing padding is made good, since some hand their secrets out without. -1: not base64. */
static int decode(const char *text, size_t size, unsigned char key[KEY_MAX])
{
    char padded[KEY_MAX / 3 * 4 + 5];
    while (size > 0 && text[size - 1] == '=')
        size--;
    if (size == 0 || size % 4 == 1 || size > sizeof padded - 5)
        return -1;
    memcpy(padded, text, size);
    size_t padding = (4 - size % 4) % 4;
    memcpy(padded + size, "====", padding);
    int n = EVP_DecodeBlock(key, (unsigned char *)padded, (int)(size + padding));
    return n < 0 ? -1 : n - (int)padding;
}

static int key_of(const char *secret, size_t size, unsigned char key[KEY_MAX])
{
    static const char prefix[] = "whsec_";
    if (size > sizeof prefix - 1 && memcmp(secret, prefix, sizeof prefix - 1) == 0)
        return decode(secret + sizeof prefix - 1, size - (sizeof prefix - 1), key);
    if (size > KEY_MAX)
        return -1;
    memcpy(key, secret, size);
    return (int)size;
}

static int update_payload(EVP_MAC_CTX *mac, const struct payload *payload)
{
    unsigned char buffer[BUFFER_SIZE];
    const char *memory = spill_memory(payload->head);
    if (memory && !payload->tail)
        return EVP_MAC_update(mac, (const unsigned char *)memory, spill_size(payload->head))
                   ? 0
                   : -ENOMEM;
    uint64_t offset = 0;
    ssize_t n;
    while ((n = payload_read(payload, offset, buffer, sizeof buffer)) > 0) {
        if (!EVP_MAC_update(mac, buffer, (size_t)n))
            return -ENOMEM;
        offset += (uint64_t)n;
    }
    if (n == 0 && offset != payload_size(payload))
        return -EIO;
    return (int)n;
}

static int sign(const unsigned char *key, size_t key_size, const char *head,
                const struct payload *payload, unsigned char hash[HASH_SIZE])
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    EVP_MAC_CTX *mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    int code = -ENOMEM;
    if (mac && EVP_MAC_init(mac, key, key_size, params) &&
        EVP_MAC_update(mac, (const unsigned char *)head, strlen(head)))
        code = update_payload(mac, payload);
    size_t size;
    if (code == 0 && !EVP_MAC_final(mac, hash, &size, HASH_SIZE))
        code = -ENOMEM;
    EVP_MAC_CTX_free(mac);
    return code;
}

/* ---- Signing ---- */

static int sign_with(const char *secrets, const char *id, int64_t timestamp,
                     const struct payload *payload, char signature[SIGN_SIZE])
{
    char head[ID_SIZE + 24];
    int count = 0;
    snprintf(head, sizeof head, "%s.%lld.", id, (long long)timestamp);
    pthread_once(&fetched, fetch);
    for (const char *s = secrets + strspn(secrets, SPACE); *s; s += strspn(s, SPACE)) {
        unsigned char key[KEY_MAX + 4], hash[HASH_SIZE];
        size_t size = strcspn(s, SPACE);
        int key_size = key_of(s, size, key);
        if (key_size <= 0 || ++count > SIGN_SECRETS_MAX)
            return -EINVAL;
        int code = sign(key, (size_t)key_size, head, payload, hash);
        if (code != 0)
            return code;
        signature = stpcpy(signature, count > 1 ? " v1," : "v1,");
        signature += EVP_EncodeBlock((unsigned char *)signature, hash, HASH_SIZE);
        s += size;
    }
    return count > 0 ? 0 : -EINVAL;
}

int sign_payload(const char *secret, const char *id, int64_t timestamp,
                 const struct payload *payload, char signature[SIGN_SIZE], struct error *err)
{
    char buffer[REFERENCE_SIZE];
    int code = reference_read(secret, buffer, &secret, err);
    if (code == 0) {
        code = sign_with(secret, id, timestamp, payload, signature);
        if (code == -EINVAL)
            error_set(err, code, "it is not one that can sign: whsec_ and base64, at most %d",
                      SIGN_SECRETS_MAX);
        else if (code != 0)
            error_set(err, code, "%s", strerror(-code));
    }
    OPENSSL_cleanse(buffer, sizeof buffer);
    return code;
}
