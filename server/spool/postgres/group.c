#include "group.h"

#include <errno.h>
#include <string.h>

#include "blob.h"
#include "insert.h"
#include "remove.h"
#include "upload.h"
#include "values.h"

#define ROW_TAKEN    "22012" /* insert.c */
#define CHUNKS_SWEPT "2201F"

static int upload_payload(struct pg *pg, int owner, const struct delivery *d)
{
    struct payload *payload = d->payload;
    int code = 0;
    if (payload->stored->uploaded || payload->stored->row != d->stored->row)
        return 0;
    if (spill_fd(payload->head) >= 0)
        code = blob_put(pg, payload->stored->row, owner, payload->head);
    if (code == 0 && payload->tail && spill_fd(payload->tail) >= 0 &&
        d->stored->tail_row == payload->stored->row)
        code = blob_put(pg, -d->stored->tail_row, owner, payload->tail);
    if (code == 0)
        payload->stored->uploaded = true;
    return code;
}

int group_upload(struct pg *pg, int node, struct commit *commits)
{
    int code = 0;
    for (struct commit *c = commits; c && code == 0; c = c->next)
        for (struct delivery *d = c->deliveries; d && code == 0; d = d->next)
            code = upload_payload(pg, node, d);
    return code;
}

/* What was sent before and is there already is not replicated for that: something is written, whose
 * commit is waited for. */
int group_add_mark(struct pg *pg, int node)
{
    struct values params = {0};
    values_number(&params, PARAM_INT4, node);
    return values_send(&params, pg,
                       "INSERT INTO mark (node, n) VALUES ($1, 1) "
                       "ON CONFLICT (node) DO UPDATE SET n = mark.n + 1",
                       false);
}

static void renumber(struct pg_store *s)
{
    s->numbers.rows = (struct row_block){0};
    upload_renumber(s->upload);
}

/* What must be done otherwise when it is sent again. As `code`, or -EDEADLK: now. */
static int note_refusal(struct pg_store *s, struct commit *commits, int code)
{
    if (code != -EINVAL)
        return code;
    if (strcmp(s->pg.state, ROW_TAKEN) == 0)
        renumber(s);
    if (strcmp(s->pg.state, CHUNKS_SWEPT) != 0)
        return code;
    for (struct commit *c = commits; c; c = c->next)
        for (struct delivery *d = c->deliveries; d; d = d->next)
            d->payload->stored->uploaded = false;
    return -EDEADLK;
}

int group_send(struct pg_store *s, struct commit *commits, struct delivery *ends)
{
    pg_begin(&s->pg);
    int code = commits ? insert_commits(s, commits) : 0;
    if (code == 0 && ends)
        code = remove_ends(s, ends);
    if (code == 0 && s->doubt)
        code = group_add_mark(&s->pg, node_id(s->node));
    if (code != 0) { /* for want of memory: the half that was sent must not be committed */
        pg_close(&s->pg);
        return code;
    }
    code = pg_end(&s->pg, PG_ANSWER_MS, NULL, NULL);
    if (code == -EINPROGRESS)
        s->doubt = true;
    else if (code == 0)
        s->doubt = false;
    return note_refusal(s, commits, code);
}
