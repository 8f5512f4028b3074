# Without prerequisites: 'make install' may run as another user, who has no cargo. Those who change the source build
# with cargo. It finds PHP by these two variables.
$(phplibdir)/grpc.so:
	PHP=$(PHP_EXECUTABLE) PHP_CONFIG=$(PHP_CONFIG) $(CARGO) build --release --locked --manifest-path $(srcdir)/Cargo.toml --target-dir $(builddir)/target
	mkdir -p $(phplibdir)
	cp $(builddir)/target/release/libgrpc.so $@
