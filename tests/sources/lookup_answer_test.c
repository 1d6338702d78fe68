/* What an application may answer, and what is no answer. */
#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sources/http_answer.h"

static void test_answers(void **state)
{
    static const struct {
        const char *body;
        int status; /* -1: no answer */
    } rows[] = {
        {"\"https://a.example\"", LOOKUP_FOUND},
        {" [\"https://a.example\", \"b@c.example\"] ", LOOKUP_FOUND},
        {"{\"url\": \"https://a.example\"}", LOOKUP_FOUND},
        {"[{\"url\": \"https://a.example\", \"secret\": \"whsec_x\", \"headers\": {\"x\": \"y\"}}]",
         LOOKUP_FOUND},
        {"{\"destinations\": \"https://a.example\"}", LOOKUP_FOUND},
        {"{\"destinations\": [\"null\"], \"name\": \"more is not looked at\"}", LOOKUP_FOUND},
        {"[]", LOOKUP_NONE},
        {"{\"destinations\": []}", LOOKUP_NONE},
        {"", -1},
        {"{", -1},
        {"[\"a\"", -1},
        {"\"a\" \"b\"", -1},
        {"\"\"", -1},
        {"[\"\"]", -1},
        {"null", -1},
        {"true", -1},
        {"1", -1},
        {"[null]", -1},
        {"[[\"https://a.example\"]]", -1},
        {"{}", -1},
        {"{\"destinations\": null}", -1},
        {"{\"destinations\": {}}", -1},
        {"{\"destinations\": {\"destinations\": [\"https://a.example\"]}}", -1},
        {"[{\"secret\": \"x\"}]", -1},
        {"{\"url\": 1}", -1},
        {"{\"url\": \"https://a.example\", \"secret\": \"env:MXHOOK_A\"}", -1},
        {"{\"url\": \"https://a.example\", \"secret\": \"file:/etc/passwd\"}", -1},
        {"{\"url\": \"https://a.example\", \"headers\": {\"x\": {\"file\": \"/etc/passwd\"}}}", -1},
        {"{\"url\": \"https://a.example\", \"url\": \"https://b.example\"}", -1},
        {"\"\\u0000\"", -1},
        {"\"\xff\"", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *why = NULL;
        struct lookup_answer *answer = http_answer_read(rows[i].body, strlen(rows[i].body), &why);
        int status = answer ? (int)answer->status : -1;
        if (status != rows[i].status)
            fail_msg("%s: %d, not %d: %s", rows[i].body, status, rows[i].status, why ? why : "");
        assert_int_equal(why == NULL, answer != NULL);
        lookup_answer_unref(answer);
    }
}

/* Both sides of the limit. */
static void test_how_many(void **state)
{
    (void)state;
    for (size_t count = 100; count <= 101; count++) {
        char *body = calloc(count + 1, 8);
        const char *why;
        strcpy(body, "[");
        for (size_t i = 0; i < count; i++)
            strcat(body, i ? ",\"a@b\"" : "\"a@b\"");
        strcat(body, "]");
        struct lookup_answer *answer = http_answer_read(body, strlen(body), &why);
        assert_int_equal(answer != NULL, count == 100);
        lookup_answer_unref(answer);
        free(body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_how_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
