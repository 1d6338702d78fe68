#include "forward_sign.h"

#include <errno.h>
#include <opendkim/dkim.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "reference.h"

#define CHUNK    65536
#define RSA_BITS 1024 /* at least, as receivers ask for (RFC 8301 section 3.2) */

/* RFC 6376 section 5.4.1, without what forwarders change: no list's fields, no traces. */
static const u_char *fields[] = {
    (const u_char *)"from",
    (const u_char *)"reply-to",
    (const u_char *)"subject",
    (const u_char *)"date",
    (const u_char *)"to",
    (const u_char *)"cc",
    (const u_char *)"message-id",
    (const u_char *)"in-reply-to",
    (const u_char *)"references",
    (const u_char *)"mime-version",
    (const u_char *)"content-type",
    (const u_char *)"content-transfer-encoding",
    NULL,
};

static DKIM_LIB *library;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void)
{
    library = dkim_init(NULL, NULL);
    if (library && dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_SIGNHDRS, fields,
                                sizeof(const u_char **)) != DKIM_STAT_OK) {
        dkim_close(library);
        library = NULL;
    }
}

/* ---- The key ---- */

static int check_key(const char *pem, dkim_alg_t *algorithm, struct error *err)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (char *)"") : NULL;
    int code = 0;
    *algorithm = DKIM_SIGN_RSASHA256;
    if (!key)
        code = error_set(err, -EINVAL, "forward.dkim.key: no private key in PEM");
    else if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 &&
             dkim_libfeature(library, DKIM_FEATURE_ED25519))
        *algorithm = DKIM_SIGN_ED25519SHA256;
    else if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
        code = error_set(err, -EINVAL, "forward.dkim.key: an RSA key is expected");
    else if (EVP_PKEY_get_bits(key) < RSA_BITS)
        code = error_set(err, -EINVAL, "forward.dkim.key: of %d bits, fewer than %d",
                         EVP_PKEY_get_bits(key), RSA_BITS);
    EVP_PKEY_free(key);
    BIO_free(bio);
    ERR_clear_error();
    return code;
}

/* Into `buffer`, which the caller cleanses. */
static int read_key(const struct forward_config *config, char buffer[REFERENCE_SIZE],
                    const char **pem, dkim_alg_t *algorithm, struct error *err)
{
    struct error why = {""};
    pthread_once(&once, open_library);
    if (!library)
        return error_set(err, -ENOMEM, "forward.dkim: libopendkim cannot be set up");
    int code = reference_read(config->dkim_key, buffer, pem, &why);
    if (code != 0)
        return error_set(err, code, "forward.dkim.key: %.300s", why.text);
    return check_key(*pem, algorithm, err);
}

int forward_sign_check(const struct forward_config *config, struct error *err)
{
    char buffer[REFERENCE_SIZE];
    const char *pem;
    dkim_alg_t algorithm;
    int code = config->dkim_domain ? read_key(config, buffer, &pem, &algorithm, err) : 0;
    OPENSSL_cleanse(buffer, sizeof buffer);
    return code;
}

/* ---- Signing ---- */

static int feed(DKIM *dkim, const struct spill *mail)
{
    u_char *buffer = malloc(CHUNK);
    ssize_t n = 1;
    DKIM_STAT status = buffer ? DKIM_STAT_OK : DKIM_STAT_NORESOURCE;
    for (uint64_t at = 0; status == DKIM_STAT_OK && n > 0; at += n > 0 ? (uint64_t)n : 0) {
        n = spill_read(mail, at, buffer, CHUNK);
        if (n > 0)
            status = dkim_chunk(dkim, buffer, (size_t)n);
    }
    if (status == DKIM_STAT_OK && n == 0)
        status = dkim_chunk(dkim, NULL, 0);
    free(buffer);
    if (n < 0)
        return (int)n;
    return status == DKIM_STAT_OK ? 0 : status == DKIM_STAT_NORESOURCE ? -ENOMEM : -EINVAL;
}

/* libopendkim folds with LF alone, or CRLF: either becomes CRLF. */
static char *make_field(const u_char *value, size_t size)
{
    static const char name[] = "DKIM-Signature: ";
    char *field = malloc(sizeof name + 2 * size + 2), *out = field;
    if (!field)
        return NULL;
    memcpy(out, name, sizeof name - 1);
    out += sizeof name - 1;
    for (size_t i = 0; i < size; i++) {
        if (value[i] == '\r')
            continue;
        if (value[i] == '\n')
            *out++ = '\r';
        *out++ = (char)value[i];
    }
    memcpy(out, "\r\n", 3);
    return field;
}

static int sign(DKIM *dkim, const struct spill *mail, char **field, struct error *err)
{
    static const char initial[] = "DKIM-Signature: ";
    u_char *value = NULL;
    size_t size = 0;
    _Bool testing; /* libopendkim's word for it */
    int code = feed(dkim, mail);
    if (code == 0 && dkim_eom(dkim, &testing) != DKIM_STAT_OK)
        code = -EINVAL;
    if (code == 0 && dkim_getsighdr_d(dkim, sizeof initial - 1, &value, &size) != DKIM_STAT_OK)
        code = -EINVAL;
    if (code == 0 && !(*field = make_field(value, size)))
        code = -ENOMEM;
    if (code == 0)
        return 0;
    const char *why = dkim_geterror(dkim);
    return error_set(err, code, "%.200s", why ? why : strerror(-code));
}

int forward_sign(const struct forward_config *config, const char *id, const struct spill *mail,
                 char **field, struct error *err)
{
    char buffer[REFERENCE_SIZE];
    const char *pem;
    dkim_alg_t algorithm;
    DKIM_STAT status;
    int code = read_key(config, buffer, &pem, &algorithm, err);
    DKIM *dkim = code == 0 ? dkim_sign(library, (const u_char *)id, NULL, (dkim_sigkey_t)pem,
                                       (const u_char *)config->dkim_selector,
                                       (const u_char *)config->dkim_domain, DKIM_CANON_RELAXED,
                                       DKIM_CANON_RELAXED, algorithm, -1, &status)
                           : NULL;
    if (code == 0 && !dkim)
        code = error_set(err, -ENOMEM, "libopendkim: cannot begin");
    if (code == 0)
        code = sign(dkim, mail, field, err);
    if (dkim)
        dkim_free(dkim);
    OPENSSL_cleanse(buffer, sizeof buffer);
    return code;
}
