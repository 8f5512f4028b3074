//! What ext-php-rs does not bind: functions that the PHP binary exports.

use std::ffi::{c_char, c_int, c_void};

use ext_php_rs::ffi::{
    HashTable, zend_class_entry, zend_module_entry, zend_object, zend_string, zend_type, zval,
};

/// `ZEND_ACC_READONLY`
pub(crate) const ACC_READONLY: c_int = 1 << 7;

/// `ZEND_CALL_HAS_EXTRA_NAMED_PARAMS`
pub(crate) const CALL_HAS_EXTRA_NAMED_PARAMS: u32 = 1 << 27;

/// `zend_expected_type`: what an argument should have been. The next number means "or null".
pub(crate) mod expected {
    pub(crate) const LONG: u32 = ext_php_rs::ffi::_zend_expected_type_Z_EXPECTED_LONG;
    pub(crate) const BOOL: u32 = ext_php_rs::ffi::_zend_expected_type_Z_EXPECTED_BOOL;
    pub(crate) const STRING: u32 = ext_php_rs::ffi::_zend_expected_type_Z_EXPECTED_STRING;
    pub(crate) const ARRAY: u32 = ext_php_rs::ffi::_zend_expected_type_Z_EXPECTED_ARRAY;
    pub(crate) const OBJECT: u32 = ext_php_rs::ffi::_zend_expected_type_Z_EXPECTED_OBJECT;
    pub(crate) const DOUBLE: u32 = ext_php_rs::ffi::_zend_expected_type_Z_EXPECTED_DOUBLE;
    pub(crate) const CALLABLE: u32 = ext_php_rs::ffi::_zend_expected_type_Z_EXPECTED_FUNC;
}

unsafe extern "C" {
    pub(crate) fn zend_throw_unwind_exit();
    pub(crate) fn zend_error(severity: c_int, format: *const c_char, ...);
    pub(crate) fn zend_throw_exception_internal(exception: *mut zend_object);
    pub(crate) fn zend_is_unwind_exit(exception: *const zend_object) -> bool;
    pub(crate) fn php_log_err_with_severity(message: *const c_char, severity: c_int);
    pub(crate) static spl_ce_RuntimeException: *mut zend_class_entry;
    pub(crate) static spl_ce_InvalidArgumentException: *mut zend_class_entry;
    pub(crate) static spl_ce_LogicException: *mut zend_class_entry;

    // The conversions of an argument that is not of the type wanted: they know strict_types, and
    // raise the deprecations that PHP's own functions raise.
    pub(crate) fn zend_parse_arg_str_slow(arg: *mut zval, out: *mut *mut zend_string, number: u32) -> bool;
    pub(crate) fn zend_parse_arg_long_slow(arg: *mut zval, out: *mut i64, number: u32) -> bool;
    pub(crate) fn zend_parse_arg_double_slow(arg: *mut zval, out: *mut f64, number: u32) -> bool;
    pub(crate) fn zend_parse_arg_bool_slow(arg: *mut zval, out: *mut bool, number: u32) -> bool;

    // The TypeErrors of PHP's own functions.
    pub(crate) fn zend_wrong_parameter_type_error(number: u32, expected: u32, arg: *mut zval);
    pub(crate) fn zend_wrong_parameter_class_error(number: u32, class: *const c_char, arg: *mut zval);
    pub(crate) fn zend_wrong_parameter_class_or_null_error(number: u32, class: *const c_char, arg: *mut zval);

    pub(crate) fn zend_unexpected_extra_named_error();

    pub(crate) fn zend_ini_string(name: *const c_char, length: usize, original: c_int) -> *const c_char;
    pub(crate) fn zend_unregister_ini_entries(module: c_int);
    pub(crate) fn display_ini_entries(module: *mut zend_module_entry);

    pub(crate) fn zend_add_attribute(
        attributes: *mut *mut HashTable,
        name: *mut zend_string,
        arguments: u32,
        flags: u32,
        offset: u32,
        line: u32,
    ) -> *mut c_void;
    pub(crate) fn zend_hash_add_new(
        table: *mut HashTable,
        key: *mut zend_string,
        value: *mut zval,
    ) -> *mut zval;
    pub(crate) fn object_init_ex(out: *mut zval, class: *mut zend_class_entry) -> c_int;
    pub(crate) fn zend_update_property(
        scope: *mut zend_class_entry,
        object: *mut zend_object,
        name: *const c_char,
        length: usize,
        value: *mut zval,
    );
    pub(crate) fn zend_declare_typed_property(
        class: *mut zend_class_entry,
        name: *mut zend_string,
        default: *mut zval,
        flags: c_int,
        doc: *mut zend_string,
        of: zend_type,
    ) -> *mut ext_php_rs::ffi::zend_property_info;
    pub(crate) fn zend_hash_get_current_key_ex(
        table: *const HashTable,
        text: *mut *mut zend_string,
        number: *mut u64,
        position: *const u32,
    ) -> c_int;
}
