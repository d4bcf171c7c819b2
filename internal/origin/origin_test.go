package origin

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/repo"
)

func read(t *testing.T, text string) *kickstart.Kickstart {
	t.Helper()
	ks, err := (&kickstart.Loader{}).Read(context.Background(), "test.ks", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	ks.Resolve("43", "x86_64")
	return ks
}

func TestOf(t *testing.T) {
	const metalink = "https://mirrors.fedoraproject.org/metalink?repo=fedora-43&arch=x86_64"
	ks := read(t, "url --metalink="+metalink+"\nrepo --name=fedora --metalink="+metalink+"\nrepo --name=updates --baseurl=https://x/$releasever/$basearch/ --excludepkgs=a,b* --includepkgs=c --cost=5\n")
	want := []repo.Repository{
		{Name: "fedora", Metalink: metalink, Fallbacks: []string{repo.FedoraArchive}},
		{Name: "updates", BaseURLs: []string{"https://x/43/x86_64/"}, Excludes: []string{"a", "b*"}, Includes: []string{"c"}, Cost: 5},
	}
	got, err := Of(ks, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	want[0] = repo.Repository{Name: "fedora", BaseURLs: []string{"/mnt"}, Fallbacks: []string{repo.FedoraArchive}}
	if got, err = Of(ks, map[string]string{"fedora": "/mnt"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Only what is on a server of Fedora's is Fedora's.
func TestFedora(t *testing.T) {
	for address, want := range map[string]bool{
		"https://dl.fedoraproject.org/pub/fedora/linux/releases/43/Everything/x86_64/os/": true, "https://FedoraProject.org/x": true,
		"https://mirrors.fedoraproject.org:443/mirrorlist?repo=updates-released-f43": true,
		"https://fedoraproject.org.example/x":                                        false, "https://notfedoraproject.org/": false, "https://mirror.example/dl.fedoraproject.org/": false,
		"/srv/fedoraproject.org": false, "": false, "https://%zz.fedoraproject.org/": false,
	} {
		if got := fedora(address); got != want {
			t.Errorf("%q is Fedora's: %v", address, got)
		}
	}
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"lang C\n":             `test.ks: no repository is named: add a url or repo command`,
		"repo --name=fedora\n": `repository "fedora" has no URL (give it --baseurl, --metalink or --mirrorlist in the kickstart, or say --repo fedora=URL)`,
		"url --url=https://x/\nrepo --name=a --baseurl=https://y/\n": `--repo b: the kickstart has no such repository (it has url, a)`,
	} {
		replace := map[string]string{}
		if strings.HasPrefix(want, "--repo") {
			replace["b"] = "/x"
		}
		_, err := Of(read(t, text), replace)
		if err == nil {
			t.Errorf("%q was taken", text)
			continue
		}
		got := err.Error()
		if h := hint.Of(err); len(h) > 0 {
			got += " (" + strings.Join(h, "; ") + ")"
		}
		if got != want {
			t.Errorf("%q gives %s, want %s", text, got, want)
		}
	}
}
