<?php

/**
 * The stubs beside the extension: what differs, in both directions.
 *
 * The stub files are PHP. They are loaded under another namespace, so that Reflection can look at both.
 */

const STUB = 'Stub';

/** Loads every stub file under the namespace ViaductStub or GrpcStub: whatever a class needs before it. */
function loadStubs(string $directory): void
{
    $files = [];
    $classes = [];
    foreach (glob($directory . '/*.stub.php') as $file) {
        $code = file_get_contents($file);
        $code = preg_replace('/^namespace (Viaduct|Grpc);$/m', 'namespace $1' . STUB . ';', $code, -1, $count);
        if ($count === 1) {
            $files[$file] = '?>' . $code;
            preg_match_all('/^(?:final |abstract )?(?:class|interface|enum) (\w+)/m', $code, $names);
            $classes += array_fill_keys($names[1], $file);
        }
    }
    $load = function (string $file) use (&$files): void {
        $code = $files[$file] ?? '';
        unset($files[$file]);
        eval($code);
    };
    spl_autoload_register($autoload = function (string $class) use ($load, $classes): void {
        $name = substr(strrchr('\\' . $class, '\\'), 1);
        if (preg_match('/^(Viaduct|Grpc)' . STUB . '\\\\/', $class) && isset($classes[$name])) {
            $load($classes[$name]);
        }
    });
    array_map($load, array_keys($files));
    spl_autoload_unregister($autoload);
}

/** @return array<string, string> the text of everything that a namespace declares, by its name */
function describeNamespace(string $namespace, bool $internal): array
{
    $out = [];
    foreach (array_merge(get_declared_classes(), get_declared_interfaces()) as $class) {
        if (str_starts_with($class, $namespace . '\\')) {
            describeClass(new ReflectionClass($class), $out);
        }
    }
    foreach (get_defined_functions()[$internal ? 'internal' : 'user'] as $function) {
        if (str_starts_with($function, strtolower($namespace) . '\\')) {
            $function = new ReflectionFunction($function);
            $out[plain($function->getName()) . '()'] = signature($function);
        }
    }
    foreach (get_defined_constants(true)[$internal ? 'grpc' : 'user'] ?? [] as $name => $value) {
        // PHP keeps the namespace in lower case.
        if (stripos($name, $namespace . '\\') === 0) {
            $out['const ' . substr($name, strlen($namespace) + 1)] = literal($value);
        }
    }
    return $out;
}

function describeClass(ReflectionClass $class, array &$out): void
{
    $name = plain($class->getName());
    $interfaces = array_map('plain', $class->getInterfaceNames());
    sort($interfaces);
    $out[$name] = implode(' ', array_filter([
        ...Reflection::getModifierNames($class->getModifiers()),
        $class->isEnum() ? 'enum' : ($class->isInterface() ? 'interface' : 'class'),
        $class->isEnum() ? ': ' . ((new ReflectionEnum($class->getName()))->getBackingType() ?? 'unit') : '',
        $class->getParentClass() ? 'extends ' . plain($class->getParentClass()->getName()) : '',
        $interfaces ? 'implements ' . implode(', ', $interfaces) : '',
    ]));
    foreach ($class->getReflectionConstants() as $constant) {
        if (isOwn($constant, $class)) {
            $modifiers = implode(' ', Reflection::getModifierNames($constant->getModifiers()));
            $kind = $constant->isEnumCase() ? 'case' : 'const';
            $value = $constant->getValue();
            $out[$name . '::' . $constant->getName()] =
                "$modifiers $kind " . literal($value instanceof BackedEnum ? $value->value : $value);
        }
    }
    foreach ($class->getProperties() as $property) {
        // What is private is nobody's business.
        if (isOwn($property, $class) && !$property->isPrivate()) {
            $out[$name . '::$' . $property->getName()] =
                implode(' ', Reflection::getModifierNames($property->getModifiers())) . ' ' . type($property->getType())
                . ($property->hasDefaultValue() ? ' = ' . literal($property->getDefaultValue()) : '');
        }
    }
    foreach ($class->getMethods() as $method) {
        if (isOwn($method, $class)) {
            $out[$name . '::' . $method->getName() . '()'] =
                implode(' ', Reflection::getModifierNames($method->getModifiers())) . ' ' . signature($method);
        }
    }
}

function isOwn(ReflectionMethod|ReflectionProperty|ReflectionClassConstant $member, ReflectionClass $class): bool
{
    return $member->getDeclaringClass()->getName() === $class->getName();
}

function signature(ReflectionFunctionAbstract $function): string
{
    $parameters = array_map(function (ReflectionParameter $parameter): string {
        $attributes = array_map(fn(ReflectionAttribute $attribute) => "#[{$attribute->getName()}] ", $parameter->getAttributes());
        return implode($attributes) . ltrim(type($parameter->getType()) . ' ')
            . ($parameter->isPassedByReference() ? '&' : '') . ($parameter->isVariadic() ? '...' : '')
            . '$' . $parameter->getName()
            . ($parameter->isDefaultValueAvailable() ? ' = ' . literal($parameter->getDefaultValue()) : '')
            . ($parameter->isOptional() && !$parameter->isVariadic() && !$parameter->isDefaultValueAvailable()
                ? ' = (unknown)' : '');
    }, $function->getParameters());
    $tentative = $function->hasTentativeReturnType() ? 'tentatively ' . type($function->getTentativeReturnType()) : '';
    $type = type($function->getReturnType()) . $tentative;
    return ($function->returnsReference() ? '&' : '') . '(' . implode(', ', $parameters) . ')'
        . ($type === '' ? '' : ': ' . $type);
}

function type(?ReflectionType $type): string
{
    if ($type instanceof ReflectionUnionType) {
        $types = array_map('strval', $type->getTypes());
        sort($types);
        return plain(implode('|', $types));
    }
    return plain((string) $type);
}

function literal(mixed $value): string
{
    return $value instanceof UnitEnum ? plain($value::class) . '::' . $value->name : var_export($value, true);
}

function plain(string $name): string
{
    return preg_replace('/(^|(?<=[?|&, (]))(Viaduct|Grpc)' . STUB . '\\\\/', '$2\\', $name);
}

/**
 * @return list<string> the differences
 */
function compareWithStubs(string $directory, string $namespace = 'Viaduct'): array
{
    loadStubs($directory);
    $wanted = describeNamespace($namespace . STUB, false);
    $found = describeNamespace($namespace, true);
    $differences = [];
    foreach ($wanted as $name => $text) {
        if (!isset($found[$name])) {
            $differences[] = "$name is missing in the extension";
        } elseif ($found[$name] !== $text) {
            $differences[] = "$name\n    stub:      $text\n    extension: {$found[$name]}";
        }
    }
    foreach (array_diff_key($found, $wanted) as $name => $text) {
        $differences[] = "$name is missing in the stubs: $text";
    }
    return $differences;
}
