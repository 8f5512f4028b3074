/*
 * libviaduct: gRPC for C.
 *
 * This header is generated from the library's source; edit there.
 *
 * The contract, for every function here:
 *
 * Results. A function gives a viaduct_result, or what it reads. VIADUCT_RESULT_OK is 0. What a function
 *   writes stands last among its parameters; after any other result there are zeros (NULL, no bytes),
 *   unless it says more.
 *   After any other result viaduct_error_message() has a sentence, for the calling thread.
 * Ownership. What a function ending in _new, _start, _read and the like writes through a pointer to
 *   a pointer, or as a viaduct_buffer, belongs to the caller, who frees it once with the function
 *   ending in _free. What is returned as a const pointer or as viaduct_bytes belongs to the handle that
 *   was asked, and goes with it. Whatever is passed in is copied or only looked at; the caller keeps
 *   it. Handles may be freed in any order: a channel before its calls, a runtime first of all.
 * Freeing. NULL is fine. Freeing twice, and using what was freed, is undefined; a debug build of the
 *   library says VIADUCT_RESULT_FREED.
 * NULL. A NULL that is not allowed gives VIADUCT_RESULT_NULL. Where a parameter may be NULL, the function
 *   says so.
 * Kinds. A handle of another kind gives VIADUCT_RESULT_WRONG_HANDLE. A pointer that never was a handle is
 *   undefined.
 * Strings. They end with a NUL and are UTF-8; others give VIADUCT_RESULT_NOT_UTF8. Bytes have a length, at
 *   most SIZE_MAX / 2, and (NULL, 0) is no bytes.
 * Threads. Any thread may call any function, several at once on one handle, unless the type says
 *   otherwise; but nobody else may use a handle while it is freed.
 * Waiting. A timeout is in milliseconds: negative waits for ever, 0 does not wait. What ends in
 *   _start does not wait: its end is told later, exactly once, to a queue or a function.
 * Callbacks. They get their userdata first. They run on the library's threads and must be quick: what
 *   would have to wait gives VIADUCT_RESULT_INSIDE_CALLBACK there. They must not throw, and not longjmp out.
 *   They may start and cancel things, also on the handle that they are told about, and free it.
 * Signals. The library's threads block all of them. It sets no handlers, and a broken connection
 *   raises no SIGPIPE.
 * Errors inside. A bug in the library gives VIADUCT_RESULT_PANIC and spoils the handle that was used, which
 *   gives VIADUCT_RESULT_POISONED from then on, and nothing else. No function unwinds into its caller.
 * fork. The parent goes on. In the child, handles from before give VIADUCT_RESULT_FORKED; they may be freed,
 *   which the peer does not notice, and new ones may be made.
 */

#ifndef VIADUCT_H
#define VIADUCT_H

#include <stddef.h>
#include <stdint.h>

// The version of this header; viaduct_version() tells that of the library that runs. Programs that were built
// with a header run with every later library whose name is the same (libviaduct.so.0).
#define VIADUCT_VERSION "0.1.0"
#define VIADUCT_VERSION_MAJOR 0
#define VIADUCT_VERSION_MINOR 1
#define VIADUCT_VERSION_PATCH 0
#define VIADUCT_VERSION_NUMBER 1000
#define VIADUCT_VERSION_AT_LEAST(major, minor, patch) (VIADUCT_VERSION_NUMBER >= (major) * 1000000 + (minor) * 1000 + (patch))

// What results were called before they had a prefix of their own.
#define VIADUCT_OK VIADUCT_RESULT_OK
#define VIADUCT_NULL VIADUCT_RESULT_NULL
#define VIADUCT_WRONG_HANDLE VIADUCT_RESULT_WRONG_HANDLE
#define VIADUCT_FREED VIADUCT_RESULT_FREED
#define VIADUCT_FORKED VIADUCT_RESULT_FORKED
#define VIADUCT_POISONED VIADUCT_RESULT_POISONED
#define VIADUCT_PANIC VIADUCT_RESULT_PANIC
#define VIADUCT_INVALID_ARGUMENT VIADUCT_RESULT_INVALID_ARGUMENT
#define VIADUCT_NOT_UTF8 VIADUCT_RESULT_NOT_UTF8
#define VIADUCT_TOO_LONG VIADUCT_RESULT_TOO_LONG
#define VIADUCT_INSIDE_CALLBACK VIADUCT_RESULT_INSIDE_CALLBACK
#define VIADUCT_BUSY VIADUCT_RESULT_BUSY
#define VIADUCT_WRONG_STATE VIADUCT_RESULT_WRONG_STATE
#define VIADUCT_TIMEOUT VIADUCT_RESULT_TIMEOUT
#define VIADUCT_END VIADUCT_RESULT_END
#define VIADUCT_CLOSED VIADUCT_RESULT_CLOSED
#define VIADUCT_FAILED VIADUCT_RESULT_FAILED
#define VIADUCT_SYSTEM VIADUCT_RESULT_SYSTEM


// How a function ended. The numbers are never used again for something else.
typedef enum viaduct_result {
  // It did what it says, and the results are written.
  VIADUCT_RESULT_OK = 0,
  // A pointer that must lead somewhere is NULL.
  VIADUCT_RESULT_NULL = 1,
  // The handle is of another kind, or it belongs to another handle and cannot be freed by itself.
  VIADUCT_RESULT_WRONG_HANDLE = 2,
  // The handle has been freed. Known in debug builds; in others, using it is undefined.
  VIADUCT_RESULT_FREED = 3,
  // The handle was made before a fork, in the parent.
  VIADUCT_RESULT_FORKED = 4,
  // An earlier call with this handle ended with VIADUCT_RESULT_PANIC.
  VIADUCT_RESULT_POISONED = 5,
  // A bug in the library. Nothing is known about the handle any more: free it.
  VIADUCT_RESULT_PANIC = 6,
  // An argument cannot be used; the message says why and what was expected.
  VIADUCT_RESULT_INVALID_ARGUMENT = 7,
  // A string is not UTF-8.
  VIADUCT_RESULT_NOT_UTF8 = 8,
  // A length is past SIZE_MAX / 2, or a message longer than what may be sent.
  VIADUCT_RESULT_TOO_LONG = 9,
  // It would have to wait, inside a callback on the library's own thread.
  VIADUCT_RESULT_INSIDE_CALLBACK = 10,
  // The same is being done with this handle already.
  VIADUCT_RESULT_BUSY = 11,
  // It cannot be done now: the server has been started already, and the like.
  VIADUCT_RESULT_WRONG_STATE = 12,
  // It did not happen within the given time. What was waited for goes on.
  VIADUCT_RESULT_TIMEOUT = 13,
  // There are no more.
  VIADUCT_RESULT_END = 14,
  // The call is over: nothing more can be sent.
  VIADUCT_RESULT_CLOSED = 15,
  // The call has ended with a status that is not OK.
  VIADUCT_RESULT_FAILED = 16,
  // The operating system refused.
  VIADUCT_RESULT_SYSTEM = 17,
} viaduct_result;

// What an event tells about.
typedef enum viaduct_event_kind {
  // Nothing: the event is all zeros, or has been cleared.
  VIADUCT_EVENT_NONE = 0,
  // A call with one response has ended: `status`, and `message` where the status is OK.
  VIADUCT_EVENT_RESPONSE = 1,
  // The next message is in `message`, or `result` says that there is none.
  VIADUCT_EVENT_READ = 2,
  // The message has been taken, or `result` says that the call is over.
  VIADUCT_EVENT_WRITE = 3,
  // The headers are here, or the call has ended without: `viaduct_call_headers`.
  VIADUCT_EVENT_HEADERS = 4,
  // A call has ended: `status`.
  VIADUCT_EVENT_ENDED = 5,
  // A channel is ready, or `result` says why it is not.
  VIADUCT_EVENT_READY = 6,
  // A server has got a call: `call`.
  VIADUCT_EVENT_CALL = 7,
  // A server's call is over: VIADUCT_RESULT_CLOSED where its client went away or its deadline passed,
  // VIADUCT_RESULT_OK where it was answered.
  VIADUCT_EVENT_OVER = 8,
  // A server has drained, or a proxy has.
  VIADUCT_EVENT_DRAINED = 9,
} viaduct_event_kind;

// What a channel is doing.
typedef enum viaduct_connectivity {
  // This is no channel: see `viaduct_error_message`.
  VIADUCT_CONNECTIVITY_UNKNOWN = -1,
  // There is no connection, and none is being made.
  VIADUCT_IDLE = 0,
  // A connection is being made.
  VIADUCT_CONNECTING = 1,
  // The connection stands.
  VIADUCT_READY = 2,
  // The last attempt failed.
  VIADUCT_TRANSIENT_FAILURE = 3,
  // The channel was closed.
  VIADUCT_SHUTDOWN = 4,
} viaduct_connectivity;

// Yes, no, or what is the default.
typedef enum viaduct_choice {
  // The default.
  VIADUCT_DEFAULT = 0,
  // Yes.
  VIADUCT_YES = 1,
  // No.
  VIADUCT_NO = 2,
} viaduct_choice;

// gRPC's status codes.
typedef enum viaduct_code {
  // It went well.
  VIADUCT_CODE_OK = 0,
  // It was given up, by one of both sides.
  VIADUCT_CODE_CANCELLED = 1,
  // Nobody knows.
  VIADUCT_CODE_UNKNOWN = 2,
  // The request makes no sense.
  VIADUCT_CODE_INVALID_ARGUMENT = 3,
  // It took too long.
  VIADUCT_CODE_DEADLINE_EXCEEDED = 4,
  // What was asked for is not there.
  VIADUCT_CODE_NOT_FOUND = 5,
  // What was to be made is there already.
  VIADUCT_CODE_ALREADY_EXISTS = 6,
  // The caller may not.
  VIADUCT_CODE_PERMISSION_DENIED = 7,
  // Something has run out.
  VIADUCT_CODE_RESOURCE_EXHAUSTED = 8,
  // The system is not in the state for it.
  VIADUCT_CODE_FAILED_PRECONDITION = 9,
  // Somebody else came between.
  VIADUCT_CODE_ABORTED = 10,
  // Past the end.
  VIADUCT_CODE_OUT_OF_RANGE = 11,
  // There is no such method.
  VIADUCT_CODE_UNIMPLEMENTED = 12,
  // Something is broken.
  VIADUCT_CODE_INTERNAL = 13,
  // Nobody is there now; later somebody may be.
  VIADUCT_CODE_UNAVAILABLE = 14,
  // Data is gone.
  VIADUCT_CODE_DATA_LOSS = 15,
  // The caller has not said who it is.
  VIADUCT_CODE_UNAUTHENTICATED = 16,
} viaduct_code;

// How messages are compressed.
typedef enum viaduct_compression {
  // As the channel or the server says; where that says nothing, not at all.
  VIADUCT_COMPRESSION_DEFAULT = 0,
  // Not at all.
  VIADUCT_COMPRESSION_NONE = 1,
  // gzip (RFC 1952).
  VIADUCT_COMPRESSION_GZIP = 2,
  // deflate (RFC 1950).
  VIADUCT_COMPRESSION_DEFLATE = 3,
} viaduct_compression;

// Which of a target's servers take the calls.
typedef enum viaduct_load_balancing {
  // One connection, to the first address that takes it.
  VIADUCT_PICK_FIRST = 0,
  // One connection to each address; the calls rotate over those that stand.
  VIADUCT_ROUND_ROBIN = 1,
} viaduct_load_balancing;

// How grave a log line is.
typedef enum viaduct_log_level {
  // Nothing.
  VIADUCT_LOG_OFF = 0,
  // Something does not work.
  VIADUCT_LOG_ERROR = 1,
  // Something does not work as it should.
  VIADUCT_LOG_WARN = 2,
  // Something worth knowing.
  VIADUCT_LOG_INFO = 3,
  // What happens inside.
  VIADUCT_LOG_DEBUG = 4,
  // Every step. Release builds with the command's feature, which the default ones have, leave these lines
  // out: there it is what VIADUCT_LOG_DEBUG is.
  VIADUCT_LOG_TRACE = 5,
} viaduct_log_level;

// How many messages a method's requests and responses have.
typedef enum viaduct_method_kind {
  // One request, one response.
  VIADUCT_UNARY = 0,
  // One request, any number of responses.
  VIADUCT_SERVER_STREAMING = 1,
  // Any number of requests, one response.
  VIADUCT_CLIENT_STREAMING = 2,
  // Any number of both.
  VIADUCT_BIDI_STREAMING = 3,
} viaduct_method_kind;

// A client's call.
//
// One thread may read and another one write at the same time; a second one that reads or writes gets
// VIADUCT_RESULT_BUSY. Cancelling is possible from any thread.
typedef struct viaduct_call viaduct_call;

// Connections to a server, made when a call needs them and made again when they break.
//
// Any number of threads may use it at once.
typedef struct viaduct_channel viaduct_channel;

// A client's TLS credentials. Any number of channels may be made with them, from any thread.
typedef struct viaduct_credentials viaduct_credentials;

// Keys and values. A key may have several values; they keep their order.
//
// Keys are lower case. Values of keys that end in "-bin" are any bytes, others are printable ASCII.
// Several threads may read one that nobody changes.
typedef struct viaduct_metadata viaduct_metadata;

// A proxy that runs, on threads of its own: it needs no runtime. Any number of threads may use it at once.
typedef struct viaduct_proxy viaduct_proxy;

// A queue of events. Any thread may add to it, by what it starts, and any thread may take from it.
typedef struct viaduct_queue viaduct_queue;

// A thread that moves the bytes of channels and servers, and runs callbacks.
//
// One is enough for a process. Channels, calls and servers keep it running: it ends when it and the
// last of them have been freed. Any thread may use it.
typedef struct viaduct_runtime viaduct_runtime;

// A server. Any number of threads may use it at once.
typedef struct viaduct_server viaduct_server;

// A call as a server has it.
//
// One thread may read and another one write at the same time; a second one that reads or writes gets
// VIADUCT_RESULT_BUSY. It may be answered on any thread, at once or later.
typedef struct viaduct_server_call viaduct_server_call;

// A server's TLS credentials. Any number of addresses may be listened on with them, from any thread.
typedef struct viaduct_server_credentials viaduct_server_credentials;

// How a call ended: code, message, details (google.rpc.Status) and trailers.
//
// Several threads may read one that nobody changes.
typedef struct viaduct_status viaduct_status;

// Bytes that the caller owns; they are only looked at, and not after the function has returned.
//
// Where a function gives this, the bytes belong to the handle that was asked.
typedef struct viaduct_bytes {
  // The first byte. May be NULL where the length is 0.
  const uint8_t *data;
  // How many there are; at most SIZE_MAX / 2.
  size_t length;
} viaduct_bytes;

// Bytes that the caller owns, and frees with `viaduct_buffer_free`.
//
// It is a plain value: it may be moved, but only one copy of it may be used. All zeros are an empty
// buffer that needs no freeing.
typedef struct viaduct_buffer {
  // The first byte. NULL only where the buffer is all zeros.
  const uint8_t *data;
  // How many there are.
  size_t length;
  // The library's.
  void *owner;
} viaduct_buffer;

// A function that gets log lines, from any thread, one at a time. `level` is a `viaduct_log_level`.
// The strings are the library's, and go after the call. It must be quick and must not call this
// library.
typedef void (*viaduct_log_callback)(void *userdata,
                                     int32_t level,
                                     const char *module,
                                     const char *message);

// Something that happened.
//
// Whoever gets it from a queue owns what is in it: `viaduct_event_clear` frees that, and what is to
// stay is taken out before (copied, and zeros put in its place).
typedef struct viaduct_event {
  // What was given when it was started.
  void *userdata;
  // What it tells about.
  enum viaduct_event_kind kind;
  // How it ended: as the blocking function of the same name would have.
  enum viaduct_result result;
  // A message, or zeros.
  struct viaduct_buffer message;
  // A status, or NULL. To be freed with `viaduct_status_free`.
  struct viaduct_status *status;
  // A server's call, or NULL. To be freed with `viaduct_server_call_free`.
  struct viaduct_server_call *call;
} viaduct_event;

// How a channel behaves. Zero and NULL are the defaults; `size` is `sizeof(viaduct_channel_options)`.
// The strings are copied.
typedef struct viaduct_channel_options {
  // `sizeof(viaduct_channel_options)`: a later library knows by it which fields there are.
  size_t size;
  // The longest message that is taken, in bytes after decompression; default 4 MiB.
  uint64_t max_receive_bytes;
  // The longest message that is sent, in bytes before compression; no limit by default.
  uint64_t max_send_bytes;
  // PING after so much silence, in milliseconds; never by default. After two PINGs without DATA or HEADERS from this
  // side, one a minute; after GOAWAY "too_many_pings" the interval doubles.
  int64_t keepalive_ms;
  // Give the connection up where a PING is not answered within this; default 20 s.
  int64_t keepalive_timeout_ms;
  // How long one attempt to connect may take; default 20 s.
  int64_t connect_timeout_ms;
  // Close the connection after so long without a call; never by default.
  int64_t idle_timeout_ms;
  // The pause after the first failed attempt; default 1 s.
  int64_t initial_backoff_ms;
  // The longest pause between attempts; default 120 s.
  int64_t max_backoff_ms;
  // Put before the library's own name in `user-agent`.
  const char *user_agent;
  // Sent as `:authority` in the target's place.
  const char *authority;
  // The service config, as JSON text.
  const char *service_config;
  // "http://host:port" of an HTTP proxy, "" for none. NULL: as the environment says.
  const char *proxy;
  // A `viaduct_compression`.
  int32_t compression;
  // A `viaduct_load_balancing`.
  int32_t load_balancing;
  // A `viaduct_choice`: whether calls wait for a connection; by default they fail with the attempt.
  int32_t wait_for_ready;
  // A `viaduct_choice`: PING while no call runs, too; by default not.
  int32_t keepalive_without_calls;
  // A `viaduct_choice`: whether calls are sent again, by policy or where the server did not see
  // them; by default they are.
  int32_t retries;
  // The longest headers or trailers of an answer, in bytes as HTTP/2 counts them (RFC 9113, section 6.5.2); longer
  // ones end their call RESOURCE_EXHAUSTED. Default 64 KiB.
  uint64_t max_metadata_bytes;
} viaduct_channel_options;

// A function that is told of an event, on the library's thread: it must be quick, and what would have
// to wait gives VIADUCT_RESULT_INSIDE_CALLBACK there. The library clears the event afterwards; what is to
// stay is taken out, as from an event of a queue.
typedef void (*viaduct_callback)(void *userdata, struct viaduct_event *event);

// Whom to tell: a queue or a function, one of both.
//
// Exactly one event comes for each thing that was started with VIADUCT_RESULT_OK, whatever becomes of it.
typedef struct viaduct_completion {
  // The queue that gets the event, or NULL. It may be freed before; then the event is dropped.
  struct viaduct_queue *queue;
  // The function that is called, or NULL.
  viaduct_callback callback;
  // Given back with the event.
  void *userdata;
} viaduct_completion;

// What a call says of itself. Zero and NULL are the defaults; `size` is `sizeof(viaduct_call_options)`.
// What it leads to is copied.
typedef struct viaduct_call_options {
  // `sizeof(viaduct_call_options)`.
  size_t size;
  // What is sent with the request.
  const struct viaduct_metadata *metadata;
  // The deadline: so many milliseconds from now. 0: none. Negative: it has passed.
  int64_t timeout_ms;
  // Sent as `:authority` in the channel's place.
  const char *authority;
  // The call on whose behalf this one is made: its deadline holds here, too.
  const struct viaduct_server_call *parent;
  // A `viaduct_compression`.
  int32_t compression;
  // A `viaduct_choice`: whether to wait for a connection; by default as the channel says.
  int32_t wait_for_ready;
} viaduct_call_options;

// How a server behaves. Zeros are the defaults; `size` is `sizeof(viaduct_server_options)`.
typedef struct viaduct_server_options {
  // `sizeof(viaduct_server_options)`: a later library knows by it which fields there are.
  size_t size;
  // Threads of the library's that run handlers, which may then wait. By default there are none:
  // handlers run on the runtime's thread and must be quick, which is faster.
  uint64_t threads;
  // Calls that may wait while no handler is free, be it in a thread's queue; the next is answered
  // RESOURCE_EXHAUSTED. Default 4096.
  uint64_t max_queued;
  // The longest request message, in bytes after decompression; default 4 MiB.
  uint64_t max_receive_bytes;
  // The longest response message, in bytes as sent; no limit by default.
  uint64_t max_send_bytes;
  // Calls that one connection may have at once; default 1024.
  uint64_t max_concurrent_streams;
  // Connections that may be open; default 10000.
  uint64_t max_connections;
  // How long running calls may take after `viaduct_server_shutdown`; default 30 s.
  int64_t drain_timeout_ms;
  // PING a client after so much silence; never by default.
  int64_t keepalive_ms;
  // Give a connection up where a PING is not answered within this; default 20 s.
  int64_t keepalive_timeout_ms;
  // How long a connection may take to begin; default 10 s.
  int64_t handshake_timeout_ms;
  // A `viaduct_compression`, for the responses to clients that accept it.
  int32_t compression;
  // The longest headers of a request, in bytes as HTTP/2 counts them (RFC 9113, section 6.5.2); longer ones are
  // answered RESOURCE_EXHAUSTED. Default 16 KiB.
  uint64_t max_metadata_bytes;
  // Tell a connection to go away (GOAWAY) after so long without a call; never by default.
  int64_t max_connection_idle_ms;
  // Tell a connection to go away after so long, give or take a tenth; its calls go on. Never by default.
  int64_t max_connection_age_ms;
  // How long those calls may take before the connection is cut; as long as they like by default.
  int64_t max_connection_age_grace_ms;
} viaduct_server_options;

// A function that gets a call. It owns the call: it frees it with `viaduct_server_call_free`, or somebody
// else does so later, on any thread, once the call has been answered.
typedef void (*viaduct_handler)(void *userdata, struct viaduct_server_call *call);

// Frees userdata, once the library will not pass it to anybody any more. It may run on any thread.
typedef void (*viaduct_finaliser)(void *userdata);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The library's version as a NUL-terminated string, "0.1.0" and the like.
//
// The string is static: it is never freed. Any thread may call this at any time.
const char *viaduct_version(void);

// What went wrong, as a sentence: for the last function that did not give VIADUCT_RESULT_OK on the calling
// thread. Empty where there was none.
//
// The string belongs to the library, and stays until the next failure on this thread. Never NULL.
const char *viaduct_error_message(void);

// The name of a `viaduct_result`: "VIADUCT_RESULT_NULL" and the like; "unknown result" for any other number.
//
// The string is static: it is never freed. Never NULL.
const char *viaduct_result_name(int32_t result);

// The bytes of a string, without the NUL that ends it. NULL gives no bytes.
//
// The bytes are the string's: they stay as long as it does.
struct viaduct_bytes viaduct_text(const char *text);

// Frees the bytes, and makes the buffer all zeros. NULL is fine, and so is a buffer of zeros.
//
// Gives VIADUCT_RESULT_OK.
enum viaduct_result viaduct_buffer_free(struct viaduct_buffer *buffer);

// Frees a string that a function has given to the caller. NULL is fine.
//
// Gives VIADUCT_RESULT_OK.
enum viaduct_result viaduct_string_free(char *string);

// Sends the log lines of this process to a function: those up to `level`, a `viaduct_log_level`. NULL
// for `callback` ends it. After it has returned, the function that was set before is not called any
// more.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_INVALID_ARGUMENT for an invalid level, VIADUCT_RESULT_INSIDE_CALLBACK
// inside the function itself, or VIADUCT_RESULT_WRONG_STATE where another part of the process collects the lines of
// Rust's `tracing`.
enum viaduct_result viaduct_log_set(int32_t level,
                                    viaduct_log_callback callback,
                                    void *userdata);

// Makes metadata without entries. The caller frees it with `viaduct_metadata_free`.
//
// Gives VIADUCT_RESULT_OK or VIADUCT_RESULT_NULL.
enum viaduct_result viaduct_metadata_new(struct viaduct_metadata **metadata);

// Frees metadata that the caller made. NULL is fine.
//
// Gives VIADUCT_RESULT_OK, or VIADUCT_RESULT_WRONG_HANDLE for metadata that was read from a call or a status.
enum viaduct_result viaduct_metadata_free(struct viaduct_metadata *metadata);

// Adds a value under a key. Both are copied.
//
// The key is one or more of `0-9 a-z _ - .` (upper case is folded), does not start with "grpc-", and
// is none of the protocol's. The value is any bytes where the key ends in "-bin", and printable ASCII
// otherwise.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, VIADUCT_RESULT_TOO_LONG or
// VIADUCT_RESULT_INVALID_ARGUMENT.
enum viaduct_result viaduct_metadata_append(struct viaduct_metadata *metadata,
                                            const char *key,
                                            struct viaduct_bytes value);

// How many entries there are; 0 where this is no metadata. A key with two values counts twice.
size_t viaduct_metadata_count(const struct viaduct_metadata *metadata);

// The entry number `index`, from 0 on. Key and value belong to the metadata, until something is added
// to it or it is freed. `key` and `value` may be NULL.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_END where there are not so many.
enum viaduct_result viaduct_metadata_entry(const struct viaduct_metadata *metadata,
                                           size_t index,
                                           const char **key,
                                           struct viaduct_bytes *value);

// The value number `nth` (from 0 on) of a key. It belongs to the metadata, as in
// `viaduct_metadata_entry`.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, or VIADUCT_RESULT_END where the key has not
// so many.
enum viaduct_result viaduct_metadata_find(const struct viaduct_metadata *metadata,
                                          const char *key,
                                          size_t nth,
                                          struct viaduct_bytes *value);

// The name of a status code: "NOT_FOUND" and the like; "unknown code" for any other number.
//
// The string is static: it is never freed. Never NULL.
const char *viaduct_code_name(int32_t code);

// Makes a status, to answer a call with. `message` may be NULL, and is copied. The caller frees it
// with `viaduct_status_free`.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, or VIADUCT_RESULT_INVALID_ARGUMENT where
// `code` is no `viaduct_code`.
enum viaduct_result viaduct_status_new(int32_t code_number,
                                       const char *message,
                                       struct viaduct_status **status);

// Frees a status. NULL is fine. Its message, details and trailers go with it.
//
// Gives VIADUCT_RESULT_OK.
enum viaduct_result viaduct_status_free(struct viaduct_status *status);

// The `viaduct_code`; -1 where this is no status.
int32_t viaduct_status_code(const struct viaduct_status *status);

// The message; it may be empty. It belongs to the status. NULL where this is no status.
const char *viaduct_status_message(const struct viaduct_status *status);

// The trailers. They belong to the status: they are not freed. NULL where this is no status.
const struct viaduct_metadata *viaduct_status_trailers(const struct viaduct_status *status);

// Adds a detail: a serialized message and the URL of its type, "type.googleapis.com/google.rpc.BadRequest"
// and the like. Both are copied. Not after the details have been read.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, VIADUCT_RESULT_TOO_LONG, or
// VIADUCT_RESULT_INVALID_ARGUMENT where the details have been read.
enum viaduct_result viaduct_status_add_detail(struct viaduct_status *status,
                                              const char *type_url,
                                              struct viaduct_bytes value);

// How many details there are; 0 where this is no status.
size_t viaduct_status_detail_count(const struct viaduct_status *status);

// The detail number `index`, from 0 on. Type URL and value belong to the status. `type_url` and
// `value` may be NULL.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_END where there are not so many.
enum viaduct_result viaduct_status_detail(const struct viaduct_status *status,
                                          size_t index,
                                          const char **type_url,
                                          struct viaduct_bytes *value);

// Makes a client's credentials. The texts are PEM, and are copied.
//
// `ca` are the roots to trust; empty: the system's. `certificate` is the client's own chain (leaf
// first) and `key` the leaf's private key, for servers that ask for them; empty both: none.
// `server_name` replaces the target's name in the handshake and in the check of the server's
// certificate; NULL: it does not. The caller frees them with `viaduct_credentials_free`, at any time
// after the channels are made.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, VIADUCT_RESULT_TOO_LONG, or
// VIADUCT_RESULT_INVALID_ARGUMENT where a text holds no certificate or key, or they do not fit together.
enum viaduct_result viaduct_credentials_new(struct viaduct_bytes ca,
                                            struct viaduct_bytes certificate,
                                            struct viaduct_bytes key,
                                            const char *server_name,
                                            struct viaduct_credentials **credentials);

// Frees a client's credentials. NULL is fine. Channels made with them go on.
//
// Gives VIADUCT_RESULT_OK.
enum viaduct_result viaduct_credentials_free(struct viaduct_credentials *credentials);

// Makes a server's credentials. The texts are PEM, and are copied.
//
// `certificate` is the chain (leaf first) and `key` the leaf's private key. `client_ca` are the roots
// that clients' certificates must come from; empty: clients are not asked for one. `require_client`,
// a `viaduct_choice`, says what becomes of clients that show none; by default they are refused. The
// caller frees them with `viaduct_server_credentials_free`, at any time after listening.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_TOO_LONG, or VIADUCT_RESULT_INVALID_ARGUMENT where a
// text holds no certificate or key, or they do not fit together.
enum viaduct_result viaduct_server_credentials_new(struct viaduct_bytes certificate,
                                                   struct viaduct_bytes key,
                                                   struct viaduct_bytes client_ca,
                                                   int32_t require_client,
                                                   struct viaduct_server_credentials **credentials);

// Frees a server's credentials. NULL is fine. Servers that listen with them go on.
//
// Gives VIADUCT_RESULT_OK.
enum viaduct_result viaduct_server_credentials_free(struct viaduct_server_credentials *credentials);

// Starts a runtime. The caller frees it with `viaduct_runtime_free`.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_SYSTEM where the system gives no thread or
// descriptor.
enum viaduct_result viaduct_runtime_new(struct viaduct_runtime **runtime);

// Frees a runtime. NULL is fine. It goes on as long as there are channels, calls or servers of it;
// freeing the last of these waits for its thread, up to 100 ms.
//
// Gives VIADUCT_RESULT_OK.
enum viaduct_result viaduct_runtime_free(struct viaduct_runtime *runtime);

// Makes a queue. The caller frees it with `viaduct_queue_free`. It belongs to no runtime.
//
// Gives VIADUCT_RESULT_OK or VIADUCT_RESULT_NULL.
enum viaduct_result viaduct_queue_new(struct viaduct_queue **queue);

// Frees a queue. NULL is fine. No other thread may be waiting in it. Events in it are dropped, and so
// are those that are still to come; server calls in it are answered INTERNAL. Its descriptor is closed
// at the latest when the last of those has come.
//
// Gives VIADUCT_RESULT_OK.
enum viaduct_result viaduct_queue_free(struct viaduct_queue *queue);

// A descriptor that is readable exactly while the queue has events, for poll, epoll and the like
// (level-triggered). It belongs to the queue: it is neither read nor closed by the caller. -1 where
// this is no queue, or the system gives no descriptor: see `viaduct_error_message`.
//
// Once it is readable, take events with `viaduct_queue_next` and a timeout of 0.
int32_t viaduct_queue_fd(struct viaduct_queue *queue);

// Takes the next event: waits for it up to `timeout_ms`, for ever where that is negative, not at all
// where it is 0. The caller owns what is in the event, see `viaduct_event`.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_TIMEOUT, or VIADUCT_RESULT_INSIDE_CALLBACK where it
// would have to wait inside a callback.
enum viaduct_result viaduct_queue_next(struct viaduct_queue *queue,
                                       int64_t timeout_ms,
                                       struct viaduct_event *event);

// Frees what is in an event, and makes it all zeros. NULL is fine, and so is an event of zeros.
//
// Gives VIADUCT_RESULT_OK. A server's call that is in it and was not answered is answered INTERNAL.
enum viaduct_result viaduct_event_clear(struct viaduct_event *event);

// Makes a channel. Nothing is sent yet. The caller frees it with `viaduct_channel_free`.
//
// `target` is "http://host:port" (plaintext), "https://host:port" (TLS), "dns:///host:port",
// "ipv4:address:port", "ipv6:[address]:port", "unix:/path" or "unix-abstract:name". `credentials` may be
// NULL: then "https", "dns", "ipv4" and "ipv6" trust the system's roots, and the others are plaintext.
// `channel_options` may be NULL.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, or VIADUCT_RESULT_INVALID_ARGUMENT where the
// target is invalid, or target, credentials and options do not go together.
enum viaduct_result viaduct_channel_new(struct viaduct_runtime *runtime,
                                        const char *target,
                                        const struct viaduct_credentials *credentials,
                                        const struct viaduct_channel_options *channel_options,
                                        struct viaduct_channel **channel);

// Frees a channel. NULL is fine. Calls that run go on; the connections end with the last of them.
//
// Gives VIADUCT_RESULT_OK.
enum viaduct_result viaduct_channel_free(struct viaduct_channel *channel);

// Closes the connections and ends the calls on them. Later calls end UNAVAILABLE.
//
// Gives VIADUCT_RESULT_OK or VIADUCT_RESULT_NULL.
enum viaduct_result viaduct_channel_close(struct viaduct_channel *channel);

// The target as it was given. It belongs to the channel. NULL where this is no channel.
const char *viaduct_channel_target(const struct viaduct_channel *channel);

// What the channel is doing. `connect`, if not 0, begins to connect where it is idle, and after a
// failure once the pause is over.
enum viaduct_connectivity viaduct_channel_state(struct viaduct_channel *channel, int32_t connect);

// Connects, and waits until a connection stands, however many attempts it takes: up to `timeout_ms`,
// for ever where that is negative.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_TIMEOUT, VIADUCT_RESULT_INSIDE_CALLBACK, or
// VIADUCT_RESULT_FAILED where the channel was closed.
enum viaduct_result viaduct_channel_wait_for_ready(struct viaduct_channel *channel,
                                                   int64_t timeout_ms);

// Starts `viaduct_channel_wait_for_ready`. The event is VIADUCT_EVENT_READY.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_INVALID_ARGUMENT for an invalid completion.
enum viaduct_result viaduct_channel_wait_for_ready_start(struct viaduct_channel *channel,
                                                         struct viaduct_completion completion);

// A call with one request and one response: sends, and waits until it has ended. The time is limited by
// the deadline in the options.
//
// `method` is "/package.Service/Method". `call_options` may be NULL. `response` gets the response where
// the result is VIADUCT_RESULT_OK; the caller frees it with `viaduct_buffer_free`. `status`, which may be NULL,
// gets how the call ended where the result is VIADUCT_RESULT_OK or VIADUCT_RESULT_FAILED; the caller frees it with
// `viaduct_status_free`.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_FAILED where the status is not OK, VIADUCT_RESULT_NULL,
// VIADUCT_RESULT_NOT_UTF8, VIADUCT_RESULT_TOO_LONG, VIADUCT_RESULT_INVALID_ARGUMENT or VIADUCT_RESULT_INSIDE_CALLBACK.
enum viaduct_result viaduct_channel_unary(struct viaduct_channel *channel,
                                          const char *method,
                                          struct viaduct_bytes request,
                                          const struct viaduct_call_options *call_options,
                                          struct viaduct_buffer *response,
                                          struct viaduct_status **status);

// Starts `viaduct_channel_unary`. The event is VIADUCT_EVENT_RESPONSE.
//
// `call`, which may be NULL, gets the call, to cancel it or to read its headers; the caller frees it with
// `viaduct_call_free`, which cancels the call where it still runs.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, VIADUCT_RESULT_TOO_LONG or
// VIADUCT_RESULT_INVALID_ARGUMENT.
enum viaduct_result viaduct_channel_unary_start(struct viaduct_channel *channel,
                                                const char *method,
                                                struct viaduct_bytes request,
                                                const struct viaduct_call_options *call_options,
                                                struct viaduct_completion completion,
                                                struct viaduct_call **call);

// Begins a call of any kind. The caller frees it with `viaduct_call_free`.
//
// `request` is the one request of a unary or server-streaming call; NULL for calls that send a stream,
// with `viaduct_call_write`. `method` and `call_options` are as in `viaduct_channel_unary`. This does not
// wait: what goes wrong is the call's status.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, VIADUCT_RESULT_TOO_LONG or
// VIADUCT_RESULT_INVALID_ARGUMENT.
enum viaduct_result viaduct_channel_call(struct viaduct_channel *channel,
                                         const char *method,
                                         const struct viaduct_bytes *request,
                                         const struct viaduct_call_options *call_options,
                                         struct viaduct_call **call);

// Frees a call. NULL is fine. A call that still runs is cancelled; what was started with it is told so.
//
// Gives VIADUCT_RESULT_OK.
enum viaduct_result viaduct_call_free(struct viaduct_call *call);

// Ends the call with CANCELLED, unless it has ended and the caller was told how. Any thread may do so at any time.
//
// Gives VIADUCT_RESULT_OK or VIADUCT_RESULT_NULL.
enum viaduct_result viaduct_call_cancel(struct viaduct_call *call);

// Sends a message, which is copied. Waits while the server takes none: up to `timeout_ms`, for ever
// where that is negative; after VIADUCT_RESULT_TIMEOUT the message has not been sent.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_CLOSED, VIADUCT_RESULT_TIMEOUT, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL,
// VIADUCT_RESULT_TOO_LONG or VIADUCT_RESULT_INSIDE_CALLBACK.
enum viaduct_result viaduct_call_write(struct viaduct_call *call,
                                       struct viaduct_bytes message,
                                       int64_t timeout_ms);

// Starts `viaduct_call_write`. The event is VIADUCT_EVENT_WRITE.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_CLOSED, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL, VIADUCT_RESULT_TOO_LONG or
// VIADUCT_RESULT_INVALID_ARGUMENT.
enum viaduct_result viaduct_call_write_start(struct viaduct_call *call,
                                             struct viaduct_bytes message,
                                             struct viaduct_completion completion);

// Says that no more messages will be sent. The second time it does nothing.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_BUSY while a message is being written.
enum viaduct_result viaduct_call_half_close(struct viaduct_call *call);

// Takes the next message: waits for it up to `timeout_ms`, for ever where that is negative, not at all
// where it is 0. The caller frees it with `viaduct_buffer_free`.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_END where the call has ended with OK, VIADUCT_RESULT_FAILED where it has
// ended with another status (`viaduct_call_wait` has it), VIADUCT_RESULT_TIMEOUT, VIADUCT_RESULT_BUSY,
// VIADUCT_RESULT_NULL or VIADUCT_RESULT_INSIDE_CALLBACK.
enum viaduct_result viaduct_call_read(struct viaduct_call *call,
                                      int64_t timeout_ms,
                                      struct viaduct_buffer *message);

// Starts `viaduct_call_read`. The event is VIADUCT_EVENT_READ.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL or VIADUCT_RESULT_INVALID_ARGUMENT.
enum viaduct_result viaduct_call_read_start(struct viaduct_call *call,
                                            struct viaduct_completion completion);

// Closes the sending side, and waits for the one response of a call that streams its requests. It is
// limited by the call's deadline. `response` and `status` are as in `viaduct_channel_unary`; the caller
// frees both.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_FAILED where the status is not OK, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL
// or VIADUCT_RESULT_INSIDE_CALLBACK.
enum viaduct_result viaduct_call_response(struct viaduct_call *call,
                                          struct viaduct_buffer *response,
                                          struct viaduct_status **status);

// Starts `viaduct_call_response`. The event is VIADUCT_EVENT_RESPONSE.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL or VIADUCT_RESULT_INVALID_ARGUMENT.
enum viaduct_result viaduct_call_response_start(struct viaduct_call *call,
                                                struct viaduct_completion completion);

// Waits until the server has sent its headers, or the call has ended without: up to `timeout_ms`, for
// ever where that is negative. `viaduct_call_headers` has them then.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_TIMEOUT, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL or
// VIADUCT_RESULT_INSIDE_CALLBACK.
enum viaduct_result viaduct_call_wait_headers(struct viaduct_call *call,
                                              int64_t timeout_ms);

// Starts `viaduct_call_wait_headers`. The event is VIADUCT_EVENT_HEADERS.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL or VIADUCT_RESULT_INVALID_ARGUMENT.
enum viaduct_result viaduct_call_wait_headers_start(struct viaduct_call *call,
                                                    struct viaduct_completion completion);

// The headers the server has sent. They belong to the call: they are not freed. NULL where there are
// none yet, or the call ended without, or this is no call.
const struct viaduct_metadata *viaduct_call_headers(const struct viaduct_call *call);

// Waits until the call has ended: up to `timeout_ms`, for ever where that is negative. Messages that
// come meanwhile are kept for `viaduct_call_read`. `status` gets how it ended; the caller frees it with
// `viaduct_status_free`.
//
// Gives VIADUCT_RESULT_OK (whatever the status), VIADUCT_RESULT_TIMEOUT, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL or
// VIADUCT_RESULT_INSIDE_CALLBACK.
enum viaduct_result viaduct_call_wait(struct viaduct_call *call,
                                      int64_t timeout_ms,
                                      struct viaduct_status **status);

// Starts `viaduct_call_wait`. The event is VIADUCT_EVENT_ENDED.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL or VIADUCT_RESULT_INVALID_ARGUMENT.
enum viaduct_result viaduct_call_wait_start(struct viaduct_call *call,
                                            struct viaduct_completion completion);

// The server's address as gRPC names it: "ipv4:127.0.0.1:50051", "ipv6:[::1]:50051" or "unix:/path". It belongs to the
// call. NULL while there is no connection, or where this is no call.
const char *viaduct_call_peer(const struct viaduct_call *call);

// Makes a server. The caller frees it with `viaduct_server_free`. `server_options` may be NULL.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL or VIADUCT_RESULT_INVALID_ARGUMENT.
enum viaduct_result viaduct_server_new(struct viaduct_runtime *runtime,
                                       const struct viaduct_server_options *server_options,
                                       struct viaduct_server **server);

// Adds a method: calls of it go to a function.
//
// `path` is "/package.Service/Method", `kind` a `viaduct_method_kind`. The function runs on the
// runtime's thread, where it must be quick and what would have to wait gives VIADUCT_RESULT_INSIDE_CALLBACK;
// or, where the options say so, on one of the server's threads, where it may wait. Several calls may
// run at once. `finaliser`, which may be NULL, gets `userdata` when no call will any more, at the latest
// soon after `viaduct_server_free`; not where this function gives an error.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, VIADUCT_RESULT_INVALID_ARGUMENT for a path
// that is invalid or is there already, or VIADUCT_RESULT_WRONG_STATE after the start.
enum viaduct_result viaduct_server_handle(struct viaduct_server *server,
                                          const char *path,
                                          int32_t kind,
                                          viaduct_handler handler,
                                          void *userdata,
                                          viaduct_finaliser finaliser);

// Adds a method: calls of it go to a queue, as VIADUCT_EVENT_CALL. `path` and `kind` are as in
// `viaduct_server_handle`. The queue may be freed at any time; calls are then answered INTERNAL.
//
// Gives what `viaduct_server_handle` does.
enum viaduct_result viaduct_server_handle_queue(struct viaduct_server *server,
                                                const char *path,
                                                int32_t kind,
                                                struct viaduct_queue *queue,
                                                void *userdata);

// Listens: on "http://host:port", "https://host:port", "unix:/path" or "unix-abstract:name". Port 0 takes
// a free one. `credentials` belong to "https" and may be NULL otherwise. Connections wait until the start.
//
// `target`, which may be NULL, gets where clients find the server, with the port that was taken; the caller
// frees the string with `viaduct_string_free`.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, VIADUCT_RESULT_INVALID_ARGUMENT for an
// address that is invalid or does not go with the credentials, VIADUCT_RESULT_SYSTEM where the system refuses, or
// VIADUCT_RESULT_WRONG_STATE after the start.
enum viaduct_result viaduct_server_listen(struct viaduct_server *server,
                                          const char *address,
                                          const struct viaduct_server_credentials *credentials,
                                          char **target);

// Begins to serve.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_INVALID_ARGUMENT where it listens on nothing,
// VIADUCT_RESULT_SYSTEM where the system refuses, or VIADUCT_RESULT_WRONG_STATE where it was started before.
enum viaduct_result viaduct_server_start(struct viaduct_server *server);

// Stops accepting and tells clients to go away. Running calls go on, for as long as the options allow.
// It does not wait, so it may be called anywhere, also inside a handler; the second time it does nothing.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_WRONG_STATE where it was not started.
enum viaduct_result viaduct_server_shutdown(struct viaduct_server *server);

// Waits until a server that was shut down has drained: its last call is over, and its connections and
// sockets are closed. Up to `timeout_ms`, for ever where that is negative. A handler that waits for this
// waits for itself.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_TIMEOUT, VIADUCT_RESULT_WRONG_STATE where it was not
// started, or VIADUCT_RESULT_INSIDE_CALLBACK.
enum viaduct_result viaduct_server_wait(struct viaduct_server *server,
                                        int64_t timeout_ms);

// Starts `viaduct_server_wait`. The event is VIADUCT_EVENT_DRAINED.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_INVALID_ARGUMENT for an invalid completion, or
// VIADUCT_RESULT_WRONG_STATE where it was not started.
enum viaduct_result viaduct_server_wait_start(struct viaduct_server *server,
                                              struct viaduct_completion completion);

// Frees a server. NULL is fine. What still runs is cut: shut it down and wait before, where calls are to
// be finished. No handler begins after this; it waits for those that run on other threads, except for a
// handler that calls it.
//
// Gives VIADUCT_RESULT_OK.
enum viaduct_result viaduct_server_free(struct viaduct_server *server);

// Frees a call. NULL is fine. A call that was not answered is answered INTERNAL.
//
// Gives VIADUCT_RESULT_OK.
enum viaduct_result viaduct_server_call_free(struct viaduct_server_call *call);

// The method's path, "/package.Service/Method". It belongs to the call. NULL where this is no call.
const char *viaduct_server_call_path(const struct viaduct_server_call *call);

// The `:authority` that the client asked for; it may be empty. It belongs to the call. NULL where this is
// no call.
const char *viaduct_server_call_authority(const struct viaduct_server_call *call);

// Who calls: "ipv4:1.2.3.4:5", "ipv6:[::1]:5" or "unix:". It belongs to the call. NULL where this is no
// call.
const char *viaduct_server_call_peer(const struct viaduct_server_call *call);

// The certificate that the client has shown, in DER; no bytes where it has shown none. They belong to the
// call.
struct viaduct_bytes viaduct_server_call_certificate(const struct viaduct_server_call *call);

// The `viaduct_method_kind` that the method was added with; -1 where this is no call.
int32_t viaduct_server_call_kind(const struct viaduct_server_call *call);

// What the client has sent with its request. It belongs to the call: it is not freed. NULL where this is
// no call.
const struct viaduct_metadata *viaduct_server_call_metadata(const struct viaduct_server_call *call);

// The one request of a unary or server-streaming method; no bytes for the others. They belong to the call.
struct viaduct_bytes viaduct_server_call_request(const struct viaduct_server_call *call);

// How many milliseconds are left until the deadline; 0 once it has passed, -1 where there is none or this
// is no call.
int64_t viaduct_server_call_remaining_ms(const struct viaduct_server_call *call);

// 1 where no answer is wanted any more: the client went away, or the deadline passed; else 0.
int32_t viaduct_server_call_is_cancelled(const struct viaduct_server_call *call);

// Compresses this call's responses in its own way, where the client accepts that; before headers or
// messages are sent. `compression` is a `viaduct_compression`.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL or VIADUCT_RESULT_INVALID_ARGUMENT.
enum viaduct_result viaduct_server_call_set_compression(struct viaduct_server_call *call,
                                                        int32_t compression);

// Sends the headers, with `metadata`, which may be NULL. Without this they go with the first message.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_CLOSED, VIADUCT_RESULT_WRONG_STATE where they were sent
// already, or VIADUCT_RESULT_TOO_LONG where they are longer than the client accepts: nothing is sent then.
enum viaduct_result viaduct_server_call_send_headers(struct viaduct_server_call *call,
                                                     const struct viaduct_metadata *metadata);

// Takes the next message of a method that streams its requests: waits for it up to `timeout_ms`, for ever
// where that is negative, not at all where it is 0. The caller frees it with `viaduct_buffer_free`.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_END after the last, VIADUCT_RESULT_FAILED where the call is over,
// VIADUCT_RESULT_TIMEOUT, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL, VIADUCT_RESULT_INSIDE_CALLBACK, or
// VIADUCT_RESULT_WRONG_STATE where there is one request.
enum viaduct_result viaduct_server_call_read(struct viaduct_server_call *call,
                                             int64_t timeout_ms,
                                             struct viaduct_buffer *message);

// Starts `viaduct_server_call_read`. The event is VIADUCT_EVENT_READ.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL, VIADUCT_RESULT_INVALID_ARGUMENT or
// VIADUCT_RESULT_WRONG_STATE.
enum viaduct_result viaduct_server_call_read_start(struct viaduct_server_call *call,
                                                   struct viaduct_completion completion);

// Sends a message of a method that streams its responses; it is copied. Waits while the client takes none:
// up to `timeout_ms`, for ever where that is negative; after VIADUCT_RESULT_TIMEOUT it has not been sent.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_CLOSED, VIADUCT_RESULT_TIMEOUT, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL,
// VIADUCT_RESULT_TOO_LONG, VIADUCT_RESULT_INSIDE_CALLBACK, or VIADUCT_RESULT_WRONG_STATE where there is one response.
enum viaduct_result viaduct_server_call_write(struct viaduct_server_call *call,
                                              struct viaduct_bytes message,
                                              int64_t timeout_ms);

// Starts `viaduct_server_call_write`. The event is VIADUCT_EVENT_WRITE.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_BUSY, VIADUCT_RESULT_NULL, VIADUCT_RESULT_TOO_LONG,
// VIADUCT_RESULT_INVALID_ARGUMENT or VIADUCT_RESULT_WRONG_STATE.
enum viaduct_result viaduct_server_call_write_start(struct viaduct_server_call *call,
                                                    struct viaduct_bytes message,
                                                    struct viaduct_completion completion);

// Answers a unary or client-streaming method: one message, OK, and `trailers`, which may be NULL. The
// message is copied. It does not wait.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_CLOSED, VIADUCT_RESULT_NULL, VIADUCT_RESULT_TOO_LONG (then the call was
// answered RESOURCE_EXHAUSTED), or VIADUCT_RESULT_WRONG_STATE where there are any number of responses.
enum viaduct_result viaduct_server_call_reply(struct viaduct_server_call *call,
                                              struct viaduct_bytes message,
                                              const struct viaduct_metadata *trailers);

// Ends a call with a status and `trailers`. Both may be NULL: then it is OK, and there are none. It does
// not wait; a message that is being written is not sent.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_CLOSED, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_WRONG_STATE for OK without
// the one response that the method has.
enum viaduct_result viaduct_server_call_finish(struct viaduct_server_call *call,
                                               const struct viaduct_status *status,
                                               const struct viaduct_metadata *trailers);

// Ends a call with an error: a `viaduct_code` that is not OK, and a message, which may be NULL and is
// copied. It does not wait.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_CLOSED, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, or
// VIADUCT_RESULT_INVALID_ARGUMENT for an invalid code or OK.
enum viaduct_result viaduct_server_call_fail(struct viaduct_server_call *call,
                                             int32_t code_number,
                                             const char *message);

// Tells when the call is over: VIADUCT_RESULT_CLOSED where the client went away or the deadline passed,
// VIADUCT_RESULT_OK where it was answered. The event is VIADUCT_EVENT_OVER.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_INVALID_ARGUMENT for an invalid completion.
enum viaduct_result viaduct_server_call_over_start(struct viaduct_server_call *call,
                                                   struct viaduct_completion completion);

// Reads a configuration and does nothing with it but to say what it means.
//
// `config` is the text of a TOML file, as docs/proxy-config.md describes it; paths in it begin at the
// working directory of the process. `explanation`, which may be NULL, gets the meaning in words, with what
// looks like a mistake; the caller frees the string with `viaduct_string_free`.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, or VIADUCT_RESULT_INVALID_ARGUMENT for a
// configuration that cannot be used: the message has a line for everything that is wrong in it, such as "config:3:
// unknown key "adress" in [[listen]]; did you mean "address"?".
enum viaduct_result viaduct_proxy_check(const char *config,
                                        char **explanation);

// Starts a proxy: it listens, and forwards what comes, when this returns. The caller frees it with
// `viaduct_proxy_free`. `config` is as in `viaduct_proxy_check`; what looks like a mistake in it goes to the
// log (`viaduct_log_set`).
//
// Gives what `viaduct_proxy_check` does, VIADUCT_RESULT_SYSTEM where the system refuses an address, a file or a
// thread, or VIADUCT_RESULT_INSIDE_CALLBACK. Nothing runs then.
enum viaduct_result viaduct_proxy_start(const char *config,
                                        struct viaduct_proxy **proxy);

// Where it listens: the address number `index`, from 0 on, in the order of the configuration, as clients
// would dial it, with the port that was taken. The caller frees the string with `viaduct_string_free`.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_END where there are not so many.
enum viaduct_result viaduct_proxy_address(const struct viaduct_proxy *proxy,
                                          size_t index,
                                          char **address);

// Where its admin port listens. The caller frees the string with `viaduct_string_free`.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_END where the configuration has no `[admin]`.
enum viaduct_result viaduct_proxy_admin_address(const struct viaduct_proxy *proxy,
                                                char **address);

// Takes another configuration: all of it, or, where this gives an error, nothing. `config` is as in
// `viaduct_proxy_start`. Requests that run are not disturbed; backends and addresses that stay the same keep
// their connections. Another number of `workers` takes effect at the next start only.
//
// Gives what `viaduct_proxy_start` does, or VIADUCT_RESULT_WRONG_STATE after `viaduct_proxy_shutdown`. The old
// configuration holds on then.
enum viaduct_result viaduct_proxy_reload(struct viaduct_proxy *proxy,
                                         const char *config);

// Begins to end: for `drain.notice` of the configuration new connections are still taken, then none are,
// clients are told to go away, and what runs may finish within `drain.grace`. It does not wait; the second
// time it does nothing.
//
// Gives VIADUCT_RESULT_OK or VIADUCT_RESULT_NULL.
enum viaduct_result viaduct_proxy_shutdown(struct viaduct_proxy *proxy);

// Waits until a proxy that was shut down, or will be, serves nothing any more. Up to `timeout_ms`, for ever
// where that is negative; what still runs then goes on, and `viaduct_proxy_free` cuts it.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_TIMEOUT, or VIADUCT_RESULT_INSIDE_CALLBACK.
enum viaduct_result viaduct_proxy_wait(struct viaduct_proxy *proxy,
                                       int64_t timeout_ms);

// Starts `viaduct_proxy_wait`. The event is VIADUCT_EVENT_DRAINED; its result is VIADUCT_RESULT_OK, or
// VIADUCT_RESULT_CLOSED where the proxy was freed before it had ended. A function is told on a thread that carries
// traffic.
//
// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_INVALID_ARGUMENT for an invalid completion.
enum viaduct_result viaduct_proxy_wait_start(struct viaduct_proxy *proxy,
                                             struct viaduct_completion completion);

// Frees a proxy. NULL is fine. What still runs is cut: shut it down and wait before, where requests are to
// be finished. It waits for the proxy's threads, which is short, and up to 1 s for the access log to be
// written.
//
// Gives VIADUCT_RESULT_OK.
enum viaduct_result viaduct_proxy_free(struct viaduct_proxy *proxy);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* VIADUCT_H */
