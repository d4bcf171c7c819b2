/*
Ks-render turns image specs and kickstart files into manifests, the stream
that img-build reads.

Usage:

	ks-render [flags] [SPEC-FOLDER | FILE.ks | -]...

A spec is a folder with an image.yaml. It yields one manifest for each of its
releases and architectures. A kickstart file needs no spec: it yields one
manifest, named after the file. With no argument, or -, a kickstart is read
from standard input.

What is included with %include or %ksappend is put in its place, relative to
the file that includes it. $releasever and $basearch are resolved in the
commands url and repo. Every error of a file is reported, with its place. An
image that has an error does not come out; the others do.

Flags:

	--release LIST     only these releases of a spec; for a kickstart file
	                   the one release it is for (default: its #version=)
	--arch LIST        only these architectures of a spec; for a kickstart
	                   file the one it is for (default: this machine's)
	--syntax NAME      the kickstart syntax, such as F43, RHEL10 or DEVEL
	                   (default: the spec's, or #version=, or the release's)
	--name NAME        the image's name (default: the spec's or the file's)
	--image-release R  the image's own release (default: the spec's, or 0)
	--var NAME=VALUE   sets a variable of the templates; may be repeated
	--check            only look for errors; nothing is printed
	--format FORMAT    manifest (default), or ks: the flattened kickstart of
	                   one image
	--quiet            print warnings and errors only
	--version          print the version
	-h                 print this text

Examples:

	ks-render specs/fedora-cloud-base | img-build
	ks-render --release 43 --arch x86_64 specs/fedora-cloud-base
	ks-render --check specs/*
	ks-render --release 43 --format ks fedora-cloud-base.ks > flat.ks

Exit codes:

	0  done
	1  a spec or kickstart has errors, or cannot be read
	2  wrong use
*/
package main
