/*
 * An observer as tracing extensions have them (OpenTelemetry's, Datadog's): it is told of the begin and the end of every
 * function, internal ones too, and of fibers. It believes all that a function says of itself, and holds the calls against
 * each other. scripts/test-tools builds it.
 */
#include <php.h>
#include <zend_observer.h>
#include <zend_exceptions.h>
#include <zend_fibers.h>

static HashTable open_frames;
static zend_ulong begun, ended, fibers, switches;
static size_t read_bytes;
static pid_t owner;

ZEND_COLD static void wrong(const char *what, zend_execute_data *frame) {
    zend_string *name = frame->func ? frame->func->common.function_name : NULL;
    fprintf(stderr, "observer: %s: %s\n", what, name ? ZSTR_VAL(name) : "(no name)");
    abort();
}

static void look_at(zend_function *function) {
    if (function->common.function_name) read_bytes += ZSTR_LEN(function->common.function_name);
    if (function->common.scope) read_bytes += ZSTR_LEN(function->common.scope->name);
    if (ZEND_USER_CODE(function->type)) {
        read_bytes += ZSTR_LEN(function->op_array.filename);
        return;
    }
    zend_internal_arg_info *info = function->internal_function.arg_info;
    for (uint32_t n = 0; info && n < function->common.num_args; n++) read_bytes += strlen(info[n].name);
    if (function->internal_function.module) read_bytes += strlen(function->internal_function.module->name);
}

static void on_begin(zend_execute_data *frame) {
    begun++;
    look_at(frame->func);
    if (EG(current_execute_data) != frame && ZEND_USER_CODE(frame->func->type)) wrong("it begins while another runs", frame);
    /* The whole stack, as a profiler that samples reads it. */
    for (zend_execute_data *at = frame; at; at = at->prev_execute_data)
        if (at->func) look_at(at->func);
    if (!zend_hash_index_add_empty_element(&open_frames, (zend_ulong)(uintptr_t)frame)) wrong("it began twice", frame);
}

static void on_end(zend_execute_data *frame, zval *result) {
    ended++;
    if (result) read_bytes += Z_TYPE_P(result);
    if (zend_hash_index_del(&open_frames, (zend_ulong)(uintptr_t)frame) == FAILURE) wrong("it ends and never began", frame);
}

static zend_observer_fcall_handlers observe(zend_execute_data *frame) {
    return (zend_observer_fcall_handlers){on_begin, on_end};
}

static void on_fiber(zend_fiber_context *context) {
    fibers++;
}

static void on_switch(zend_fiber_context *from, zend_fiber_context *to) {
    switches++;
}

static PHP_MINIT_FUNCTION(observer) {
    zend_observer_fcall_register(observe);
    zend_observer_fiber_init_register(on_fiber);
    zend_observer_fiber_switch_register(on_switch);
    zend_observer_fiber_destroy_register(on_fiber);
    zend_hash_init(&open_frames, 64, NULL, NULL, 1);
    return SUCCESS;
}

static PHP_RINIT_FUNCTION(observer) {
    zend_hash_clean(&open_frames);
    owner = getpid();
    return SUCCESS;
}

static PHP_RSHUTDOWN_FUNCTION(observer) {
    const char *file = getenv("OBSERVER_COUNTS");
    FILE *to = file && owner == getpid() ? fopen(file, "a") : NULL;
    if (to) {
        fprintf(to, "%lu begun, %lu ended, %lu fibers, %lu switches\n", begun, ended, fibers, switches);
        fclose(to);
    }
    return SUCCESS;
}

zend_module_entry observer_module_entry = {
    STANDARD_MODULE_HEADER, "observer", NULL, PHP_MINIT(observer), NULL, PHP_RINIT(observer), PHP_RSHUTDOWN(observer), NULL,
    "1", STANDARD_MODULE_PROPERTIES};

ZEND_GET_MODULE(observer)
