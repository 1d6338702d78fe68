/* kinds.h - for sources.c: the kinds. */
#ifndef MXHOOK_SOURCES_KINDS_H
#define MXHOOK_SOURCES_KINDS_H

#include "../lookup/source.h"

extern const struct source_kind source_http, source_postgres;

#endif
