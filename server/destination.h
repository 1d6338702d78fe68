/* destination.h - where a delivery goes, and how: what a rule may say of it. */
#ifndef MXHOOK_DESTINATION_H
#define MXHOOK_DESTINATION_H

#include <stddef.h>
#include <stdint.h>

struct destination {
    const char *url;
    const char *secret;   /* of Standard Webhooks; NULL: not signed. Never logged. */
    const char **headers; /* "Name: value", checked: valid names, no control characters */
    size_t header_count;
    int64_t timeout_ms;   /* of an attempt; 0: the configuration's */
    unsigned attempts;    /* the first included; 0: the configuration's */
};

#endif
