/*
 * spf_evaluation.h - one run of a check through libspf2: what its parts share. For spf*.c only.
 *
 * handle       stands for a domain in what libspf2 is given: "t7.x"; the name behind it is expanded
 *              when libspf2 asks for it
 * stop         why the run ends before libspf2 has a result
 *
 * spf.c runs libspf2; spf_simplify.c writes records for it; spf_layer.c answers what it asks.
 */
#ifndef MXHOOK_AUTH_SPF_EVALUATION_H
#define MXHOOK_AUTH_SPF_EVALUATION_H

#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>

#include <spf2/spf.h>
#include <spf2/spf_dns.h>

#include "../base/arena.h"
#include "spf.h"
#include "spf_macro.h"
#include "spf_record.h"

#define HANDLES_MAX       256 /* more than the terms of all records that the limits let us read */
#define SIMPLE_RECORD_MAX 512 /* of a record as libspf2 gets it: 11 terms of at most 30 bytes */
#define STOP_PERMERROR    1   /* of evaluation.stop, beside negative errnos */

/* A term that asks DNS, or (the first) the domain that is checked. */
struct spf_handle {
    enum spf_term_kind kind;
    const char *spec; /* domain-spec; NULL: the domain itself */
    size_t spec_size;
    const char *context;            /* domain of the record that it stands in */
    char *name;                     /* expanded; NULL: not asked for yet */
    bool top;                       /* reached without an include: its explanation counts */
    bool any;                       /* every address matches: libspf2 knows no "/0" */
    const struct dns_answer *hosts; /* of mx */
};

struct evaluation {
    const struct spf_query *query;
    struct lookups *lookups;
    struct arena *arena;
    struct spf_macros macros;
    char *domain; /* the identity's */
    struct spf_handle handles[HANDLES_MAX];
    size_t handle_count;
    unsigned terms, voids;
    unsigned given;     /* records handed to libspf2 */
    int stop;           /* what ends it: -EAGAIN, -ENOMEM or STOP_PERMERROR; 0: nothing */
    const char *reason; /* of STOP_PERMERROR, or of the look-up that failed last */
    const char *explanation_spec, *explanation_context;
    size_t explanation_size;
    SPF_dns_server_t layer;
};

/* --- spf_names.c --- */

/* A text in the arena; NULL: no memory. */
char *evaluation_text(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Ends it with a permerror, if nothing has ended it before. */
void evaluation_permerror(struct evaluation *e, const char *reason);

/* NULL ends the evaluation: missing, or over a limit. */
const struct dns_answer *evaluation_ask(struct evaluation *e, const char *name,
                                        enum record_type type);

/* The same for an answer to a term itself, not to what it leads to: void look-ups count. */
const struct dns_answer *evaluation_ask_for_term(struct evaluation *e, const char *name,
                                                 enum record_type type);

enum record_type evaluation_address_type(const struct evaluation *e);

/* The names of the client that lead back to it (section 5.5); the first that is, or is under,
 * `domain`, else the first at all where `any`. NULL: none, or the evaluation ends (e->stop). A
 * look-up that fails takes only its own name out. */
const char *evaluation_client_name(struct evaluation *e, const char *domain, bool any);

/* --- spf_simplify.c --- */

/* The SPF record among the TXT records (section 4.5). Nothing where there is none; a record that
 * cannot be used ends the evaluation. */
const struct record *spf_find_record(struct evaluation *e, const struct dns_answer *answer,
                                     const char *domain);

/* Writes what the record means for this client, with handles for its domains. */
void spf_simplify(struct evaluation *e, const struct record *record,
                  const struct spf_handle *handle, char out[SIMPLE_RECORD_MAX]);

/* --- spf_layer.c --- */

/* libspf2's hook: answers for handles. The layer's own hook is the evaluation. */
SPF_dns_rr_t *spf_layer_lookup(SPF_dns_server_t *layer, const char *domain, ns_type type,
                               int should_cache);

#endif
