--TEST--
Stubs: whoever names a class for responses gets objects of it, as IDEs and PHPStan read it
--EXTENSIONS--
grpc
--FILE--
<?php
$doc = function (string $file, string $declaration): string {
    $text = file_get_contents(__DIR__ . "/../../php-ext/stubs/$file.stub.php");
    $before = strstr($text, $declaration, true);
    $before !== false || die("$file has no $declaration\n");
    preg_match_all('/@(?:template\S*|param class-string|param callable|return|implements)\b[^\n]*/', substr($before, strrpos($before, '/**')), $tags);
    return implode("\n    ", array_map(fn($tag) => preg_replace('/ (this stream|a string|what ).*/', '', $tag), $tags[0]));
};
foreach (['unary', 'start', 'serverStream', 'clientStream', 'bidi'] as $method) {
    echo "Channel::$method\n    ", $doc('Channel', "function $method("), "\n";
}
foreach (['UnaryCall', 'ServerStream', 'ClientStream', 'BidiStream'] as $class) {
    echo "$class\n    ", $doc('calls', "final class $class"), "\n";
}
foreach (['wait', 'receive', 'current', 'finish'] as $method) {
    echo "$method\n    ", $doc('calls', "public function $method("), "\n";
}
echo "RequestStream::as\n    ", $doc('RequestStream', 'public function as('), "\n";
foreach (['await', 'async', 'shield'] as $function) {
    echo "$function\n    ", $doc('functions', "function $function("), "\n";
}
?>
--EXPECT--
Channel::unary
    @template T of object
    @param class-string<T>|null $responseClass
    @return ($responseClass is null ? string : T)
Channel::start
    @template T of object
    @param class-string<T>|null $responseClass
    @return ($responseClass is null ? UnaryCall<string> : UnaryCall<T>)
Channel::serverStream
    @template T of object
    @param class-string<T>|null $responseClass
    @return ($responseClass is null ? ServerStream<string> : ServerStream<T>)
Channel::clientStream
    @template T of object
    @param class-string<T>|null $responseClass
    @return ($responseClass is null ? ClientStream<string> : ClientStream<T>)
Channel::bidi
    @template T of object
    @param class-string<T>|null $responseClass
    @return ($responseClass is null ? BidiStream<string> : BidiStream<T>)
UnaryCall
    @template-covariant T of string|object
    @implements UnaryCallInterface<T>
ServerStream
    @template-covariant T of string|object
    @implements ServerStreamInterface<T>
ClientStream
    @template-covariant T of string|object
    @implements ClientStreamInterface<T>
BidiStream
    @template-covariant T of string|object
    @implements BidiStreamInterface<T>
wait
    @return T
receive
    @return T|null
current
    @return T
finish
    @return T
RequestStream::as
    @template M of object
    @param class-string<M> $messageClass a google/protobuf class
    @return RequestStream<M>
await
    @template T
    @return list<T>
async
    @template T
    @param callable(mixed...): T $function
    @return Task<T>
shield
    @template T
    @param callable(): T $function
    @return T
