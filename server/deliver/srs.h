/*
 * srs.h - the Sender Rewriting Scheme: envelope senders of forwarded mail, and the way back.
 *
 * SRS0         SRS0=HASH=DAY=domain=local@ours stands for local@domain
 * SRS1         SRS1=HASH=host=REST@ours stands for SRS0REST@host: what another forwarder has
 *              rewritten gets only one more hop, and bounces skip all between
 * hash         the first SRS_HASH_SIZE characters of HMAC-SHA1 in base64, compared in any case, since
 *              servers on the way may change it
 * day          two characters of base32: days since 1970, modulo 1024
 *
 * Written down only in "Sender Rewriting Scheme" (Meng Weng Wong, 2004) and Mail::SRS, with whose
 * guarded scheme this agrees. A bounce to a rewritten sender is mail for a recipient of ours: it is
 * taken where the hash is right and the day is not too long ago, and goes to whom it stands for. It is
 * taken from the null sender and as the only recipient (smtp/envelope.c), so that who has seen one
 * cannot send what he likes through us.
 *
 * Hashes are over what a local part means, without quotes and backslashes; what is made of it is
 * quoted where RFC 5321 section 4.1.2 asks for that: x@[192.0.2.1] becomes
 * "SRS0=HASH=DAY=[192.0.2.1]=x"@ours.
 *
 * As there, the hash is over day, domain and local part without what separates them, so that a key
 * may be taken along from postsrsd: who has a sender rewritten for a domain of theirs can move the
 * border between the two. That reaches nobody whom a forged MAIL FROM would not reach.
 */
#ifndef MXHOOK_DELIVER_SRS_H
#define MXHOOK_DELIVER_SRS_H

#include <stdbool.h>
#include <stdint.h>

#include "../config/config.h"

#define SRS_HASH_SIZE 8   /* characters: 40 bits and more, in any case */
#define SRS_SIZE      255 /* bytes of any address and a NUL (RFC 5321 section 4.5.3.1.3) */

enum srs_mode {
    SRS_MAKE, /* a key is made where there is none */
    SRS_LOOK, /* without one, nothing is rewritten */
};

/* Reads the key: what forward.srs_key says, or the file srs.key in `directory`. Nothing where
 * forward.srs is off. Before the config is shared. 0 or a negative errno. Blocking. */
int srs_load(struct config *config, const char *directory, enum srs_mode mode, struct error *err);

/* Writes what `sender` becomes: itself where it is the null one or of the SRS domain already, or
 * where nothing is to be rewritten. A local part may get longer than the 64 octets that servers
 * must take (RFC 5321 section 4.5.3.1.1): in use they take more. Where all of it would be longer
 * than any path may be, it stays as it is. `now`: Unix time. Any thread. */
void srs_rewrite(const struct forward_config *config, const char *sender, int64_t now,
                 char out[SRS_SIZE]);

enum srs_answer {
    SRS_NONE,    /* not a rewritten sender of ours */
    SRS_VALID,   /* *out is whom it stands for */
    SRS_FORGED,  /* its hash is wrong, or it cannot be read */
    SRS_EXPIRED, /* its day is too long ago */
};

/* Any thread. */
enum srs_answer srs_reverse(const struct forward_config *config, const char *recipient, int64_t now,
                            char out[SRS_SIZE]);

#endif
