/*
 * What came of a request: a status, or no answer and why, and whose fault that is.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/ascii.h"
#include "../base/clock.h"
#include "http_handle.h"
#include "../base/redact.h"

/* The reply's beginning as one line for a log: what is not printable becomes a space. */
static void put_reply(struct attempt_result *result, size_t used)
{
    size_t room = sizeof result->error - 1 - used;
    size_t size = result->reply_size < room ? result->reply_size : room;
    for (size_t i = 0; i < size; i++) {
        char c = result->reply[i];
        result->error[used + i] = is_control(c) ? ' ' : c;
    }
    result->error[used + size] = 0;
}

static void describe_status(struct http_handle *h)
{
    struct attempt_result *result = &h->result;
    char *target = NULL;
    curl_easy_getinfo(h->easy, CURLINFO_REDIRECT_URL, &target);
    if (target) {
        char shown[REDACT_SIZE];
        redact_url(target, shown);
        snprintf(result->error, sizeof result->error,
                 "answered %d, a redirect to %.200s: not followed", result->status, shown);
        return;
    }
    int used = snprintf(result->error, sizeof result->error, "answered %d%s", result->status,
                        result->reply_size ? ": " : "");
    put_reply(result, (size_t)used);
}

/* Which limit of time it was, as an operator may want to set it. */
static void describe_timeout(struct http_handle *h)
{
    static const char *const doing[] = {[HTTP_CONNECTING] = "while connecting",
                                        [HTTP_SENDING] = "while it was sent",
                                        [HTTP_WAITING] = "while no answer came",
                                        [HTTP_RECEIVING] = "inside the answer"};
    const struct http_request *request = h->request;
    char *text = h->result.error;
    size_t size = sizeof h->result.error;
    if (h->phase == HTTP_CONNECTING && h->result.elapsed_ms < request->timeout_ms)
        snprintf(text, size, "no connection within %g s (deliver.connect_timeout)",
                 (double)request->connect_timeout_ms / 1000);
    else if (h->stood_still && h->phase == HTTP_WAITING)
        snprintf(text, size, "no answer within %g s (deliver.first_byte_timeout)",
                 (double)request->first_byte_timeout_ms / 1000);
    else if (h->stood_still)
        snprintf(text, size, "no progress for %g s %s (deliver.idle_timeout)",
                 (double)request->idle_timeout_ms / 1000, doing[h->phase]);
    else
        snprintf(text, size, "not done within %g s, %s (%s)", (double)request->timeout_ms / 1000,
                 doing[h->phase], request->timeout_option);
}

/* libcurl says so, without a text, where the receiver has closed the stream with NO_ERROR while we sent: what RFC 9113
 * section 8.1 has it do once it has answered. */
static bool is_closed_cleanly(const struct http_handle *h, CURLcode rc)
{
    return rc == CURLE_HTTP2_STREAM && !h->error[0];
}

/* It counts over all requests of a handle, so that it may be the first time for this one. */
static bool gave_up_repeating(const struct http_handle *h)
{
    return strncmp(h->error, "Connection died, tried", 22) == 0;
}

/* libcurl says CURLE_HTTP2 without a text when a connection has no stream left after its GOAWAY, so that ours was not
 * taken. Of a connection that was made for the request, it repeats what was refused, and nothing else. */
bool http_result_is_refused(const struct http_handle *h, CURLcode rc)
{
    return h->refused || (h->on_new && gave_up_repeating(h)) ||
           (rc == CURLE_HTTP2 && !h->error[0] && h->header_bytes == 0);
}

static void describe_none(struct http_handle *h, CURLcode rc)
{
    if (rc == CURLE_OPERATION_TIMEDOUT) {
        describe_timeout(h);
        return;
    }
    long number = 0;
    const char *why = h->error[0] ? h->error : curl_easy_strerror(rc);
    if (h->body.error)
        why = strerror(-h->body.error);
    else if (is_closed_cleanly(h, rc))
        why = "it closed the HTTP/2 stream without an error while we sent; an answer that came "
              "together with that is lost "
              "in libcurl";
    else if (http_result_is_refused(h, rc))
        why = "it closed the HTTP/2 stream without a look at the request (REFUSED_STREAM, GOAWAY)";
    else if (h->thought)
        why = "its connection ended before an answer came";
    else if (h->too_many_headers)
        why = "its headers do not end";
    else if (rc == CURLE_OUT_OF_MEMORY && h->phase >= HTTP_WAITING)
        why = "a line of its headers does not end, or memory is short";
    else if (rc == CURLE_OK)
        why = "its connection ended inside the answer's headers";
    else if (sockets_out_are_denied(&h->sockets))
        why = "its address is not public (deny_private)";
    else if (h->sockets.error)
        why = strerror(h->sockets.error);
    else if (rc == CURLE_COULDNT_CONNECT)
        curl_easy_getinfo(h->easy, CURLINFO_OS_ERRNO, &number);
    snprintf(h->result.error, sizeof h->result.error, "%s%s%s", why, number ? ": " : "",
             number ? strerror((int)number) : "");
}

static bool is_connected(const struct http_handle *h)
{
    curl_off_t connected_us = 0;
    curl_easy_getinfo(h->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    return connected_us > 0;
}

/* Once there is a connection, libcurl says "unsupported protocol" of what came back on it. */
static bool is_hopeless(const struct http_handle *h, CURLcode rc)
{
    return rc == CURLE_URL_MALFORMAT || (rc == CURLE_UNSUPPORTED_PROTOCOL && !is_connected(h)) ||
           sockets_out_are_denied(&h->sockets);
}

/* An answer, but none to go by: not in HTTP, or against its rules. */
static bool is_broken(const struct http_handle *h, CURLcode rc)
{
    return h->answered || h->too_many_headers || rc == CURLE_WEIRD_SERVER_REPLY ||
           rc == CURLE_HTTP2_STREAM || rc == CURLE_UNSUPPORTED_PROTOCOL;
}

/* In TLS 1.3 a receiver says what it thinks of our certificate, or of there being none, when the request is out already: its
 * handshake has failed all the same, and it has not read the request. libcurl has OpenSSL's number in its text only. */
static bool has_failed_handshake(const struct http_handle *h)
{
    const char *number = h->header_bytes == 0 ? strstr(h->error, "error:") : NULL;
    unsigned long code = number ? strtoul(number + strlen("error:"), NULL, 16) : 0;
    if (ERR_GET_LIB(code) != ERR_LIB_SSL)
        return false;
    switch (ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET) {
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_DECRYPT_ERROR:
    case SSL_AD_CERTIFICATE_REQUIRED: return true;
    default: return false;
    }
}

static bool is_sent(const struct http_handle *h)
{
    curl_off_t sent = 0;
    curl_easy_getinfo(h->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    return h->thought || (is_connected(h) && (uint64_t)sent >= payload_size(h->request->payload));
}

/* libcurl 7.88 says "out of memory" of a header line of more than 100 KB too: when all was sent, that is it. */
static bool is_starved(const struct http_handle *h, CURLcode rc)
{
    return sockets_out_are_starved(&h->sockets, rc) && !(rc == CURLE_OUT_OF_MEMORY && is_sent(h));
}

static bool is_ours(const struct http_handle *h, CURLcode rc)
{
    return is_starved(h, rc) || h->body.error || rc == CURLE_INTERFACE_FAILED ||
           rc == CURLE_SSL_CERTPROBLEM || rc == CURLE_SSL_CACERT_BADFILE;
}

static bool is_http2(const struct http_handle *h)
{
    long version = 0;
    curl_easy_getinfo(h->easy, CURLINFO_HTTP_VERSION, &version);
    return version == CURL_HTTP_VERSION_2_0;
}

/* All of an answer is here though our body is not out, as far as can be known: by its length, or since the stream is over. */
static bool is_complete(const struct http_handle *h, CURLcode rc)
{
    curl_off_t size = -1;
    curl_easy_getinfo(h->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size);
    return rc == CURLE_OK || is_closed_cleanly(h, rc) ||
           (h->stood_still && size >= 0 && h->body_bytes >= (uint64_t)size);
}

/* A status counts even if the reply's body then breaks off, or is cut by us: all had been said. But
 * who says yes before all of our body is out has not got it; unless that is clean and complete over
 * HTTP/2, where a server may answer early (RFC 9113 section 8.1). */
static bool is_answered(const struct http_handle *h, CURLcode rc, long status, bool sent)
{
    return h->answered && (sent || status >= 300 || (is_http2(h) && is_complete(h, rc)));
}

static void describe_early(struct http_handle *h, CURLcode rc, long status)
{
    curl_off_t sent = 0;
    char after[CURL_ERROR_SIZE + 16] = "";
    curl_easy_getinfo(h->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    if (rc != CURLE_OK && !is_closed_cleanly(h, rc)) {
        describe_none(h, rc);
        snprintf(after, sizeof after, ": %.200s", h->result.error);
    }
    snprintf(h->result.error, sizeof h->result.error,
             "answered %ld when %lld of %llu bytes were sent%s%.200s", status, (long long)sent,
             (unsigned long long)payload_size(h->request->payload),
             h->result.unfinished ? "" : ": not delivered", after);
}

/* By what an operator would look at. */
static const char *failure_of(const struct http_handle *h, CURLcode rc)
{
    if (has_failed_handshake(h))
        return "tls";
    switch (rc) {
    case CURLE_OPERATION_TIMEDOUT: return "timeout";
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY: return "dns";
    case CURLE_COULDNT_CONNECT: return "connect";
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM: return "tls";
    default: return "other";
    }
}

void http_result_fill(struct http_handle *h, CURLcode rc)
{
    struct attempt_result *result = &h->result;
    long status = 0;
    result->elapsed_ms = clock_monotonic_ms() - h->started_ms;
    result->hopeless = is_hopeless(h, rc);
    result->ours = is_ours(h, rc);
    result->starved = is_starved(h, rc);
    result->error[0] = 0;
    bool unread = http_result_is_refused(h, rc) || has_failed_handshake(h);
    result->sent = is_sent(h) && !unread;
    result->repeated = h->times > 1;
    curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
    result->status = is_answered(h, rc, status, result->sent) ? (int)status : 0;
    result->failure = result->status == 0 ? failure_of(h, rc) : NULL;
    result->broken = result->status == 0 && is_broken(h, rc);
    result->unfinished = status >= 200 && status < 300 && result->status && !result->sent;
    result->retry_after_ms = wait_asked_ms(&h->wait, result->status);
    if (result->unfinished || (result->status == 0 && h->answered))
        describe_early(h, rc, status);
    else if (result->status == 0)
        describe_none(h, rc);
    else if (status < 200 || status >= 300)
        describe_status(h);
}
