//! PHP's fibers, driven from Rust.
//!
//! The engine exports no functions that start one, so PHP's own method is called. A fiber of ours runs a
//! native function from its first frame on, and that function serves one job after the other: making a
//! fiber costs a stack, switching ([`zend::switch`](crate::zend::switch)) costs little.
//!
//! The first frame is a method that the engine has registered with its class, called through a closure
//! of the kind that `strlen(...)` makes. Debuggers, profilers and observers walk over the frames and
//! believe what the function says of itself: its name, class, signature, module and temporary
//! variables (where something observes functions, the engine keeps one in each frame). A function made
//! by hand misses some of them in one version of PHP or the other.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::class::RegisteredClass as _;
use ext_php_rs::ffi::{
    ext_php_rs_executor_globals, zend_call_known_function, zend_class_entry, zend_function,
    zend_hash_str_find, zend_object, zval,
};
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::Zval;
use ext_php_rs::zend::{CatchError, ClassEntry, try_catch};

use crate::api::task::Task;
use crate::errors::{self, Thrown};
use crate::zend::call::{Call, handler};
use crate::zend::switch::Raw;
use crate::zend::{exception_pending, sys};

unsafe extern "C" {
    static zend_ce_fiber: *mut zend_class_entry;
    fn zend_create_fake_closure(
        out: *mut zval,
        function: *mut zend_function,
        scope: *mut zend_class_entry,
        called_scope: *mut zend_class_entry,
        this: *mut zval,
    );
}

/// A fiber.
#[derive(Debug)]
pub(crate) struct Fiber {
    object: Zval,
    _counted: Counted,
}

thread_local! {
    /// What the fiber that is being started shall run.
    static MAIN: Cell<Option<fn()>> = const { Cell::new(None) };
}

impl Fiber {
    /// A fiber that has not started.
    ///
    /// # Errors
    ///
    /// RuntimeException where there is no room for one more stack, or fiber.stack_size is too small.
    pub(crate) fn new() -> Result<Self, Thrown> {
        check_stack_size()?;
        check_room()?;
        let mut closure = Zval::new();
        let mut object = Zval::new();
        let Some(function) = registered() else {
            return Err(errors::error("the class Viaduct\\Task is not as expected".into()));
        };
        // SAFETY: the function and its class live as long as the module, and the closure copies the
        // function. The class Fiber is the engine's, and its constructor takes a callable.
        unsafe {
            let scope = function.common.scope;
            zend_create_fake_closure(&raw mut closure, function, scope, scope, ptr::null_mut());
            sys::object_init_ex(&raw mut object, zend_ce_fiber);
        }
        let fiber = Self { object, _counted: Counted::new() };
        fiber.call(b"__construct", &mut [closure])?;
        Ok(fiber)
    }

    /// Runs `main` in it until it is parked for the first time.
    ///
    /// # Errors
    ///
    /// `Bailout` where a fatal error struck inside; `Pending` where `exit()` was called; RuntimeException
    /// where the system gave no stack.
    pub(crate) fn start(&self, main: fn()) -> Result<(), Thrown> {
        MAIN.set(Some(main));
        let outcome = self.switch(b"start", &mut []);
        if MAIN.take().is_some()
            && let Err(thrown) = outcome
        {
            // It never ran.
            let why = errors::message_of(thrown.catch()?.get());
            return Err(errors::runtime(format!("no fiber can be started: {why}")));
        }
        outcome
    }

    /// Throws an exception where user code has suspended it, and runs it on. Errors as [`start`](Self::start).
    pub(crate) fn throw(&self, exception: Zval) -> Result<(), Thrown> {
        self.switch(b"throw", &mut [exception])
    }

    fn switch(&self, method: &'static [u8], arguments: &mut [Zval]) -> Result<(), Thrown> {
        match try_catch(AssertUnwindSafe(|| self.call(method, arguments))) {
            Ok(outcome) => outcome.map(drop),
            Err(CatchError::Bailout) => Err(Thrown::Bailout),
            Err(other) => Err(errors::error(other.to_string())),
        }
    }

    fn call(&self, method: &[u8], arguments: &mut [Zval]) -> Result<Zval, Thrown> {
        call_method(self.object(), method, arguments)
    }

    fn object(&self) -> *mut zend_object {
        self.object.object().map_or(ptr::null_mut(), |o| ptr::from_ref(o).cast_mut())
    }

    /// The fiber as the engine has it.
    pub(crate) fn raw(&self) -> Raw {
        Raw::of(self.object())
    }
}

/// Whether any fiber runs now, ours or another.
pub(crate) fn inside() -> bool {
    current() != 0
}

/// The fiber that runs now, as a number that tells it from others; 0 on the main stack.
pub(crate) fn current() -> usize {
    // SAFETY: the globals live as long as the process.
    unsafe { (*ext_php_rs_executor_globals()).active_fiber.addr() }
}

fn call_method(object: *mut zend_object, name: &[u8], arguments: &mut [Zval]) -> Result<Zval, Thrown> {
    let mut result = Zval::new();
    // SAFETY: the class is the engine's; its methods are found by their lower-case names, and are called
    // as PHP calls them. The arguments live until the call returns.
    unsafe {
        let class: &ClassEntry = &*zend_ce_fiber;
        let entry = zend_hash_str_find(&raw const class.function_table, name.as_ptr().cast(), name.len());
        let Some(entry) = entry.as_ref() else {
            return Err(errors::error("the class Fiber is not as expected".into()));
        };
        zend_call_known_function(
            entry.value.func,
            object,
            zend_ce_fiber,
            &raw mut result,
            u32::try_from(arguments.len()).unwrap_or(0),
            arguments.as_mut_ptr(),
            ptr::null_mut(),
        );
    }
    if exception_pending() { Err(Thrown::Pending) } else { Ok(result) }
}

/// The least fiber.stack_size. A call takes 12 KiB of a fiber's stack; a turn of the reactor, which runs whatever its
/// tasks have to do, was seen to take 112 KiB; PHP's own functions take some tens.
const LEAST_STACK: usize = 256 << 10;

/// Refuses stacks that our frames would overflow.
///
/// # Errors
///
/// RuntimeException with the size that is needed.
pub(crate) fn check_stack_size() -> Result<(), Thrown> {
    let size = stack_size();
    if size >= LEAST_STACK {
        return Ok(());
    }
    Err(errors::runtime(format!(
        "fiber.stack_size is {size} bytes; Viaduct's fibers need at least {LEAST_STACK} (256K)"
    )))
}

fn stack_size() -> usize {
    // SAFETY: the globals live as long as the process. The field's type differs between versions of PHP.
    unsafe { (*ext_php_rs_executor_globals()).fiber_stack_size }.try_into().unwrap_or(0)
}

/// How many fibers of ours there are in the process.
static FIBERS: AtomicUsize = AtomicUsize::new(0);

/// One of [`FIBERS`].
#[derive(Debug)]
struct Counted;

impl Counted {
    fn new() -> Self {
        FIBERS.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        FIBERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Memory mappings that fibers leave to others: PHP's heap, malloc's and libraries. Each stack is two, as it has a
/// page that guards its end.
const MAPPINGS_FOR_OTHERS: usize = 4096;

/// Address space that fibers leave to others, where it is limited.
const BYTES_FOR_OTHERS: usize = 32 << 20;

/// Refuses a fiber whose stack would take what everything else needs: allocations that fail end the process.
fn check_room() -> Result<(), Thrown> {
    static MAPPINGS: OnceLock<usize> = OnceLock::new();
    let mappings = *MAPPINGS.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/sys/vm/max_map_count");
        text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(usize::MAX)
    });
    let fibers = FIBERS.load(Ordering::Relaxed);
    if fibers > mappings.saturating_sub(MAPPINGS_FOR_OTHERS) / 2 {
        return Err(errors::runtime(format!(
            "no fiber can be started: there are {fibers}, and vm.max_map_count is {mappings}"
        )));
    }
    // SAFETY: the struct is written by the call. The mapping is asked for and given back, and never used.
    unsafe {
        let mut limit = std::mem::zeroed::<libc::rlimit>();
        if libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) != 0 || limit.rlim_cur == libc::RLIM_INFINITY {
            return Ok(());
        }
        let size = stack_size() + BYTES_FOR_OTHERS;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let room = libc::mmap(ptr::null_mut(), size, libc::PROT_NONE, flags, -1, 0);
        if room == libc::MAP_FAILED {
            return Err(errors::runtime(format!(
                "no fiber can be started: there are {fibers}, and the address space is limited to {} MiB (ulimit -v)",
                limit.rlim_cur >> 20
            )));
        }
        libc::munmap(room, size);
    }
    Ok(())
}

/// The first frame of every fiber of ours, as a method for the class that shall have it.
pub(crate) fn first_frame() -> (FunctionBuilder<'static>, MethodFlags) {
    let function =
        FunctionBuilder::new(FIRST_FRAME_NAME, handler!(run)).returns(DataType::Void, false, false);
    (function, MethodFlags::Private | MethodFlags::Static)
}

/// Does nothing where somebody else calls it: only [`Fiber::start`] says what to run.
fn run(call: Call<'_>) -> Result<(), Thrown> {
    call.no_arguments()?;
    if let Some(main) = MAIN.take() {
        main();
    }
    Ok(())
}

/// The method's name. (In lower case, as the engine looks for it.)
const FIRST_FRAME_NAME: &str = "run";

/// The method [`first_frame`], where the engine has registered it.
fn registered() -> Option<&'static mut zend_function> {
    let class = Task::get_metadata().ce();
    let name = FIRST_FRAME_NAME;
    // SAFETY: the table of a live class holds pointers to functions, which live as long as the class.
    unsafe {
        let entry = zend_hash_str_find(&raw const class.function_table, name.as_ptr().cast(), name.len());
        entry.as_ref()?.value.func.as_mut()
    }
}
