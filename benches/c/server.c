// The unary echo through the C API, answered on the runtime's thread. Prints "port N", and serves for ever.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <viaduct.h>

static void must(viaduct_result result) {
    if (result == VIADUCT_RESULT_OK) return;
    fprintf(stderr, "%s: %s\n", viaduct_result_name(result), viaduct_error_message());
    exit(1);
}

static void echo(void *userdata, viaduct_server_call *call) {
    (void)userdata;
    viaduct_server_call_reply(call, viaduct_server_call_request(call), NULL);
    viaduct_server_call_free(call);
}

int main(void) {
    viaduct_runtime *runtime;
    viaduct_server *server;
    char *target;
    must(viaduct_runtime_new(&runtime));
    must(viaduct_server_new(runtime, NULL, &server));
    must(viaduct_server_handle(server, "/bench.Echo/Unary", VIADUCT_UNARY, echo, NULL, NULL));
    must(viaduct_server_listen(server, "http://127.0.0.1:0", NULL, &target));
    must(viaduct_server_start(server));
    printf("port %s\n", strrchr(target, ':') + 1);
    fflush(stdout);
    must(viaduct_server_wait(server, -1));
    return 0;
}
