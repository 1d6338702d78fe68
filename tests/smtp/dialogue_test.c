/* Plays dialogues/(name).txt against the session, and those of its folders against the kinds of
 * session that these are for; their format stands in dialogues/README.md. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"
#include "fixture.h"

struct bytes {
    char *bytes;
    size_t size, capacity;
};

static void append(struct bytes *to, const char *bytes, size_t size)
{
    if (to->size + size >= to->capacity) {
        to->capacity = 2 * (to->size + size) + 64;
        to->bytes = realloc(to->bytes, to->capacity);
        assert_non_null(to->bytes);
    }
    memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
    to->bytes[to->size] = 0;
}

/* Expands escapes up to the end of the line, or a ")" that closes a repetition. Returns where. */
static const char *expand(const char *text, bool nested, struct bytes *to)
{
    static const char letters[] = "rnt0\\", meant[] = "\r\n\t\0\\";
    while (*text && *text != '\n' && !(nested && *text == ')')) {
        if (*text != '\\') {
            append(to, text++, 1);
            continue;
        }
        const char *letter = strchr(letters, *++text);
        char *end;
        if (*text == 'x') {
            const char digits[] = {text[1], text[2], 0};
            char byte = (char)strtoul(digits, &end, 16);
            assert_ptr_equal(end, digits + 2);
            append(to, &byte, 1);
            text += 3;
        } else if (*text == '(') {
            struct bytes once = {0};
            unsigned long times = strtoul(text + 1, &end, 10);
            assert_int_equal(*end, '*');
            text = expand(end + 1, true, &once) + 1;
            while (times-- > 0)
                append(to, once.bytes, once.size);
            free(once.bytes);
        } else {
            assert_non_null(letter);
            append(to, &meant[letter - letters], 1);
            text++;
        }
    }
    return text;
}

/* Does the line begin with the pattern, in which "..." stands for any text? */
static bool matches(const char *pattern, const char *line)
{
    if (*pattern == '=')
        return strcmp(pattern + 1, line) == 0;
    bool anywhere = false;
    while (*pattern) {
        const char *dots = strstr(pattern, "...");
        size_t length = dots ? (size_t)(dots - pattern) : strlen(pattern);
        while (strncmp(line, pattern, length) != 0)
            if (!anywhere || !*line++)
                return false;
        line += length;
        pattern += length + (dots ? 3 : 0);
        anywhere = true;
    }
    return true;
}

struct kind {
    const char *folder;
    struct listen_address listener;
    bool trusted;
    int least; /* files */
};

struct play {
    const char *name;
    unsigned line;
    struct peer peer;
    size_t read; /* of the replies */
    size_t step;
    struct bytes pending;
};

static void say_pending(struct play *play)
{
    size_t used = peer_play(&play->peer, play->pending.bytes, play->pending.size, play->step);
    assert_int_equal(used, play->pending.size);
    free(play->pending.bytes);
    play->pending = (struct bytes){0};
}

static void expect_line(struct play *play, const char *pattern)
{
    const char *start = play->peer.replies ? play->peer.replies + play->read : "";
    const char *end = strstr(start, "\r\n");
    char line[1024];
    snprintf(line, sizeof line, "%.*s", end ? (int)(end - start) : 0, start);
    if (!end || !matches(pattern, line))
        fail_msg("%s:%u (step %zu): expected \"%s\", got \"%s\"", play->name, play->line,
                 play->step, pattern, line);
    play->read += (size_t)(end - start) + 2;
}

static void run_line(struct play *play, char *line)
{
    play->line++;
    line[strcspn(line, "\n")] = 0;
    if (strncmp(line, "C: ", 3) == 0 || strcmp(line, "C:") == 0) {
        expand(line[2] ? line + 3 : "", false, &play->pending);
        append(&play->pending, "\r\n", 2);
    } else if (strncmp(line, "C> ", 3) == 0) {
        expand(line + 3, false, &play->pending);
    } else if (strncmp(line, "S: ", 3) == 0) {
        say_pending(play);
        expect_line(play, line + 3);
    } else if (strcmp(line, "CLOSED") == 0) {
        say_pending(play);
        if (!play->peer.closed)
            fail_msg("%s:%u: not closed", play->name, play->line);
    } else if (*line && *line != '#') {
        fail_msg("%s:%u: cannot read this", play->name, play->line);
    }
}

static void play_file(const struct kind *kind, const char *name, struct config *config, size_t step)
{
    struct play play = {.name = name, .step = step};
    char path[512], *line = NULL;
    size_t capacity = 0;
    snprintf(path, sizeof path, "%s/%s", kind->folder, name);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    peer_start_on(&play.peer, config, "/tmp", &kind->listener, kind->trusted);
    play.peer.answers = true;
    while (getline(&line, &capacity, file) > 0)
        run_line(&play, line);
    if (play.read != play.peer.replies_size)
        fail_msg("%s: not expected: \"%s\"", name, play.peer.replies + play.read);
    free(line);
    fclose(file);
    peer_end(&play.peer);
}

static int is_dialogue(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 4 && strcmp(entry->d_name + length - 4, ".txt") == 0;
}

/* Whatever the pieces that the input comes in, the replies are the same. */
static void play_folder(const struct kind *kind, struct config *config)
{
    static const size_t steps[] = {SIZE_MAX, 1, 2, 3, 7, 1000};
    struct dirent **files;
    int count = scandir(kind->folder, &files, is_dialogue, alphasort);
    assert_true(count >= kind->least);
    for (int i = 0; i < count; i++) {
        for (size_t j = 0; j < sizeof steps / sizeof *steps; j++)
            play_file(kind, files[i]->d_name, config, steps[j]);
        free(files[i]);
    }
    free(files);
}

static void dialogues(void **state)
{
    (void)state;
    static const struct kind kinds[] = {
        {DIALOGUES, {.port = 0}, false, 30},
        {DIALOGUES "/lmtp", {.lmtp = true}, false, 4},
        {DIALOGUES "/trusted", {.port = 0}, true, 2},
    };
    struct config *config = fixture_config("");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        play_folder(&kinds[i], config);
    config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(dialogues)};
    return RUN_TESTS(tests);
}
