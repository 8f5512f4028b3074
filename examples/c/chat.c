// A chat with greeter.Greeter/BidiHello: one thread writes what comes from stdin, line by line, the other reads what the
// server says to it.
//
//     cc chat.c $(pkg-config --cflags --libs viaduct) -lpthread -o chat
//     printf 'Ada\nGrace\n' | ./chat [TARGET]
#include "greeter.h"

#include <pthread.h>

static void *read_replies(void *call) {
    char text[256];
    viaduct_buffer reply;
    viaduct_result result;
    while ((result = viaduct_call_read(call, -1, &reply)) == VIADUCT_RESULT_OK) {
        printf("%s\n", greeter_read(text, reply.data, reply.length));
        viaduct_buffer_free(&reply);
    }
    if (result != VIADUCT_RESULT_END) must(result, "read");
    return NULL;
}

int main(int argc, char **argv) {
    viaduct_runtime *runtime;
    viaduct_channel *channel;
    viaduct_call *call;
    must(viaduct_runtime_new(&runtime), "runtime");
    must(viaduct_channel_new(runtime, argc > 1 ? argv[1] : "http://127.0.0.1:50051", NULL, NULL, &channel), "channel");

    // Who you are, for the server's log; and a name in any bytes.
    viaduct_metadata *metadata;
    must(viaduct_metadata_new(&metadata), "metadata");
    must(viaduct_metadata_append(metadata, "x-client", viaduct_text("chat.c")), "metadata");
    must(viaduct_metadata_append(metadata, "x-token-bin", (viaduct_bytes){(const uint8_t *)"\0\1\2", 3}), "metadata");
    viaduct_call_options options = {.size = sizeof options, .metadata = metadata, .wait_for_ready = VIADUCT_YES};
    must(viaduct_channel_call(channel, "/greeter.Greeter/BidiHello", NULL, &options, &call), "BidiHello");
    viaduct_metadata_free(metadata);

    pthread_t reader;
    if (pthread_create(&reader, NULL, read_replies, call) != 0) return 1;
    char line[200];
    uint8_t space[256];
    viaduct_result result = VIADUCT_RESULT_OK;
    while (result == VIADUCT_RESULT_OK && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        result = viaduct_call_write(call, greeter_write(space, line), -1);
    }
    viaduct_call_half_close(call);
    pthread_join(reader, NULL);

    viaduct_status *status;
    must(viaduct_call_wait(call, -1, &status), "wait");
    printf("%s\n", viaduct_code_name(viaduct_status_code(status)));
    viaduct_status_free(status);
    viaduct_call_free(call);
    viaduct_channel_free(channel);
    viaduct_runtime_free(runtime);
    return 0;
}
