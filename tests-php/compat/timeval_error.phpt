--TEST--
Grpc\Timeval: what is refused
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/refuse.php';

use Grpc\Timeval;

$five = new Timeval(5);
refuse(fn() => new Timeval());
refuse(fn() => new Timeval('five'));
refuse(fn() => new Timeval([]));
refuse(fn() => new Timeval(NAN));
refuse(fn() => new Timeval(1, 2));
refuse(fn() => $five->add());
refuse(fn() => $five->add(5));
refuse(fn() => $five->subtract('5'));
refuse(fn() => Timeval::compare($five));
refuse(fn() => Timeval::compare(1, 2));
refuse(fn() => Timeval::similar($five, $five));
refuse(fn() => Timeval::similar($five, $five, 5));
refuse(fn() => $five->__construct(6));
refuse(fn() => clone $five);
refuse(fn() => serialize($five));
try {
    new Timeval([]);
} catch (InvalidArgumentException $e) {
    echo get_class($e), ' ', $e->getCode(), ' ', get_class($e->getPrevious()), "\n";
}
class Mine extends Timeval { public function __construct() {} }
refuse(fn() => (new Mine())->add($five));
refuse(fn() => $five->add(new Mine()));
refuse(fn() => (new Mine())->sleepUntil());
// An exception on the way to the argument stays what it is.
class Text { public function __toString(): string { throw new DomainException('mine'); } }
refuse(fn() => Grpc\ChannelCredentials::setDefaultRootsPem(new Text()));
?>
--EXPECT--
InvalidArgumentException: Timeval expects a long or double
InvalidArgumentException: Timeval expects a long or double
InvalidArgumentException: Timeval expects a long or double
InvalidArgumentException: Timeval expects a long or double
InvalidArgumentException: Timeval expects a long or double
InvalidArgumentException: add expects a Timeval
InvalidArgumentException: add expects a Timeval
InvalidArgumentException: subtract expects a Timeval
InvalidArgumentException: compare expects two Timevals
InvalidArgumentException: compare expects two Timevals
InvalidArgumentException: compare expects three Timevals
InvalidArgumentException: compare expects three Timevals
Error: the Grpc\Timeval is constructed already
Error: Trying to clone an uncloneable object of class Grpc\Timeval
Exception: Serialization of 'Grpc\Timeval' is not allowed
InvalidArgumentException 1 TypeError
Error: the Grpc\Timeval was not constructed
InvalidArgumentException: add expects a Timeval
Error: the Grpc\Timeval was not constructed
DomainException: mine
