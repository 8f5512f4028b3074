--TEST--
Interfaces: code that makes calls is tested with PHPUnit and without a network
--EXTENSIONS--
grpc
--SKIPIF--
<?php if (!is_executable('/usr/bin/phpunit')) die('skip PHPUnit is missing: scripts/setup test'); ?>
--FILE--
<?php
require __DIR__ . '/../support/server.php';

file_put_contents($test = scratch() . '/GreeterTest.php', <<<'PHP'
<?php
use PHPUnit\Framework\TestCase;
use Viaduct\{BidiStreamInterface, ChannelInterface, ClientStreamInterface, ContextInterface, RequestStreamInterface};
use Viaduct\{RpcException, ServerStreamInterface, Status, StatusCode, UnaryCallInterface};

final class Greeter
{
    public function __construct(private ChannelInterface $channel) {}

    public function hello(string $name): string
    {
        try {
            return $this->channel->unary('/greeter.Greeter/SayHello', $name, timeout: 1.5);
        } catch (RpcException $exception) {
            return 'nobody is there: ' . $exception->statusCode()->name;
        }
    }

    /** @return list<string> */
    public function two(string $a, string $b): array
    {
        $call = fn(string $name) => $this->channel->start('/greeter.Greeter/SayHello', $name);
        return Viaduct\await($call($a), $call($b));
    }

    public function all(string $name): string
    {
        return implode(' ', iterator_to_array($this->channel->serverStream('/greeter.Greeter/LotsOfReplies', $name)));
    }

    public function upload(string ...$names): string
    {
        $call = $this->channel->clientStream('/greeter.Greeter/LotsOfGreetings');
        array_map($call->send(...), $names);
        return $call->finish();
    }

    public function talk(string $name): ?string
    {
        $call = $this->channel->bidi('/greeter.Greeter/BidiHello');
        $call->send($name);
        $call->halfClose();
        return $call->receive();
    }
}

/** What a user without PHPUnit would write. */
final class Replies extends ArrayIterator implements ServerStreamInterface
{
    public function receive(): mixed { $now = $this->current(); $this->next(); return $now; }
    public function headers(): array { return []; }
    public function trailers(): array { return []; }
    public function status(): ?Status { return null; }
    public function peer(): string { return ''; }
    public function cancel(): void {}
}

final class GreeterTest extends TestCase
{
    public function testUnary(): void
    {
        $channel = $this->createMock(ChannelInterface::class);
        $channel->expects($this->exactly(2))->method('unary')
            ->with('/greeter.Greeter/SayHello', 'Ada', null, [], 1.5)
            ->willReturnOnConsecutiveCalls('Hello!', $this->throwException(new RpcException(StatusCode::Unavailable)));
        $greeter = new Greeter($channel);
        $this->assertSame('Hello!', $greeter->hello('Ada'));
        $this->assertSame('nobody is there: Unavailable', $greeter->hello('Ada'));
    }

    public function testAwait(): void
    {
        $calls = [];
        foreach (['one', 'two'] as $text) {
            $calls[] = $call = $this->createMock(UnaryCallInterface::class);
            $call->expects($this->once())->method('wait')->willReturn($text);
        }
        $channel = $this->createMock(ChannelInterface::class);
        $channel->method('start')->willReturnOnConsecutiveCalls(...$calls);
        $this->assertSame(['one', 'two'], (new Greeter($channel))->two('a', 'b'));
    }

    public function testAwaitThrows(): void
    {
        $call = $this->createMock(UnaryCallInterface::class);
        $call->method('wait')->willThrowException(new RpcException(StatusCode::NotFound, 'no such name'));
        $this->expectExceptionMessage('no such name');
        Viaduct\await($call);
    }

    public function testStreams(): void
    {
        $channel = $this->createMock(ChannelInterface::class);
        $channel->method('serverStream')->willReturn(new Replies(['Hello', 'Ada']));
        $upload = $this->createMock(ClientStreamInterface::class);
        $upload->expects($this->exactly(3))->method('send');
        $upload->method('finish')->willReturn('three');
        $channel->method('clientStream')->willReturn($upload);
        $talk = $this->createMock(BidiStreamInterface::class);
        $talk->method('receive')->willReturn('Hello!');
        $channel->method('bidi')->willReturn($talk);
        $greeter = new Greeter($channel);
        $this->assertSame('Hello Ada', $greeter->all('Ada'));
        $this->assertSame('three', $greeter->upload('a', 'b', 'c'));
        $this->assertSame('Hello!', $greeter->talk('Ada'));
    }

    public function testHandlers(): void
    {
        $context = $this->createMock(ContextInterface::class);
        $context->method('metadata')->willReturn(['x-user' => ['Ada']]);
        $requests = $this->createMock(RequestStreamInterface::class);
        $requests->method('receive')->willReturnOnConsecutiveCalls('one', null);
        $handler = fn(RequestStreamInterface $in, ContextInterface $c) => $c->metadata()['x-user'][0] . $in->receive() . $in->receive();
        $this->assertSame('Adaone', $handler($requests, $context));
    }
}
PHP);
passthru(implode(' ', array_map(escapeshellarg(...), [
    PHP_BINARY, ...ServerProcess::ownArguments(), '/usr/bin/phpunit', '--no-configuration', '--do-not-cache-result', $test,
])) . ' 2>&1 | grep -E "^(OK|FAIL|Tests|[0-9]+\)|Failed|.*Exception)"');

// The classes keep what the interfaces promise: whoever has one has the other.
foreach (['Channel', 'UnaryCall', 'ServerStream', 'ClientStream', 'BidiStream', 'Context', 'RequestStream'] as $class) {
    $interfaces = class_implements("Viaduct\\$class");
    sort($interfaces);
    echo "$class: ", implode(', ', $interfaces), "\n";
}
?>
--EXPECT--
OK (5 tests, 12 assertions)
Channel: Viaduct\ChannelInterface
UnaryCall: Viaduct\CallInterface, Viaduct\UnaryCallInterface
ServerStream: Iterator, Traversable, Viaduct\CallInterface, Viaduct\ServerStreamInterface
ClientStream: Viaduct\CallInterface, Viaduct\ClientStreamInterface
BidiStream: Iterator, Traversable, Viaduct\BidiStreamInterface, Viaduct\CallInterface
Context: Viaduct\ContextInterface
RequestStream: Iterator, Traversable, Viaduct\RequestStreamInterface
