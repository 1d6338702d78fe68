#include "sign.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECRETS_MAX 4096 /* bytes of a file of them */
#define KEY_MAX     256  /* bytes of a secret: SHA-256 takes no more than 64 as they are */
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

/* ---- References ---- */

static const char *skip(const char *text, const char *prefix)
{
    size_t size = strlen(prefix);
    return strncmp(text, prefix, size) == 0 ? text + size : NULL;
}

bool sign_blocks(const char *secret)
{
    return skip(secret, "file:");
}

static int read_secret(const char *path, char secrets[SECRETS_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t size = read(fd, secrets, SECRETS_MAX - 1);
    int code = size < 0 ? -errno : 0;
    close(fd);
    if (code == 0)
        secrets[size] = 0;
    for (char *p = secrets; code == 0 && *p; p++) /* one on a line, as well as by spaces */
        if (isspace((unsigned char)*p))
            *p = ' ';
    return code;
}

/* The secrets themselves: what was given, or read into `buffer`. */
static int resolve(const char **secrets, char buffer[SECRETS_MAX])
{
    const char *name = skip(*secrets, "env:"), *path = skip(*secrets, "file:");
    if (name)
        return (*secrets = getenv(name)) ? 0 : -ENOENT;
    if (!path)
        return 0;
    *secrets = buffer;
    return read_secret(path, buffer);
}

/* ---- Signing ---- */

static int sign_with(const char *secrets, const char *id, int64_t timestamp,
                     const struct payload *payload, char signature[SIGN_SIZE])
{
    char head[ID_SIZE + 24];
    int count = 0;
    snprintf(head, sizeof head, "%s.%lld.", id, (long long)timestamp);
    pthread_once(&fetched, fetch);
    for (const char *s = secrets + strspn(secrets, " "); *s; s += strspn(s, " ")) {
        unsigned char key[KEY_MAX + 4], hash[HASH_SIZE];
        size_t size = strcspn(s, " ");
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
                 const struct payload *payload, char signature[SIGN_SIZE])
{
    char buffer[SECRETS_MAX];
    int code = resolve(&secret, buffer);
    if (code == 0)
        code = sign_with(secret, id, timestamp, payload, signature);
    OPENSSL_cleanse(buffer, sizeof buffer);
    return code;
}
