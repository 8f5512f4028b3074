// The interop test server in C.
//
//     server [--tls CERT KEY [--ca CA]]
//
// Prints "port N" once it serves, and serves until SIGTERM. What each method does:
// https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md#server
#define _POSIX_C_SOURCE 200809L
#include "proto.h"

#include <signal.h>
#include <time.h>

static const char initial[] = "x-grpc-test-echo-initial", trailing[] = "x-grpc-test-echo-trailing-bin";

static void must(viaduct_result result) {
    if (result == VIADUCT_RESULT_OK) return;
    fprintf(stderr, "%s: %s\n", viaduct_result_name(result), viaduct_error_message());
    exit(2);
}

// The metadata to send back under that key; NULL where the client sent none.
static viaduct_metadata *echoed(viaduct_server_call *call, const char *key) {
    viaduct_bytes value;
    viaduct_metadata *metadata = NULL;
    if (viaduct_metadata_find(viaduct_server_call_metadata(call), key, 0, &value) == VIADUCT_RESULT_OK) {
        must(viaduct_metadata_new(&metadata));
        must(viaduct_metadata_append(metadata, key, value));
    }
    return metadata;
}

static void echo_initial(viaduct_server_call *call) {
    viaduct_metadata *headers = echoed(call, initial);
    if (headers) viaduct_server_call_send_headers(call, headers);
    viaduct_metadata_free(headers);
}

static void finish(viaduct_server_call *call) {
    viaduct_metadata *trailers = echoed(call, trailing);
    viaduct_server_call_finish(call, NULL, trailers);
    viaduct_metadata_free(trailers);
}

static void reply(viaduct_server_call *call, message response) {
    viaduct_metadata *trailers = echoed(call, trailing);
    viaduct_server_call_reply(call, bytes_of(&response), trailers);
    viaduct_metadata_free(trailers);
    free(response.data);
}

// Answers with the status that the request asks for, if it does: field 7 in both requests.
static int echo_status(viaduct_server_call *call, viaduct_bytes request) {
    viaduct_bytes status = find(request, 7).bytes;
    int code = (int)find(status, 1).value;
    if (!code) return 0;
    viaduct_bytes text = find(status, 2).bytes;
    char *said = calloc(1, text.length + 1);
    if (!said) abort();
    if (text.length) memcpy(said, text.data, text.length);
    viaduct_server_call_fail(call, code, said);
    free(said);
    return 1;
}

// Sends what a StreamingOutputCallRequest asks for; 0 where the client has gone.
static int send_outputs(viaduct_server_call *call, viaduct_bytes request) {
    field parameters;
    while (take(&request, &parameters)) {
        if (parameters.number != 2) continue;
        long us = (long)find(parameters.bytes, 2).value;
        nanosleep(&(struct timespec){us / 1000000, us % 1000000 * 1000}, NULL);
        message response = {0};
        put_payload(&response, 1, (size_t)find(parameters.bytes, 1).value);
        viaduct_result sent = viaduct_server_call_write(call, bytes_of(&response), -1);
        free(response.data);
        if (sent != VIADUCT_RESULT_OK) return 0;
    }
    return 1;
}

static void empty_call(void *userdata, viaduct_server_call *call) {
    (void)userdata;
    echo_initial(call);
    reply(call, (message){0});
    viaduct_server_call_free(call);
}

static void unary_call(void *userdata, viaduct_server_call *call) {
    (void)userdata;
    viaduct_bytes request = viaduct_server_call_request(call);
    if (find(find(request, 6).bytes, 1).value) viaduct_server_call_set_compression(call, VIADUCT_COMPRESSION_GZIP);
    echo_initial(call);
    if (!echo_status(call, request)) {
        message response = {0};
        put_payload(&response, 1, (size_t)find(request, 2).value);
        reply(call, response);
    }
    viaduct_server_call_free(call);
}

static void streaming_output(void *userdata, viaduct_server_call *call) {
    (void)userdata;
    viaduct_bytes request = viaduct_server_call_request(call);
    echo_initial(call);
    if (!echo_status(call, request) && send_outputs(call, request)) finish(call);
    viaduct_server_call_free(call);
}

static void streaming_input(void *userdata, viaduct_server_call *call) {
    (void)userdata;
    uint64_t sum = 0;
    viaduct_buffer got;
    viaduct_result result;
    while ((result = viaduct_server_call_read(call, -1, &got)) == VIADUCT_RESULT_OK) {
        sum += find(find((viaduct_bytes){got.data, got.length}, 1).bytes, 2).bytes.length;
        viaduct_buffer_free(&got);
    }
    if (result == VIADUCT_RESULT_END) {
        message response = {0};
        put_number(&response, 1, sum);
        reply(call, response);
    }
    viaduct_server_call_free(call);
}

static void full_duplex(void *userdata, viaduct_server_call *call) {
    (void)userdata;
    echo_initial(call);
    viaduct_buffer got;
    int over = 0;
    while (!over && viaduct_server_call_read(call, -1, &got) == VIADUCT_RESULT_OK) {
        viaduct_bytes request = {got.data, got.length};
        over = echo_status(call, request) || !send_outputs(call, request);
        viaduct_buffer_free(&got);
    }
    if (!over) finish(call);
    viaduct_server_call_free(call);
}

static void hello(void *userdata, viaduct_server_call *call) {
    (void)userdata;
    viaduct_bytes name = find(viaduct_server_call_request(call), 1).bytes;
    message text = {0}, response = {0};
    put(&text, "Hello ", 6);
    put(&text, name.data, name.length);
    put_message(&response, 1, text);
    reply(call, response);
    viaduct_server_call_free(call);
}

int main(int argc, char **argv) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);

    const char *certificate = NULL, *key = NULL, *ca = NULL;
    for (int n = 1; n < argc; n++) {
        if (!strcmp(argv[n], "--tls") && n + 2 < argc) certificate = argv[++n], key = argv[++n];
        else if (!strcmp(argv[n], "--ca") && n + 1 < argc) ca = argv[++n];
    }
    viaduct_runtime *runtime;
    viaduct_server *server;
    viaduct_server_options options = {.size = sizeof options, .threads = 16, .drain_timeout_ms = 2000};
    must(viaduct_runtime_new(&runtime));
    must(viaduct_server_new(runtime, &options, &server));
    must(viaduct_server_handle(server, SERVICE "EmptyCall", VIADUCT_UNARY, empty_call, NULL, NULL));
    must(viaduct_server_handle(server, SERVICE "UnaryCall", VIADUCT_UNARY, unary_call, NULL, NULL));
    must(viaduct_server_handle(server, SERVICE "StreamingOutputCall", VIADUCT_SERVER_STREAMING, streaming_output,
                               NULL, NULL));
    must(viaduct_server_handle(server, SERVICE "StreamingInputCall", VIADUCT_CLIENT_STREAMING, streaming_input, NULL,
                               NULL));
    must(viaduct_server_handle(server, SERVICE "FullDuplexCall", VIADUCT_BIDI_STREAMING, full_duplex, NULL, NULL));
    must(viaduct_server_handle(server, "/helloworld.Greeter/SayHello", VIADUCT_UNARY, hello, NULL, NULL));
    viaduct_server_credentials *credentials = NULL;
    if (certificate) {
        char *texts[3] = {read_file(certificate), read_file(key), ca ? read_file(ca) : NULL};
        must(viaduct_server_credentials_new(viaduct_text(texts[0]), viaduct_text(texts[1]), viaduct_text(texts[2]),
                                            VIADUCT_YES, &credentials));
        for (int n = 0; n < 3; n++) free(texts[n]);
    }
    char *target;
    must(viaduct_server_listen(server, certificate ? "https://127.0.0.1:0" : "http://127.0.0.1:0", credentials, &target));
    viaduct_server_credentials_free(credentials);
    must(viaduct_server_start(server));
    printf("port %s\n", strrchr(target, ':') + 1);
    fflush(stdout);
    viaduct_string_free(target);
    int signal;
    sigwait(&signals, &signal);
    viaduct_server_shutdown(server);
    viaduct_server_wait(server, -1);
    viaduct_server_free(server);
    viaduct_runtime_free(runtime);
    return 0;
}
