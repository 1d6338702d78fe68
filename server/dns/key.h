/*
 * key.h - a question's name and type as the key of a map.
 */
#ifndef MXHOOK_DNS_KEY_H
#define MXHOOK_DNS_KEY_H

#include <string.h>

#include "../base/map.h"
#include "dns_answer.h"

struct dns_key { /* the type stands right before the name, so that both are one key */
    uint16_t type;
    char name[DNS_NAME_MAX + 1];
};

/* `name` has at most DNS_NAME_MAX bytes. */
static inline void dns_key_set(struct dns_key *key, const char *name, enum record_type type)
{
    key->type = (uint16_t)type;
    strcpy(key->name, name);
}

static inline struct map_key dns_key_bytes(const struct dns_key *key)
{
    return (struct map_key){key, sizeof key->type + strlen(key->name)};
}

#endif
