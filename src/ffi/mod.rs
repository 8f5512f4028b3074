//! The C API: thin, one file per C object.

mod version;
