// Serves greeter.Greeter, until SIGTERM or SIGINT; then it finishes what it has begun.
//
//     cc greeter-server.c $(pkg-config --cflags --libs viaduct) -o greeter-server
//     ./greeter-server [ADDRESS]
#include "greeter.h"

#include <signal.h>

// At once: a handler of a server without threads runs on the runtime's thread, and must be quick.
static void say_hello(void *userdata, viaduct_server_call *call) {
    (void)userdata;
    char name[256], greeting[300];
    uint8_t space[256];
    viaduct_bytes request = viaduct_server_call_request(call);
    if (*greeter_read(name, request.data, request.length)) {
        snprintf(greeting, sizeof greeting, "Hello, %s!", name);
        viaduct_server_call_reply(call, greeter_write(space, greeting), NULL);
    } else {
        viaduct_server_call_fail(call, VIADUCT_CODE_INVALID_ARGUMENT, "whom shall I greet?");
    }
    viaduct_server_call_free(call);
}

// These wait for messages or for room, which is what the threads are for.
static void lots_of_replies(void *userdata, viaduct_server_call *call) {
    (void)userdata;
    static const char *const greetings[] = {"Hello", "Bonjour", "Hej", "Merhaba", "Ahoj"};
    char name[256], greeting[300];
    uint8_t space[256];
    viaduct_bytes request = viaduct_server_call_request(call);
    greeter_read(name, request.data, request.length);
    for (size_t n = 0; n < sizeof greetings / sizeof *greetings; n++) {
        snprintf(greeting, sizeof greeting, "%s, %s!", greetings[n], name);
        if (viaduct_server_call_write(call, greeter_write(space, greeting), -1) != VIADUCT_RESULT_OK) break; // it has gone
    }
    viaduct_server_call_finish(call, NULL, NULL);
    viaduct_server_call_free(call);
}

static void lots_of_greetings(void *userdata, viaduct_server_call *call) {
    (void)userdata;
    char name[256], greeting[300] = "Hello, ";
    uint8_t space[256];
    viaduct_buffer request;
    viaduct_result result;
    for (int n = 0; (result = viaduct_server_call_read(call, -1, &request)) == VIADUCT_RESULT_OK; n++) {
        greeter_read(name, request.data, request.length);
        size_t used = strlen(greeting);
        snprintf(greeting + used, sizeof greeting - used, "%s%s", n ? " and " : "", name);
        viaduct_buffer_free(&request);
    }
    size_t used = strlen(greeting);
    snprintf(greeting + used, sizeof greeting - used, "!");
    if (result == VIADUCT_RESULT_END) viaduct_server_call_reply(call, greeter_write(space, greeting), NULL);
    viaduct_server_call_free(call);
}

static void bidi_hello(void *userdata, viaduct_server_call *call) {
    (void)userdata;
    char name[256], greeting[300];
    uint8_t space[256];
    viaduct_buffer request;
    viaduct_result result = VIADUCT_RESULT_OK;
    while (result == VIADUCT_RESULT_OK && viaduct_server_call_read(call, -1, &request) == VIADUCT_RESULT_OK) {
        snprintf(greeting, sizeof greeting, "Hello, %s!", greeter_read(name, request.data, request.length));
        viaduct_buffer_free(&request);
        result = viaduct_server_call_write(call, greeter_write(space, greeting), -1);
    }
    viaduct_server_call_finish(call, NULL, NULL);
    viaduct_server_call_free(call);
}

int main(int argc, char **argv) {
    // Before there are threads, so that all of them leave the signals to this one.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);

    viaduct_runtime *runtime;
    viaduct_server *server;
    viaduct_server_options options = {.size = sizeof options, .threads = 4, .drain_timeout_ms = 10000};
    must(viaduct_runtime_new(&runtime), "runtime");
    must(viaduct_server_new(runtime, &options, &server), "server");
#define METHOD(name, kind, handler) \
    must(viaduct_server_handle(server, "/greeter.Greeter/" name, kind, handler, NULL, NULL), name)
    METHOD("SayHello", VIADUCT_UNARY, say_hello);
    METHOD("LotsOfReplies", VIADUCT_SERVER_STREAMING, lots_of_replies);
    METHOD("LotsOfGreetings", VIADUCT_CLIENT_STREAMING, lots_of_greetings);
    METHOD("BidiHello", VIADUCT_BIDI_STREAMING, bidi_hello);
    char *target;
    must(viaduct_server_listen(server, argc > 1 ? argv[1] : "http://127.0.0.1:50051", NULL, &target), "listen");
    must(viaduct_server_start(server), "start");
    printf("listening on %s\n", target);
    fflush(stdout);
    viaduct_string_free(target);

    int signal;
    sigwait(&signals, &signal);
    viaduct_server_shutdown(server);
    viaduct_server_wait(server, -1);
    viaduct_server_free(server);
    viaduct_runtime_free(runtime);
    puts("stopped");
    return 0;
}
