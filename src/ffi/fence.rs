//! The fence: no panic passes it, and what fails is kept for `viaduct_error_message`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::error::{Error, VIADUCT_RESULT_OK, viaduct_result};
use super::handle::{self, Object};

/// Runs what belongs to no handle, or to one that does not exist yet.
pub(super) fn fenced(work: impl FnOnce() -> Result<(), Error>) -> viaduct_result {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => VIADUCT_RESULT_OK,
        Ok(Err(error)) => error.keep(),
        Err(panic) => Error::panic(&*panic).keep(),
    }
}

/// Runs what is done with a handle. A panic spoils the handle.
pub(super) fn with<T: Object>(
    handle: *const T,
    work: impl FnOnce(&T) -> Result<(), Error>,
) -> viaduct_result {
    fenced(|| {
        let value = handle::get(handle)?;
        catch_unwind(AssertUnwindSafe(|| work(value))).unwrap_or_else(|panic| {
            handle::poison(handle);
            Err(Error::panic(&*panic))
        })
    })
}

/// Reads something of a handle; gives `otherwise` where there is none to read.
pub(super) fn read<T: Object, R>(handle: *const T, otherwise: R, work: impl FnOnce(&T) -> R) -> R {
    let mut found = None;
    with(handle, |value| {
        found = Some(work(value));
        Ok(())
    });
    found.unwrap_or(otherwise)
}

/// Frees a handle. NULL is fine.
pub(super) fn free<T: Object>(handle: *mut T) -> viaduct_result {
    fenced(|| handle::free(handle))
}

#[cfg(test)]
mod tests {
    use super::super::error::*;
    use super::*;

    struct Number(i32);
    impl Object for Number {
        const KIND: u8 = handle::TEST;
    }

    #[test]
    fn a_panic_is_a_result_and_spoils_its_handle_only() {
        let (one, other) = (handle::give(Number(1)), handle::give(Number(2)));
        assert_eq!(with(one, |_| panic!("on purpose {}", 7)), VIADUCT_RESULT_PANIC);
        assert_eq!(with(one, |_| Ok(())), VIADUCT_RESULT_POISONED);
        assert_eq!(read(one, -1, |n| n.0), -1);
        assert_eq!(read(other, -1, |n| n.0), 2);
        assert_eq!(fenced(|| panic!("on purpose")), VIADUCT_RESULT_PANIC);
        assert_eq!(free(one), VIADUCT_RESULT_OK);
        assert_eq!(free(other), VIADUCT_RESULT_OK);
        assert_eq!(free(std::ptr::null_mut::<Number>()), VIADUCT_RESULT_OK);
    }
}
