#include "group.h"

#include <errno.h>
#include <string.h>

#include "../../base/log.h"
#include "insert.h"
#include "number.h"
#include "remove.h"
#include "upload.h"
#include "values.h"

#define ROW_TAKEN    "22012" /* insert.c */
#define CHUNKS_SWEPT "2201F"

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
        code = number_add_mark(&s->pg, node_id(s->node));
    if (code != 0) { /* for want of memory: the half that was sent must not be committed */
        pg_close(&s->pg);
        return code;
    }
    code = pg_end(&s->pg, PG_ANSWER_MS, NULL, NULL);
    if (code == -EINPROGRESS && s->pg.warned)
        log_limited(LOG_WARN, "spool-unsure", NULL, LOG_TEXT("error", s->pg.error),
                    LOG_TEXT("result", "the group is sent again"));
    if (code == -EINPROGRESS)
        s->doubt = true;
    else if (code == 0)
        s->doubt = false;
    return note_refusal(s, commits, code);
}
