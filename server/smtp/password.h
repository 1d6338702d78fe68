/*
 * password.h - checks passwords against hashes of crypt(5), in libuv's threads: that takes long on
 * purpose.
 */
#ifndef MXHOOK_SMTP_PASSWORD_H
#define MXHOOK_SMTP_PASSWORD_H

#include <stdbool.h>
#include <uv.h>

#include "../config/config.h"

/* Copies both strings, keeps a reference of the config whose users they are for, and calls done()
 * once, later, on the loop's thread. For a name that does not exist it takes as long as for
 * another. 0 or a negative errno, and no done(). Loop thread only. */
int password_verify(uv_loop_t *loop, struct config *config, const char *user, const char *password,
                    void (*done)(void *context, bool right), void *context);

#endif
