/*
Workflow-dry-run runs the GitHub workflows of a repository on this machine: act
runs the jobs as processes, and a strict fake of GitHub's API keeps the
repository and its pull requests. Nothing leaves the machine but what the
workflows themselves fetch or publish.

Usage:

	scripts/workflow-dry-run [flags] [REPOSITORY]

REPOSITORY is a folder with a Git repository, this one if not given. What it has
committed is the branch main. For the event pull_request, its files as they are,
committed or not, are the pull request. Workflows and actions of
respin-project/respin are those of this checkout; actions/checkout, setup-go,
upload-artifact and download-artifact have stand-ins here, and others do not work.

Jobs run as you, on this machine, whatever runner they ask for. What they leave is in
DIR/N-WORKFLOW: artifacts/NAME, and summary.md with the step summaries. Pull
requests that workflows made, and the text of each, are in DIR/pull-N.md.

	--event NAME         what happened: pull_request, schedule, repository_dispatch,
	                     workflow_dispatch or push (default: pull_request)
	--workflow FILE      only this workflow, such as images.yml; may be repeated
	--base COMMIT        what main is (default: HEAD)
	--merge              then merge the pull request of release-pr, and run what that starts
	--name OWNER/NAME    the repository's name (default: owner and the folder's)
	--env NAME=VALUE     a variable of the environment of jobs; may be repeated
	--var NAME=VALUE     what workflows find in the context vars; may be repeated
	--secret NAME=VALUE  what they find in the context secrets; may be repeated
	--output DIR         where the results go (default: workflow-dry-run)
	--quiet              print warnings and errors only
	--version            print the version
	-h                   print this text

Environment:

	RESPIN_CACHE  the folder where act is kept, which is built at the first use

Examples:

	scripts/workflow-dry-run                      # a pull request with what is not committed
	scripts/workflow-dry-run --base origin/main   # and with what is
	scripts/workflow-dry-run --event schedule --merge ~/images

Exit codes: 0 all workflows passed, or none was started; 1 it could not be done;
2 wrong use; 3 a workflow failed.
*/
package main
