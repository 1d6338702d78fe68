#include "walk.h"

#define PAGE 200

struct walk {
    int (*each)(void *context, const struct history_message *message);
    void *context;
    int64_t cursor;
    unsigned seen; /* of this page */
};

static int visit(void *context, const struct history_message *m)
{
    struct walk *walk = context;
    walk->cursor = m->row;
    walk->seen++;
    return walk->each(walk->context, m);
}

int history_walk(const struct history_ops *ops, struct history_store *store,
                 const struct history_filter *filter,
                 int (*each)(void *context, const struct history_message *message), void *context)
{
    struct walk walk = {.each = each, .context = context};
    struct history_filter page = *filter;
    unsigned left = filter->limit > 0 ? filter->limit : UINT32_MAX;
    int code;
    do {
        walk.seen = 0;
        page.limit = left < PAGE ? left : PAGE;
        code = ops->list(store, &page, visit, &walk);
        page.before = walk.cursor;
        left -= walk.seen;
    } while (code == 0 && walk.seen == page.limit && left > 0);
    return code;
}
