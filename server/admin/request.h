/*
 * request.h - a request to the admin room, its response, and what the files of this folder share.
 *
 * All on the admin room's thread, unless it says otherwise; a handler on the one that its route names.
 */
#ifndef MXHOOK_ADMIN_REQUEST_H
#define MXHOOK_ADMIN_REQUEST_H

#include <microhttpd.h>
#include <stdatomic.h>

#include "../base/task.h"
#include "../history/ops.h"
#include "../mail/json.h"
#include "../spool/queue.h"
#include "admin.h"

#define ADMIN_BODY_MAX   (2u * 1024 * 1024) /* bytes of a request's body */
#define ADMIN_LISTENERS  8
#define ADMIN_NAME_SIZE  256
#define ADMIN_QUEUE_PAGE 500 /* deliveries or messages of one page */

struct events;
struct jobs;
struct sessions;

/* Whose thread runs a handler. HTTP's never waits, so that /livez answers at once; what reads the spool has one, what
 * reads the history another, and what runs rules or asks DNS, and so may take long, a third (readers.c). */
enum handler_thread { THREAD_HTTP, THREAD_SPOOL, THREAD_HISTORY, THREAD_TRIALS, THREAD_COUNT };

struct admin_reader {
    struct admin *admin;
    struct task_queue queue;
    struct task tick; /* of the spool's: the jobs are to go on */
    atomic_bool ticking;
    uv_thread_t thread;
    bool started;
};

struct admin {
    uv_loop_t *loop;
    const struct admin_hooks *hooks;
    void *context;
    struct loop_queue *to_loop;
    uv_timer_t pulse; /* the loop's: shows that it turns */
    bool pulse_open;
    int64_t pulse_due_ms;
    _Atomic int64_t pulse_ms;       /* when it last turned, monotonic */
    _Atomic int64_t lag_ms;         /* the longest that it was late since the last scrape */
    _Atomic uint64_t reload_number; /* counts the answers of reloads */
    uv_mutex_t lock;                /* of the next three */
    struct config *config;
    bool reload_fine;
    char reload_text[1024];

    uv_thread_t thread;
    int wake; /* eventfd: something is there for the thread, or it is to end */
    atomic_bool ended;
    struct task_queue to_admin;

    struct admin_reader readers[THREAD_COUNT]; /* that of THREAD_HTTP is none */
    /* The spool reader's: when the figures are to be looked at again, monotonic */
    int64_t look_due_us;

    /* The thread's own. */
    struct MHD_Daemon *daemon;
    int listeners[ADMIN_LISTENERS]; /* -1: of [::], where there is no IPv6 */
    bool local[ADMIN_LISTENERS];    /* a Unix-domain socket */
    size_t listener_count;
    int64_t started_ms;
    struct peer *peers;      /* connections, to end those that take too long */
    size_t remote_count;     /* of them those that came by TCP */
    struct request *waiting; /* for a reload, or the loop */
    struct sessions *sessions;
    struct events *events;
    struct jobs *jobs; /* the spool reader's */
};

/* A connection. */
struct peer {
    struct peer *next, **link;
    int fd;
    bool local;       /* by a Unix-domain socket: its permissions have said who may */
    bool loopback;    /* from this machine */
    char address[46]; /* numeric; "" by a Unix-domain socket */
    bool nul;         /* its request names a path with a NUL byte */
    int64_t began_ms; /* the request that is being read, monotonic; 0: none */
};

/* What is answered: made by the functions of response.c, sent by http.c. */
struct response {
    int status;
    const char *type;        /* Content-Type */
    char cookie[128];        /* Set-Cookie; "" */
    const char *disposition; /* Content-Disposition; NULL */
    const void *constant;    /* static bytes; NULL: those below */
    size_t constant_size;
    struct spill *bytes; /* owned */
    struct json *json;   /* while it is being written */
    bool events;         /* a stream of events instead */
};

/* HTTP's thread has it, or the reader that runs its handler, one at a time. */
struct request {
    struct task task; /* for a reader, and back */
    bool handled;     /* by it */
    struct admin *admin;
    struct config *config; /* a reference, from its beginning on */
    struct MHD_Connection *connection;
    struct peer *peer;
    const struct route *route;
    const char *path;
    bool post, head, refused;
    bool closes; /* the connection, after the answer: there was a body, or may have been */
    char *body;
    size_t body_size;
    enum admin_role role;
    char who[ADMIN_NAME_SIZE]; /* for the audit */
    struct response response;

    /* One that waits for the loop: in admin->waiting. */
    struct request *next, **link;
    bool suspended;
    uint64_t reload_number; /* that must be passed; 0: it waits for nothing of the kind */
    struct spill *test;     /* a message on its way to the loop */
    char *test_reply;
};

/* A route: who may, and what answers. */
struct route {
    const char *path;
    bool post;
    enum admin_role role; /* ADMIN_NOBODY: anybody who can connect */
    enum handler_thread thread;
    void (*handle)(struct request *request);
};

/* NULL: no such path. *known: the path is there, by the other method. */
const struct route *route_find(const char *path, bool post, bool *known);

/* http.c: takes the connections of admin->listeners. 0 or a negative errno. */
int http_start(struct admin *admin, struct error *err);
void http_run(struct admin *admin); /* until admin->ended */
/* suspend.c: answers later, when request_resume() is called; the handler is then called again. */
void request_suspend(struct request *request);
void request_resume(struct request *request);

/* readers.c. To be called on HTTP's thread. */
int readers_start(struct admin *admin); /* 0 or a negative errno */
/* Ends what they have under way, and their threads; they hand back what they had. */
void readers_stop(struct admin *admin);
/* The route's thread runs its handler, then the request goes on. */
void readers_take(struct request *request);
/* Jobs are to go on. */
void readers_tick(struct admin *admin);

/* admit.c. Before the body: may it go on? False: the response is there already. */
bool request_admit(struct request *request, const char *method, const char *version);

/* response.c. JSON {"error": ...}. */
void response_error(struct request *request, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A copy of these bytes, of that Content-Type. */
void response_text(struct request *request, int status, const char *type, const char *text,
                   size_t size);
/* Begins a response in JSON, with 200; NULL: no memory, and it is an empty 503. */
struct json *response_json(struct request *request);
/* It is complete; where it could not be written it is an empty 503. Nothing where none was begun. */
void response_json_end(struct request *request);
void response_release(struct response *response); /* frees what it holds; it is empty then */

/* A parameter of the query; NULL: not there, or empty. */
const char *request_query(struct request *request, const char *name);
/* A number within the two; false and a response where it is none. */
bool request_number(struct request *request, const char *name, int64_t min, int64_t max,
                    int64_t *number);

/* body.c. The body, which is JSON, as a Lua table on top of a state that the caller closes; NULL: it is not an
 * object, and an error is the response. */
struct lua_State;
struct lua_State *request_body(struct request *request);
/* A field of it; NULL: not there, or empty. One that is no text was refused by request_body(). The state's. */
const char *body_text(struct lua_State *L, const char *name);
/* The same with its size: "message" and "text" may hold NUL bytes. */
const char *body_bytes(struct lua_State *L, const char *name, size_t *size);
/* Sets *number to a field that is a whole number within the two; false: it is there, and is not. Left as it is where
 * the field is missing. */
bool body_number(struct lua_State *L, const char *name, int64_t min, int64_t max, int64_t *number);

/* login.c: who has logged in to the console. */
struct sessions *sessions_new(void);           /* NULL: no memory */
void sessions_free(struct sessions *sessions); /* takes NULL */
/* Who it is: sets role and who. False: it is answered. */
bool login_check(struct request *request);
/* Handlers: logs in, out, and says who it is. */
void login_post(struct request *request);
void login_leave(struct request *request);
void login_whoami(struct request *request);

/* A line for the log: who changed what. */
void request_audit(const struct request *request, const char *action, const char *what,
                   int64_t count);

/* Opens the spool or the history for one request; NULL: there is none, and an error is the response. */
struct queue *request_queue(struct request *request);
struct history_store *request_history(struct request *request, const struct history_ops **ops);

/* events.c: server-sent events, for those who watch. */
struct events *events_new(struct admin *admin); /* NULL: no memory */
void events_free(struct events *events);        /* takes NULL */
void events_tick(struct events *events);        /* looks for news, and tells whoever watches */
void events_get(struct request *request);       /* the handler */
/* The stream that the handler has asked for; NULL: no memory. */
struct MHD_Response *events_response(struct request *request);

/* jobs.c: what is done with many deliveries, a page at a time. */
struct jobs *jobs_new(struct admin *admin); /* NULL: no memory */
void jobs_free(struct jobs *jobs);          /* takes NULL */
bool jobs_tick(struct jobs *jobs); /* does a little of what is to be done; true: there is more */
bool jobs_wait(const struct jobs *jobs); /* some have not ended; any thread */
/* Handlers (routes.c). */
void jobs_list(struct request *request);
void jobs_cancel(struct request *request);
void jobs_failures(struct request *request);
void jobs_retry(struct request *request);
void jobs_drop(struct request *request);

/* health.c: handlers. */
void health_live(struct request *request);
void health_ready(struct request *request);
void health_metrics(struct request *request);
/* Is mail taken in? Writes what each check found into an object that is begun, as "checks"; `json` may be NULL. */
bool health_is_ready(struct admin *admin, struct json *json);

/* api_*.c, playground.c, what_if.c, resend.c, setup_dns.c: handlers, of the addresses that routes.c gives them. */
void api_status(struct request *request);
void api_reload(struct request *request);
void api_setup(struct request *request);
void api_test(struct request *request);
void api_history(struct request *request);
void api_story(struct request *request);
void api_message(struct request *request);
void api_payload(struct request *request);
void api_queue(struct request *request);
void api_delivery(struct request *request);
void api_delivery_payload(struct request *request);
void api_destinations(struct request *request);
void api_pause(struct request *request);
void api_resume(struct request *request);
/* A field of the object that is being written: what is paused. */
void pauses_write(struct json *json, const char *key, const struct pauses *pauses);
void api_rules(struct request *request);
void api_playground(struct request *request);
void api_what_if(struct request *request);
void api_resend(struct request *request);
void api_dns(struct request *request);

/* console.c: the handler of the console's files, and whether there is one of that path. */
void console_get(struct request *request);
bool console_has(const char *path);

#endif
