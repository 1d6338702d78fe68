/* The history: a list by filter, one message's story, what was kept of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../history/json.h"
#include "request.h"

struct listing {
    struct request *request;
    struct json *json;
    const struct history_ops *ops;
    struct history_store *store;
    int64_t last;
    unsigned count;
    bool story;
};

/* A role that may not see what is in a message does not see its subject. */
static int write_one(void *context, const struct history_message *m)
{
    struct listing *listing = context;
    struct history_message shown = *m;
    if (listing->request->role < ADMIN_READ)
        shown.subject = NULL;
    listing->last = m->row;
    listing->count++;
    if (listing->story)
        return history_json_story(listing->json, listing->ops, listing->store, &shown);
    history_json_message(listing->json, &shown);
    return 0;
}

/* 400 for what the asker can mend. */
static void response_failed(struct request *request, const struct history_ops *ops,
                            struct history_store *store, int code)
{
    if (code == -EINVAL)
        response_error(request, 400,
                       "result is accepted, deferred or rejected; state waiting, delivered, failed "
                       "or dropped");
    else
        response_error(request, code == -ETIME ? 400 : 503, "%s", ops->error(store));
}

static void response_list(struct request *request, const struct history_filter *filter, bool story)
{
    struct listing listing = {.request = request, .story = story};
    listing.store = request_history(request, &listing.ops);
    if (!listing.store)
        return;
    struct json *json = listing.json = response_json(request);
    if (json) {
        json_begin_object(json);
        json_key(json, "messages");
        json_begin_array(json);
        int code = listing.ops->list(listing.store, filter, write_one, &listing);
        json_end_array(json);
        json_key(json, "next");
        if (listing.count == filter->limit)
            json_number(json, listing.last);
        else
            json_null(json);
        json_end_object(json);
        if (code != 0)
            response_failed(request, listing.ops, listing.store, code);
        else if (story && listing.count == 0)
            response_error(request, 404, "not in the history");
    }
    listing.ops->close(listing.store);
}

static bool read_filter(struct request *request, struct history_filter *f)
{
    int64_t limit = 50, status = 0;
    *f = (struct history_filter){.sender = request_query(request, "sender"),
                                 .recipient = request_query(request, "recipient"),
                                 .subject = request_query(request, "subject"),
                                 .id = request_query(request, "id"),
                                 .destination = request_query(request, "destination"),
                                 .result = request_query(request, "result"),
                                 .state = request_query(request, "state")};
    if (!request_number(request, "limit", 1, ADMIN_QUEUE_PAGE, &limit) ||
        !request_number(request, "status", 1, 999, &status) ||
        !request_number(request, "since", 1, INT64_MAX / 2, &f->since_ms) ||
        !request_number(request, "until", 1, INT64_MAX / 2, &f->until_ms) ||
        !request_number(request, "cursor", 1, INT64_MAX, &f->before))
        return false;
    if (f->subject && strlen(f->subject) < 3) {
        response_error(request, 400, "subject: 3 characters or more");
        return false;
    }
    if (f->subject && request->role < ADMIN_READ) {
        response_error(request, 403, "%s may not look for subjects", request->who);
        return false;
    }
    f->limit = (unsigned)limit;
    f->status = (int)status;
    return true;
}

void api_history(struct request *request)
{
    struct history_filter filter;
    if (read_filter(request, &filter))
        response_list(request, &filter, false);
}

/* A delivery's id is its message's, and a number. */
static bool read_id(struct request *request, char id[ID_SIZE])
{
    const char *text = request_query(request, "id");
    if (!text || strlen(text) >= ID_SIZE) {
        response_error(request, 400, "id: of a connection, a message or a delivery");
        return false;
    }
    snprintf(id, ID_SIZE, "%s", text);
    char *first = strchr(id, '-'), *second = first ? strchr(first + 1, '-') : NULL;
    if (second)
        *second = 0;
    return true;
}

void api_story(struct request *request)
{
    char id[ID_SIZE];
    if (!read_id(request, id))
        return;
    struct history_filter filter = {.id = id, .limit = 100};
    response_list(request, &filter, true);
}

/* ---- What was kept ---- */

struct finding {
    const char *id;
    int64_t body;
};

static int find_body(void *context, const struct history_message *m)
{
    struct finding *finding = context;
    char id[ID_SIZE];
    if (strcmp(m->id, finding->id) == 0)
        finding->body = m->body;
    for (size_t i = 0; i < m->delivery_count; i++) {
        id_child(id, m->id, m->deliveries[i].number);
        if (strcmp(id, finding->id) == 0)
            finding->body = m->deliveries[i].body;
    }
    return 0;
}

/* As a file to save: what a stranger wrote is never a page of ours. */
static void response_body(struct request *request, const char *type, const char *disposition)
{
    char id[ID_SIZE];
    const struct history_ops *ops;
    struct finding finding = {.id = request_query(request, "id")};
    if (!read_id(request, id))
        return;
    struct history_store *store = request_history(request, &ops);
    struct spill *bytes = NULL;
    if (!store)
        return;
    struct history_filter filter = {.id = id, .limit = 1};
    int code = ops->list(store, &filter, find_body, &finding);
    if (code == 0)
        code = finding.body ? ops->body(store, finding.body, &bytes) : -ENOENT;
    if (code != 0) {
        response_error(request, 404, "it was not kept: see history.bodies");
    } else {
        response_release(&request->response);
        request->response.bytes = bytes;
        request->response.type = type;
        request->response.disposition = disposition;
        request_audit(request, "read", finding.id, 1);
    }
    ops->close(store);
}

void api_message(struct request *request)
{
    response_body(request, "message/rfc822", "attachment; filename=\"message.eml\"");
}

void api_payload(struct request *request)
{
    response_body(request, "application/json", "attachment; filename=\"payload.json\"");
}
