/*
 * config.h - the configuration: one Lua file, checked, as a plain struct.
 *
 * The options, their types, defaults, limits and explanations stand in lua/mxhook/options.lua, and
 * nowhere else: `mxhook config` prints an example made from that table. To add an option: a row
 * there, a field here, a line in config_values.c. A new type of option also has a reader in
 * lua/mxhook/readers.lua, its words in config_text.lua, and a function in option.h.
 *
 * A config never changes once loaded. It is counted: a session keeps the one it began with while a
 * reload brings the next.
 */
#ifndef MXHOOK_CONFIG_H
#define MXHOOK_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/arena.h"
#include "destination.h"
#include "../base/error.h"
#include "../base/log.h"
#include "../base/network.h"

struct tls_context; /* smtp/tls.h */

enum listen_tls {
    LISTEN_TLS_OFF,
    LISTEN_TLS_STARTTLS, /* offered */
    LISTEN_TLS_REQUIRED, /* STARTTLS before any mail */
    LISTEN_TLS_IMPLICIT, /* from the first byte (RFC 8314) */
};

enum listen_auth {
    LISTEN_AUTH_OFF,
    LISTEN_AUTH_OFFERED, /* inside TLS */
    LISTEN_AUTH_REQUIRED,
};

struct listen_address {
    /* Numeric IPv4 or IPv6; where it is listened on also a Unix-domain socket's path */
    char host[108];
    int port;            /* 0: the kernel picks one, which the log names */
    enum listen_tls tls; /* the rest but own_group: of smtp.listen only */
    enum listen_auth auth;
    int min_version;       /* of TLS, as on the wire: 0x303 is 1.2 */
    bool auth_without_tls; /* in the clear too */
    bool lmtp;             /* LMTP (RFC 2033), not SMTP */
    bool proxy;            /* each connection begins with a PROXY header */
    bool own_group;        /* a Unix-domain socket's file is for its owner and group only */
};

struct user {
    char *name, *hash; /* as crypt(5) makes it */
};

struct certificate_files {
    char *certificate, *key; /* paths of PEM files */
};

struct tls_config {
    struct certificate_files *certificates;
    size_t certificate_count;
    struct tls_context *context; /* once tls_load() has loaded them; freed with the config */
    void (*free_context)(struct tls_context *context);
};

struct smtp_config {
    struct listen_address *listen;
    size_t listen_count;
    char **domains; /* as base/domain.h makes them; "*.example.com" stands for every subdomain */
    size_t domain_count;
    struct user *users;
    size_t user_count;
    char *append_domain;        /* of addresses that have none; NULL: they are refused */
    uint64_t max_size;          /* bytes of one message */
    size_t max_recipients;      /* of one transaction */
    size_t max_connections;     /* at once, over all listeners */
    size_t max_waiting;         /* messages that wait for workers or the spool */
    size_t max_errors;          /* bad commands in one session, then 421 */
    uint64_t min_rate;          /* bytes a second of a message; 0: any */
    int64_t stress_timeout_ms;  /* instead of the next two, while places are short */
    int64_t command_timeout_ms; /* RFC 5321 4.5.3.2.7 */
    int64_t data_timeout_ms;    /* between two pieces of DATA */
    int64_t message_timeout_ms; /* to the end of a message, from the greeting or the last message */
};

/* Who may talk, and how much. A limit of 0: none. */
struct access_config {
    struct network *allow, *deny, *unlimited;
    size_t allow_count, deny_count, unlimited_count; /* no allow: everyone */
    struct network *xclient, *proxies; /* who may tell that a client is at another address */
    size_t xclient_count, proxy_count;
    int64_t proxy_timeout_ms;  /* for the PROXY header */
    int64_t greeting_pause_ms; /* in which a client must not talk; 0: none */
    size_t connections_per_address, connections_per_network, connections_per_site;
    size_t messages_per_minute; /* of an address */
    size_t recipients_per_session;
};

struct rules_config {
    char *directory;
    size_t workers;           /* threads, each with a Lua state */
    int64_t time_limit_ms;    /* of one message's rules, for one recipient */
    size_t memory_limit;      /* bytes of one Lua state */
    size_t text_limit;        /* bytes of msg.text and msg.html that rules see */
    char *secrets;            /* absolute: the folder of the files that rules may name as secrets */
    uint64_t largest_payload; /* that a message of smtp.max_size makes, bytes; 0: not known */
    bool unsafe;              /* rules may use os, io, ffi, debug */
    char **reserved_headers;  /* globs over names of fields that are removed on arrival */
    size_t reserved_header_count;
    char **sources; /* "http:crm", "postgres:shop": what alias.http and alias.postgres may name */
    size_t source_count;
    struct profile *profiles;
    size_t profile_count;
};

enum lookup_kind { LOOKUP_HTTP, LOOKUP_POSTGRES };

/* Whom rules may ask where mail goes (lookup/lookup.h). */
struct lookup_config {
    enum lookup_kind kind;
    char *name;
    char *url,
        *secret; /* of HTTP; `{address}` may stand in the URL; the secret may be NULL, or a reference */
    char *conninfo, *query; /* of PostgreSQL */
    int64_t wait_ms;        /* of a message for an answer */
    int64_t timeout_ms;     /* of a request or query */
    int64_t ttl_ms, negative_ttl_ms, stale_ms;
    size_t max_entries; /* of its cache */
};

struct spool_config {
    char *directory;
    /* Libpq's conninfo: the store that nodes share; NULL: SQLite in the directory */
    char *postgres;
    bool migrate;               /* bring its tables up to date at start */
    int64_t old_transaction_ms; /* one that is open for longer in PostgreSQL is warned of */
    int64_t commit_timeout_ms;  /* so long a commit is tried in PostgreSQL */
    int64_t keep_failed_ms;     /* failed deliveries are removed after that */
    int64_t max_age_ms;         /* a delivery that has waited longer is given up */
    uint64_t max_size;          /* bytes of all that is in it; 0: no limit */
    uint64_t min_free;          /* bytes of the file system that new mail must leave */
};

enum history_bodies { HISTORY_BODIES_NONE, HISTORY_BODIES_FAILED, HISTORY_BODIES_ALL };

struct history_config {
    int64_t keep_ms;   /* 0: there is no history */
    uint64_t max_size; /* bytes of its file */
    enum history_bodies bodies;
    bool subjects; /* are kept */
};

/* How often, and when, a delivery is attempted that says nothing else. */
struct retry_config {
    unsigned attempts;    /* the first included */
    int64_t *schedule_ms; /* pauses before the second, third, ... attempt; the last repeats */
    size_t schedule_count;
    int64_t *unreachable_ms; /* the same for a receiver that was not reached; deliver's only */
    size_t unreachable_count;
};

struct deliver_config {
    size_t max_in_flight;  /* requests at once */
    size_t max_per_origin; /* requests at once to one scheme://host:port */
    struct retry_config retry;
    int64_t connect_timeout_ms;
    int64_t timeout_ms;                   /* of a whole attempt */
    int64_t first_byte_timeout_ms;        /* from the request's last byte to the answer's first */
    int64_t idle_timeout_ms;              /* without a byte in either direction */
    uint64_t max_body;                    /* of destinations that say nothing of it; 0: no limit */
    const struct destination *on_failure; /* gets the notices of failure; NULL: none */
    char *ca_file;                        /* NULL: the system's */
    char *source_address;                 /* to connect from; NULL: the system picks */
    char *proxy;                          /* as curl's --proxy; NULL: none */
    int64_t connection_age_ms;            /* a kept connection is not used again after that */
    bool deny_private;         /* no connections to loopback, private, link-local, ... addresses */
    unsigned breaker_failures; /* in a row, that open an origin's breaker */
    int64_t breaker_pause_ms;  /* before the first probe; it doubles with each that fails */
    int64_t breaker_pause_max_ms; /* up to this */
    unsigned gone_limit;          /* 410 in a row, that hold a destination; 0: none do */
};

enum forward_tls {
    FORWARD_TLS_OPPORTUNISTIC,
    FORWARD_TLS_VERIFIED, /* or no mail */
    FORWARD_TLS_OFF,
};

/* Destinations that are e-mail addresses. */
struct forward_config {
    char *smarthost;       /* "smtp://host:port" or "smtps://host:port"; NULL: straight to the MX */
    char *user, *password; /* NULL: none; the password may be a reference (deliver/reference.h) */
    enum forward_tls tls;
    bool tls_fallback;  /* in clear where opportunistic TLS fails in its handshake */
    char *helo;         /* NULL: the hostname */
    int64_t timeout_ms; /* for one reply */
    struct retry_config retry;
    int mx_port;
    bool srs;         /* the envelope sender is rewritten */
    char *srs_domain; /* lower case */
    char *srs_key;    /* NULL: in a file of the spool; it may be a reference */
    char *srs_secret; /* once srs_load() has read it; NULL: nothing is rewritten */
    int64_t srs_valid_ms;
    char *dkim_domain, *dkim_selector; /* NULL: what is forwarded is not signed by us */
    char *dkim_key;                    /* a reference */
};

struct dns_config {
    struct listen_address *resolvers;
    size_t resolver_count;    /* 0: those of /etc/resolv.conf */
    int64_t query_timeout_ms; /* of one question to one resolver */
    size_t cache_size;        /* bytes */
};

struct dnsbl_zone {
    char *zone; /* as dns/name.h's dns_name() makes it */
    bool refuse;
};

struct auth_config {
    bool spf, dkim, dmarc; /* which checks are made */
    bool reverse_name;     /* the client's name is looked up */
    struct dnsbl_zone *dnsbl;
    size_t dnsbl_count;
    bool enforce;       /* DMARC's reject is obeyed */
    int64_t timeout_ms; /* of all look-ups of a message, after its end */
};

/* Spam and viruses, by rspamd (scan/scan.h). */
struct scan_config {
    char **urls; /* none: nothing is scanned */
    size_t url_count;
    int64_t timeout_ms; /* of a message, for all of the URLs */
    bool defer;         /* what could not be scanned; else it is accepted */
    bool refuse;        /* rspamd's reject, soft reject and greylist are obeyed */
    bool headers;       /* the fields that it asks to add and to remove are */
    bool all;           /* also who logged in, and access.unlimited */
    uint64_t max_size;  /* bytes of a message; larger ones are not scanned */
    char *password;     /* NULL: none; it may be a reference (deliver/reference.h) */
    char **virus_symbols;
    size_t virus_symbol_count;
};

/* How the process confines itself (confine.h). */
struct confine_config {
    bool enabled;
    char **read, **write; /* folders that may be read, and written, besides */
    size_t read_count, write_count;
};

/* What somebody may do in the admin room: each what those before may, too. */
enum admin_role {
    ADMIN_NOBODY,
    ADMIN_VIEW,    /* figures, lists; nothing of a message's content */
    ADMIN_READ,    /* also messages and payloads */
    ADMIN_OPERATE, /* also changes */
};

struct admin_login {
    char *name;
    /* A user's: a hash of crypt(5); a token's: itself, or a reference (deliver/reference.h) */
    char *secret;
    enum admin_role role;
    bool token;
};

struct admin_config {
    struct listen_address *listen;
    size_t listen_count; /* 0: there is no admin room */
    struct admin_login *logins;
    size_t login_count;
    char **hosts; /* names that a Host header may have, in lower case */
    size_t host_count;
};

/* A secret that stands elsewhere (deliver/reference.h), and where the file names it. */
struct config_reference {
    int line;
    const char *option; /* "forward.password" */
    const char *text;   /* "env:NAME" or "file:/path" */
    const char
        *meant; /* " (did you mean OTHER?)": a variable that there is, with a name like it; or "" */
};

struct config {
    struct arena *arena; /* owns every string and list here */
    char *path;          /* the file, as given */
    char *hostname;      /* in the greeting, and the authserv-id (RFC 8601) */
    char *user;          /* to become when started as root; NULL: none */
    enum log_level log_level;
    enum log_format log_format;
    unsigned log_limit; /* lines in a second, of log_limited(); 0: any number */
    int64_t shutdown_timeout_ms;
    struct smtp_config smtp;
    struct access_config access;
    struct rules_config rules;
    struct spool_config spool;
    struct history_config history;
    struct admin_config admin;
    unsigned metrics_max_origins;
    struct deliver_config deliver;
    struct forward_config forward;
    struct dns_config dns;
    struct auth_config auth;
    struct tls_config tls;
    struct confine_config confine;
    struct scan_config scan;
    struct lookup_config *lookups;
    size_t lookup_count;
    struct config_reference *references;
    size_t reference_count;
};

/* Reads and checks the file. On success *out is one reference; else a negative errno, and `err` says
 * file, line and, for a misspelt name, which one was meant; several errors stand on a line each.
 * Relative paths in the file are taken from the file's own folder. Blocking; any thread. */
int config_load(const char *path, struct config **out, struct error *err);

/* Tells warn() of each limit of a payload (max_body) that the largest message (smtp.max_size) makes a larger
 * one than, and of each environment variable that a secret is to come from and that is not set. A text begins with
 * the file's name, and its line where that is known. Those of rules are in ruleset_warnings(). Any thread. */
void config_warn(const struct config *config, void (*warn)(void *context, const char *text),
                 void *context);

/* Without a file: the defaults, no domain, and the rules of this folder. As config_load(). */
int config_defaults(const char *rules_directory, struct config **out, struct error *err);

/* Writes to stdout an example that documents every option and its default. 0 or negative errno. */
int config_print_example(void);

/* Writes to stdout a list of all options in mdoc(7), for mxhook.lua(5). 0 or negative errno. */
int config_print_mdoc(void);

struct config *config_ref(struct config *config); /* returns it; any thread */
void config_unref(struct config *config);         /* any thread; takes NULL */

#endif
