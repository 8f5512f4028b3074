--TEST--
Server::register(): an interface with NAME, and a service's name
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/server.php';

$server = ServerProcess::start(<<<'PHP'
interface Greeter
{
    const NAME = 'helloworld.Greeter';
    public function SayHello(Text $in, Context $c): Text;
    public function listAll(string $in): iterable;
}
interface Loud extends Greeter { public function Shout(string $in): string; }
class Impl implements Loud
{
    public function __construct(private string $name) {}
    public function SayHello(Text $in, Context $c): Text { return new Text("$this->name greets $in->text by " . $c->method()); }
    public function listAll(string $in): iterable { yield $in; yield $this->name; }
    public function Shout(string $in): string { return "$in!"; }
    public function notOfTheInterface(string $in): string { return ''; }
    private function secret(string $in): string { return ''; }
}
interface Own { const NAME = 'own.Loud'; public function Shout(string $in): string; }
class Plain
{
    public function one(Text $in): string { return "one $in->text"; }
    public function contextFirst(Context $c, Text $in): Text { return $in; }
    public function setLogger(object $logger): void { echo "setLogger() was called\n"; }
    public function setName(string $name): string { return 'setName() was called'; }
    public function untyped($in) { return 'untyped() was called'; }
    public function count(int $from = 0): int { return 1; }
    public function Two(RequestStream $in): string { return implode('', iterator_to_array($in)); }
    public static function three(string $in): string { return ''; }
    protected function hidden(string $in): string { return ''; }
    public function __toString(): string { return ''; }
}
$server->register(Greeter::class, new Impl('impl'));
$server->register('other.Loud', new Plain());
$server->register(Own::class, new class implements Own { public function Shout(string $in): string { return "own $in!"; } });
serve($server);
PHP);
$channel = new Viaduct\Channel($server->address);
outcome(fn() => $channel->unary('/helloworld.Greeter/SayHello', 'me'));
outcome(fn() => iterator_to_array($channel->serverStream('/helloworld.Greeter/ListAll', 'me')));
outcome(fn() => $channel->unary('/helloworld.Greeter/Shout', 'me'));
outcome(fn() => $channel->unary('/helloworld.Greeter/NotOfTheInterface', 'me'));
foreach (['One', 'one', 'ContextFirst', 'SetLogger', 'setLogger', 'SetName', 'Untyped', 'Count'] as $method) {
    outcome(fn() => $channel->unary("/other.Loud/$method", 'me'));
}
outcome(fn() => $channel->unary('/helloworld.Greeter/sayHello', 'me'));
$up = $channel->clientStream('/other.Loud/Two');
$up->send('a');
$up->send('b');
outcome(fn() => $up->finish());
outcome(fn() => $channel->unary('/other.Loud/Hidden', 'me'));
outcome(fn() => $channel->unary('/other.Loud/Three', 'me'));
outcome(fn() => $channel->unary('/own.Loud/Shout', 'me'));
outcome(fn() => $channel->unary('/own.Loud/SayHello', 'me'));
outcome(fn() => $channel->unary('/none.Such/SayHello', 'me'));
echo $server->stop(), "\n", $server->errors(), $server->log();
?>
--EXPECT--
OK impl greets me by /helloworld.Greeter/SayHello
OK ["me","impl"]
Viaduct\RpcException Unimplemented: unknown method Shout of service helloworld.Greeter
Viaduct\RpcException Unimplemented: unknown method NotOfTheInterface of service helloworld.Greeter
OK one me
OK one me
OK me
Viaduct\RpcException Unimplemented: unknown method SetLogger of service other.Loud
Viaduct\RpcException Unimplemented: unknown method setLogger of service other.Loud
Viaduct\RpcException Unimplemented: unknown method SetName of service other.Loud
Viaduct\RpcException Unimplemented: unknown method Untyped of service other.Loud
Viaduct\RpcException Unimplemented: unknown method Count of service other.Loud
OK impl greets me by /helloworld.Greeter/sayHello
OK ab
Viaduct\RpcException Unimplemented: unknown method Hidden of service other.Loud
Viaduct\RpcException Unimplemented: unknown method Three of service other.Loud
OK own me!
Viaduct\RpcException Unimplemented: unknown method SayHello of service own.Loud
Viaduct\RpcException Unimplemented: unknown service none.Such
0
