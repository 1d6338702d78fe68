/*
 * hash.h - a hash of a question's name and type.
 */
#ifndef MXHOOK_DNS_HASH_H
#define MXHOOK_DNS_HASH_H

#include "answer.h"

static inline uint32_t question_hash(const char *name, enum record_type type)
{
    uint32_t hash = 2166136261u ^ (uint32_t)type; /* FNV-1a */
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

#endif
