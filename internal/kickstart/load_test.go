package kickstart

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/manifest"
)

// folder makes a folder with files, given by path, and makes it the working folder.
func folder(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func load(path string) (*Kickstart, error) { return new(Loader).Load(context.Background(), path) }

func TestFlatten(t *testing.T) {
	folder(t, map[string]string{
		"top.ks":       "# top\n%include parts/a.ks\n#version=F41\ntext\n%post\n#version=F41\n%include parts/script\necho $releasever\n%end",
		"parts/a.ks":   "repo --name=a --baseurl=http://x/$releasever/${basearch}/$releasever_major/ \\\n  --cost=1 # $basearch\n%ksappend b.ks\n",
		"parts/b.ks":   "#version=F42\nreboot",
		"parts/script": "echo one\r\necho two\n",
	})
	k, err := load("top.ks")
	if err != nil {
		t.Fatal(err)
	}
	k.Resolve("43", "aarch64")
	text, origins := k.Flatten()
	want := `#version=F41
# top
repo --name=a --baseurl=http://x/43/aarch64/$releasever_major/ \
  --cost=1 # aarch64
reboot
text
%post
#version=F41
` + "echo one\r\n" + `echo two
echo $releasever
%end
`
	if diff := cmp.Diff(want, text); diff != "" {
		t.Error(diff)
	}
	wantOrigins := []manifest.Origin{
		{Line: 2, File: "top.ks", FileLine: 1}, {Line: 3, File: "parts/a.ks", FileLine: 1}, {Line: 5, File: "parts/b.ks", FileLine: 2},
		{Line: 6, File: "top.ks", FileLine: 4}, {Line: 9, File: "parts/script", FileLine: 1}, {Line: 11, File: "top.ks", FileLine: 8},
	}
	if diff := cmp.Diff(wantOrigins, origins); diff != "" {
		t.Error(diff)
	}
	if got := k.Last("repo").Value("--baseurl"); got != "http://x/43/aarch64/$releasever_major/" {
		t.Errorf("the model has %q", got)
	}
	var sources []string
	for _, s := range k.Sources {
		sources = append(sources, s.Path)
	}
	if diff := cmp.Diff([]string{"top.ks", "parts/a.ks", "parts/b.ks", "parts/script"}, sources); diff != "" {
		t.Error(diff)
	}
}

// What a manifest holds is read to the same again, with the places of the files.
func TestRestore(t *testing.T) {
	folder(t, map[string]string{
		"top.ks": "text\n%include a.ks\n%include /tmp/respin-test-not-there\nreboot\n",
		"a.ks":   "lang en_US\n%post\necho hi\n%end\n",
	})
	k, err := load("top.ks")
	if err != nil {
		t.Fatal(err)
	}
	restored, err := Restore(k.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(k.Manifest(), restored.Manifest()); diff != "" {
		t.Error(diff)
	}
	if got := restored.Scripts[0].Place.String(); got != "a.ks:2:1" {
		t.Errorf("the script is in %s", got)
	}
	if len(restored.Unresolved) != 1 || restored.Unresolved[0].File != "/tmp/respin-test-not-there" {
		t.Errorf("unresolved: %v", restored.Unresolved)
	}
}

func TestIncludes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string // the error, or the warning behind "warning: "
	}{
		{"relative to the file", map[string]string{"top.ks": "%include a/b.ks\n", "a/b.ks": "%include c.ks\n", "a/c.ks": "text\n", "c.ks": "wrong\n"}, ""},
		{"relative to the working folder", map[string]string{"top.ks": "%include a/b.ks\n", "a/b.ks": "%include c.ks\n", "c.ks": "text\n"}, ""},
		{"quoted name", map[string]string{"top.ks": "  %include 'a b.ks' # why\n", "a b.ks": "text\n"}, ""},
		{"twice", map[string]string{"top.ks": "%include a.ks\n%include a.ks\n", "a.ks": "text\n"}, ""},
		{"section across files", map[string]string{"top.ks": "%include a.ks\necho\n%end\n", "a.ks": "%post\n"}, ""},
		{"mentioned in a comment", map[string]string{"top.ks": "# %include none.ks\n%post\necho %include none\n%end\n"}, ""},
		{"itself", map[string]string{"top.ks": "%include ./top.ks\n"}, "top.ks:1:1: include cycle: top.ks includes itself"},
		{"cycle", map[string]string{"top.ks": "text\n%include a.ks\n", "a.ks": "%include b/b.ks\n", "b/b.ks": "\n%include ../top.ks\n"},
			"b/b.ks:2:1: include cycle: top.ks includes itself through a.ks and b/b.ks (included from a.ks:1 from top.ks:2)"},
		{"no name", map[string]string{"top.ks": "%include\n"}, "top.ks:1:1: %include needs the name of a file"},
		{"missing", map[string]string{"top.ks": "%include cluod.ks\n", "cloud.ks": ""}, `top.ks:1:1: %include "cluod.ks": no such file: did you mean cloud.ks?`},
		{"folder", map[string]string{"top.ks": "%include a\n", "a/b": ""}, `top.ks:1:1: %include "a": reading a: read a: is a directory`},
		{"install time", map[string]string{"top.ks": "%include /tmp/respin-test/none\n"},
			"warning: top.ks:1:1: %include /tmp/respin-test/none stays as it is: the file will only exist when the image is installed"},
		{"made by %pre", map[string]string{"top.ks": "%include /root/respin-none\n%pre\ndate > /root/respin-none\n%end\n"},
			"warning: top.ks:1:1: %include /root/respin-none stays as it is: the file will only exist when the image is installed"},
		{"absolute and missing", map[string]string{"top.ks": "%include /nowhere/none.ks\n"}, `top.ks:1:1: %include "/nowhere/none.ks": no such file`},
		{"error inside", map[string]string{"top.ks": "%include a.ks\n", "a.ks": "\nfoobar\n"}, "a.ks:2:1: unknown command foobar (included from top.ks:1)"},
		{"scheme", map[string]string{"top.ks": "%include nfs://host/a\n"}, `top.ks:1:1: %include "nfs://host/a": cannot fetch nfs URLs, only http, https and file`},
		{"not text", map[string]string{"top.ks": "text\n%include a\n", "a": "a\n\xff\n"}, "a:2: is not UTF-8 text (included from top.ks:2)"},
		{"template", map[string]string{"top.ks": "%include a.ks.tmpl\n", "a.ks.tmpl": "text\n"},
			`top.ks:1:1: %include "a.ks.tmpl": a.ks.tmpl is a template: it can only be rendered with a spec's variables`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder(t, tt.files)
			k, err := load("top.ks")
			got := ""
			switch {
			case err != nil:
				got = err.Error()
			case len(k.Warnings) > 0:
				got = "warning: " + k.Warnings[0].Error()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A file that a %pre script will write is not taken from here, where an older
// installation may have left one.
func TestLeftOver(t *testing.T) {
	leftOver := filepath.Join(t.TempDir(), "part-include")
	if !installTime(leftOver) {
		t.Skipf("SKIP: temporary files are in %s, which no installer uses", filepath.Dir(leftOver))
	}
	if err := os.WriteFile(leftOver, []byte("foobar\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	k, err := parseText("F43", "%include "+leftOver+"\n%pre\ndate > "+leftOver+"\n%end\n")
	if err != nil || len(k.Unresolved) != 1 {
		t.Errorf("%v, unresolved %v", err, k.Unresolved)
	}
}

func TestFirstFile(t *testing.T) {
	folder(t, map[string]string{"nul": "a\x00", "bom.ks": "\ufefftext\n", "empty.ks": ""})
	for name, want := range map[string]string{
		"nul": "nul:1: holds a NUL byte: is it a kickstart?", "bom.ks": "", "empty.ks": "", "none.ks": "open none.ks: no such file or directory",
	} {
		if _, err := load(name); fmt.Sprint(err) != want && !(err == nil && want == "") {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// A hostile file can fill neither the memory nor the stack.
func TestBounds(t *testing.T) {
	bomb := map[string]string{"top.ks": "%include 0.ks\n"}
	for i := range 20 {
		bomb[fmt.Sprintf("%d.ks", i)] = strings.Repeat(fmt.Sprintf("%%include %d.ks\n", i+1), 10)
	}
	bomb["20.ks"] = strings.Repeat("#\n", 100)
	deep := map[string]string{"top.ks": "%include 0.ks\n"}
	for i := range 50 {
		deep[fmt.Sprintf("%d.ks", i)] = fmt.Sprintf("%%include %d.ks\n", i+1)
	}
	wide := map[string]string{"top.ks": strings.Repeat("%include a.ks\n", 10), "a.ks": strings.Repeat("#"+strings.Repeat("x", 99)+"\n", 10000)}
	for name, tt := range map[string]struct {
		files map[string]string
		want  string
	}{
		"files":  {bomb, "more than 1000 files are included"},
		"depth":  {deep, "files include each other more than 32 deep"},
		"text":   {wide, "the kickstart comes to more than 4 MiB with what it includes"},
		"file":   {map[string]string{"top.ks": strings.Repeat("text\n", 1<<20)}, "top.ks is longer than 4 MiB"},
		"tags":   {map[string]string{"top.ks": strings.Repeat("%x\n", 1<<20)}, "there are more errors than these"},
		"none":   {map[string]string{"top.ks": strings.Repeat("%include /tmp/none\n", 200000)}, "more than 1000 files are included"},
		"errors": {map[string]string{"top.ks": strings.Repeat("foobar\n", 5000)}, "there are more errors than these"},
		"line":   {map[string]string{"top.ks": "text " + strings.Repeat("\\\n", 100000)}, "nothing follows the backslash"},
	} {
		t.Run(name, func(t *testing.T) {
			folder(t, tt.files)
			_, err := load("top.ks")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%.200v, want %q", err, tt.want)
			}
		})
	}
}

func TestURLs(t *testing.T) {
	texts := map[string]string{
		"/a/top.ks": "%include parts/b.ks\n", "/a/parts/b.ks": "%include /c.ks\n", "/c.ks": "text\n",
		"/dir/a.ks": "%include b.ks\n", "/dir/b.ks": "reboot\n",
		"/local.ks": "%include file:///etc/hostname\n", "/temporary.ks": "%include /tmp/respin-none\n",
	}
	authorized := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); r.URL.Path == "/dir/b.ks" {
			authorized = password == "hunter2"
		}
		text, ok := texts[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, text)
	}))
	defer server.Close()
	folder(t, map[string]string{"file.ks": "text\n"})
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ text, want string }{
		{"%include " + server.URL + "/a/top.ks", `%include "/c.ks": a file from the network cannot include one of this machine`},
		{"%include " + server.URL + "/c.ks", ""},
		{"%ksappend " + server.URL + "/c.ks", ""},
		{"%include file://" + wd + "/file.ks", ""},
		{"%include " + server.URL + "/none.ks", "the server says 404 Not Found"},
		{"%include " + server.URL + "/local.ks", "a file from the network cannot include one of this machine"},
		{"%include " + server.URL + "/temporary.ks", ""},
	} {
		k, err := parseText("F43", tt.text)
		if fmt.Sprint(err) != tt.want && !(err == nil && tt.want == "") && !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("%s: %v, want %q", tt.text, err, tt.want)
		}
		if tt.want == "" && len(k.Unresolved) == 0 && k.Last("text") == nil {
			t.Errorf("%s: the included command is missing", tt.text)
		}
	}
	secret := strings.Replace(server.URL, "://", "://user:hunter2@", 1)
	k, err := parseText("F43", "%include "+secret+"/dir/a.ks\n%include "+secret+"/none.ks\n")
	if text := fmt.Sprint(err, k.Sources); strings.Contains(text, "hunter2") || !strings.Contains(text, "user:xxxxx@") || !authorized {
		t.Errorf("a URL with a password: %s, authorized %v", text, authorized)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := new(Loader).Load(ctx, server.URL+"/c.ks"); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled run: %v", err)
	}
}
