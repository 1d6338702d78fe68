/*
 * signatures.h - DKIM signatures (RFC 6376, RFC 8463), verified by libopendkim.
 *
 * Keys are asked for before (signatures_ask), so verifying waits for nothing. Debian's libopendkim
 * verifies rsa-sha256 and ed25519-sha256; rsa-sha1 and RSA keys under 1024 bits do not count
 * (RFC 8301); larger ones than the limits below are a permerror, since verifying costs time with both.
 */
#ifndef MXHOOK_AUTH_SIGNATURES_H
#define MXHOOK_AUTH_SIGNATURES_H

#include "../base/spill.h"
#include "head.h"
#include "lookups.h"
#include "result.h"

#define SIGNATURES_MAX          8    /* of one message; one more is told, but not verified */
#define SIGNATURE_MAX_BYTES     6144 /* of one DKIM-Signature field */
#define SIGNATURE_KEY_BITS      4096 /* of an RSA key (RFC 8301 section 3.2 asks for no more) */
#define SIGNATURE_EXPONENT_BITS 64   /* of its public exponent */

struct signatures;

/* NULL: no memory, or a libopendkim that cannot verify what RFC 8463 asks for. */
struct signatures *signatures_open(void);
void signatures_close(struct signatures *signatures); /* takes NULL */

/* Notes the keys in `lookups`. 0 where all are there, -EAGAIN, or -ENOMEM. */
int signatures_ask(const struct head *head, struct lookups *lookups);

/* Verifies; a key without an answer makes a temperror. *out is in `arena`. 0 or a negative errno
 * from reading or for memory. Several threads at once; CPU only, in proportion to the message. */
int signatures_verify(struct signatures *signatures, const struct spill *data,
                      const struct head *head, const struct lookups *lookups, struct arena *arena,
                      struct dkim_result **out, size_t *count);

#endif
