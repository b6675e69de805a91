# SPDX-License-Identifier: GPL-2.0
#
# Everything a person types. `make help` lists it. Kbuild reads the file of that name, not this one.
#
# With KDIR= (any build tree with Rust metadata) a target runs here and now, with the tools of this machine. Without, it
# runs in the Debian root, which scripts/rdevpts-env makes on first use, against the KDIR prepared there.

KDIR ?=
DESTDIR ?=
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
LIBEXECDIR ?= $(PREFIX)/libexec
UNITDIR ?= $(PREFIX)/lib/systemd/system

environment := scripts/rdevpts-env
release = $(shell cat '$(KDIR)/include/config/kernel.release' 2>/dev/null)
OUT ?= $(CURDIR)/build/$(or $(release),$(error $(KDIR) is no prepared kernel build tree (it has no \
	include/config/kernel.release): 'make kdir' prepares one))

rust_files = $(shell find src samples/racypts samples/onepty tests/compile_fail tests/fuzz/model -name '*.rs' ! -path '*/target/*' 2>/dev/null)
kbuild = $(MAKE) --no-print-directory -C '$(KDIR)' M='$(CURDIR)$(1)' MO='$(OUT)$(2)'

# A kernel that wants failed assertions to be panics has calls of panic functions.
assertions = $(shell grep -s '^CONFIG_RUST_DEBUG_ASSERTIONS=y' '$(KDIR)/.config' '$(KDIR)/include/config/auto.conf')

MAKEFLAGS += --no-print-directory

.PHONY: all install install-module install-files install-lspts uninstall modules clippy fmt fmt-check rust-analyzer racypts onepty lspts
.PHONY: setup update kdir deb demo test test-package test-debug matrix coverage differential fuzz soak conformance bench shell htmldocs clean distclean help

all: modules

ifneq ($(KDIR),)

modules:
	@mkdir -p '$(OUT)'
	$(call kbuild) modules
	@$(if $(assertions),,scripts/check-no-panic '$(OUT)/rdevpts.ko')

racypts:
	@mkdir -p '$(OUT)/racypts'
	$(call kbuild,/samples/racypts,/racypts) modules

onepty:
	@mkdir -p '$(OUT)/onepty'
	$(call kbuild,/samples/onepty,/onepty) modules
	@$(if $(assertions),,scripts/check-no-panic '$(OUT)/onepty/onepty.ko')

# A copy, with what shells need: that a test has built it does not mean that it is wanted.
lspts:
	cargo build --release --locked --target-dir '$(CURDIR)/build/cargo' -p lspts
	@mkdir -p build/lspts
	install -s build/cargo/release/lspts build/lspts/lspts
	@for shell in bash zsh fish; do build/lspts/lspts --completions "$$shell" >"build/lspts/$$shell" || exit; done

# In a directory of their own: an object that clippy made is not the one to load.
clippy:
	@mkdir -p '$(OUT)/clippy/racypts' '$(OUT)/clippy/onepty'
	$(call kbuild,,/clippy) CLIPPY=1 KRUSTFLAGS=-Dwarnings modules
	$(call kbuild,/samples/racypts,/clippy/racypts) CLIPPY=1 KRUSTFLAGS=-Dwarnings modules
	$(call kbuild,/samples/onepty,/clippy/onepty) CLIPPY=1 KRUSTFLAGS=-Dwarnings modules
	cargo clippy --workspace --all-targets -- -Dwarnings
	cd tests/fuzz/model && cargo clippy --release --locked --target-dir '$(CURDIR)/build/fuzz' -- -Dwarnings

fmt:
	@rustfmt --edition 2021 $(rust_files)
	cargo fmt --all

fmt-check:
	@rustfmt --edition 2021 --check $(rust_files)
	cargo fmt --all --check

rust-analyzer:
	@mkdir -p '$(OUT)'
	$(call kbuild) rust-analyzer

else

modules racypts onepty lspts clippy fmt fmt-check rust-analyzer:
	@$(environment) make $@

endif

install: install-module install-files $(if $(wildcard build/lspts/lspts),install-lspts)

install-module uninstall: install_release := $(or $(if $(KDIR),$(release)),$(KERNEL),$(shell uname -r))
install-module: module = build/$(install_release)/rdevpts.ko
install-module:
	@test -f '$(module)' || { \
		echo 'error: $(module) is not built: make kdir, then make (KERNEL=<release> with all, for another kernel)' >&2; false; }
	install -D -m 644 '$(module)' '$(DESTDIR)/lib/modules/$(install_release)/updates/rdevpts.ko'
	$(if $(DESTDIR),,depmod '$(install_release)')

# All but the module; the Debian package has these files from here, too.
install-files:
	install -D -m 644 Documentation/man/rdevpts.4 '$(DESTDIR)$(MANDIR)/man4/rdevpts.4'
	install -D boot/dev-pts '$(DESTDIR)$(LIBEXECDIR)/rdevpts/dev-pts'
	install -d '$(DESTDIR)$(UNITDIR)'
	sed 's,/usr/libexec/,$(LIBEXECDIR)/,' boot/rdevpts.service >'$(DESTDIR)$(UNITDIR)/rdevpts.service'
	chmod 644 '$(DESTDIR)$(UNITDIR)/rdevpts.service'

share = $(DESTDIR)$(PREFIX)/share

install-lspts:
	@test -f build/lspts/lspts || { echo 'error: lspts is not built: make lspts' >&2; false; }
	install -D build/lspts/lspts '$(DESTDIR)$(BINDIR)/lspts'
	install -D -m 644 Documentation/man/lspts.1 '$(DESTDIR)$(MANDIR)/man1/lspts.1'
	install -D -m 644 build/lspts/bash '$(share)/bash-completion/completions/lspts'
	install -D -m 644 build/lspts/zsh '$(share)/zsh/site-functions/_lspts'
	install -D -m 644 build/lspts/fish '$(share)/fish/vendor_completions.d/lspts.fish'

uninstall:
	rm -f '$(DESTDIR)$(MANDIR)/man4/rdevpts.4' '$(DESTDIR)$(UNITDIR)/rdevpts.service' \
		'$(DESTDIR)/lib/modules/$(install_release)/updates/rdevpts.ko' \
		'$(DESTDIR)$(BINDIR)/lspts' '$(DESTDIR)$(MANDIR)/man1/lspts.1' '$(share)/bash-completion/completions/lspts' \
		'$(share)/zsh/site-functions/_lspts' '$(share)/fish/vendor_completions.d/lspts.fish'
	rm -rf '$(DESTDIR)$(LIBEXECDIR)/rdevpts'
	$(if $(DESTDIR),,depmod '$(install_release)')

setup update kdir deb demo test test-package test-debug matrix coverage differential fuzz soak conformance bench htmldocs shell:
	@$(environment) $@

clean:
	rm -rf build

distclean: clean
	@$(environment) forget

help:
	@echo 'On a stock Debian 12 or 13 machine; the first run makes a Debian root and a KDIR (minutes), later ones use them:'
	@echo '  make demo            the race of 2018, and what rdevpts does under the same load, in a virtual machine'
	@echo '  make test            every test; one line each, a summary at the end [JOBS=pattern]'
	@echo '  make test-debug      the tests that are for kernels with checkers: KASAN, lockdep, KCSAN [JOBS= KERNELS=]'
	@echo '  make matrix          the suite on stock kernels of other series, flavours and suites [KERNELS=pattern KEEP=1]'
	@echo '  make test-package    the Debian package on a Debian of its own that boots with it; as root, half an hour [SUITE=]'
	@echo '  make coverage        which lines of src/ the jobs in the virtual machine execute [JOBS=pattern]'
	@echo '  make differential    a million random operations on devpts and rdevpts in lockstep [OPS= SEEDS= SECONDS= SEED=]'
	@echo '  make soak            thousands of ptys, opened, closed and hung up, while processors, memory and the module go'
	@echo '                       [SECONDS=3600 PTYS=4000]'
	@echo '  make fuzz            the model with libFuzzer, then random system calls on two kernels [SECONDS= SEED=]'
	@echo '  make conformance     the tests of other projects, unmodified, on devpts and on rdevpts [SUITE=pattern]'
	@echo '  make bench           what ptys cost: C devpts, rdevpts and a pipe side by side [ROUNDS=n, 7 at least; ONLY=parts CPUS=n];'
	@echo '                       UML=1: on User Mode Linux as well; DOC=1: tables and plots into Documentation'
	@echo '  make htmldocs        Documentation as pages in build/html'
	@echo '  make shell           a prompt in a virtual machine with rdevpts on /dev/pts'
	@echo
	@echo 'The module:'
	@echo '  make                 build/<release>/rdevpts.ko for the running kernel if `make kdir` was run, else for'
	@echo '                       the kernel of the tests; KDIR=<tree> for any build tree with Rust metadata'
	@echo '  make kdir            prepare a KDIR for the Debian kernel that runs here [KERNEL=release]'
	@echo '  make onepty          a small driver on the same layers, samples/onepty; make racypts: the race of 2018, to crash a'
	@echo '                       virtual machine with'
	@echo '  make lspts           the tool that lists ptys; make install then installs it, too'
	@echo '  make install         install the module built for the running kernel, or for that of KDIR= or KERNEL=, its manual'
	@echo '                       page and the unit for systemd [PREFIX=/usr/local DESTDIR=]; make uninstall removes them;'
	@echo '                       parts of it: install-module, install-files, install-lspts [BINDIR= MANDIR= LIBEXECDIR= UNITDIR=]'
	@echo '  make deb             the Debian package, which DKMS builds it from for every kernel: build/deb'
	@echo
	@echo 'For those who change it:'
	@echo '  make clippy          lints, as errors'
	@echo '  make fmt             format; make fmt-check only looks'
	@echo '  make rust-analyzer   rust-project.json for editors'
	@echo
	@echo 'The environment:'
	@echo '  make setup           only prepare'
	@echo '  make update          look at the archive again: choose the kernel and make what changed'
	@echo '  make clean           remove build/;  make distclean: also the cache (~/.cache/rdevpts)'
	@echo
	@echo 'Variables: KERNEL=<release> another stock kernel, of trixie-backports, forky or sid; MIRROR=<URL> another Debian archive;'
	@echo '           ACCEL=kvm|tcg; XDG_CACHE_HOME=<dir> where the cache is.'
