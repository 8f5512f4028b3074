dnl What phpize makes of this builds grpc.so with cargo, and installs it as it does any extension.

PHP_ARG_ENABLE([grpc],
  [whether to enable gRPC],
  [AS_HELP_STRING([--enable-grpc], [Enable gRPC])],
  [yes])

if test "$PHP_GRPC" != "no"; then
  AC_PATH_PROG([CARGO], [cargo])
  if test -z "$CARGO"; then
    AC_MSG_ERROR([cargo is missing: grpc.so is written in Rust, https://rustup.rs installs it])
  fi
  PHP_SUBST([CARGO])
  PHP_SUBST([PHP_CONFIG])
  PHP_MODULES="$PHP_MODULES \$(phplibdir)/grpc.so"
  PHP_ADD_MAKEFILE_FRAGMENT([$abs_srcdir/Makefile.frag], [$abs_srcdir], [$abs_builddir])
fi
