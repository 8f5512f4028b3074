// Calls greeter.Greeter: one call that is waited for, one that fails, one that streams.
//
//     cc greeter-client.c $(pkg-config --cflags --libs viaduct) -o greeter-client
//     ./greeter-client [TARGET]
#include "greeter.h"

static void say_hello(viaduct_channel *channel, const char *name) {
    uint8_t space[256];
    char text[256];
    viaduct_call_options options = {.size = sizeof options, .timeout_ms = 5000};
    viaduct_buffer reply;
    viaduct_status *status = NULL;
    viaduct_result result = viaduct_channel_unary(channel, "/greeter.Greeter/SayHello", greeter_write(space, name),
                                                  &options, &reply, &status);
    if (result == VIADUCT_RESULT_OK) {
        printf("SayHello: %s\n", greeter_read(text, reply.data, reply.length));
        viaduct_buffer_free(&reply);
    } else if (result == VIADUCT_RESULT_FAILED) {
        printf("SayHello to nobody: %s: %s\n", viaduct_code_name(viaduct_status_code(status)),
               viaduct_status_message(status));
    } else {
        must(result, "SayHello");
    }
    viaduct_status_free(status);
}

static void lots_of_replies(viaduct_channel *channel, const char *name) {
    uint8_t space[256];
    char text[256];
    viaduct_bytes request = greeter_write(space, name);
    viaduct_call_options options = {.size = sizeof options, .timeout_ms = 5000};
    viaduct_call *call;
    must(viaduct_channel_call(channel, "/greeter.Greeter/LotsOfReplies", &request, &options, &call), "LotsOfReplies");
    viaduct_buffer reply;
    viaduct_result result;
    while ((result = viaduct_call_read(call, -1, &reply)) == VIADUCT_RESULT_OK) {
        printf("LotsOfReplies: %s\n", greeter_read(text, reply.data, reply.length));
        viaduct_buffer_free(&reply);
    }
    if (result != VIADUCT_RESULT_END) must(result, "LotsOfReplies");
    viaduct_call_free(call);
}

int main(int argc, char **argv) {
    const char *target = argc > 1 ? argv[1] : "http://127.0.0.1:50051";
    viaduct_runtime *runtime;
    viaduct_channel *channel;
    must(viaduct_runtime_new(&runtime), "runtime");
    must(viaduct_channel_new(runtime, target, NULL, NULL, &channel), "channel");
    // Channels, calls and servers keep the runtime for as long as they need it.
    viaduct_runtime_free(runtime);

    say_hello(channel, "Ada");
    say_hello(channel, "");
    lots_of_replies(channel, "Ada");
    viaduct_channel_free(channel);
    return 0;
}
