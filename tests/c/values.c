// What needs no network: version, names, bytes, metadata, statuses, and that the ABI stays as it is.
#include "harness.h"

#include <stdint.h>

static void version(void) {
    CHECK(viaduct_version() == viaduct_version());
    TEXT(VIADUCT_VERSION, viaduct_version());
#if !VIADUCT_VERSION_AT_LEAST(0, 1, 0) || VIADUCT_VERSION_AT_LEAST(VIADUCT_VERSION_MAJOR, VIADUCT_VERSION_MINOR + 1, 0)
#error "VIADUCT_VERSION_AT_LEAST compares wrongly"
#endif
    SAME(VIADUCT_VERSION_MAJOR * 1000000 + VIADUCT_VERSION_MINOR * 1000 + VIADUCT_VERSION_PATCH, VIADUCT_VERSION_NUMBER);
}

// Programs of before compile: each result by its earlier name.
static void earlier_names(void) {
    static const int32_t earlier[] = {
        VIADUCT_OK,        VIADUCT_NULL,     VIADUCT_WRONG_HANDLE,     VIADUCT_FREED, VIADUCT_FORKED,      VIADUCT_POISONED,
        VIADUCT_PANIC,     VIADUCT_INVALID_ARGUMENT, VIADUCT_NOT_UTF8, VIADUCT_TOO_LONG, VIADUCT_INSIDE_CALLBACK, VIADUCT_BUSY,
        VIADUCT_WRONG_STATE, VIADUCT_TIMEOUT, VIADUCT_END, VIADUCT_CLOSED, VIADUCT_FAILED, VIADUCT_SYSTEM,
    };
    for (int32_t n = 0; n < 18; n++) SAME(n, earlier[n]);
}

// What a function would have written is zero where it fails, whatever it fails for.
static void zeros(void) {
    viaduct_status *status = (viaduct_status *)1;
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_status_new(17, "text", &status));
    CHECK(!status);
    const char *key = "left";
    viaduct_bytes value = viaduct_text("left");
    GIVES(VIADUCT_RESULT_NULL, viaduct_metadata_entry(NULL, 0, &key, &value));
    CHECK(!key && !value.data && value.length == 0);
    value = viaduct_text("left");
    GIVES(VIADUCT_RESULT_NULL, viaduct_metadata_find(NULL, "key", 0, &value));
    CHECK(!value.data && value.length == 0);
    viaduct_channel *channel = (viaduct_channel *)1;
    GIVES(VIADUCT_RESULT_NULL, viaduct_channel_new(NULL, "http://127.0.0.1:1", NULL, NULL, &channel));
    CHECK(!channel);
    viaduct_buffer buffer = {(const uint8_t *)"left", 4, NULL};
    status = (viaduct_status *)1;
    GIVES(VIADUCT_RESULT_NULL, viaduct_channel_unary(NULL, "/a.B/C", viaduct_text(""), NULL, &buffer, &status));
    CHECK(!buffer.data && buffer.length == 0 && !status);
    buffer = (viaduct_buffer){(const uint8_t *)"left", 4, NULL};
    GIVES(VIADUCT_RESULT_NULL, viaduct_call_read(NULL, 0, &buffer));
    CHECK(!buffer.data && buffer.length == 0);
    viaduct_event event;
    memset(&event, 0xff, sizeof event);
    GIVES(VIADUCT_RESULT_NULL, viaduct_queue_next(NULL, 0, &event));
    SAME(VIADUCT_EVENT_NONE, event.kind);
    viaduct_server *server = (viaduct_server *)1;
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_new(NULL, NULL, &server));
    CHECK(!server);
    viaduct_credentials *credentials = (viaduct_credentials *)1;
    viaduct_bytes none = {NULL, 0};
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_credentials_new(viaduct_text("no PEM"), none, none, NULL, &credentials));
    CHECK(!credentials);
}

// A program that was built with a later header, which has more fields.
static void later_options(void) {
    struct {
        viaduct_channel_options known;
        uint64_t later[4];
    } options;
    memset(&options, 0, sizeof options);
    options.known.size = sizeof options;
    viaduct_runtime *runtime;
    viaduct_channel *channel;
    OK(viaduct_runtime_new(&runtime));
    OK(viaduct_channel_new(runtime, "http://127.0.0.1:1", NULL, &options.known, &channel));
    OK(viaduct_channel_free(channel));
    options.later[2] = 1;
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_channel_new(runtime, "http://127.0.0.1:1", NULL, &options.known, &channel));
    SAYS("viaduct_channel_options has a value at byte 152, and this library knows 136 bytes of it");
    CHECK(!channel);
    options.known.size = 1 << 20;
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_channel_new(runtime, "http://127.0.0.1:1", NULL, &options.known, &channel));
    SAYS("viaduct_channel_options.size is 1048576; expected sizeof(viaduct_channel_options), which is 136 here");
    OK(viaduct_runtime_free(runtime));
}

static void names(void) {
    TEXT("VIADUCT_RESULT_OK", viaduct_result_name(VIADUCT_RESULT_OK));
    TEXT("VIADUCT_RESULT_SYSTEM", viaduct_result_name(VIADUCT_RESULT_SYSTEM));
    TEXT("unknown result", viaduct_result_name(-1));
    TEXT("unknown result", viaduct_result_name(1 << 30));
    TEXT("OK", viaduct_code_name(VIADUCT_CODE_OK));
    TEXT("UNAUTHENTICATED", viaduct_code_name(VIADUCT_CODE_UNAUTHENTICATED));
    TEXT("unknown code", viaduct_code_name(17));
}

static void bytes(void) {
    viaduct_bytes some = viaduct_text("grün");
    SAME(5, some.length);
    SAME(0, viaduct_text(NULL).length);
    viaduct_buffer none = {NULL, 0, NULL};
    OK(viaduct_buffer_free(&none));
    OK(viaduct_buffer_free(NULL));
    OK(viaduct_string_free(NULL));
    viaduct_event event;
    memset(&event, 0, sizeof event);
    OK(viaduct_event_clear(&event));
    OK(viaduct_event_clear(NULL));
}

static void metadata(void) {
    viaduct_metadata *metadata;
    OK(viaduct_metadata_new(&metadata));
    OK(viaduct_metadata_append(metadata, "X-Tenant", viaduct_text("a")));
    OK(viaduct_metadata_append(metadata, "x-tenant", viaduct_text("b")));
    OK(viaduct_metadata_append(metadata, "trace-bin", (viaduct_bytes){(const uint8_t *)"\0\xff", 2}));
    SAME(3, viaduct_metadata_count(metadata));

    const char *key;
    viaduct_bytes value;
    OK(viaduct_metadata_entry(metadata, 0, &key, &value));
    TEXT("x-tenant", key);
    OK(viaduct_metadata_entry(metadata, 2, NULL, NULL));
    GIVES(VIADUCT_RESULT_END, viaduct_metadata_entry(metadata, 3, &key, &value));
    OK(viaduct_metadata_find(metadata, "x-tenant", 1, &value));
    BYTES("b", value);
    OK(viaduct_metadata_find(metadata, "trace-bin", 0, &value));
    SAME(2, value.length);
    SAME(0, memcmp(value.data, "\0\xff", 2));
    GIVES(VIADUCT_RESULT_END, viaduct_metadata_find(metadata, "missing", 0, &value));
    SAYS("no value number 0 of \"missing\"");

    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_metadata_append(metadata, "grpc-timeout", viaduct_text("1S")));
    SAYS("belongs to the protocol");
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_metadata_append(metadata, "a b", viaduct_text("x")));
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_metadata_append(metadata, "key", viaduct_text("\x01")));
    SAYS("printable ASCII");
    GIVES(VIADUCT_RESULT_NOT_UTF8, viaduct_metadata_append(metadata, "\xff", viaduct_text("x")));
    GIVES(VIADUCT_RESULT_NULL, viaduct_metadata_append(metadata, NULL, viaduct_text("x")));
    GIVES(VIADUCT_RESULT_NULL, viaduct_metadata_append(metadata, "key", (viaduct_bytes){NULL, 1}));
    GIVES(VIADUCT_RESULT_TOO_LONG, viaduct_metadata_append(metadata, "key", (viaduct_bytes){(const uint8_t *)"x", SIZE_MAX}));
    SAYS("SIZE_MAX / 2");
    SAME(3, viaduct_metadata_count(metadata));
    OK(viaduct_metadata_free(metadata));
}

static void status(void) {
    viaduct_status *status;
    OK(viaduct_status_new(VIADUCT_CODE_ABORTED, "no", &status));
    SAME(VIADUCT_CODE_ABORTED, viaduct_status_code(status));
    TEXT("no", viaduct_status_message(status));
    SAME(0, viaduct_metadata_count(viaduct_status_trailers(status)));
    OK(viaduct_status_add_detail(status, "t/a", viaduct_text("1")));
    OK(viaduct_status_add_detail(status, "t/b", viaduct_text("2")));
    SAME(2, viaduct_status_detail_count(status));
    const char *url;
    viaduct_bytes value;
    OK(viaduct_status_detail(status, 1, &url, &value));
    TEXT("t/b", url);
    BYTES("2", value);
    GIVES(VIADUCT_RESULT_END, viaduct_status_detail(status, 2, NULL, NULL));
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_status_add_detail(status, "t/c", viaduct_text("3")));
    OK(viaduct_status_free(status));
    OK(viaduct_status_new(VIADUCT_CODE_OK, NULL, &status));
    TEXT("", viaduct_status_message(status));
    OK(viaduct_status_free(status));
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_status_new(17, NULL, &status));
    GIVES(VIADUCT_RESULT_NOT_UTF8, viaduct_status_new(1, "\xff", &status));
    GIVES(VIADUCT_RESULT_NULL, viaduct_status_new(1, "x", NULL));
}

// A program that was built before must run with a later library: numbers and sizes stay.
#define IS(number, name) _Static_assert((name) == (number), #name " was " #number)

static void abi(void) {
    IS(0, VIADUCT_RESULT_OK);
    IS(1, VIADUCT_RESULT_NULL);
    IS(2, VIADUCT_RESULT_WRONG_HANDLE);
    IS(3, VIADUCT_RESULT_FREED);
    IS(4, VIADUCT_RESULT_FORKED);
    IS(5, VIADUCT_RESULT_POISONED);
    IS(6, VIADUCT_RESULT_PANIC);
    IS(7, VIADUCT_RESULT_INVALID_ARGUMENT);
    IS(8, VIADUCT_RESULT_NOT_UTF8);
    IS(9, VIADUCT_RESULT_TOO_LONG);
    IS(10, VIADUCT_RESULT_INSIDE_CALLBACK);
    IS(11, VIADUCT_RESULT_BUSY);
    IS(12, VIADUCT_RESULT_WRONG_STATE);
    IS(13, VIADUCT_RESULT_TIMEOUT);
    IS(14, VIADUCT_RESULT_END);
    IS(15, VIADUCT_RESULT_CLOSED);
    IS(16, VIADUCT_RESULT_FAILED);
    IS(17, VIADUCT_RESULT_SYSTEM);
    IS(0, VIADUCT_EVENT_NONE);
    IS(1, VIADUCT_EVENT_RESPONSE);
    IS(2, VIADUCT_EVENT_READ);
    IS(3, VIADUCT_EVENT_WRITE);
    IS(4, VIADUCT_EVENT_HEADERS);
    IS(5, VIADUCT_EVENT_ENDED);
    IS(6, VIADUCT_EVENT_READY);
    IS(7, VIADUCT_EVENT_CALL);
    IS(8, VIADUCT_EVENT_OVER);
    IS(9, VIADUCT_EVENT_DRAINED);
    IS(-1, VIADUCT_CONNECTIVITY_UNKNOWN);
    IS(0, VIADUCT_IDLE);
    IS(1, VIADUCT_CONNECTING);
    IS(2, VIADUCT_READY);
    IS(3, VIADUCT_TRANSIENT_FAILURE);
    IS(4, VIADUCT_SHUTDOWN);
    IS(0, VIADUCT_DEFAULT);
    IS(1, VIADUCT_YES);
    IS(2, VIADUCT_NO);
    IS(0, VIADUCT_COMPRESSION_DEFAULT);
    IS(1, VIADUCT_COMPRESSION_NONE);
    IS(2, VIADUCT_COMPRESSION_GZIP);
    IS(3, VIADUCT_COMPRESSION_DEFLATE);
    IS(0, VIADUCT_PICK_FIRST);
    IS(1, VIADUCT_ROUND_ROBIN);
    IS(0, VIADUCT_LOG_OFF);
    IS(1, VIADUCT_LOG_ERROR);
    IS(2, VIADUCT_LOG_WARN);
    IS(3, VIADUCT_LOG_INFO);
    IS(4, VIADUCT_LOG_DEBUG);
    IS(5, VIADUCT_LOG_TRACE);
    IS(0, VIADUCT_UNARY);
    IS(1, VIADUCT_SERVER_STREAMING);
    IS(2, VIADUCT_CLIENT_STREAMING);
    IS(3, VIADUCT_BIDI_STREAMING);
    IS(0, VIADUCT_CODE_OK);
    IS(1, VIADUCT_CODE_CANCELLED);
    IS(2, VIADUCT_CODE_UNKNOWN);
    IS(3, VIADUCT_CODE_INVALID_ARGUMENT);
    IS(4, VIADUCT_CODE_DEADLINE_EXCEEDED);
    IS(5, VIADUCT_CODE_NOT_FOUND);
    IS(6, VIADUCT_CODE_ALREADY_EXISTS);
    IS(7, VIADUCT_CODE_PERMISSION_DENIED);
    IS(8, VIADUCT_CODE_RESOURCE_EXHAUSTED);
    IS(9, VIADUCT_CODE_FAILED_PRECONDITION);
    IS(10, VIADUCT_CODE_ABORTED);
    IS(11, VIADUCT_CODE_OUT_OF_RANGE);
    IS(12, VIADUCT_CODE_UNIMPLEMENTED);
    IS(13, VIADUCT_CODE_INTERNAL);
    IS(14, VIADUCT_CODE_UNAVAILABLE);
    IS(15, VIADUCT_CODE_DATA_LOSS);
    IS(16, VIADUCT_CODE_UNAUTHENTICATED);
    if (sizeof(void *) != 8) skip("the sizes are those of 64 bits");
    SAME(16, sizeof(viaduct_bytes));
    SAME(24, sizeof(viaduct_buffer));
    SAME(24, sizeof(viaduct_completion));
    SAME(56, sizeof(viaduct_event));
    SAME(136, sizeof(viaduct_channel_options));
    SAME(48, sizeof(viaduct_call_options));
    SAME(128, sizeof(viaduct_server_options));
    SAME(4, sizeof(viaduct_result));
    SAME(16, offsetof(viaduct_event, message));
    SAME(88, offsetof(viaduct_channel_options, service_config));
    SAME(40, offsetof(viaduct_call_options, compression));
    SAME(88, offsetof(viaduct_server_options, compression));
}

static void credentials(void) {
    viaduct_credentials *client;
    viaduct_server_credentials *server;
    viaduct_bytes none = {NULL, 0}, wrong = viaduct_text("no PEM");
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_credentials_new(wrong, none, none, NULL, &client));
    SAYS("CA certificates");
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_credentials_new(none, wrong, wrong, NULL, &client));
    GIVES(VIADUCT_RESULT_NULL, viaduct_credentials_new(none, none, none, NULL, NULL));
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_server_credentials_new(wrong, wrong, none, 0, &server));
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_server_credentials_new(wrong, wrong, none, 7, &server));
    OK(viaduct_credentials_free(NULL));
    OK(viaduct_server_credentials_free(NULL));
}

const test values_tests[] = {
    {"version", version}, {"names", names},   {"bytes", bytes},           {"metadata", metadata},
    {"status", status},   {"abi", abi},       {"credentials", credentials}, {"zeros", zeros},
    {"earlier_names", earlier_names},         {"later_options", later_options}, {NULL, NULL},
};
