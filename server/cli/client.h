/* client.h - what the commands that ask a running server have in common: a request to its admin room. */
#ifndef MXHOOK_CLI_CLIENT_H
#define MXHOOK_CLI_CLIENT_H

#include "../config/config.h"

/* Asks the first of admin.listen (a Unix-domain socket before others): GET, or POST where `body` is not NULL. The
 * environment's MXHOOK_TOKEN, where it is set, says who asks. *text: the answer's body, the caller's to free. Returns
 * the status; or a negative errno with `err`: -ENOTSUP where there is no admin room in the configuration, another
 * where nobody answers. */
int client_ask(const struct config *config, const char *path, const char *body, char **text,
               struct error *err);

/* The text of a field of a JSON object, the caller's to free; NULL: there is none. "reload.ok" is one of an object in
 * it. Numbers and booleans as they are written. */
char *client_field(const char *json, const char *name);

#endif
