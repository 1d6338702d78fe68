/*
 * tls.h - TLS for the server's side of a connection, without any I/O (OpenSSL over memory BIOs).
 *
 * context   the certificates of one configuration, loaded: a reload makes the next one, and
 *           connections keep to theirs
 * tls       that of one connection: what comes from the socket goes in by tls_put(), and its content
 *           comes out of tls_take(); content goes in by tls_write(), and what is for the socket
 *           comes out of tls_output()
 *
 * The first certificate is for clients that name no server, or one that no certificate is for. Where
 * others are for the same name with a key of another type (RSA, ECDSA), all of them are offered, and
 * the client's abilities decide. Sessions are resumed by tickets, which this process alone can read, and no
 * longer after a reload. Clients are not asked for certificates.
 *
 * A context is used by any thread, a tls by one at a time.
 */
#ifndef MXHOOK_SMTP_TLS_H
#define MXHOOK_SMTP_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "../config/config.h"
#include "../base/error.h"

struct tls;

#define TLS_EXPIRY_WARNING_DAYS 14

/* Loads the configured certificates into config->tls.context, where there are any; the config owns
 * it. To be called once, before others see the config. 0 or a negative errno and `err`. Blocking.
 */
int tls_load(struct config *config, struct error *err);

/* Tells what is wrong with certificates that nevertheless work: expired, not yet valid, about to
 * expire, or none for the configured hostname. */
void tls_warn(const struct config *config, void (*warn)(void *context, const char *text),
              void *context);

/* Sets METRIC_CERTIFICATE_NOT_AFTER for each certificate, by the first name that it is for. */
void tls_count(const struct config *config);

/* `min_version` is the oldest that is taken, as on the wire (0x303: TLS 1.2). What is older than 1.2
 * needs ciphers and signatures that OpenSSL has turned off: they are on for this one alone. NULL:
 * no memory. */
struct tls *tls_new(const struct tls_context *context, int min_version);
void tls_free(struct tls *tls); /* takes NULL */

/* Keeps a copy of what came from the client. 0 or -ENOMEM. */
int tls_put(struct tls *tls, const char *bytes, size_t size);

/* Goes on with the handshake, and decrypts. Returns how many bytes of content; 0: more must come
 * first; -EPIPE: the client closed TLS; -EPROTO: it failed, and tls_failure() says why. In each
 * case there may be output. */
ssize_t tls_take(struct tls *tls, char *content, size_t room);

/* True after the handshake. */
bool tls_is_open(const struct tls *tls);

/* Encrypts; after the handshake only. 0 or a negative errno. */
int tls_write(struct tls *tls, const char *content, size_t size);

/* Says goodbye (close_notify), so that the client knows that nothing was cut off. */
void tls_close(struct tls *tls);

/* What is to be sent: it stays until tls_output_sent(). Returns its size. */
size_t tls_output(struct tls *tls, const char **bytes);
void tls_output_sent(struct tls *tls); /* all of it is */

const char *tls_failure(const struct tls *tls);     /* why it failed, in words */
const char *tls_version(const struct tls *tls);     /* "TLSv1.3" */
const char *tls_cipher(const struct tls *tls);      /* "TLS_AES_256_GCM_SHA384" */
const char *tls_server_name(const struct tls *tls); /* that the client asked for, or "" */
bool tls_is_resumed(const struct tls *tls);         /* an earlier session goes on, by a ticket */

#endif
