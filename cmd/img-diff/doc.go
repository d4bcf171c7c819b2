/*
Img-diff says how two images differ, by their manifests or locks: packages
added, removed and updated, sizes, files and artifacts.

Usage:

	img-diff [flags] OLD NEW

OLD and NEW are each a manifest.json, a folder that holds one, a lock, or "-"
for one of them on standard input. A lock knows packages, and the digest of
its kickstart, so artifacts, files and what a kickstart is made of are compared
where both sides are manifests, and the packages that the build's tools came
from where both are locks.

Versions are ordered as rpm orders them. A package whose file or architecture
changed while its version did not is called rebuilt. With --repo, updates are
explained by the advisories of those repositories: the ones that bring a version
newer than the old one and no newer than the new one. img-diff reads only the
repositories' lists, no package; what it downloads is cached.

Flags:

	--repo NAME=URL    explain updates by this repository's advisories: a URL
	                   or a folder, NAME= may be left out; may be repeated
	--format FORMAT    text, json or markdown (default: text). JSON is one
	                   document on a line; markdown is made for GitHub, and
	                   nothing in the inputs becomes a link, mention or HTML
	--exit-code        exit with 3 if the images differ
	--offline          use only what the cache holds
	--quiet            print warnings and errors only, besides the result
	--version          print the version
	-h                 print this text

Environment:

	RESPIN_CACHE       the folder where repositories' lists are kept
	                   (default: respin in the user's cache)

Examples:

	img-diff out/cloud-43-1.x86_64 out/cloud-43-2.x86_64
	git show HEAD:specs/cloud/lock.x86_64.json | img-diff - specs/cloud/lock.x86_64.json
	img-diff --format markdown --repo https://mirror.example.org/updates/43/ old.json new.json

Exit codes:

	0  done
	1  something could not be read
	2  wrong use
	3  the images differ, and --exit-code asks for it
*/
package main
