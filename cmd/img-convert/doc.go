/*
Img-convert turns a raw disk into the formats that clouds and people want, all
of them while it reads the disk once.

Usage:

	img-convert [--to LIST] < MANIFESTS > MANIFESTS
	img-convert [--to LIST] [--output DIR] [--arch ARCH] FILE...
	img-convert inspect FILE...

In a pipe it takes each manifest's artifact of the format raw, whose digest it
checks, puts the files into the image's folder as
NAME-VERSION-RELEASE.ARCH.EXTENSION, adds them to the manifest, saves that as
manifest.json there, and passes it on.

With files, each of them is a raw disk, a qcow2, VMDK or VHD, or a raw disk packed
with xz, zstd or gzip; - is standard input. The new files lie beside it, or in the folder
that --output names, and a line of JSON on standard output tells of each what a
manifest would.

	--to LIST     formats, separated by commas. Without it those that the
	              image's spec names, or else qcow2
	--output DIR  the folder for the new files
	--arch ARCH   the disk's architecture as RPM names it, which some formats
	              tell; this machine's if not given. A manifest has it
	--quiet       print warnings and errors only
	--version     print the version

The formats, with their files' extensions:

	qcow2                    .qcow2, QEMU, compressed so that every version reads it
	qcow2:zstd               .zstd.qcow2, smaller and faster, for QEMU 5.1 and later
	raw                      .raw, with holes where it is zero
	raw.xz raw.zst raw.gz    .raw.xz .raw.zst .raw.gz, a compressed raw disk
	vmdk                     .vmdk, VMware, streamOptimized
	ova                      .ova, a machine for VMware and VirtualBox
	vhd                      .vhd, fixed, as Azure wants it: whole mebibytes and a footer
	vhd:dynamic              .dynamic.vhd, the same without its zeros
	gce                      .gce.tar.gz, Google Compute Engine: whole gibibytes
	box                      both of these, boxes for Vagrant:
	box:libvirt              .vagrant.libvirt.box
	box:virtualbox           .vagrant.virtualbox.box
	containerdisk            .containerdisk.oci.tar, a container image for KubeVirt
	podman-machine           .podman-machine.oci.tar, podman machine on Linux
	podman-machine:applehv   .podman-machine.applehv.oci.tar, podman machine on macOS

Both qcow2 formats take the size of a cluster, as in qcow2:cluster=2M, from 4K to
2M; it is 64K if not given, and otherwise part of the file's name.

The bytes of a file depend on the disk alone: not on the time, the machine or
its processors. A file has its name only when it is complete and on the disk,
and when one format fails, none appears. uncompressed_sha256, the digest of the
raw disk, is there in a pipe, and otherwise if one of the files is the raw disk
or a compressed one: taking it reads every zero.

Inspect prints what a disk image is, a line of JSON a file: its format, virtual
size, cluster size, compression and allocated bytes, its partitions and file systems,
and, where they can be read, the distribution in it and the number of its packages.

Examples:

	ks-render specs/fedora-cloud-base | img-build | img-convert --to qcow2,raw.xz
	img-convert --to vhd,gce,ova disk.raw
	curl -s https://example.com/disk.raw.xz | img-convert --output . -
	img-convert inspect disk.qcow2

Exit codes: 0 done; 1 a disk could not be converted or read; 2 wrong use.
*/
package main
