package install

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/repo"
	"github.com/respin-project/respin/internal/sandbox"
)

// What dnf 5 and dnf 4 print when they fail, and what is made of it.
func TestExplain(t *testing.T) {
	for name, test := range map[string]struct {
		output, want string
		hinted       bool
	}{
		"dnf5, unsatisfiable": {`Updating and loading repositories:
 url                                    100% |  11.3 MiB/s |  69.3 KiB |  00m00s
Repositories loaded.
Failed to resolve the transaction:
Problem: conflicting requests
  - nothing provides nothing-has-this needed by needy-1.0-1.noarch from more
You can try to add to command line:
  --skip-broken to skip uninstallable packages
`, "nothing provides nothing-has-this needed by needy-1.0-1.noarch from more", true},
		"dnf4, unsatisfiable": {`Last metadata expiration check: 0:00:01 ago on Sat Nov 21 2026.
Error: 
 Problem: conflicting requests
  - nothing provides nothing-has-this needed by needy-1.0-1.noarch from more
(try to add '--skip-broken' to skip uninstallable packages or '--nobest' to use not only best candidate packages)
`, "nothing provides nothing-has-this needed by needy-1.0-1.noarch from more", true},
		"dnf4, no such package": {"Last metadata expiration check\nNo match for argument: nosuch\nError: Unable to find a match: nosuch\n",
			"No match for argument: nosuch; Error: Unable to find a match: nosuch", false},
		"dnf5, transaction": {`Installing:
 stranger                 noarch 0:1.0-1                       more         0.0   B
Running transaction
Transaction failed: Rpm transaction check failed.
Warning: skipped OpenPGP checks for 61 packages from repositories: more, url
  - Cannot install package "stranger-0:1.0-1.noarch"
`, `Transaction failed: Rpm transaction check failed.; Cannot install package "stranger-0:1.0-1.noarch"`, false},
		"nothing known": {"it is raining\n", "it is raining", false},
	} {
		t.Run(name, func(t *testing.T) {
			o := &dnfOutput{log: io.Discard}
			o.Write([]byte(test.output))
			err := o.explain(&sandbox.ExitError{Program: "dnf5", Code: 1})
			if want := "installing packages: dnf5 failed with exit code 1: " + test.want; err.Error() != want {
				t.Errorf("error is %v\nwant %s", err, want)
			}
			if got := len(hint.Of(err)) == 1; got != test.hinted {
				t.Errorf("hints are %q", hint.Of(err))
			}
		})
	}
	o := &dnfOutput{log: io.Discard}
	if err := errors.New("no sandbox"); o.explain(err) != err {
		t.Error("an error that is not dnf's was changed")
	}
}

// Lines without end take no memory without end.
func TestLongLine(t *testing.T) {
	o := &dnfOutput{log: io.Discard}
	for range 100 {
		o.Write([]byte(strings.Repeat("x", 10000)))
	}
	if len(o.line) > longestLine+10000 {
		t.Errorf("%d bytes are kept", len(o.line))
	}
}

func TestLanguages(t *testing.T) {
	for _, test := range []struct {
		names []string
		want  string
	}{{nil, ""}, {[]string{}, "%_install_langs none\n"}, {[]string{"de", "en_US"}, "%_install_langs de:en_US\n"}} {
		if got := languages(test.names); got != test.want {
			t.Errorf("%q: %q, want %q", test.names, got, test.want)
		}
	}
}

// Of packages that several repositories have, the first repository's is taken;
// signatures are checked unless there are no keys at all.
func TestRepository(t *testing.T) {
	text, keys := repository(&repo.Snapshot{Repository: repo.Repository{Name: "a"}}, 1)
	if keys != "" || !strings.Contains(text, "gpgcheck=0\n") || !strings.Contains(text, "cost=1001\npriority=99\n") || !strings.Contains(text, "baseurl="+sandbox.ServeURL+"/a/\n") {
		t.Errorf("without keys: %s", text)
	}
}
