#include "tls.h"

#include <errno.h>
#include <openssl/buffer.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../base/metrics.h"

#define DAY_SECONDS 86400
#define IDLE_BUFFER 512 /* bytes that a BIO may keep while it is empty */

/* One certificate with its key: what a handshake is made with. The first one's answers clients
 * until they have named the server. */
struct tls_context {
    char name[256]; /* of the first one: the certificates of clients that name no server; or "" */
    size_t count;
    SSL_CTX *contexts[];
};

struct tls {
    SSL *ssl;
    BIO *in, *out; /* the SSL's */
    char failure[128];
};

/* ---- Context ---- */

static void free_context(struct tls_context *context)
{
    for (size_t i = 0; context && i < context->count; i++)
        SSL_CTX_free(context->contexts[i]);
    free(context);
}

/* The reason that OpenSSL gave first: later ones only say what failed because of it. */
static const char *openssl_reason(void)
{
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    const char *text = code != 0 && ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code))
                                                           : ERR_reason_error_string(code);
    return text ? text : "unknown error";
}

static SSL_CTX *new_context(void)
{
    static const unsigned char id[] = "mxhook";
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx)
        return NULL;
    SSL_CTX_set_dh_auto(ctx, 1); /* DHE for TLS 1.2, as strong as the key */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);         /* an idle connection keeps none */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets need no memory */
    SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1);
    return ctx;
}

static int load_certificate(SSL_CTX *ctx, const struct certificate_files *files, struct error *err)
{
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, files->certificate) != 1)
        return error_set(err, -EINVAL, "tls.certificates: %s: %s", files->certificate,
                         openssl_reason());
    if (SSL_CTX_use_PrivateKey_file(ctx, files->key, SSL_FILETYPE_PEM) != 1)
        return error_set(err, -EINVAL, "tls.certificates: %s: %s", files->key, openssl_reason());
    return 0;
}

static int key_type(const SSL_CTX *ctx)
{
    const EVP_PKEY *key = SSL_CTX_get0_privatekey(ctx);
    return key ? EVP_PKEY_get_base_id(key) : 0;
}

static bool is_for(const SSL_CTX *ctx, const char *name)
{
    return X509_check_host(SSL_CTX_get0_certificate(ctx), name, 0, 0, NULL) == 1;
}

/* Adds to the one that was chosen for this name those with other types of key. */
static void add_others(SSL *ssl, const struct tls_context *context, size_t chosen, const char *name)
{
    for (size_t i = 0; i < context->count; i++) {
        SSL_CTX *other = context->contexts[i];
        STACK_OF(X509) *chain = NULL;
        bool is_new = i != chosen && key_type(other) != key_type(context->contexts[chosen]);
        for (size_t before = 0; before < i && is_new; before++) /* the first of a type counts */
            is_new = key_type(context->contexts[before]) != key_type(other) ||
                     !is_for(context->contexts[before], name);
        if (!is_new || !is_for(other, name))
            continue;
        SSL_CTX_get0_chain_certs(other, &chain);
        if (SSL_use_cert_and_key(ssl, SSL_CTX_get0_certificate(other),
                                 SSL_CTX_get0_privatekey(other), chain, 1) != 1)
            ERR_clear_error(); /* the chosen one does as well */
    }
}

/* The first name that a certificate is for, of its extension; false: it has none. */
static bool first_name(const X509 *certificate, char name[256])
{
    bool found = false;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
        const GENERAL_NAME *each = sk_GENERAL_NAME_value(names, i);
        if (each->type != GEN_DNS || ASN1_STRING_length(each->d.dNSName) >= 256)
            continue;
        snprintf(name, 256, "%.*s", ASN1_STRING_length(each->d.dNSName),
                 (const char *)ASN1_STRING_get0_data(each->d.dNSName));
        found = true;
    }
    GENERAL_NAMES_free(names);
    return found;
}

/* By the names that the certificates are for; the client's own name for us, RFC 6066 section 3. */
static int choose_certificate(SSL *ssl, int *alert, void *argument)
{
    (void)alert;
    const struct tls_context *context = argument;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    for (size_t i = 0; name && i < context->count; i++) {
        if (is_for(context->contexts[i], name)) {
            SSL_set_SSL_CTX(ssl, context->contexts[i]);
            add_others(ssl, context, i, name);
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_NOACK;
}

int tls_load(struct config *config, struct error *err)
{
    struct tls_config *tls = &config->tls;
    if (tls->certificate_count == 0)
        return 0;
    struct tls_context *context =
        calloc(1, sizeof *context + tls->certificate_count * sizeof *context->contexts);
    int code = context ? 0 : error_set(err, -ENOMEM, "tls.certificates: out of memory");
    for (size_t i = 0; i < tls->certificate_count && code == 0; i++) {
        SSL_CTX *ctx = new_context();
        if (!ctx) {
            code = error_set(err, -ENOMEM, "tls.certificates: %s", openssl_reason());
            break;
        }
        context->contexts[context->count++] = ctx;
        code = load_certificate(ctx, &tls->certificates[i], err);
    }
    if (code != 0) {
        free_context(context);
        return code;
    }
    if (!first_name(SSL_CTX_get0_certificate(context->contexts[0]), context->name))
        *context->name = 0;
    SSL_CTX_set_tlsext_servername_callback(context->contexts[0], choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(context->contexts[0], context);
    tls->context = context;
    tls->free_context = free_context;
    return 0;
}

/* NULL: nothing is wrong with it. */
static const char *what_is_wrong(const X509 *certificate, char text[64])
{
    int days, seconds;
    if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        return "is not valid yet";
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        return "has expired";
    if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)) != 1)
        return "has an end that cannot be read";
    if (days >= TLS_EXPIRY_WARNING_DAYS)
        return NULL;
    snprintf(text, 64, "expires in %d days", days);
    return text;
}

void tls_warn(const struct config *config, void (*warn)(void *context, const char *text),
              void *context)
{
    const struct tls_context *tls = config->tls.context;
    bool named = !tls;
    char text[4300], buffer[64];
    for (size_t i = 0; tls && i < tls->count; i++) {
        X509 *certificate = SSL_CTX_get0_certificate(tls->contexts[i]);
        const char *wrong = what_is_wrong(certificate, buffer);
        named = named || X509_check_host(certificate, config->hostname, 0, 0, NULL) == 1;
        if (!wrong)
            continue;
        snprintf(text, sizeof text, "tls.certificates: %s %s",
                 config->tls.certificates[i].certificate, wrong);
        warn(context, text);
    }
    if (named)
        return;
    snprintf(text, sizeof text, "tls.certificates: none is for the hostname %s", config->hostname);
    warn(context, text);
}

/* ---- Stream ---- */

static void set_versions(SSL *ssl, int min_version)
{
    SSL_set_min_proto_version(ssl, min_version);
    if (min_version >= TLS1_2_VERSION)
        return;
    SSL_set_security_level(ssl, 0); /* SHA-1 in the handshake */
    SSL_set_cipher_list(ssl, "DEFAULT");
}

/* Unix time; 0: it cannot be read. */
static time_t end_of(const X509 *certificate)
{
    struct tm tm;
    return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) == 1 ? timegm(&tm) : 0;
}

void tls_count(const struct config *config)
{
    const struct tls_context *tls = config->tls.context;
    char name[256];
    metric_clear(METRIC_CERTIFICATE_NOT_AFTER);
    for (size_t i = 0; tls && i < tls->count; i++) {
        const X509 *certificate = SSL_CTX_get0_certificate(tls->contexts[i]);
        if (!first_name(certificate, name))
            snprintf(name, sizeof name, "%.255s", config->tls.certificates[i].certificate);
        metric_set(METRIC_CERTIFICATE_NOT_AFTER, (double)end_of(certificate), name);
    }
}

struct tls *tls_new(const struct tls_context *context, int min_version)
{
    struct tls *tls = calloc(1, sizeof *tls);
    if (!tls)
        return NULL;
    tls->ssl = SSL_new(context->contexts[0]);
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    if (!tls->ssl || !tls->in || !tls->out) {
        SSL_free(tls->ssl);
        BIO_free(tls->in);
        BIO_free(tls->out);
        free(tls);
        ERR_clear_error();
        return NULL;
    }
    set_versions(tls->ssl, min_version);
    if (*context->name)
        add_others(tls->ssl, context, 0, context->name);
    BIO_set_mem_eof_return(tls->in, -1); /* empty: more will come */
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    SSL_set_accept_state(tls->ssl);
    return tls;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    free(tls);
}

/* A BIO keeps the memory of the most that it ever held, such as a handshake's or a message's; an
 * idle connection needs none of it. */
static void release_memory(BIO *bio)
{
    BUF_MEM *memory = NULL, *fresh;
    if (BIO_pending(bio) == 0 && BIO_get_mem_ptr(bio, &memory) == 1 && memory->max > IDLE_BUFFER &&
        (fresh = BUF_MEM_new()))
        BIO_set_mem_buf(bio, fresh, BIO_CLOSE);
}

int tls_put(struct tls *tls, const char *bytes, size_t size)
{
    size_t written;
    if (size == 0 || (BIO_write_ex(tls->in, bytes, size, &written) == 1 && written == size))
        return 0;
    ERR_clear_error();
    return -ENOMEM;
}

ssize_t tls_take(struct tls *tls, char *content, size_t room)
{
    size_t size;
    ERR_clear_error();
    if (SSL_read_ex(tls->ssl, content, room, &size) == 1)
        return (ssize_t)size;
    switch (SSL_get_error(tls->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: release_memory(tls->in); return 0;
    case SSL_ERROR_ZERO_RETURN: return -EPIPE;
    default: snprintf(tls->failure, sizeof tls->failure, "%s", openssl_reason()); return -EPROTO;
    }
}

bool tls_is_open(const struct tls *tls)
{
    return SSL_is_init_finished(tls->ssl) && !tls->failure[0];
}

int tls_write(struct tls *tls, const char *content, size_t size)
{
    size_t written; /* all of it, or nothing: partial writes are not enabled */
    ERR_clear_error();
    if (SSL_write_ex(tls->ssl, content, size, &written) == 1)
        return 0;
    snprintf(tls->failure, sizeof tls->failure, "%s", openssl_reason());
    return -EPROTO;
}

void tls_close(struct tls *tls)
{
    if (tls_is_open(tls))
        SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

size_t tls_output(struct tls *tls, const char **bytes)
{
    char *start = NULL;
    long size = BIO_get_mem_data(tls->out, &start);
    *bytes = start;
    return size > 0 ? (size_t)size : 0;
}

void tls_output_sent(struct tls *tls)
{
    (void)BIO_reset(tls->out);
    release_memory(tls->out);
}

const char *tls_failure(const struct tls *tls)
{
    return tls->failure;
}

const char *tls_version(const struct tls *tls)
{
    return SSL_get_version(tls->ssl);
}

const char *tls_cipher(const struct tls *tls)
{
    return SSL_get_cipher_name(tls->ssl);
}

const char *tls_server_name(const struct tls *tls)
{
    const char *name = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
    return name ? name : "";
}

bool tls_is_resumed(const struct tls *tls)
{
    return SSL_session_reused(tls->ssl);
}
