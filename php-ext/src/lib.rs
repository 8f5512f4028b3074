//! The PHP extension `grpc.so`: the list of classes; nothing else.

use ext_php_rs::prelude::*;

#[php_module]
pub fn get_module(module: ModuleBuilder) -> ModuleBuilder {
    module.name("grpc")
}
