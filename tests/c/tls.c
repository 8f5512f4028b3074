// TLS, with the certificates that the script has made: in the directory VIADUCT_TEST_CERTIFICATES.
#include "echo.h"

static char *read_file(const char *name) {
    char path[512];
    const char *directory = getenv("VIADUCT_TEST_CERTIFICATES");
    if (!directory) skip("there are no certificates");
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    CHECK(file);
    char *content = calloc(1, 16384);
    CHECK(content && fread(content, 1, 16383, file) > 0);
    fclose(file);
    return content;
}

static void who(void *userdata, viaduct_server_call *call) {
    (void)userdata;
    char said[64];
    snprintf(said, sizeof said, "%s", viaduct_server_call_certificate(call).length ? "known" : "unknown");
    viaduct_server_call_reply(call, text(said), NULL);
    viaduct_server_call_free(call);
}

static void tls(void) {
    char *ca = read_file("ca.pem"), *certificate = read_file("server.pem"), *key = read_file("server.key");
    char *client = read_file("client.pem"), *client_key = read_file("client.key"), *other = read_file("other-ca.pem");
    viaduct_bytes none = {NULL, 0};
    viaduct_runtime *runtime;
    viaduct_server *server;
    viaduct_server_credentials *own;
    OK(viaduct_runtime_new(&runtime));
    OK(viaduct_server_credentials_new(text(certificate), text(key), text(ca), VIADUCT_NO, &own));
    OK(viaduct_server_new(runtime, NULL, &server));
    OK(viaduct_server_handle(server, UNARY, VIADUCT_UNARY, who, NULL, NULL));
    char *target;
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_server_listen(server, "http://127.0.0.1:0", own, NULL));
    OK(viaduct_server_listen(server, "https://127.0.0.1:0", own, &target));
    OK(viaduct_server_credentials_free(own));
    OK(viaduct_server_start(server));

    viaduct_channel_options options = {.size = sizeof options, .proxy = ""};
    viaduct_credentials *credentials;
    viaduct_channel *channel;
    OK(viaduct_credentials_new(text(ca), none, none, "localhost", &credentials));
    OK(viaduct_channel_new(runtime, target, credentials, &options, &channel));
    OK(viaduct_credentials_free(credentials));
    echo_expect(channel, "", "unknown");
    OK(viaduct_channel_free(channel));

    OK(viaduct_credentials_new(text(ca), text(client), text(client_key), NULL, &credentials));
    OK(viaduct_channel_new(runtime, target, credentials, &options, &channel));
    OK(viaduct_credentials_free(credentials));
    echo_expect(channel, "", "known");
    OK(viaduct_channel_free(channel));

    OK(viaduct_credentials_new(text(other), none, none, NULL, &credentials));
    OK(viaduct_channel_new(runtime, target, credentials, &options, &channel));
    viaduct_buffer response;
    GIVES(VIADUCT_RESULT_FAILED, viaduct_channel_unary(channel, UNARY, text("x"), NULL, &response, NULL));
    SAYS("UNAVAILABLE");
    OK(viaduct_channel_free(channel));
    char plain[128];
    snprintf(plain, sizeof plain, "http%s", target + 5);
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_channel_new(runtime, plain, credentials, &options, &channel));
    OK(viaduct_credentials_free(credentials));

    OK(viaduct_string_free(target));
    OK(viaduct_server_free(server));
    OK(viaduct_runtime_free(runtime));
    free(ca), free(certificate), free(key), free(client), free(client_key), free(other);
}

const test tls_tests[] = {{"tls", tls}, {NULL, NULL}};
