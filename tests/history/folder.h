/* folder.h - a history in a folder of its own, for each test. */
#ifndef MXHOOK_TESTS_HISTORY_FOLDER_H
#define MXHOOK_TESTS_HISTORY_FOLDER_H

#include <stdio.h>
#include <stdlib.h>

#include "history/ops.h"

#include "../test.h"

static char folder[64];
static const struct spool_config spool_of_folder = {.directory = folder};
static struct history_store *store;

static inline int make_folder(void **state)
{
    (void)state;
    struct error err = {""};
    snprintf(folder, sizeof folder, "/tmp/mxhook-history-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(history_sqlite.open(&spool_of_folder, HISTORY_SERVE, &store, &err), 0);
    return 0;
}

static inline int remove_folder(void **state)
{
    (void)state;
    char command[128];
    history_sqlite.close(store);
    store = NULL;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

#endif
