/*
 * byte_unit.h - the units of sizes as people write them: "100 kB", "2.5 MB", "1 GiB".
 *
 * The one list for the configuration and rules. No state; any thread.
 */
#ifndef MXHOOK_BYTE_UNIT_H
#define MXHOOK_BYTE_UNIT_H

struct byte_unit {
    const char *name; /* "": none is written; NULL ends the list */
    double bytes;
};

/* B, kB (KB too), MB, GB, TB are powers of 1000; KiB, MiB, GiB, TiB of 1024. */
extern const struct byte_unit byte_units[];

#endif
