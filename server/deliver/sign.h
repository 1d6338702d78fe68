/*
 * sign.h - Standard Webhooks signatures (https://www.standardwebhooks.com).
 *
 * secret       "whsec_" and the key in base64, or a text that is the key itself; several, separated
 *              by spaces, while one takes another's place (rotation): then as many signatures
 * reference    "env:NAME" or "file:/path" in a secret's place: where secrets are read when they are
 *              needed, so that they stand neither in rules nor in the spool
 */
#ifndef MXHOOK_DELIVER_SIGN_H
#define MXHOOK_DELIVER_SIGN_H

#include "../spool/spool.h"

#define SIGN_SECRETS_MAX 8
#define SIGN_SIZE        (SIGN_SECRETS_MAX * 48 + 1) /* "v1," and 44 of base64, and a space, each */

/* Is it one that must be read from a file? */
bool sign_blocks(const char *secret);

/* Writes the value of webhook-signature: over "ID.TIMESTAMP.BODY", by HMAC-SHA256. Reads the whole
 * payload: blocking where it is in a file. Any thread. 0; -EINVAL: no secret, too many, or not
 * valid base64; or another negative errno where the payload cannot be read. */
int sign_payload(const char *secret, const char *id, int64_t timestamp,
                 const struct payload *payload, char signature[SIGN_SIZE]);

#endif
