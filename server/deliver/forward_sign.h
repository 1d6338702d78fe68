/*
 * forward_sign.h - a DKIM signature of ours (RFC 6376) for mail that is forwarded: forward.dkim.
 *
 * Those that it came with stay, and hold: ours stands above. It says who has forwarded the mail, so
 * that a receiver has somebody's reputation to go by where the original's signature is missing or
 * broken. What is signed are the bytes that are sent, from the original's first field on.
 */
#ifndef MXHOOK_DELIVER_FORWARD_SIGN_H
#define MXHOOK_DELIVER_FORWARD_SIGN_H

#include "../base/error.h"
#include "../base/spill.h"
#include "../config/config.h"

/* Is the key there, and one to sign with? Nothing where forward.dkim is not set. 0, or a negative
 * errno with `err`. Blocking. */
int forward_sign_check(const struct forward_config *config, struct error *err);

/* *field: "DKIM-Signature: ...\r\n", folded, for the caller to free. 0, or a negative errno with `err`:
 * the key cannot be read, or the mail not be signed. Blocking; any thread. */
int forward_sign(const struct forward_config *config, const char *id, const struct spill *mail,
                 char **field, struct error *err);

#endif
