// The interop test client in C.
//
//     client [--tls --ca CA [--cert CERT --key KEY]] HOST:PORT CASE…
//
// Prints "ok CASE" or "FAIL CASE reason" for each; exits 1 if any failed. The cases:
// https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md#client
#include "proto.h"

#include <setjmp.h>

// No call of a case that passes takes as long; none hangs longer.
#define PATIENCE 20000
#define LARGE_REQUEST 271828
#define LARGE_RESPONSE 314159

static const size_t request_sizes[] = {27182, 8, 1828, 45904}, response_sizes[] = {31415, 9, 2653, 58979};
static const char special[] = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";

static viaduct_channel *channel;
static viaduct_call_options options = {.size = sizeof options, .timeout_ms = PATIENCE};
static jmp_buf failed;
static const char *current;

static void wrong(int line, const char *what) {
    printf("FAIL %s line %d: %s: %s\n", current, line, what, viaduct_error_message());
    longjmp(failed, 1);
}

#define CHECK(condition) ((condition) ? (void)0 : wrong(__LINE__, #condition))
#define OK(call) CHECK((call) == VIADUCT_RESULT_OK)

static message large_request(void) {
    message request = {0};
    put_number(&request, 2, LARGE_RESPONSE);
    put_payload(&request, 3, LARGE_REQUEST);
    return request;
}

static message output_request(size_t response, size_t size, unsigned interval_us) {
    message request = {0}, parameters = {0};
    put_number(&parameters, 1, response);
    put_number(&parameters, 2, interval_us);
    put_message(&request, 2, parameters);
    put_payload(&request, 3, size);
    return request;
}

static size_t payload_size(viaduct_buffer response) {
    return find(find((viaduct_bytes){response.data, response.length}, 1).bytes, 2).bytes.length;
}

// A unary call whose status is given back; the response must have that size where it is OK.
static viaduct_status *unary(const char *method, message request, size_t size) {
    viaduct_buffer response = {NULL, 0, NULL};
    viaduct_status *status = NULL;
    viaduct_result result = viaduct_channel_unary(channel, method, bytes_of(&request), &options, &response, &status);
    free(request.data);
    CHECK(result == VIADUCT_RESULT_OK || result == VIADUCT_RESULT_FAILED);
    CHECK(result == VIADUCT_RESULT_FAILED || payload_size(response) == size);
    viaduct_buffer_free(&response);
    return status;
}

static void ends(viaduct_status *status, int code, const char *text) {
    CHECK(viaduct_status_code(status) == code);
    if (text) CHECK(!strcmp(viaduct_status_message(status), text));
    viaduct_status_free(status);
}

static viaduct_call *begin(const char *method) {
    viaduct_call *call;
    OK(viaduct_channel_call(channel, method, NULL, &options, &call));
    return call;
}

static void write_one(viaduct_call *call, message request) {
    viaduct_result result = viaduct_call_write(call, bytes_of(&request), PATIENCE);
    free(request.data);
    OK(result);
}

static void read_one(viaduct_call *call, size_t size) {
    viaduct_buffer response;
    OK(viaduct_call_read(call, PATIENCE, &response));
    CHECK(payload_size(response) == size);
    viaduct_buffer_free(&response);
}

static void end(viaduct_call *call, int code, const char *text) {
    viaduct_status *status;
    viaduct_buffer none;
    CHECK(viaduct_call_read(call, PATIENCE, &none) == (code ? VIADUCT_RESULT_FAILED : VIADUCT_RESULT_END));
    OK(viaduct_call_wait(call, PATIENCE, &status));
    ends(status, code, text);
    viaduct_call_free(call);
}

static void empty_unary(void) {
    viaduct_buffer response;
    OK(viaduct_channel_unary(channel, SERVICE "EmptyCall", (viaduct_bytes){NULL, 0}, &options, &response, NULL));
    CHECK(response.length == 0);
    viaduct_buffer_free(&response);
}

static void large_unary(void) {
    ends(unary(SERVICE "UnaryCall", large_request(), LARGE_RESPONSE), 0, NULL);
}

static void client_streaming(void) {
    viaduct_call *call = begin(SERVICE "StreamingInputCall");
    for (int n = 0; n < 4; n++) {
        message request = {0};
        put_payload(&request, 1, request_sizes[n]);
        write_one(call, request);
    }
    viaduct_buffer response;
    OK(viaduct_call_response(call, &response, NULL));
    CHECK(find((viaduct_bytes){response.data, response.length}, 1).value == 74922);
    viaduct_buffer_free(&response);
    viaduct_call_free(call);
}

static void server_streaming(void) {
    message request = {0};
    for (int n = 0; n < 4; n++) {
        message parameters = {0};
        put_number(&parameters, 1, response_sizes[n]);
        put_message(&request, 2, parameters);
    }
    viaduct_call *call;
    viaduct_bytes bytes = bytes_of(&request);
    OK(viaduct_channel_call(channel, SERVICE "StreamingOutputCall", &bytes, &options, &call));
    free(request.data);
    for (int n = 0; n < 4; n++) read_one(call, response_sizes[n]);
    end(call, 0, NULL);
}

static void ping_pong(void) {
    viaduct_call *call = begin(SERVICE "FullDuplexCall");
    for (int n = 0; n < 4; n++) {
        write_one(call, output_request(response_sizes[n], request_sizes[n], 0));
        read_one(call, response_sizes[n]);
    }
    OK(viaduct_call_half_close(call));
    end(call, 0, NULL);
}

static void empty_stream(void) {
    viaduct_call *call = begin(SERVICE "FullDuplexCall");
    OK(viaduct_call_half_close(call));
    end(call, 0, NULL);
}

static void has(const viaduct_metadata *metadata, const char *key, const char *value) {
    viaduct_bytes found;
    OK(viaduct_metadata_find(metadata, key, 0, &found));
    CHECK(found.length == strlen(value) && !memcmp(found.data, value, found.length));
}

static void custom_metadata(void) {
    static const char initial[] = "x-grpc-test-echo-initial", trailing[] = "x-grpc-test-echo-trailing-bin";
    viaduct_metadata *metadata;
    OK(viaduct_metadata_new(&metadata));
    OK(viaduct_metadata_append(metadata, initial, viaduct_text("test_initial_metadata_value")));
    OK(viaduct_metadata_append(metadata, trailing, viaduct_text("\xab\xab\xab")));
    options.metadata = metadata;
    for (int stream = 0; stream < 2; stream++) {
        message request = stream ? output_request(LARGE_RESPONSE, LARGE_REQUEST, 0) : large_request();
        viaduct_bytes bytes = bytes_of(&request);
        viaduct_call *call;
        OK(viaduct_channel_call(channel, stream ? SERVICE "FullDuplexCall" : SERVICE "UnaryCall",
                                stream ? NULL : &bytes, &options, &call));
        if (stream) OK(viaduct_call_write(call, bytes, PATIENCE));
        free(request.data);
        OK(viaduct_call_half_close(call));
        OK(viaduct_call_wait_headers(call, PATIENCE));
        has(viaduct_call_headers(call), initial, "test_initial_metadata_value");
        read_one(call, LARGE_RESPONSE);
        viaduct_status *status;
        OK(viaduct_call_wait(call, PATIENCE, &status));
        has(viaduct_status_trailers(status), trailing, "\xab\xab\xab");
        ends(status, 0, NULL);
        viaduct_call_free(call);
    }
    options.metadata = NULL;
    viaduct_metadata_free(metadata);
}

static message status_request(const char *text) {
    message request = {0}, status = {0};
    put_number(&status, 1, 2);
    put_bytes(&status, 2, text, strlen(text));
    put_message(&request, 7, status);
    return request;
}

static void status_code_and_message(void) {
    ends(unary(SERVICE "UnaryCall", status_request("test status message"), 0), 2, "test status message");
    viaduct_call *call = begin(SERVICE "FullDuplexCall");
    write_one(call, status_request("test status message"));
    OK(viaduct_call_half_close(call));
    end(call, 2, "test status message");
}

static void special_status_message(void) {
    ends(unary(SERVICE "UnaryCall", status_request(special), 0), 2, special);
}

static void unimplemented_method(void) {
    ends(unary(SERVICE "UnimplementedCall", (message){0}, 0), VIADUCT_CODE_UNIMPLEMENTED, NULL);
}

static void unimplemented_service(void) {
    ends(unary("/grpc.testing.UnimplementedService/UnimplementedCall", (message){0}, 0), VIADUCT_CODE_UNIMPLEMENTED,
         NULL);
}

static void cancel_after_begin(void) {
    viaduct_call *call = begin(SERVICE "StreamingInputCall");
    OK(viaduct_call_cancel(call));
    end(call, VIADUCT_CODE_CANCELLED, NULL);
}

static void cancel_after_first_response(void) {
    viaduct_call *call = begin(SERVICE "FullDuplexCall");
    write_one(call, output_request(31415, 27182, 0));
    read_one(call, 31415);
    OK(viaduct_call_cancel(call));
    end(call, VIADUCT_CODE_CANCELLED, NULL);
}

static void timeout_on_sleeping_server(void) {
    viaduct_call_options hurried = options;
    hurried.timeout_ms = 1;
    viaduct_call *call;
    OK(viaduct_channel_call(channel, SERVICE "FullDuplexCall", NULL, &hurried, &call));
    message request = output_request(31415, 27182, 200000);
    viaduct_call_write(call, bytes_of(&request), PATIENCE); // it may be over already
    free(request.data);
    end(call, VIADUCT_CODE_DEADLINE_EXCEEDED, NULL);
}

// Whether messages are compressed is seen on the wire: see run.
static void client_compressed_unary(void) {
    for (int compressed = 1; compressed >= 0; compressed--) {
        message request = large_request(), expect = {0};
        put_number(&expect, 1, (unsigned)compressed);
        put_message(&request, 8, expect);
        options.compression = compressed ? VIADUCT_COMPRESSION_GZIP : VIADUCT_COMPRESSION_NONE;
        ends(unary(SERVICE "UnaryCall", request, LARGE_RESPONSE), 0, NULL);
    }
    options.compression = VIADUCT_COMPRESSION_DEFAULT;
}

static void server_compressed_unary(void) {
    for (int compressed = 1; compressed >= 0; compressed--) {
        message request = large_request(), expect = {0};
        put_number(&expect, 1, (unsigned)compressed);
        put_message(&request, 6, expect);
        ends(unary(SERVICE "UnaryCall", request, LARGE_RESPONSE), 0, NULL);
    }
}

static void hello(void) {
    message request = {0};
    put_bytes(&request, 1, "wörld", strlen("wörld"));
    viaduct_buffer response;
    OK(viaduct_channel_unary(channel, "/helloworld.Greeter/SayHello", bytes_of(&request), &options, &response, NULL));
    free(request.data);
    viaduct_bytes text = find((viaduct_bytes){response.data, response.length}, 1).bytes;
    CHECK(text.length == strlen("Hello wörld") && !memcmp(text.data, "Hello wörld", text.length));
    viaduct_buffer_free(&response);
}

#define CASE(name) {#name, name}
static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    CASE(empty_unary), CASE(large_unary), CASE(client_streaming), CASE(server_streaming), CASE(ping_pong),
    CASE(empty_stream), CASE(custom_metadata), CASE(status_code_and_message), CASE(special_status_message),
    CASE(unimplemented_method), CASE(unimplemented_service), CASE(cancel_after_begin),
    CASE(cancel_after_first_response), CASE(timeout_on_sleeping_server), CASE(client_compressed_unary),
    CASE(server_compressed_unary), CASE(hello),
};

static int run(const char *name) {
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        if (strcmp(cases[n].name, name) != 0) continue;
        current = name;
        if (setjmp(failed)) return 0;
        cases[n].run();
        printf("ok %s\n", name);
        return 1;
    }
    printf("FAIL %s there is no such case\n", name);
    return 0;
}

int main(int argc, char **argv) {
    int tls = 0, at = 1;
    char *ca = NULL, *certificate = NULL, *key = NULL;
    for (; at < argc && !strncmp(argv[at], "--", 2); at++) {
        if (!strcmp(argv[at], "--tls")) tls = 1;
        else if (!strcmp(argv[at], "--ca")) ca = read_file(argv[++at]);
        else if (!strcmp(argv[at], "--cert")) certificate = read_file(argv[++at]);
        else if (!strcmp(argv[at], "--key")) key = read_file(argv[++at]);
    }
    char target[256];
    snprintf(target, sizeof target, "%s://%s", tls ? "https" : "http", at < argc ? argv[at++] : "");
    viaduct_runtime *runtime;
    viaduct_credentials *credentials = NULL;
    viaduct_result made = viaduct_runtime_new(&runtime);
    if (made == VIADUCT_RESULT_OK && tls)
        made = viaduct_credentials_new(viaduct_text(ca), viaduct_text(certificate), viaduct_text(key), NULL, &credentials);
    if (made == VIADUCT_RESULT_OK) made = viaduct_channel_new(runtime, target, credentials, NULL, &channel);
    if (made != VIADUCT_RESULT_OK) {
        fprintf(stderr, "%s: %s\n", viaduct_result_name(made), viaduct_error_message());
        return 2;
    }
    int bad = 0;
    for (; at < argc; at++) bad |= !run(argv[at]);
    viaduct_channel_free(channel);
    viaduct_credentials_free(credentials);
    viaduct_runtime_free(runtime);
    free(ca), free(certificate), free(key);
    return bad;
}
