/* rule_files.h - the files of rules.directory, and a copy of them in which one is another: nothing is saved. */
#ifndef MXHOOK_ADMIN_RULE_FILES_H
#define MXHOOK_ADMIN_RULE_FILES_H

#include <dirent.h>

#include "../rules/ruleset.h"
#include "request.h"

/* In the order in which they are asked; freed by rule_files_free(). -1: the folder cannot be read. */
int rule_files_list(const char *directory, struct dirent ***entries);
void rule_files_free(struct dirent **entries, int count); /* with what scandir(3) made */
/* The first MiB of a file: the caller's to free; NULL: it cannot be read. */
char *rule_file_read(const char *directory, const char *name, size_t *size);

/* How often rules of the file failed since the start, in whatever way. Any thread. */
int64_t rule_errors(const char *file);

/* playground.c. The rules as they would be with the body's "file" of "text"; without those as they are. */
struct playground {
    char directory[4200];
    struct ruleset *rules;
};

/* False: an error is the response. Ended by playground_end() in any case. */
bool playground_begin(struct request *request, struct lua_State *L, struct playground *playground);
void playground_end(struct playground *playground); /* removes the copy, and frees the rules */
/* Where a verdict sends a message, as the console may see it. */
void playground_put_destinations(struct json *json, const char *key, const struct verdict *verdict);

#endif
