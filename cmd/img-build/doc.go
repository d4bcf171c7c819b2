/*
Img-build makes disk images from rendered kickstarts: it reads manifests, as
ks-render writes them, and adds to each the raw disk it built.

Usage:

	ks-render SPEC-FOLDER | img-build [flags]
	img-build [flags] MANIFEST-FILE...

The packages are verified, and the image is made with the tools of the
distribution that is being installed, in namespaces: no root, no container
engine, no rpm or dnf of this machine's is needed. As an ordinary user it
takes newuidmap and a range of ids in /etc/subuid and /etc/subgid.

Each image gets a folder, DIR/NAME-VERSION-RELEASE.ARCH/, with the disk, the
lock of what was used, the list of packages, an SPDX bill of materials, the
build log and manifest.json. It appears when everything in it is complete. If
an image fails, the others are still built, and its log is left in
DIR/NAME-VERSION-RELEASE.ARCH.failed.log.

Flags:

	--output DIR       where the images' folders are made (default: out)
	--repo NAME=URL    use this URL or folder for a repository that the
	                   kickstart names (the one of its url command is called
	                   url); may be repeated
	--key FILE         trust the OpenPGP keys in this file for every
	                   repository, besides the spec's; may be repeated
	--insecure-no-signatures
	                   do not check packages' signatures; the manifest says so
	--locked FILE      build exactly what this lock lists; may be repeated: each
	                   image takes the lock that is for it, and needs one
	--koji URL         where to ask for packages that no repository has any
	                   more: the packages of a build system, or a folder laid
	                   out as Koji's; empty asks nowhere (default: the spec's,
	                   or Fedora's own for repositories of Fedora's)
	--offline          use only what the cache holds
	--disk-size SIZE   the disk's size, such as 10GiB (default: what the
	                   partitions need, and at least 5GiB if one may grow)
	--script-timeout D how long each script may run, such as 10m (default: the
	                   spec's, or 30m)
	--script-space S   how much scripts may add to the image's files, such as
	                   2GiB (default: the spec's, or 1GiB)
	--script-network   let scripts reach the network
	--quiet            print warnings and errors only
	--version          print the version
	-h                 print this text

Locks:

A lock lists every package with its checksum. --locked takes each from the
cache, from its repository, from where the lock says it was, or else from
Koji, which keeps everything that Fedora ever built: by the name, version and
release of its source package and the ids of the spec's keys, as
data/signed/KEYID/ARCH/FILE. The lock's checksum decides whether it is the
one, and the keys, as always, whether it is trusted. A kickstart that changed
since its lock is refused where it does not install what the lock lists. Of a lock that img-plan
--update wrote, what dnf has no use for is left out of the image and its lock.

Environment:

	RESPIN_CACHE       the folder where packages, buildroots and installed
	                   trees are kept (default: respin in the user's cache)
	SOURCE_DATE_EPOCH  the time of everything in the image, seconds since 1970
	                   (default: the lock's, or the newest of the repositories')

Examples:

	ks-render specs/fedora-cloud-base | img-build
	ks-render fedora-cloud-base.ks |
	  img-build --repo fedora=https://mirror.example.org/fedora/43/ --key fedora-43.asc
	img-build --locked lock.x86_64.json manifest.json

Exit codes:

	0  done
	1  an image could not be built
	2  wrong use
*/
package main
