/*
Release-pr proposes tested images for release: it reads the manifests of a
batch and opens one pull request with their locks, or brings the one that is
open up to date. Its merge is the decision to publish.

Usage:

	… | img-smoke | release-pr [flags]
	release-pr --tag NUMBER [flags]
	release-pr --published NUMBER [flags]
	… | release-pr --verify RECORD | …

The pull request comes from the branch respin/BATCH, which has one commit on
top of the base branch: the lock of each image, at the path that img-plan or
the image's spec says, and releases/BATCH.md and releases/BATCH.json, the notes
for people and the record for programs. What others pushed to that branch is
replaced. The text tells the tests, sizes before and after, advisories and
packages that changed. One image that is not tested keeps back the whole batch.

Release-pr is the end of a pipe. It prints one line of JSON with the members
action, batch, number and url, and on GitHub Actions the same as outputs:

	created    there was no open pull request
	updated    its branch, text or labels were changed
	closed     the base branch has these locks already
	none       nothing was to be done, or somebody closed a pull request with
	           the very same locks: open it again to have it updated

Run again after any failure, it goes on where it was; there is never a second
pull request. Let one run a batch work at a time, as a concurrency group does.

After the merge, --tag makes the tag release/BATCH/YYYYMMDD.NUMBER on its
commit, and the label "release: pending" becomes "release: tagged"; --published
makes that "release: published". They print the members tag and commit as well,
and --tag a matrix of the images for GitHub Actions, as img-plan does.

--verify is for building a release again from its locks: it passes on the images
that are what releases/BATCH.json says, byte for byte where that has the same
files, and refuses others.

Flags:

	--batch NAME       the batch's name (default: the images' name if they share
	                   one, or else images)
	--base BRANCH      the branch to propose to (default: the repository's)
	--repository NAME  OWNER/NAME (default: GITHUB_REPOSITORY)
	--specs DIR        the folder of the specs in the repository (default: specs)
	--wait DURATION    how long all pauses together may take, for outages and
	                   rate limits (default: 5m)
	--allow-untested   propose images without tests, or with tests that failed
	--tag NUMBER       tag what this merged pull request decided
	--published NUMBER note that what this pull request decided is published
	--verify RECORD    pass on the images that are what this record says
	--dry-run          print the title, body and files instead; only read
	--quiet            print warnings and errors only, besides the result
	--version          print the version
	-h                 print this text

Environment:

	GITHUB_TOKEN       the token, or GH_TOKEN; it needs contents, pull-requests
	                   and issues: write
	GITHUB_API_URL     the API (default: https://api.github.com)
	GITHUB_REPOSITORY  the repository, if --repository is not given

Examples:

	ks-render specs/cloud | img-build | img-convert --to qcow2 | img-smoke | release-pr
	release-pr --batch monthly --dry-run < manifests.json
	release-pr --tag 17 && ./publish && release-pr --published 17

Exit codes:

	0  done
	1  it could not be done
	2  wrong use
*/
package main
