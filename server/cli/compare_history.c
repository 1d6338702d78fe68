/* compare_history.c - what was received, through two folders of rules (mxhook route --from history). */
#include <errno.h>
#include <string.h>

#include "../history/walk.h"
#include "compare.h"

struct walk {
    struct compare *compare;
    const struct history_ops *ops;
    struct history_store *store;
    struct error *err;
};

static int compare_kept(struct walk *walk, const struct history_message *m, struct spill *data)
{
    int code = 0;
    for (size_t i = 0; i < m->recipient_count && code == 0; i++) {
        struct trial_envelope envelope = trial_envelope_of(m, m->recipients[i].address);
        code = compare_recipient(walk->compare, m->id, data, &envelope, walk->err);
    }
    return code;
}

static int visit(void *context, const struct history_message *m)
{
    struct walk *walk = context;
    struct spill *data = NULL;
    if (m->body == 0 || walk->ops->body(walk->store, m->body, &data) != 0) {
        walk->compare->without_body++;
        return 0;
    }
    walk->compare->messages++;
    int code = compare_kept(walk, m, data);
    spill_free(data);
    return code;
}

int compare_history(struct compare *compare, const struct history_filter *filter, struct error *err)
{
    struct walk walk = {.compare = compare, .ops = history_ops_of(compare->config), .err = err};
    int code = walk.ops->open(&compare->config->spool, HISTORY_READ, &walk.store, err);
    if (code == -ENOENT)
        return error_set(err, code, "%s: there is no history there",
                         compare->config->spool.directory);
    if (code != 0)
        return code;
    code = history_walk(walk.ops, walk.store, filter, visit, &walk);
    if (code != 0 && !*err->text)
        error_set(err, code, "the history: %s", walk.ops->error(walk.store));
    walk.ops->close(walk.store);
    return code;
}
