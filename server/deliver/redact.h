/* redact.h - URLs as they may stand in a log. */
#ifndef MXHOOK_DELIVER_REDACT_H
#define MXHOOK_DELIVER_REDACT_H

#define REDACT_SIZE 512

/* Without user, password, query and fragment, which hold secrets; cut where it is too long. Any
 * thread. */
void redact_url(const char *url, char shown[REDACT_SIZE]);

#endif
