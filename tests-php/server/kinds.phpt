--TEST--
Server: the kind follows from the signature, in every form that a handler may have
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/server.php';

$server = ServerProcess::start(<<<'PHP'
class Invokable { public function __invoke(string $in, Context $c): string { return "invokable $in " . $c->method(); } }
class Magic
{
    public function __call(string $name, array $arguments): mixed { return "$name $arguments[0] " . get_debug_type($arguments[1]); }
    public static function __callStatic(string $name, array $arguments): mixed { return "static $name " . $arguments[0]; }
}
class Methods
{
    private string $mine = 'mine';
    public function one(string $in): string { return "$this->mine $in"; }
    public static function two(string $in): string { return "two $in"; }
    private function hidden(string $in): string { return "hidden $in"; }
    public function hiddenClosure(): Closure { return $this->hidden(...); }
    public function many(string $in): Generator { foreach (str_split($in) as $c) yield $c; }
}
class Listing implements IteratorAggregate { public function getIterator(): Iterator { return new ArrayIterator(['l', 'i', 's', 't']); } }
/** @return iterable<string> */
function named(string $in): iterable { return str_split($in); }
function plain($in) { return "plain $in"; }

$prefix = 'used';
$unary = [
    'String' => fn(string $in): string => "string $in",
    'Untyped' => fn($in) => "untyped $in",
    'Mixed' => fn(mixed $in): mixed => "mixed $in",
    'Nothing' => fn(): string => 'no parameters',
    'OnlyContext' => fn(Context $c): string => 'context ' . $c->method(),
    'Second' => fn(string $in, Context $c): string => "$in " . $c->method(),
    'First' => fn(Context $c, string $in): string => "$in " . $c->method(),
    'FirstUntyped' => fn(Context $c, $in) => "$in " . $c->method(),
    'SecondUntyped' => fn($in, $c) => "$in " . get_debug_type($c),
    'Optional' => fn(string $in, string $more = 'default') => "$in $more",
    'Variadic' => fn(string $in, ...$more) => "$in " . count($more),
    'Message' => fn(Text $in): Text => new Text(strrev($in->text)),
    'MessageToString' => fn(Text $in): string => get_debug_type($in) . $in->text,
    'StringToMessage' => fn(string $in): Text => new Text("m$in"),
    'NullableContext' => fn(string $in, ?Context $c) => get_debug_type($c),
    'Use' => function (string $in) use ($prefix): string { return "$prefix $in"; },
    'Static' => static fn(string $in): string => "static $in",
    'StaticMethod' => ['Methods', 'two'],
    'StaticMethodName' => 'Methods::two',
    'Method' => [new Methods(), 'one'],
    'FirstClass' => (new Methods())->one(...),
    'FirstClassStatic' => Methods::two(...),
    'FirstClassPrivate' => (new Methods())->hiddenClosure(),
    'FunctionName' => 'plain',
    'FirstClassFunction' => plain(...),
    'Builtin' => 'strrev',
    'BuiltinFirstClass' => strtoupper(...),
    'Invokable' => new Invokable(),
    'Trampoline' => [new Magic(), 'anything'],
    'StaticTrampoline' => ['Magic', 'whatever'],
    'TrampolineFirstClass' => (new Magic())->first(...),
];
foreach ($unary as $name => $handler) {
    $server->handle("/kinds.Unary/$name", $handler);
}
$many = [
    'Generator' => function (string $in): Generator { foreach (str_split($in) as $c) yield $c; },
    'UntypedGenerator' => function (string $in) { foreach (str_split($in) as $c) yield $c; },
    'Iterable' => function (string $in): iterable { foreach (str_split($in) as $c) yield $c; },
    'IterableArray' => fn(string $in): iterable => str_split($in),
    'Iterator' => fn(string $in): Iterator => new ArrayIterator(str_split($in)),
    'Traversable' => fn(string $in): Traversable => new Listing(),
    'Aggregate' => fn(string $in): IteratorAggregate => new Listing(),
    'ArrayIterator' => fn(string $in): iterable => new ArrayIterator(str_split($in)),
    'Empty' => function (string $in): iterable { return; yield; },
    'EmptyArray' => fn(string $in): iterable => [],
    'From' => function (string $in): iterable { yield from str_split($in); yield from ['+']; return 'ignored'; },
    'Keys' => fn(string $in): iterable => ['x' => $in, 'y' => 'b'],
    'Messages' => function (Text $in): iterable { foreach (str_split($in->text) as $c) yield new Text($c); },
    'Context' => function (Context $c, string $in): iterable { yield $c->method(); yield $in; },
    'Method' => [new Methods(), 'many'],
    'Named' => 'named',
    'References' => function & (string $in): iterable { foreach (str_split($in) as $c) yield $c; },
];
foreach ($many as $name => $handler) {
    $server->handle("/kinds.Many/$name", $handler);
}
$server->handle('/kinds.Many/Array', fn(string $in): array => str_split($in), MethodKind::ServerStream);
$server->handle('/kinds.Many/UntypedArray', fn($in) => str_split($in), MethodKind::ServerStream);
$server->handle('/kinds.Up/Join', function (RequestStream $in): string { $all = ''; foreach ($in as $k => $m) $all .= "$k$m"; return $all; });
$server->handle('/kinds.Up/Context', function (Context $c, RequestStream $in): string { return implode('', iterator_to_array($in)) . $c->method(); });
$server->handle('/kinds.Up/Receive', function (RequestStream $in, $c) { $all = ''; while (($m = $in->receive()) !== null) $all .= $m; return $all . get_debug_type($c); });
$server->handle('/kinds.Up/Iterable', function (iterable $in): string { return implode('', iterator_to_array($in)); }, MethodKind::ClientStream);
$server->handle('/kinds.Up/Untyped', function ($in) { return implode('', iterator_to_array($in)); }, MethodKind::ClientStream);
$server->handle('/kinds.Up/Class', function (RequestStream $in): Text { $all = ''; foreach ($in->as(Text::class) as $m) $all .= get_debug_type($m) . $m->text; return new Text($all); });
$server->handle('/kinds.Up/Unread', fn(RequestStream $in): string => 'not read');
$server->handle('/kinds.Bidi/Echo', function (RequestStream $in): iterable { foreach ($in as $m) yield "<$m>"; });
$server->handle('/kinds.Bidi/Itself', fn(RequestStream $in): iterable => $in);
$server->handle('/kinds.Bidi/Untyped', function ($in, $c) { foreach ($in as $m) yield "<$m>"; }, MethodKind::Bidi);
$server->handle('/kinds.Bidi/After', function (RequestStream $in, Context $c): Generator { $n = 0; foreach ($in as $m) $n++; yield (string) $n; yield $c->method(); });
say(implode(' ', array_keys($unary)));
say(implode(' ', array_keys($many)));
serve($server);
PHP, serves: false);
$unary = explode(' ', $server->line());
$many = explode(' ', $server->line());
$channel = new Viaduct\Channel(json_decode($server->line())[0]);
foreach ($unary as $name) {
    echo $name, ': ';
    outcome(fn() => $channel->unary("/kinds.Unary/$name", 'in'));
}
foreach ([...$many, 'Array', 'UntypedArray'] as $name) {
    echo $name, ': ';
    outcome(fn() => iterator_to_array($channel->serverStream("/kinds.Many/$name", 'abc')));
}
foreach (['Join', 'Context', 'Receive', 'Iterable', 'Untyped', 'Class', 'Unread'] as $name) {
    echo $name, ': ';
    outcome(function () use ($channel, $name) {
        $up = $channel->clientStream("/kinds.Up/$name");
        try {
            array_map($up->send(...), ['x', '', 'z']);
        } catch (Viaduct\RpcException) {
        }
        return $up->finish();
    });
}
foreach (['Echo', 'Itself', 'Untyped', 'After'] as $name) {
    echo $name, ': ';
    outcome(function () use ($channel, $name) {
        $chat = $channel->bidi("/kinds.Bidi/$name");
        $chat->send('a');
        $first = $name === 'After' ? '' : $chat->receive();
        $chat->send('b');
        $chat->halfClose();
        for ($all = [$first]; ($message = $chat->receive()) !== null;) {
            $all[] = $message;
        }
        return $all;
    });
}
echo $server->stop(), "\n", $server->rest(), $server->errors(), $server->log();
?>
--EXPECT--
String: OK string in
Untyped: OK untyped in
Mixed: OK mixed in
Nothing: OK no parameters
OnlyContext: OK context /kinds.Unary/OnlyContext
Second: OK in /kinds.Unary/Second
First: OK in /kinds.Unary/First
FirstUntyped: OK in /kinds.Unary/FirstUntyped
SecondUntyped: OK in Viaduct\Context
Optional: OK in default
Variadic: OK in 0
Message: OK ni
MessageToString: OK Textin
StringToMessage: OK min
NullableContext: OK Viaduct\Context
Use: OK used in
Static: OK static in
StaticMethod: OK two in
StaticMethodName: OK two in
Method: OK mine in
FirstClass: OK mine in
FirstClassStatic: OK two in
FirstClassPrivate: OK hidden in
FunctionName: OK plain in
FirstClassFunction: OK plain in
Builtin: OK ni
BuiltinFirstClass: OK IN
Invokable: OK invokable in /kinds.Unary/Invokable
Trampoline: OK anything in Viaduct\Context
StaticTrampoline: OK static whatever in
TrampolineFirstClass: OK first in Viaduct\Context
Generator: OK ["a","b","c"]
UntypedGenerator: OK ["a","b","c"]
Iterable: OK ["a","b","c"]
IterableArray: OK ["a","b","c"]
Iterator: OK ["a","b","c"]
Traversable: OK ["l","i","s","t"]
Aggregate: OK ["l","i","s","t"]
ArrayIterator: OK ["a","b","c"]
Empty: OK []
EmptyArray: OK []
From: OK ["a","b","c","+"]
Keys: OK ["abc","b"]
Messages: OK ["a","b","c"]
Context: OK ["\/kinds.Many\/Context","abc"]
Method: OK ["a","b","c"]
Named: OK ["a","b","c"]
References: OK ["a","b","c"]
Array: OK ["a","b","c"]
UntypedArray: OK ["a","b","c"]
Join: OK 0x12z
Context: OK xz/kinds.Up/Context
Receive: OK xzViaduct\Context
Iterable: OK xz
Untyped: OK xz
Class: OK TextxTextTextz
Unread: OK not read
Echo: OK ["<a>","<b>"]
Itself: OK ["a","b"]
Untyped: OK ["<a>","<b>"]
After: OK ["","2","\/kinds.Bidi\/After"]
0
run() has returned
