/*
 * sign.h - Standard Webhooks signatures (https://www.standardwebhooks.com).
 *
 * secret       "whsec_" and the key in base64, or a text that is the key itself; several, separated
 *              by spaces or line ends, while one takes another's place (rotation): then as many
 *              signatures. Or a reference (reference.h) to all this
 */
#ifndef MXHOOK_DELIVER_SIGN_H
#define MXHOOK_DELIVER_SIGN_H

#include "../spool/spool.h"

#define SIGN_SECRETS_MAX 8
#define SIGN_SIZE        (SIGN_SECRETS_MAX * 48 + 1) /* "v1," and 44 of base64, and a space, each */

/* Writes the value of webhook-signature: over "ID.TIMESTAMP.BODY", by HMAC-SHA256. Reads the whole
 * payload: blocking where it is in a file, or where reference_blocks(). Any thread. 0; or a
 * negative errno with `err`: -EINVAL where there is no secret, too many, or not valid base64;
 * others where the reference or the payload cannot be read. */
int sign_payload(const char *secret, const char *id, int64_t timestamp,
                 const struct payload *payload, char signature[SIGN_SIZE], struct error *err);

#endif
