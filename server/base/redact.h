/* redact.h - URLs as others may see them. Any thread. */
#ifndef MXHOOK_REDACT_H
#define MXHOOK_REDACT_H

#include <stddef.h>

#define REDACT_SIZE 512

/* For a log: without user, password, query and fragment, which hold secrets; cut where it is too
 * long. */
void redact_url(const char *url, char shown[REDACT_SIZE]);

/* For whoever asks for this URL: all but user and password. Returns how many bytes stand before
 * those ("https://"), and in *rest what comes after them. */
size_t redact_userinfo(const char *url, const char **rest);

#endif
