/* conninfo.h - what a conninfo of libpq names besides the server. */
#ifndef MXHOOK_SPOOL_CONNINFO_H
#define MXHOOK_SPOOL_CONNINFO_H

/* Hands over each file (or folder) that libpq reads for this connection: the password's, certificates and their key,
 * named there or by the environment (PGPASSFILE, PGSSLROOTCERT, ...), `option` as it is. Ends at the first code of
 * `each` other than 0, and returns it; 0 too where conninfo cannot be read, which pg_open() says. Any thread. */
int conninfo_visit_files(const char *conninfo,
                         int (*each)(void *context, const char *option, const char *file),
                         void *context, const char *option);

#endif
