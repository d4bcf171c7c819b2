/*
Img-smoke boots disk images under QEMU, tests them over SSH, and lets only those
pass that are good.

Usage:

	img-smoke [flags] < MANIFESTS > MANIFESTS
	img-smoke [flags] [--arch ARCH] [--bundle DIR] FILE...

In a pipe it boots an artifact of each manifest, adds what came of it to the
manifest as its tests, saves that as manifest.json in the image's folder, and
passes the manifest on if the image is good. One that is not good does not come
out; its manifest.json says why.

With files, each of them is a disk image: qcow2, raw, vmdk, vhd, or a raw disk
packed with xz, zstd or gzip. A line of JSON on standard output tells of each
test what a manifest would.

The guest gets a NoCloud seed with a key made for the test, and a disk that is 2
GiB larger than the image; nothing is written to the image itself. A boot that
cannot end well is ended at once, with the cause named: what the console and
QEMU tell is watched, and whether the guest gets on. Then come the checks and
the tests of the spec. What a failed test leaves, the console, journal, screen,
state and command line of QEMU, is in the image's folder under
logs/smoke-FIRMWARE, or beside a plain file in FILE.smoke-FIRMWARE.

	--firmware LIST  bios, uefi or both, separated by a comma. Without it those
	                 that the spec names, or else both
	--format FORMAT  the artifact to boot, as img-convert names its format. Without
	                 it the first that there is of qcow2, raw, vmdk, vhd and
	                 packed raw
	--accel ACCEL    kvm or tcg. Without it kvm where it really runs a guest,
	                 which is tried, or else tcg
	--cpus N         processors of a guest; 2 with kvm, 1 with tcg if not given
	--memory MIB     memory of a guest; what the spec says, or 2048, if not given
	--jobs N         guests that run at the same time; as many as the machine's
	                 processors and memory carry if not given
	--timeout TIME   for one boot with all its tests, such as 5m; 10m with kvm, 30m
	                 with tcg if not given
	--user NAME      whom to log in as. Without it the user that the spec names, or
	                 else the distribution's usual one
	--skip NAME      a check or cause to pass over, besides those that the spec
	                 names; can be given several times
	--junit FILE     write the results as JUnit XML as well
	--arch ARCH      the architecture of plain files, x86_64 or aarch64; this
	                 machine's if not given. A manifest has it
	--bundle DIR     where plain files' failed tests leave things
	--quiet          print warnings and errors only
	--version        print the version

Environment:

	TMPDIR        the folder for what guests write to their disks, and for packed
	              disks; /var/tmp if not set
	RESPIN_CACHE  the folder that remembers whether KVM works here; by default
	              respin in $XDG_CACHE_HOME or ~/.cache

docs/smoke.md lists the checks, the causes and how each is recognised.

Examples:

	ks-render specs/fedora-cloud-base | img-build | img-convert --to qcow2 | img-smoke
	img-smoke --firmware uefi --junit smoke.xml disk.qcow2
	img-smoke --accel tcg --skip root-grown appliance.raw.xz

Exit codes: 0 all images are good; 1 one could not be tested; 2 wrong use; 3 one
was tested and is not good.
*/
package main
