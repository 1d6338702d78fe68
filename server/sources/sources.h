/*
 * sources.h - the kinds of sources that the lookup room (lookup/lookup.h) may ask: applications by HTTP, tables of
 * PostgreSQL.
 *
 * To add one: its functions, as lookup/source.h has them, and a row in sources.c.
 */
#ifndef MXHOOK_SOURCES_SOURCES_H
#define MXHOOK_SOURCES_SOURCES_H

#include "../lookup/lookup.h"

/* lookup_configure() with all kinds. */
int sources_configure(const struct config *config, struct error *err);

#endif
