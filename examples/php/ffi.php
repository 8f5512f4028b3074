<?php

// Calls greeter.Greeter through the C library, by PHP's own FFI: without the extension.
//
//     php examples/php/ffi.php [TARGET [PREFIX]]
//
// `make install-c` has put the library's declarations where this reads them: PREFIX/share/viaduct/viaduct-ffi.h. PREFIX is
// /usr/local where nothing is said.

// HelloRequest and HelloReply by hand: one string, field 1, shorter than 128 bytes. google/protobuf does it for all.
$write = fn (string $text): string => "\x0a" . chr(strlen($text)) . $text;
$read = fn (string $message): string => substr($message, 2);

$target = $argv[1] ?? 'http://127.0.0.1:50051';
$prefix = $argv[2] ?? '/usr/local';
$viaduct = FFI::cdef(file_get_contents("$prefix/share/viaduct/viaduct-ffi.h"), "$prefix/lib/libviaduct.so.0");

$must = function (int $result) use ($viaduct): void {
    if ($result !== $viaduct->VIADUCT_RESULT_OK) {
        throw new RuntimeException($viaduct->viaduct_error_message());
    }
};

echo 'libviaduct ', $viaduct->viaduct_version(), "\n";
$runtime = $viaduct->new('viaduct_runtime *');
$channel = $viaduct->new('viaduct_channel *');
$must($viaduct->viaduct_runtime_new(FFI::addr($runtime)));
$must($viaduct->viaduct_channel_new($runtime, $target, null, null, FFI::addr($channel)));

$text = $write('Ada');
$request = $viaduct->new('viaduct_bytes');
$memory = FFI::new('uint8_t[' . strlen($text) . ']');
FFI::memcpy($memory, $text, strlen($text));
$request->data = FFI::cast('uint8_t *', FFI::addr($memory));
$request->length = strlen($text);

$options = $viaduct->new('viaduct_call_options');
$options->size = FFI::sizeof($options);
$options->timeout_ms = 5000;

$response = $viaduct->new('viaduct_buffer');
$method = '/greeter.Greeter/SayHello';
$must($viaduct->viaduct_channel_unary($channel, $method, $request, FFI::addr($options), FFI::addr($response), null));
echo $read(FFI::string($response->data, $response->length)), "\n";

$viaduct->viaduct_buffer_free(FFI::addr($response));
$viaduct->viaduct_channel_free($channel);
$viaduct->viaduct_runtime_free($runtime);
