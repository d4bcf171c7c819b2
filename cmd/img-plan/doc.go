/*
Img-plan finds out which images are due to be built again, and why. It reads
specs, their locks and the repositories as they are now, and prints a manifest,
as ks-render does, for each image that is due; the section "plan" has the reasons.

Usage:

	img-plan [flags] [SPEC...]

A SPEC is a spec's folder, its image.yaml, or a kickstart; without any, all
of specs/ are planned. An image's lock is lock.ARCH.json beside its spec, or
lock.VERSION.ARCH.json where the spec has several releases.

An image is due for these reasons:

	kickstart  its rendered kickstart is not the one that its lock was made
	           with. With --since instead, a file that it is made from is not
	           what it was at that commit: the spec, its kickstart and all that
	           it includes from files, the key files, the lock. What is not
	           committed counts; what is included by URL, or a key at one, is not
	           compared
	lock       it has no lock yet
	packages   the repositories have installed packages otherwise: newer,
	           older, rebuilt, or not any more; other than --update left it
	security   a security advisory of a repository brings a version that is
	           newer than the installed one and no newer than what there is
	due        the lock is older than --due says: by its date, which is that of
	           the repositories it was made from, or if it has none by its
	           last commit's

All of the first four count unless --reason, --security or --due say less. What
there is to know about packages is in the plan whatever the reasons, and which
repositories were added, removed or changed since the lock was made. Packages of
module streams are passed over.

img-plan reads the repositories' lists, no packages, and keeps them by their
digest. It needs no root and no rpm or dnf.

Flags:

	--since COMMIT     compare files to this commit, not kickstarts to locks
	--reason LIST      count these of kickstart, lock, packages, security only;
	                   with kickstart or lock alone no repository is read
	--security         keep what a security advisory asks for
	--severity LEVEL   with --security, keep it only if one of them is at least
	                   this grave: low, moderate, important or critical
	--due AGE          keep what was not released for that long, such as 30d,
	                   4w or 12h; with --security, that or this
	--update           write new locks, of the newest packages that the
	                   repositories have; with --security only of those that
	                   security advisories name, and of what they need
	--matrix           print a matrix for GitHub Actions instead:
	                   {"include":[{"id","name","version","release","arch",
	                   "spec","lock","locked","reasons","severity"}]}
	--manifests DIR    write the manifests to DIR/ID.json as well, and the locks
	                   that are to be built to DIR/ID.lock.json
	--repo NAME=URL    use this URL or folder for a repository that the
	                   kickstarts name, or one of them; may be repeated
	--release LIST     only these releases
	--arch LIST        only these architectures
	--image-release R  the release of the images, in place of the specs'
	--var NAME=VALUE   set a variable of the templates; may be repeated
	--offline          use only what the cache holds
	--quiet            print warnings and errors only
	--version          print the version
	-h                 print this text

The fields of a matrix are plain words that no shell and no workflow
takes for anything else, if they are passed through env. "locked" says that the
lock is what is to be built: --update wrote it, or it changed since --since.

New locks:

--update takes the packages of a lock, and of its buildroot, to the newest
version that the repositories have, and adds what these newly require and what
obsoletes one of them. It does not decide what is installed: img-build --locked
does, with dnf. That leaves out what nothing needs any more and what another
package took the place of, and the lock in the image's folder is without it:
that one is to be kept. Or dnf refuses what does not fit together; build
without --locked then, which resolves everything anew and writes a new lock.
Groups are what they were when the lock was first written.

With --security only the packages that advisories name, what was built from the
same source package, and what they need change, and the buildroot stays as it
is; packages that the repositories do not list any more are taken to provide
what their successors do. Where something that a new version requires cannot be
had, no lock is written.

Packages for which there is nothing newer, although the repositories do not
have them any more, or only older, or something that obsoletes them, stay. The
lock notes it under "kept", and the image is not due for them again until the
repositories have something else.

Environment:

	RESPIN_CACHE       the folder where repositories' lists are kept
	                   (default: respin in the user's cache)

Examples:

	img-plan --since origin/main --reason kickstart | img-build
	img-plan --matrix --security --due 30d
	img-plan --update specs/fedora-cloud-base
	img-plan --repo updates=https://mirror.example.org/updates/43/ specs/cloud | jq .plan.advisories

Exit codes:

	0  something is due
	1  an image could not be planned
	2  wrong use
	3  nothing is due
*/
package main
