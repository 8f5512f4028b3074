//! The ini settings, and what they do at the first use.

use std::ffi::{CStr, CString};
use std::sync::Once;

use ext_php_rs::flags::IniEntryPermission;
use ext_php_rs::zend::{IniEntryDef, IniEntryDefs};

use crate::log;
use crate::zend::{self, sys};

const SYSTEM: IniEntryPermission = IniEntryPermission::System;

static SETTINGS: IniEntryDefs<6> = IniEntryDefs::new([
    IniEntryDef::new(c"grpc.enable_fork_support", c"0", SYSTEM),
    IniEntryDef::new(c"grpc.poll_strategy", c"", SYSTEM),
    IniEntryDef::new(c"grpc.grpc_verbosity", c"", SYSTEM),
    IniEntryDef::new(c"grpc.grpc_trace", c"", SYSTEM),
    IniEntryDef::new(c"grpc.log_filename", c"", SYSTEM),
    IniEntryDef::end(),
]);

/// Settings that go into the environment, where child processes and libraries look for them.
const ENVIRONMENT: [(&CStr, &CStr); 3] = [
    (c"grpc.poll_strategy", c"GRPC_POLL_STRATEGY"),
    (c"grpc.grpc_verbosity", c"GRPC_VERBOSITY"),
    (c"grpc.grpc_trace", c"GRPC_TRACE"),
];

/// Registers the settings; in MINIT.
pub(crate) fn register(module: i32) {
    IniEntryDef::register(SETTINGS.as_slice(), module);
}

/// Takes them back; in MSHUTDOWN.
pub(crate) fn unregister(module: i32) {
    // SAFETY: the engine takes out what this module has registered.
    unsafe { sys::zend_unregister_ini_entries(module) };
}

/// To be called where a channel, a server, credentials or the reactor are made, of either namespace. Does something the
/// first time in a process only.
pub(crate) fn first_use() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if matches!(
            &*zend::setting(c"grpc.enable_fork_support").to_ascii_lowercase(),
            b"1" | b"on" | b"yes" | b"true"
        ) {
            set(c"GRPC_ENABLE_FORK_SUPPORT", c"1");
        }
        for (setting_name, name) in ENVIRONMENT {
            let value = CString::new(zend::setting(setting_name)).unwrap_or_default();
            if !value.is_empty() {
                set(name, &value);
            }
        }
        log::start(&zend::setting(c"grpc.log_filename"));
    });
}

fn set(name: &CStr, value: &CStr) {
    // SAFETY: both texts live, and are copied. Other threads may read the environment meanwhile, as with
    // PHP's own putenv(): that is why this is done once, and only for what was set in php.ini.
    unsafe {
        libc::setenv(name.as_ptr(), value.as_ptr(), 1);
    }
}
